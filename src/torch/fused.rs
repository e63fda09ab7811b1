//! Several operations in one pass over memory, where libtorch would make one for each.

use super::Tensor;
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
        let raw = |tensor: &Tensor| tensor.0.as_ptr() as *const c_void;
        // SAFETY: the pointers are to live tensors, and the result is ours to free, as tch does.
        unsafe {
            let out = rhobust_linf_step(raw(self), raw(gradient), raw(x), step, eps, low, high);
            (!out.is_null()).then(|| Tensor::wrap(tch::Tensor::from_ptr(out as *mut _)))
        }
    }
}
