// Memory for tensors on the CPU, counted and bounded: what is over the bound is an exception
// before the system is asked for it, which would rather end the program later on.

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>

#include <malloc.h>

#include <atomic>
#include <cstdint>

namespace {

std::atomic<size_t> held{0};
std::atomic<size_t> most{SIZE_MAX};

void release(void* memory) {
    if (memory == nullptr) return;
    held.fetch_sub(malloc_usable_size(memory), std::memory_order_relaxed);
    c10::free_cpu(memory);
}

struct Bounded final : c10::Allocator {
    c10::DataPtr allocate(size_t bytes) override {
        const size_t bound = most.load(std::memory_order_relaxed);
        const size_t before = held.load(std::memory_order_relaxed);
        // Read by `lack_of_memory`, as what libtorch's own allocator says.
        TORCH_CHECK(bytes <= bound && before <= bound - bytes,
                    "DefaultCPUAllocator: not within the bound: you tried to allocate ", bytes,
                    " bytes.");
        void* memory = c10::alloc_cpu(bytes);
        if (memory != nullptr) {
            held.fetch_add(malloc_usable_size(memory), std::memory_order_relaxed);
        }
        return {memory, memory, &release, c10::Device(c10::DeviceType::CPU)};
    }

    c10::DeleterFnPtr raw_deleter() const override { return &release; }

    void copy_data(void* to, const void* from, size_t bytes) const override {
        default_copy_data(to, from, bytes);
    }
};

}  // namespace

// From now on tensors may hold so many bytes in all.
extern "C" void rhobust_bound_memory(uint64_t bytes) {
    static Bounded allocator;
    most.store(bytes, std::memory_order_relaxed);
    // Above libtorch's own, which has priority 0.
    c10::SetCPUAllocator(&allocator, 1);
}
