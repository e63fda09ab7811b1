//! Operations that write over the entries of a tensor which nobody else holds, and compute a new
//! one where somebody does. For passes that record nothing, and for ReLUs of what batch norm gives,
//! which no derivative needs.

use super::Tensor;
use super::error::with_numbers;
use super::node::raw;
use crate::Result;
use std::ffi::c_void;
use std::rc::Rc;
use tch::TchError;

unsafe extern "C" {
    fn rhobust_is_own(x: *const c_void) -> bool;
}

impl Tensor {
    /// Whether no other handle, view or graph shares these entries.
    pub(super) fn is_own(&self) -> bool {
        // SAFETY: the pointer is to a live tensor.
        Rc::strong_count(&self.0) == 1 && unsafe { rhobust_is_own(raw(self)) }
    }

    /// This tensor after `change`, if it is nobody else's.
    fn changed(
        self,
        operation: &str,
        change: impl FnOnce(&mut tch::Tensor) -> Result<(), TchError>,
    ) -> Result<Result<Tensor, Tensor>> {
        if !self.is_own() {
            return Ok(Err(self));
        }
        match Rc::try_unwrap(self.0) {
            Ok(mut own) => {
                let done = change(&mut own);
                let out = Tensor::wrap(own);
                done.map_err(|error| out.failure(operation, &[], &error))?;
                Ok(Ok(out))
            }
            Err(shared) => Ok(Err(Tensor(shared))),
        }
    }

    pub fn into_relu(self) -> Result<Tensor> {
        match self.changed("relu", |own| own.f_relu_().map(drop))? {
            Ok(changed) => Ok(changed),
            Err(shared) => shared.relu(),
        }
    }

    pub fn into_sum(self, other: &Tensor) -> Result<Tensor> {
        match self.changed("add", |own| own.f_add_(&other.0).map(drop))? {
            Ok(changed) => Ok(changed),
            Err(shared) => shared.add(other),
        }
    }

    /// Adds `other` to every `stride`-th row and column of images.
    pub fn into_sum_on_grid(self, other: &Tensor, stride: i64) -> Result<Tensor> {
        let own = match self.is_own() {
            true => self,
            false => self.copy()?,
        };
        let grid = own.every(2, stride)?.every(3, stride)?;
        let mut grid = grid.0.shallow_clone();
        let added = grid.f_add_(&other.0).map(drop);
        added.map_err(|error| own.failure("add", &[other], &error))?;
        Ok(own)
    }

    /// This gradient of a ReLU's output `out`, as the gradient of its input: 0 where `out` is 0.
    pub fn into_relu_gradient(self, out: &Tensor) -> Result<Tensor> {
        let in_place = |own: &mut tch::Tensor| {
            let own_entries = own.shallow_clone();
            let threshold = || out.0.f_threshold_backward_grad_input(own, &own_entries, 0);
            with_numbers(threshold).map(drop)
        };
        match self.changed("relu", in_place)? {
            Ok(changed) => Ok(changed),
            Err(shared) => {
                let apart = with_numbers(|| out.0.f_threshold_backward(&shared.0, 0));
                shared.result("relu", &[out], apart)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The derivative of a ReLU is 1 above 0 and 0 elsewhere; what others hold stays as it was.
    #[test]
    fn others_see_no_change() -> Result<()> {
        let out = Tensor::from_f64(&[0.0, 2.0, 0.0], &[3])?;
        for shared in [false, true] {
            let gradient = Tensor::from_f64(&[5.0, 6.0, -7.0], &[3])?;
            let other = shared.then(|| gradient.clone());
            let view = gradient.reshape(&[1, 3])?;
            let _ = view.into_relu()?;
            let masked = gradient.into_relu_gradient(&out)?;
            let sum = masked.into_sum(&out)?.into_relu()?;
            assert_eq!(sum.to_vec_f64()?, [0.0, 8.0, 0.0]);
            if let Some(other) = other {
                assert_eq!(other.to_vec_f64()?, [5.0, 6.0, -7.0]);
                assert_eq!(other.clone().into_sum(&out)?.to_vec_f64()?[1], 8.0);
                assert_eq!(other.clone().into_relu()?.to_vec_f64()?[2], 0.0);
                assert_eq!(other.to_vec_f64()?, [5.0, 6.0, -7.0]);
            }
        }
        Ok(())
    }
}
