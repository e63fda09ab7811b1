// CUDA graphs. The program is linked with libtorch's library for the CPU alone; what is needed of the
// one for CUDA, which is opened at run time, is found by name.

#include "guarded.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>

namespace {

// `at::cuda::CUDAGraph` of libtorch 2.11, whose members only its library knows.
struct Functions {
    using Construct = void (*)(void* graph, bool keep);
    using Begin = void (*)(void* graph, std::pair<unsigned long long, unsigned long long> pool,
                           int mode);
    using Plain = void (*)(void* graph);

    Construct construct;
    Begin begin;
    Plain end, replay, destroy;

    static const Functions& found() {
        static const Functions functions = [] {
            Functions found;
            lookup(found.construct, "_ZN2at4cuda9CUDAGraphC1Eb");
            lookup(found.begin,
                   "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode");
            lookup(found.end, "_ZN2at4cuda9CUDAGraph11capture_endEv");
            lookup(found.replay, "_ZN2at4cuda9CUDAGraph6replayEv");
            lookup(found.destroy, "_ZN2at4cuda9CUDAGraphD1Ev");
            return found;
        }();
        return functions;
    }

    template <typename F>
    static void lookup(F& function, const char* name) {
        void* symbol = dlsym(RTLD_DEFAULT, name);
        if (!symbol) throw std::runtime_error(std::string("libtorch has no ") + name);
        function = reinterpret_cast<F>(symbol);
    }
};

// Another stream is the current one of the GPU of `x` while this lives.
class OtherStream {
  public:
    explicit OtherStream(const at::Tensor& x)
        : guard_(x.device().type()),
          other_(guard_.getStreamFromGlobalPool(x.device(), false)),
          before_(guard_.exchangeStream(other_)) {
        guard_.synchronizeStream(before_);
    }

    ~OtherStream() {
        guard_.synchronizeStream(other_);
        guard_.exchangeStream(before_);
    }

  private:
    c10::impl::VirtualGuardImpl guard_;
    c10::Stream other_;
    c10::Stream before_;
};

struct Graph {
    Graph() { Functions::found().construct(memory, false); }
    ~Graph() { Functions::found().destroy(memory); }

    // Several times what the class has today.
    alignas(std::max_align_t) std::byte memory[4096];
};

}  // namespace

// Runs `work` on a stream of its own and keeps what it has the GPU do; null on failure. `x` says
// which GPU. `work` returns false where it failed.
extern "C" void* rhobust_capture(const at::Tensor* x, bool (*work)(void*), void* state) {
    try {
        const auto& functions = Functions::found();
        OtherStream stream(*x);
        auto graph = std::make_unique<Graph>();
        // Backward passes run on threads of libtorch's own.
        constexpr int kRelaxed = 2;
        functions.begin(graph->memory, {0, 0}, kRelaxed);
        const bool done = work(state);
        functions.end(graph->memory);
        if (!done) throw std::runtime_error("the work failed while it was captured");
        return graph.release();
    } catch (const std::exception& error) {
        rhobust::failure() = error.what();
    } catch (...) {
        rhobust::failure() = "an unknown exception";
    }
    return nullptr;
}

// Runs `work` on another stream than the current one, as is to be done before it is captured.
extern "C" bool rhobust_on_other_stream(const at::Tensor* x, bool (*work)(void*), void* state) {
    try {
        OtherStream stream(*x);
        return work(state);
    } catch (...) {
        return false;
    }
}

extern "C" bool rhobust_replay(void* graph) {
    try {
        Functions::found().replay(static_cast<Graph*>(graph)->memory);
        return true;
    } catch (const std::exception& error) {
        rhobust::failure() = error.what();
        return false;
    }
}

extern "C" void rhobust_forget_graph(void* graph) { delete static_cast<Graph*>(graph); }
