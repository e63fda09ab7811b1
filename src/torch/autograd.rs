//! Gradients: leaves, derivatives, and passes that record nothing.

use super::Tensor;
use super::error::failed;
use super::node::raw;
use super::passes;
use crate::{Result, profile};
use std::ffi::c_void;

unsafe extern "C" {
    fn rhobust_set_grad(x: *const c_void, gradient: *const c_void);
}

/// While it lives, nothing is recorded for differentiation on this thread.
pub struct NoGrad(#[allow(dead_code)] tch::NoGradGuard);

impl NoGrad {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        NoGrad(tch::no_grad_guard())
    }
}

/// Runs `f` without recording anything for differentiation.
pub fn no_grad<T>(f: impl FnOnce() -> T) -> T {
    let _guard = NoGrad::new();
    f()
}

/// Runs `f` with recording on, even within [`no_grad`]: an attack in an evaluation.
pub fn with_grad<T>(f: impl FnOnce() -> T) -> T {
    tch::with_grad(f)
}

/// The derivatives of the one-entry tensor `loss` with respect to each of `inputs`; zeros
/// where `loss` does not depend on an input. Nothing is accumulated anywhere.
pub fn gradients(loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    with_zeros(gradients_where_used(loss, inputs)?, inputs)
}

/// Like [`gradients`], with nothing where `loss` does not depend on an input.
pub fn gradients_where_used(loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Option<Tensor>>> {
    differentiate(loss, inputs, (false, false))
}

/// Like [`gradients`], with a graph of its own: the result can be differentiated again.
pub fn gradients_with_graph(loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    with_zeros(differentiate(loss, inputs, (true, true))?, inputs)
}

/// Zeros like the input where nothing was found.
pub fn with_zeros(found: Vec<Option<Tensor>>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let zeros = |input: &&Tensor| input.zeros_like();
    let pairs = found.into_iter().zip(inputs);
    pairs
        .map(|(it, input)| it.map_or_else(|| zeros(input), Ok))
        .collect()
}

/// With `keep` the graph stays for further derivatives, with `record` there is one of these.
fn differentiate(
    loss: &Tensor,
    inputs: &[&Tensor],
    (keep, record): (bool, bool),
) -> Result<Vec<Option<Tensor>>> {
    check_loss(loss)?;
    for input in inputs {
        ensure!(
            input.requires_grad(),
            "there is no gradient for a tensor that does not require one ({}); call \
             `requires_grad_()` on it before it is used",
            input.signature()
        );
    }
    let _span = profile::backward();
    let raw: Vec<&tch::Tensor> = inputs.iter().map(|input| &*input.0).collect();
    let found = tch::Tensor::f_run_backward(&[&*loss.0], &raw, keep, record)
        .map_err(|error| failed("grad", &[loss], &error))?;
    passes::count_backward();
    let used = |gradient: tch::Tensor| gradient.defined().then(|| Tensor::wrap(gradient));
    Ok(found.into_iter().map(used).collect())
}

fn check_loss(loss: &Tensor) -> Result<()> {
    ensure!(
        loss.numel() == 1,
        "`loss` must be one number to be differentiated, got {}; take its `mean()` or `sum()`",
        loss.signature()
    );
    ensure!(
        loss.requires_grad(),
        "`loss` depends on nothing that requires a gradient: it was computed under `no_grad`, \
         was detached, or no input had `requires_grad_()`"
    );
    Ok(())
}

impl Tensor {
    /// A new leaf with the same entries that records what is computed from it.
    pub fn leaf(&self) -> Result<Tensor> {
        let detached = self.detach()?;
        detached.with_requires_grad(true)
    }

    /// The same entries, cut off from what they were computed from.
    pub fn detach(&self) -> Result<Tensor> {
        self.result("detach", &[], self.0.f_detach())
    }

    /// Whether it was not computed from others that require a gradient.
    pub fn is_leaf(&self) -> bool {
        self.0.is_leaf()
    }

    pub fn requires_grad(&self) -> bool {
        self.0.requires_grad()
    }

    /// Whether gradients are recorded for this leaf from here on.
    pub fn with_requires_grad(&self, required: bool) -> Result<Tensor> {
        ensure!(
            !required || self.dtype()?.is_float(),
            "only floating-point tensors can require a gradient, got {}",
            self.signature()
        );
        self.result("requires_grad_", &[], self.0.f_set_requires_grad(required))
    }

    /// d loss / d `input`, this tensor being the loss.
    pub fn gradient(&self, input: &Tensor) -> Result<Tensor> {
        let mut found = gradients(self, &[input])?;
        Ok(found.remove(0))
    }

    /// The same, where more is to be derived from what this tensor was computed from.
    pub fn gradient_keeping(&self, input: &Tensor) -> Result<Tensor> {
        let found = differentiate(self, &[input], (true, false))?;
        Ok(with_zeros(found, &[input])?.remove(0))
    }

    /// Adds the derivatives of this one-entry tensor to the `grad` of every leaf under it.
    pub fn backward(&self) -> Result<()> {
        check_loss(self)?;
        self.0
            .f_backward()
            .map_err(|error| self.failure("backward", &[], &error))?;
        passes::count_backward();
        Ok(())
    }

    /// What `backward` accumulated, if anything.
    pub fn grad(&self) -> Option<Tensor> {
        let gradient = self.0.grad();
        gradient.defined().then(|| Tensor::wrap(gradient))
    }

    /// Sets what `backward` accumulated to zero.
    pub fn zero_grad(&self) -> Result<()> {
        match self.grad() {
            Some(gradient) => gradient.assign(&gradient.zeros_like()?),
            None => Ok(()),
        }
    }
}

/// What is recorded about the gradient of a leaf, to go back to.
pub struct GradState {
    leaf: Tensor,
    required: bool,
    accumulated: Option<Tensor>,
}

impl Tensor {
    pub fn grad_state(&self) -> GradState {
        GradState {
            leaf: self.clone(),
            required: self.requires_grad(),
            // `backward` adds to the entries in place.
            accumulated: self.grad().and_then(|gradient| gradient.copy().ok()),
        }
    }
}

impl GradState {
    /// As far as that can be: what was computed from the tensor meanwhile is left alone.
    pub fn restore(self) {
        if self.leaf.requires_grad() == self.required && self.leaf.grad().is_none() {
            return;
        }
        let gradient = self.accumulated.as_ref().map_or(std::ptr::null(), raw);
        // SAFETY: the pointers are to live tensors, the second may be null.
        unsafe { rhobust_set_grad(raw(&self.leaf), gradient) };
        if self.leaf.requires_grad() != self.required {
            let _ = self.leaf.0.f_set_requires_grad(self.required);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_goes_back_to_what_was_recorded() -> Result<()> {
        let x = Tensor::wrap(tch::Tensor::from_slice(&[1.0_f32, 2.0]));
        let before = x.grad_state();
        let y = x.with_requires_grad(true)?;
        y.0.sum(tch::Kind::Float).backward();
        let once = y.grad_state();
        y.0.sum(tch::Kind::Float).backward();
        once.restore();
        assert_eq!(
            y.grad().map(|it| it.to_vec_f64()).transpose()?,
            Some(vec![1.0, 1.0])
        );
        before.restore();
        assert!(!x.requires_grad() && x.grad().is_none());
        Ok(())
    }
}
