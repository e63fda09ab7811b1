// A function whose derivative rhobust knows, as one node of libtorch's graph.

#include "guarded.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <stdexcept>
#include <utility>

using rhobust::guarded;

namespace rhobust {

std::string& failure() {
    static thread_local std::string text;
    return text;
}

}  // namespace rhobust

// Writes the gradient of what went in to `out`, given that of what came out; false on failure.
using Backward = bool (*)(const void* state, const at::Tensor* gradient, at::Tensor* out);
using Release = void (*)(void* state);

namespace {

struct Known : torch::autograd::Node {
    Known(void* state, Backward backward, Release release)
        : state(state), backward(backward), release(release) {}

    ~Known() override { release_variables(); }

    void release_variables() override {
        if (void* old = std::exchange(state, nullptr)) release(old);
    }

    torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
        at::Tensor out;
        if (!gradients[0].defined()) return {out};
        if (!state) {
            throw std::runtime_error("the graph of this pass was released by an earlier backward pass");
        }
        if (at::GradMode::is_enabled()) {
            throw std::runtime_error("a frozen network has no second derivatives");
        }
        if (!backward(state, &gradients[0], &out)) throw std::runtime_error(rhobust::failure());
        return {out};
    }

    void* state;
    Backward backward;
    Release release;
};

}  // namespace

extern "C" const char* rhobust_failure() { return rhobust::failure().c_str(); }

extern "C" void rhobust_set_failure(const char* text) { rhobust::failure() = text; }

extern "C" void rhobust_assign(at::Tensor* out, const at::Tensor* value) { *out = *value; }

// Whether what is computed from `x` is recorded.
extern "C" bool rhobust_is_recorded(const at::Tensor* x) {
    return at::GradMode::is_enabled() && x->requires_grad();
}

// `y` as a function of `x`; `state` is released with the graph, here and now on failure.
extern "C" at::Tensor* rhobust_record(const at::Tensor* x, const at::Tensor* y, void* state,
                                      Backward backward, Release release) {
    return guarded([&] {
        auto node = std::shared_ptr<Known>(new Known(state, backward, release),
                                           torch::autograd::deleteNode);
        node->set_next_edges(torch::autograd::collect_next_edges(*x));
        at::Tensor recorded = y->detach();
        torch::autograd::set_history(recorded, node);
        return recorded;
    });
}

// The gradient of `x`, which `y` was computed from, given that of `y`. The graph stays.
extern "C" at::Tensor* rhobust_pull_back(const at::Tensor* y, const at::Tensor* x,
                                         const at::Tensor* gradient) {
    return guarded([&] {
        return torch::autograd::grad({*y}, {*x}, {*gradient}, /*retain_graph=*/true)[0];
    });
}
