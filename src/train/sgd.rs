//! Stochastic gradient descent with momentum, as PyTorch defines it:
//! v = momentum * v + (g + weight_decay * w), then w -= lr * v, or with Nesterov
//! w -= lr * (g + weight_decay * w + momentum * v). v starts as the first such gradient.

use crate::Result;
use crate::report::thousands;
use crate::torch::autograd::gradients_where_used;
use crate::torch::{Tensor, no_grad};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdOptions {
    pub lr: f64,
    #[serde(default)]
    pub momentum: f64,
    #[serde(default)]
    pub weight_decay: f64,
    #[serde(default)]
    pub nesterov: bool,
}

pub struct Sgd {
    parameters: Vec<(String, Tensor)>,
    options: SgdOptions,
    lr: Cell<f64>,
    velocity: RefCell<Vec<Option<Tensor>>>,
}

impl Sgd {
    /// # Errors
    /// `Invalid` for rates out of range, Nesterov without momentum, or nothing to optimise.
    pub fn new(parameters: Vec<(String, Tensor)>, options: SgdOptions) -> Result<Self> {
        let SgdOptions {
            lr,
            momentum,
            weight_decay,
            nesterov,
        } = options;
        ensure!(
            lr.is_finite() && lr >= 0.0,
            "sgd: `lr` must be at least 0, got {lr}"
        );
        ensure!(
            (0.0..1.0).contains(&momentum),
            "sgd: `momentum` must lie in [0, 1), got {momentum}"
        );
        ensure!(
            weight_decay.is_finite() && weight_decay >= 0.0,
            "sgd: `weight_decay` must be at least 0, got {weight_decay}"
        );
        ensure!(
            !nesterov || momentum > 0.0,
            "sgd: `nesterov` needs a positive `momentum`"
        );
        ensure!(
            !parameters.is_empty(),
            "sgd: there are no parameters to optimise"
        );
        for (name, parameter) in &parameters {
            ensure!(
                parameter.requires_grad(),
                "sgd: parameter {name} does not require a gradient; call `requires_grad_()` on it"
            );
        }
        let velocity = RefCell::new(vec![None; parameters.len()]);
        Ok(Sgd {
            parameters,
            lr: Cell::new(lr),
            options,
            velocity,
        })
    }

    pub fn options(&self) -> &SgdOptions {
        &self.options
    }

    pub fn lr(&self) -> f64 {
        self.lr.get()
    }

    /// The rate of the steps from here on.
    pub fn set_lr(&self, lr: f64) -> Result<()> {
        ensure!(
            lr.is_finite() && lr >= 0.0,
            "sgd: `lr` must be at least 0, got {lr}"
        );
        self.lr.set(lr);
        Ok(())
    }

    /// Differentiates `loss` and moves every parameter; the loss as a number comes back.
    ///
    /// # Errors
    /// `Invalid` for a loss that is not one finite number, or that no parameter takes part in,
    /// before anything is changed.
    pub fn step(&self, loss: &Tensor) -> Result<f64> {
        Ok(self.step_with(loss, &[])?.0)
    }

    /// The same, and the gradients of `inputs` from the same backward pass: zeros where `loss` does
    /// not depend on one.
    ///
    /// # Errors
    /// `Invalid` for an input that does not require a gradient, too.
    pub fn step_with(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<(f64, Vec<Tensor>)> {
        ensure!(
            loss.numel() == 1,
            "`loss` must be one number to be differentiated, got {}; take its `mean()` or `sum()`",
            loss.signature()
        );
        let value = loss.item()?;
        ensure!(
            value.is_finite(),
            "`loss` is {value}: training diverged; lower `lr`, or look at the inputs and labels"
        );
        let parameters: Vec<&Tensor> = self.parameters.iter().map(|(_, tensor)| tensor).collect();
        let all: Vec<&Tensor> = parameters.iter().chain(inputs).copied().collect();
        let mut gradients = gradients_where_used(loss, &all)?;
        let of_inputs = gradients.split_off(parameters.len());
        ensure!(
            gradients.iter().any(Option::is_some),
            "no parameter of the optimizer takes part in `loss`; was the optimizer made for \
             another model?"
        );
        no_grad(|| {
            for (at, gradient) in gradients.iter().enumerate() {
                match gradient {
                    Some(gradient) => self.update(at, gradient)?,
                    None => self.update(at, &parameters[at].zeros_like()?)?,
                }
            }
            let of_inputs = of_inputs.into_iter().zip(inputs);
            let of_inputs = of_inputs.map(|(it, input)| it.map_or_else(|| input.zeros_like(), Ok));
            Ok((value, of_inputs.collect::<Result<_>>()?))
        })
    }

    fn update(&self, at: usize, gradient: &Tensor) -> Result<()> {
        let SgdOptions {
            momentum,
            weight_decay,
            nesterov,
            ..
        } = self.options;
        let (_, w) = &self.parameters[at];
        let mut g = gradient.clone();
        if weight_decay != 0.0 {
            g = g.add(w.mul(weight_decay)?)?;
        }
        if momentum != 0.0 {
            let mut velocity = self.velocity.borrow_mut();
            let v = match &velocity[at] {
                Some(v) => {
                    v.scale_and_add_(momentum, &g)?;
                    v.clone()
                }
                None => g.copy()?,
            };
            velocity[at] = Some(v.clone());
            g = if nesterov {
                g.add(v.mul(momentum)?)?
            } else {
                v
            };
        }
        w.scale_and_add_(1.0, &g.mul(-self.lr.get())?)
    }

    /// The momentum of every parameter that has one, by the parameter's name.
    pub fn state_dict(&self) -> Vec<(String, Tensor)> {
        let velocity = self.velocity.borrow();
        self.parameters
            .iter()
            .zip(velocity.iter())
            .filter_map(|((name, _), v)| v.clone().map(|v| (name.clone(), v)))
            .collect()
    }

    /// Takes up the momentum that [`Sgd::state_dict`] gave.
    ///
    /// # Errors
    /// `Invalid` for a name or shape that is not a parameter's; then nothing is changed.
    pub fn load_state_dict(&self, state: Vec<(String, Tensor)>) -> Result<()> {
        let mut loaded = vec![None; self.parameters.len()];
        for (name, v) in state {
            let Some(at) = self.parameters.iter().position(|(known, _)| *known == name) else {
                bail!("the optimiser has no parameter {name}")
            };
            let (_, w) = &self.parameters[at];
            ensure!(
                v.shape() == w.shape(),
                "the momentum of {name} must be {:?}, got {:?}",
                w.shape(),
                v.shape()
            );
            loaded[at] = Some(v.to_like(w)?.copy()?);
        }
        *self.velocity.borrow_mut() = loaded;
        Ok(())
    }
}

impl fmt::Display for Sgd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let SgdOptions {
            momentum,
            weight_decay,
            nesterov,
            ..
        } = self.options;
        let numbers: usize = self.parameters.iter().map(|(_, w)| w.numel()).sum();
        write!(
            f,
            "sgd(lr: {}, momentum: {momentum}, weight_decay: {weight_decay}, nesterov: {nesterov}) \
             on {} parameters in {} tensors",
            self.lr(),
            thousands(numbers),
            self.parameters.len()
        )
    }
}
