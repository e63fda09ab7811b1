//! Where libtorch would do more than it must: several passes over memory for one formula, a
//! conversion for each number.

use super::node::raw;
use super::{Scalar, Tensor};
use std::ffi::c_void;

unsafe extern "C" {
    fn rhobust_linf_step(
        x_adv: *const c_void,
        gradient: *const c_void,
        x: *const c_void,
        step: f64,
        eps: f64,
        low: f64,
        high: f64,
    ) -> *mut c_void;

    fn rhobust_number_beside(x: *const c_void, value: f32) -> *mut c_void;
}

impl Tensor {
    /// `clamp(x + clamp(self + step * sign(gradient) - x, -eps, eps), low, high)`, bit for bit;
    /// `None` unless all three are alike in dtype and layout, on the CPU, and nothing is recorded.
    pub fn linf_step(
        &self,
        gradient: &Tensor,
        x: &Tensor,
        step: f64,
        eps: f64,
        (low, high): (f64, f64),
    ) -> Option<Tensor> {
        // SAFETY: the pointers are to live tensors, and the result is ours to free, as tch does.
        unsafe {
            let out = rhobust_linf_step(raw(self), raw(gradient), raw(x), step, eps, low, high);
            (!out.is_null()).then(|| Tensor::wrap(tch::Tensor::from_ptr(out as *mut _)))
        }
    }

    /// `number` in the dtype that arithmetic with this tensor converts it to, taking part in
    /// type promotion as a number; `None` unless this is a float32 tensor on the CPU.
    pub(super) fn number_beside(&self, number: Scalar) -> Option<tch::Tensor> {
        let value = match number {
            Scalar::Int(value) => value as f32,
            Scalar::Float(value) => value as f32,
        };
        // SAFETY: the pointer is to a live tensor, and the result is ours to free, as tch does.
        unsafe {
            let out = rhobust_number_beside(raw(self), value);
            (!out.is_null()).then(|| tch::Tensor::from_ptr(out as *mut _))
        }
    }
}
