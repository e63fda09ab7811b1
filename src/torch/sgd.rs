//! A step of stochastic gradient descent in one pass over memory.

use super::Tensor;
use super::node::{native_failure, raw};
use crate::Result;
use std::ffi::c_void;

unsafe extern "C" {
    fn rhobust_sgd_step(
        weights: *const *const c_void,
        gradients: *const *const c_void,
        velocities: *const *const c_void,
        count: usize,
        lr: f64,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
    ) -> bool;
}

#[derive(Clone, Copy, Debug)]
pub struct SgdRates {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
}

/// Moves `weights` in place, outside of autograd. `velocities` begin as zeros and are moved, too;
/// there are none without momentum.
pub fn sgd_step(
    weights: &[&Tensor],
    gradients: &[Tensor],
    velocities: &[Tensor],
    rates: SgdRates,
) -> Result<()> {
    let SgdRates {
        lr,
        momentum,
        weight_decay,
        nesterov,
    } = rates;
    assert_eq!(weights.len(), gradients.len());
    let with_momentum = if momentum != 0.0 { weights.len() } else { 0 };
    assert_eq!(velocities.len(), with_momentum);
    let w: Vec<_> = weights.iter().copied().map(raw).collect();
    let [g, v] = [gradients, velocities].map(|it| it.iter().map(raw).collect::<Vec<_>>());
    let v = if v.is_empty() {
        std::ptr::null()
    } else {
        v.as_ptr()
    };
    // SAFETY: the arrays hold as many pointers to live tensors as is said, or one is null.
    let done = unsafe {
        rhobust_sgd_step(
            w.as_ptr(),
            g.as_ptr(),
            v,
            w.len(),
            lr,
            momentum,
            weight_decay,
            nesterov,
        )
    };
    match done {
        true => Ok(()),
        false => Err(native_failure("sgd", &[])),
    }
}
