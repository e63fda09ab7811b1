// What libtorch has and tch does not pass on. No exception leaves a function of this file.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ScalarOps.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

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

extern "C" void rhobust_set_cuda_modes(bool tf32, bool benchmark, bool deterministic) {
    auto& context = at::globalContext();
    context.setAllowTF32CuBLAS(tf32);
    context.setAllowTF32CuDNN(tf32);
    context.setBenchmarkCuDNN(benchmark);
    context.setDeterministicCuDNN(deterministic);
    context.setDeterministicAlgorithms(deterministic, false);
    // It would write over new tensors before they are used.
    context.setDeterministicFillUninitializedMemory(false);
}

// Counts a change of the entries of `x` that libtorch does not count.
extern "C" void rhobust_bump_version(const at::Tensor* x) {
    x->unsafeGetTensorImpl()->bump_version();
}

// Where the entries of `x` lie.
extern "C" const void* rhobust_address(const at::Tensor* x) {
    return x->has_storage() ? x->const_data_ptr() : nullptr;
}

// Whether no other tensor, view or graph sees the entries of `x`.
extern "C" bool rhobust_is_own(const at::Tensor* x) {
    return x->has_storage() && x->storage().use_count() == 1 && x->use_count() == 1;
}

// What was accumulated for `x` becomes `gradient`, or nothing where that is null.
extern "C" void rhobust_set_grad(const at::Tensor* x, const at::Tensor* gradient) {
    try {
        x->mutable_grad() = gradient ? *gradient : at::Tensor();
    } catch (...) {
        // Only a leaf has one.
    }
}

// `value` as the number that arithmetic with `x` would convert it to, which the caller frees;
// null unless `x` is float32 on the CPU. Given a plain number, libtorch makes a float64 tensor
// of it and converts that in an operation of its own, for the third of the time of `x * 0.999`.
extern "C" at::Tensor* rhobust_number_beside(const at::Tensor* x, float value) {
    try {
        if (!x->is_cpu() || x->scalar_type() != at::kFloat) return nullptr;
        at::Tensor number = at::detail::scalar_tensor_static(value, at::kFloat, at::kCPU);
        number.unsafeGetTensorImpl()->set_wrapped_number(true);
        return new at::Tensor(std::move(number));
    } catch (...) {
        return nullptr;
    }
}

namespace {

// No entry takes long: shares smaller than this are not worth a thread.
constexpr int64_t kShare = 32768;

template <typename T>
void linf_step(T* out, const T* x_adv, const T* gradient, const T* x, int64_t n, T step, T eps,
               T low, T high) {
    // A comparison with NaN is false, so that NaN stays NaN as in at::clamp.
    const auto clamp = [](T value, T least, T most) {
        return value < least ? least : (value > most ? most : value);
    };
    at::parallel_for(0, n, kShare, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const T sign = T(gradient[i] > 0) - T(gradient[i] < 0);
            const T delta = clamp(x_adv[i] + sign * step - x[i], -eps, eps);
            out[i] = clamp(x[i] + delta, low, high);
        }
    });
}

}  // namespace

// One step of L-infinity PGD in one pass over memory: a step along the gradient's sign, back
// into the ball around `x`, back into [low, high]. A tensor that the caller frees; null where
// the tensors are not of one kind and layout on the CPU, or a gradient would be recorded.
extern "C" at::Tensor* rhobust_linf_step(const at::Tensor* x_adv, const at::Tensor* gradient,
                                         const at::Tensor* x, double step, double eps, double low,
                                         double high) {
    try {
        const auto type = x->scalar_type();
        const bool recorded =
            at::GradMode::is_enabled() &&
            (x_adv->requires_grad() || gradient->requires_grad() || x->requires_grad());
        if (recorded || (type != at::kFloat && type != at::kDouble)) return nullptr;
        for (const at::Tensor* tensor : {x_adv, gradient, x}) {
            if (!tensor->is_cpu() || tensor->scalar_type() != type ||
                tensor->layout() != at::kStrided || tensor->sizes() != x->sizes() ||
                tensor->strides() != x->strides() || !tensor->is_non_overlapping_and_dense()) {
                return nullptr;
            }
        }
        at::Tensor out = at::empty_like(*x);
        if (type == at::kFloat) {
            linf_step<float>(out.data_ptr<float>(), x_adv->const_data_ptr<float>(),
                             gradient->const_data_ptr<float>(), x->const_data_ptr<float>(),
                             x->numel(), step, eps, low, high);
        } else {
            linf_step<double>(out.data_ptr<double>(), x_adv->const_data_ptr<double>(),
                              gradient->const_data_ptr<double>(), x->const_data_ptr<double>(),
                              x->numel(), step, eps, low, high);
        }
        return new at::Tensor(std::move(out));
    } catch (...) {
        return nullptr;
    }
}
