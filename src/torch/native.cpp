// What libtorch has and tch does not pass on. No exception leaves a function of this file.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>

#include <atomic>
#include <stdexcept>
#include <string>

namespace at {
std::string get_cpu_capability();
}

extern "C" const char* rhobust_cpu_capability() {
    static const std::string capability = at::get_cpu_capability();
    return capability.c_str();
}

// Lets a backward pass through `tensor` fail once `stop` is set. `message` marks the failure.
extern "C" bool rhobust_stop_backward(const at::Tensor* tensor, const std::atomic<bool>* stop,
                                      const char* message) {
    try {
        tensor->register_hook([stop, message](const at::Tensor&) {
            if (stop->load(std::memory_order_relaxed)) throw std::runtime_error(message);
        });
        return true;
    } catch (...) {
        return false;
    }
}

// The state of the CPU's generator, a tensor of bytes that the caller frees; null on failure.
extern "C" at::Tensor* rhobust_generator_state() {
    try {
        auto generator = at::detail::getDefaultCPUGenerator();
        std::lock_guard<std::mutex> lock(generator.mutex());
        return new at::Tensor(generator.get_state());
    } catch (...) {
        return nullptr;
    }
}

extern "C" bool rhobust_set_generator_state(const at::Tensor* state) {
    try {
        auto generator = at::detail::getDefaultCPUGenerator();
        std::lock_guard<std::mutex> lock(generator.mutex());
        generator.set_state(*state);
        return true;
    } catch (...) {
        return false;
    }
}
