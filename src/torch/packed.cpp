// Convolutions and matrix products that tch does not pass on. oneDNN's take weights that were laid
// out for them beforehand, and a sum or a ReLU into the same pass over memory; libtorch has them for
// its compiler, and they are found by name.

#include "guarded.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>

#include <cstdint>
#include <vector>

using rhobust::guarded;

namespace {

c10::OperatorHandle find(const char* name, const char* overload = "") {
    return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
}

at::Tensor call(const c10::OperatorHandle& operation, torch::jit::Stack stack) {
    // Nothing is recorded here.
    at::AutoDispatchBelowADInplaceOrView guard;
    operation.callBoxed(stack);
    return std::move(stack.back()).toTensor();
}

std::vector<int64_t> both(int64_t value) { return {value, value}; }

c10::IValue given(const at::Tensor* tensor) {
    return tensor ? c10::IValue(*tensor) : c10::IValue();
}

c10::IValue no_scalars() { return c10::List<std::optional<at::Scalar>>(); }

}  // namespace

// `weight` `[outputs, inputs, k, k]` for images of the shape `input`, four numbers.
extern "C" at::Tensor* rhobust_pack(const at::Tensor* weight, int64_t stride, int64_t padding,
                                    const int64_t* input) {
    return guarded([&] {
        static const auto pack = find("mkldnn::_reorder_convolution_weight");
        return call(pack, {*weight, both(padding), both(stride), both(1), int64_t(1),
                           std::vector<int64_t>(input, input + 4)});
    });
}

// The same for the way back through a convolution with a stride.
extern "C" at::Tensor* rhobust_pack_transposed(const at::Tensor* weight, int64_t stride,
                                               int64_t padding, int64_t output_padding,
                                               const int64_t* input) {
    return guarded([&] {
        static const auto pack = find("mkldnn::_reorder_convolution_transpose_weight");
        return call(pack, {*weight, both(padding), both(output_padding), both(stride), both(1),
                           int64_t(1), std::vector<int64_t>(input, input + 4)});
    });
}

extern "C" at::Tensor* rhobust_packed_convolution(const at::Tensor* x, const at::Tensor* weight,
                                                  const at::Tensor* bias, int64_t stride,
                                                  int64_t padding, bool relu) {
    return guarded([&] {
        static const auto convolve = find("mkldnn::_convolution_pointwise");
        return call(convolve, {*x, *weight, given(bias), both(padding), both(stride), both(1),
                               int64_t(1), relu ? "relu" : "none", no_scalars(), ""});
    });
}

// Adds the convolution to `sum`, whose entries it writes over.
extern "C" at::Tensor* rhobust_packed_convolution_onto(const at::Tensor* sum, const at::Tensor* x,
                                                       const at::Tensor* weight,
                                                       const at::Tensor* bias, int64_t stride,
                                                       int64_t padding, bool relu) {
    return guarded([&] {
        static const auto convolve = find("mkldnn::_convolution_pointwise_", "binary");
        return call(convolve, {*sum, *x, *weight, given(bias), both(padding), both(stride), both(1),
                               int64_t(1), "add", at::Scalar(1.0),
                               relu ? c10::IValue("relu") : c10::IValue(), no_scalars(),
                               c10::IValue()});
    });
}

extern "C" at::Tensor* rhobust_packed_transposed(const at::Tensor* gradient,
                                                 const at::Tensor* weight, int64_t stride,
                                                 int64_t padding, int64_t output_padding) {
    return guarded([&] {
        static const auto convolve = find("mkldnn::_convolution_transpose_pointwise");
        return call(convolve, {*gradient, *weight, c10::IValue(), both(padding),
                               both(output_padding), both(stride), both(1), int64_t(1), "none",
                               no_scalars(), ""});
    });
}

// `weight` `[outputs, inputs]` for so many rows.
extern "C" at::Tensor* rhobust_pack_linear(const at::Tensor* weight, int64_t rows) {
    return guarded([&] {
        static const auto pack = find("mkldnn::_reorder_linear_weight");
        return call(pack, {*weight, rows});
    });
}

// Adds `sum` if given, else takes the ReLU if `relu`.
extern "C" at::Tensor* rhobust_packed_linear(const at::Tensor* x, const at::Tensor* sum,
                                             const at::Tensor* weight, const at::Tensor* bias,
                                             bool relu) {
    return guarded([&] {
        if (sum) {
            static const auto multiply = find("mkldnn::_linear_pointwise", "binary");
            return call(multiply, {*x, *sum, *weight, given(bias), "add"});
        }
        static const auto multiply = find("mkldnn::_linear_pointwise");
        return call(multiply,
                    {*x, *weight, given(bias), relu ? "relu" : "none", no_scalars(), ""});
    });
}

// The gradient of the images `[n, c, h, w]` of which `input` has the shape, from that of what the
// convolution gave.
extern "C" at::Tensor* rhobust_convolution_input_gradient(const at::Tensor* gradient,
                                                          const at::Tensor* weight,
                                                          const int64_t* input, int64_t stride,
                                                          int64_t padding, int64_t dilation,
                                                          int64_t groups) {
    return guarded([&] {
        const auto format = gradient->suggest_memory_format();
        // Only its shape and layout are looked at.
        const at::Tensor like =
            at::empty({input[0], input[1], input[2], input[3]}, gradient->options(), format);
        return std::get<0>(at::convolution_backward(
            *gradient, like, *weight, std::nullopt, {stride, stride}, {padding, padding},
            {dilation, dilation}, false, {0, 0}, groups, {true, false, false}));
    });
}
