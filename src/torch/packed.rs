//! Convolutions and matrix products for passes that record nothing: oneDNN's with weights that lie as
//! the processor likes them, in float32 or bfloat16; and the way back through any convolution.

use super::node::{given_or_failed, raw};
use super::{Conv2d, Tensor};
use crate::{Result, interrupt};
use std::ffi::c_void;
use std::ptr;

unsafe extern "C" {
    fn rhobust_pack(
        weight: *const c_void,
        stride: i64,
        padding: i64,
        input: *const i64,
    ) -> *mut c_void;
    fn rhobust_pack_transposed(
        weight: *const c_void,
        stride: i64,
        padding: i64,
        output_padding: i64,
        input: *const i64,
    ) -> *mut c_void;
    fn rhobust_packed_convolution(
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        stride: i64,
        padding: i64,
        relu: bool,
    ) -> *mut c_void;
    fn rhobust_packed_convolution_onto(
        sum: *const c_void,
        x: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        stride: i64,
        padding: i64,
        relu: bool,
    ) -> *mut c_void;
    fn rhobust_packed_transposed(
        gradient: *const c_void,
        weight: *const c_void,
        stride: i64,
        padding: i64,
        output_padding: i64,
    ) -> *mut c_void;
    fn rhobust_pack_linear(weight: *const c_void, rows: i64) -> *mut c_void;
    fn rhobust_packed_linear(
        x: *const c_void,
        sum: *const c_void,
        weight: *const c_void,
        bias: *const c_void,
        relu: bool,
    ) -> *mut c_void;
    fn rhobust_convolution_input_gradient(
        gradient: *const c_void,
        weight: *const c_void,
        input: *const i64,
        stride: i64,
        padding: i64,
        dilation: i64,
        groups: i64,
    ) -> *mut c_void;
}

/// A matrix product with its weights packed.
pub struct PackedLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A convolution without groups and dilation, with its weights packed.
pub struct Packed {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

/// The way back through a convolution with a stride.
pub struct PackedTransposed {
    weight: Tensor,
    stride: i64,
    padding: i64,
    output_padding: i64,
}

fn raw_or_null(tensor: Option<&Tensor>) -> *const c_void {
    tensor.map_or(ptr::null(), raw)
}

impl Packed {
    /// `weight` is `[outputs, inputs, k, k]`; other images than those of the shape `input` go
    /// through it, too, but slower.
    ///
    /// # Errors
    /// `Invalid` where libtorch has no oneDNN, or oneDNN no such convolution.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        (stride, padding): (i64, i64),
        input: [i64; 4],
    ) -> Result<Self> {
        // SAFETY: the pointers are to a live tensor and to four numbers.
        let packed = unsafe { rhobust_pack(raw(weight), stride, padding, input.as_ptr()) };
        Ok(Packed {
            // SAFETY: it is ours.
            weight: unsafe { given_or_failed(packed, "conv2d", &[weight])? },
            bias: bias.cloned(),
            stride,
            padding,
        })
    }

    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        interrupt::check()?;
        // SAFETY: the pointers are to live tensors.
        unsafe {
            let (weight, bias) = (raw(&self.weight), raw_or_null(self.bias.as_ref()));
            let out =
                rhobust_packed_convolution(raw(x), weight, bias, self.stride, self.padding, relu);
            given_or_failed(out, "conv2d", &[x])
        }
    }

    /// The sum of `sum` and the convolution, before the ReLU if there is one.
    pub fn forward_onto(&self, sum: Tensor, x: &Tensor, relu: bool) -> Result<Tensor> {
        interrupt::check()?;
        if !sum.is_own() {
            let out = self.forward(x, false)?.into_sum(&sum)?;
            return if relu { out.into_relu() } else { Ok(out) };
        }
        // SAFETY: the pointers are to live tensors; nobody else sees the entries of `sum`.
        unsafe {
            let (weight, bias) = (raw(&self.weight), raw_or_null(self.bias.as_ref()));
            let (stride, padding) = (self.stride, self.padding);
            let out = rhobust_packed_convolution_onto(
                raw(&sum),
                raw(x),
                weight,
                bias,
                stride,
                padding,
                relu,
            );
            given_or_failed(out, "conv2d", &[x])
        }
    }
}

impl PackedLinear {
    /// `weight` is `[outputs, inputs]`; another number of rows than `rows` is slower.
    ///
    /// # Errors
    /// `Invalid` where libtorch has no oneDNN.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, rows: i64) -> Result<Self> {
        // SAFETY: the pointer is to a live tensor.
        let packed = unsafe { rhobust_pack_linear(raw(weight), rows) };
        Ok(PackedLinear {
            // SAFETY: it is ours.
            weight: unsafe { given_or_failed(packed, "linear", &[weight])? },
            bias: bias.cloned(),
        })
    }

    /// For rows `[n, inputs]`, with a ReLU if `relu`.
    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        self.multiply(x, None, relu)
    }

    pub fn forward_onto(&self, sum: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.multiply(x, Some(sum), false)
    }

    fn multiply(&self, x: &Tensor, sum: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        interrupt::check()?;
        // SAFETY: the pointers are to live tensors.
        unsafe {
            let (weight, bias) = (raw(&self.weight), raw_or_null(self.bias.as_ref()));
            let out = rhobust_packed_linear(raw(x), raw_or_null(sum), weight, bias, relu);
            given_or_failed(out, "linear", &[x])
        }
    }
}

impl PackedTransposed {
    /// `weight` as of the convolution; `gradient` is the shape of what comes back.
    ///
    /// # Errors
    /// As for [`Packed::new`].
    pub fn new(
        weight: &Tensor,
        (stride, padding, output_padding): (i64, i64, i64),
        gradient: [i64; 4],
    ) -> Result<Self> {
        // SAFETY: the pointers are to a live tensor and to four numbers.
        let packed = unsafe {
            let gradient = gradient.as_ptr();
            rhobust_pack_transposed(raw(weight), stride, padding, output_padding, gradient)
        };
        Ok(PackedTransposed {
            // SAFETY: it is ours.
            weight: unsafe { given_or_failed(packed, "conv2d", &[weight])? },
            stride,
            padding,
            output_padding,
        })
    }

    pub fn forward(&self, gradient: &Tensor) -> Result<Tensor> {
        interrupt::check()?;
        // SAFETY: the pointers are to live tensors.
        unsafe {
            let out = rhobust_packed_transposed(
                raw(gradient),
                raw(&self.weight),
                self.stride,
                self.padding,
                self.output_padding,
            );
            given_or_failed(out, "conv2d", &[gradient])
        }
    }
}

impl Tensor {
    /// The gradient of the images `[c, h, w]` that a convolution with `weight` was given, from this
    /// gradient of what it gave.
    pub fn conv2d_input_gradient(
        &self,
        weight: &Tensor,
        [channels, height, width]: [i64; 3],
        geometry: Conv2d,
    ) -> Result<Tensor> {
        interrupt::check()?;
        let Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = geometry;
        let input = [self.dim(0)?, channels, height, width];
        // SAFETY: the pointers are to live tensors and to four numbers.
        unsafe {
            let out = rhobust_convolution_input_gradient(
                raw(self),
                raw(weight),
                input.as_ptr(),
                stride,
                padding,
                dilation,
                groups,
            );
            given_or_failed(out, "conv2d", &[self, weight])
        }
    }
}
