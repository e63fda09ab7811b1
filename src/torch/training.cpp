// What training has of libtorch that tch does not pass on. No exception leaves a function of this
// file.

#include "guarded.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/GradMode.h>

#include <exception>
#include <vector>

// Whether matrix products of this thread on a device take bfloat16; returns whether they did.
extern "C" bool rhobust_set_autocast(bool cuda, bool on) {
    const auto device = cuda ? at::kCUDA : at::kCPU;
    const bool before = at::autocast::is_autocast_enabled(device);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    // A kept copy of a weight would be old after the next step, and would add up the gradients
    // of several passes in bfloat16.
    at::autocast::set_autocast_cache_enabled(false);
    at::autocast::set_autocast_enabled(device, on);
    return before;
}

namespace {

// A parameter with its gradient and its velocity, which is undefined without momentum.
struct Moved {
    at::Tensor weight, gradient, velocity;
};

// libtorch's kernels go through memory entry by entry, whatever the strides; those for the CPU
// leave most half-precision entries as they were (github.com/pytorch/pytorch/issues/191763).
bool suits_kernel(const Moved& it) {
    const auto type = it.weight.scalar_type();
    const auto alike = [&](const at::Tensor& other) {
        return other.scalar_type() == type && other.strides() == it.weight.strides();
    };
    return it.weight.is_non_overlapping_and_dense() && alike(it.gradient) &&
           (!it.velocity.defined() || alike(it.velocity)) &&
           !(it.weight.is_cpu() && at::isReducedFloatingType(type));
}

// The same entries as the kernels take them.
Moved suited(const Moved& it) {
    const auto type = it.weight.scalar_type();
    const auto options = it.weight.options().dtype(
        it.weight.is_cpu() && at::isReducedFloatingType(type) ? at::kFloat : type);
    const bool dense = it.weight.is_non_overlapping_and_dense();
    const auto copy = [&](const at::Tensor& from) {
        const auto like = dense ? it.weight : from.contiguous();
        return at::empty_strided(like.sizes(), like.strides(), options).copy_(from);
    };
    return {copy(it.weight), copy(it.gradient),
            it.velocity.defined() ? copy(it.velocity) : at::Tensor()};
}

}  // namespace

// One step of SGD with momentum as PyTorch defines it, on `count` parameters at once; `velocities`
// is null without momentum. False on failure.
extern "C" bool rhobust_sgd_step(const at::Tensor* const* weights,
                                 const at::Tensor* const* gradients,
                                 const at::Tensor* const* velocities, size_t count, double lr,
                                 double momentum, double weight_decay, bool nesterov) {
    try {
        const at::NoGradGuard no_grad;
        std::vector<Moved> own, taken;
        for (size_t i = 0; i < count; ++i) {
            own.push_back({*weights[i], *gradients[i], velocities ? *velocities[i] : at::Tensor()});
            taken.push_back(suits_kernel(own[i]) ? own[i] : suited(own[i]));
        }
        std::vector<at::Tensor> w, g, v;
        const auto step = [&] {
            // A velocity begins as zeros, which the first step makes the first gradient.
            at::_fused_sgd_(w, g, v, weight_decay, momentum, lr, /*dampening=*/0.0, nesterov,
                            /*maximize=*/false, /*is_first_step=*/false);
            w.clear(), g.clear(), v.clear();
        };
        for (const Moved& it : taken) {
            // A call takes tensors of one kind.
            if (!w.empty() && (w[0].device() != it.weight.device() ||
                               w[0].scalar_type() != it.weight.scalar_type())) {
                step();
            }
            w.push_back(it.weight), g.push_back(it.gradient);
            if (velocities) v.push_back(it.velocity);
        }
        if (!w.empty()) step();
        for (size_t i = 0; i < count; ++i) {
            if (taken[i].weight.is_same(own[i].weight)) {
                // The kernels do not tell autograd that they wrote.
                own[i].weight.unsafeGetTensorImpl()->bump_version();
                continue;
            }
            own[i].weight.copy_(taken[i].weight);
            if (velocities) own[i].velocity.copy_(taken[i].velocity);
        }
        return true;
    } catch (const std::exception& error) {
        rhobust::failure() = error.what();
    } catch (...) {
        rhobust::failure() = "an unknown exception";
    }
    return false;
}
