//! Steps of attacks in native code: few passes over memory instead of dozens of operations.

use super::Tensor;
use super::node::raw;
use std::ffi::{c_int, c_void};

unsafe extern "C" {
    fn rhobust_apgd_step(
        here: *const c_void,
        before: *const c_void,
        gradient: *const c_void,
        x: *const c_void,
        step_size: *const c_void,
        eps: f64,
        fresh: f64,
    ) -> *mut c_void;

    fn rhobust_fab_step(
        here: *const c_void,
        x: *const c_void,
        gradient: *const c_void,
        lead: *const c_void,
        norm: c_int,
        alpha_max: f64,
        eta: f64,
    ) -> *mut c_void;
}

/// What native code gave: a tensor that is ours to free, as tch does, or null.
///
/// # Safety
/// `out` must be null or a pointer to a tensor that nobody else frees.
unsafe fn given(out: *mut c_void) -> Option<Tensor> {
    (!out.is_null()).then(|| unsafe { Tensor::wrap(tch::Tensor::from_ptr(out as *mut _)) })
}

impl Tensor {
    /// The L-infinity step of Auto-PGD within `eps` of `x` and [0, 1]: from this point, which
    /// came from `before`, along the sign of `gradient` by each row's `step_size`, of which the
    /// momentum leaves the share `fresh`. `None` where the tensors are not rows of one kind on the
    /// CPU, or something is recorded.
    pub fn apgd_step(
        &self,
        before: &Tensor,
        gradient: &Tensor,
        x: &Tensor,
        step_size: &Tensor,
        eps: f64,
        fresh: f64,
    ) -> Option<Tensor> {
        let [here, before, gradient, x, step_size] =
            [self, before, gradient, x, step_size].map(raw);
        // SAFETY: the pointers are to live tensors.
        unsafe {
            given(rhobust_apgd_step(
                here, before, gradient, x, step_size, eps, fresh,
            ))
        }
    }

    /// The step of the FAB attack from this point and from `x` onto the linearised boundary,
    /// where `lead` has the gradient `gradient`, in L-infinity or in L2. `None` as above.
    pub fn fab_step(
        &self,
        x: &Tensor,
        gradient: &Tensor,
        lead: &Tensor,
        l2: bool,
        alpha_max: f64,
        eta: f64,
    ) -> Option<Tensor> {
        let [here, x, gradient, lead] = [self, x, gradient, lead].map(raw);
        let norm = c_int::from(l2);
        // SAFETY: the pointers are to live tensors.
        unsafe {
            given(rhobust_fab_step(
                here, x, gradient, lead, norm, alpha_max, eta,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Result;
    use crate::torch::{Dtype, Like, generator, manual_seed, rand, randn};

    /// The native step has the bits of the separate operations, in both layouts.
    #[test]
    fn the_apgd_step_is_the_step() -> Result<()> {
        let _guard = generator();
        manual_seed(4);
        let (eps, fresh) = (0.1, 0.75);
        for dtype in [Dtype::Float32, Dtype::Float64] {
            let like = Like {
                dtype,
                ..Like::default()
            };
            let shape = [3, 2, 5, 5];
            let x = rand(&shape, like)?;
            let near = || {
                x.add(rand(&shape, like)?.sub(0.5)?.mul(0.2)?)?
                    .clamp(0.0, 1.0)
            };
            let (here, before, gradient) = (near()?, near()?, randn(&shape, like)?);
            let size = rand(&[3], like)?;
            let (low, high) = (x.sub(eps)?.clamp_min(0.0)?, x.add(eps)?.clamp_max(1.0)?);
            let step = size.broadcast_to_examples(&x)?.mul(gradient.sign()?)?;
            let stepped = here.add(step)?.clamp_between(&low, &high)?;
            let expected = here
                .add(stepped.sub(&here)?.mul(fresh)?)?
                .add(here.sub(&before)?.mul(1.0 - fresh)?)?
                .clamp_between(&low, &high)?;
            for x in [x.clone(), x.channels_last()?] {
                let native = here.apgd_step(&before, &gradient, &x, &size, eps, fresh);
                let native = native.expect("they are rows of one kind");
                assert_eq!(native.to_bytes()?, expected.to_bytes()?, "{dtype}");
            }
        }
        Ok(())
    }
}
