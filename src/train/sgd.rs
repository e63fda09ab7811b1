//! Stochastic gradient descent with momentum, as PyTorch defines it:
//! v = momentum * v + (g + weight_decay * w), then w -= lr * v, or with Nesterov
//! w -= lr * (g + weight_decay * w + momentum * v). v starts as the first such gradient.

use crate::Result;
use crate::profile::{self, Work};
use crate::report::thousands;
use crate::torch::autograd::{gradients_where_used, with_zeros};
use crate::torch::{SgdRates, Tensor, sgd_step};
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
        let parameters: Vec<&Tensor> = self.parameters.iter().map(|(_, tensor)| tensor).collect();
        let all: Vec<&Tensor> = parameters.iter().chain(inputs).copied().collect();
        let mut gradients = gradients_where_used(loss, &all)?;
        // Read this late, it does not keep a GPU waiting between the two passes.
        let _span = profile::span(Work::Update);
        let value = loss.item()?;
        ensure!(
            value.is_finite(),
            "`loss` is {value}: training diverged; lower `lr`, or look at the inputs and labels"
        );
        let of_inputs = gradients.split_off(parameters.len());
        ensure!(
            gradients.iter().any(Option::is_some),
            "no parameter of the optimizer takes part in `loss`; was the optimizer made for \
             another model?"
        );
        self.update(&parameters, &with_zeros(gradients, &parameters)?)?;
        Ok((value, with_zeros(of_inputs, inputs)?))
    }

    fn update(&self, parameters: &[&Tensor], gradients: &[Tensor]) -> Result<()> {
        let SgdOptions {
            momentum,
            weight_decay,
            nesterov,
            ..
        } = self.options;
        let _span = profile::span(Work::Update);
        let mut velocity = self.velocity.borrow_mut();
        let mut moved = Vec::new();
        if momentum != 0.0 {
            for (v, w) in velocity.iter_mut().zip(parameters) {
                let here = match &*v {
                    Some(v) => v.to_like(w)?,
                    None => laid_out_as(w, &w.zeros_like()?)?,
                };
                moved.push(v.insert(here).clone());
            }
        }
        let rates = SgdRates {
            lr: self.lr(),
            momentum,
            weight_decay,
            nesterov,
        };
        sgd_step(parameters, gradients, &moved, rates)
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
            loaded[at] = Some(laid_out_as(w, &v)?);
        }
        *self.velocity.borrow_mut() = loaded;
        Ok(())
    }
}

/// A copy of `values` with the dtype, the device and the strides of `like`.
fn laid_out_as(like: &Tensor, values: &Tensor) -> Result<Tensor> {
    let copy = like.copy()?;
    copy.assign(values)?;
    Ok(copy)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, generator, ones, rand, zeros};

    const LR: f64 = 0.125;
    const STEPS: i32 = 5;

    /// What PyTorch's formula makes of one entry whose gradient is always `g`.
    fn by_hand(options: &SgdOptions, mut w: f64, g: f64) -> f64 {
        let mut v = 0.0;
        for _ in 0..STEPS {
            let d = g + options.weight_decay * w;
            v = options.momentum * v + d;
            w -= options.lr
                * match (options.momentum != 0.0, options.nesterov) {
                    (false, _) => d,
                    (true, false) => v,
                    (true, true) => d + options.momentum * v,
                };
        }
        w
    }

    fn variants() -> Vec<SgdOptions> {
        let some = [
            (0.0, 0.0, false),
            (0.0, 0.25, false),
            (0.9, 0.0, false),
            (0.9, 0.25, false),
            (0.9, 0.25, true),
        ];
        let variant = |(momentum, weight_decay, nesterov)| SgdOptions {
            lr: LR,
            momentum,
            weight_decay,
            nesterov,
        };
        some.map(variant).into()
    }

    /// Steps on sums of `w * g`, for each pair; without a `g` the parameter takes no part.
    fn stepped(options: &SgdOptions, pairs: &[(Tensor, Option<Tensor>)]) -> Result<()> {
        let named = pairs.iter().enumerate();
        let parameters = named.map(|(at, (w, _))| (at.to_string(), w.clone()));
        let optimizer = Sgd::new(parameters.collect(), options.clone())?;
        for _ in 0..STEPS {
            let mut loss = None;
            for (w, g) in pairs {
                let Some(g) = g else { continue };
                let term = w.mul(g)?.sum()?.to_dtype(Dtype::Float64)?;
                loss = Some(match loss {
                    Some(loss) => term.add(loss)?,
                    None => term,
                });
            }
            optimizer.step(&loss.expect("a parameter takes part"))?;
        }
        Ok(())
    }

    fn assert_by_hand(
        options: &SgdOptions,
        (before, after): (&[f64], &Tensor),
        gradient: Option<&Tensor>,
        tolerance: f64,
    ) -> Result<()> {
        let gradient = match gradient {
            Some(gradient) => gradient.to_vec_f64()?,
            None => vec![0.0; before.len()],
        };
        let after = after.to_vec_f64()?;
        for ((&w, g), found) in before.iter().zip(gradient).zip(after) {
            let wanted = by_hand(options, w, g);
            assert!(
                (found - wanted).abs() <= tolerance,
                "{options:?}: {w} with {g} became {found}, not {wanted}"
            );
        }
        Ok(())
    }

    /// Of each dtype, longer than a processor's vectors and not a multiple of them. The results are
    /// below 8; each step rounds once in the dtype.
    #[test]
    fn each_step_is_pytorchs_formula() -> Result<()> {
        let _guard = generator();
        for (dtype, tolerance) in [
            (Dtype::Float64, 1e-13),
            (Dtype::Float32, 1e-5),
            (Dtype::BFloat16, 0.1),
        ] {
            let random = || rand(&[107], Like::default())?.to_dtype(dtype);
            for options in variants() {
                let (w, without) = (random()?.leaf()?, random()?.leaf()?);
                let g = random()?;
                let before = [w.to_vec_f64()?, without.to_vec_f64()?];
                let pairs = [(w.clone(), Some(g.clone())), (without.clone(), None)];
                stepped(&options, &pairs)?;
                assert_by_hand(&options, (&before[0], &w), Some(&g), tolerance)?;
                assert_by_hand(&options, (&before[1], &without), None, tolerance)?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_constant_gradient_adds_up_as_a_geometric_sum() -> Result<()> {
        let (momentum, steps) = (0.5, f64::from(STEPS));
        let options = SgdOptions {
            lr: LR,
            momentum,
            weight_decay: 0.0,
            nesterov: false,
        };
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let w = zeros(&[40], like)?.leaf()?;
        stepped(&options, &[(w.clone(), Some(ones(&[40], like)?))])?;
        let lost = momentum * (1.0 - momentum.powi(STEPS)) / (1.0 - momentum);
        let moved = -LR * (steps - lost) / (1.0 - momentum);
        assert!(w.to_vec_f64()?.iter().all(|w| (w - moved).abs() < 1e-14));
        Ok(())
    }

    /// Weights, gradients and velocities of other strides, parameters of two dtypes, and one that
    /// is a part of something.
    #[test]
    fn entries_are_found_wherever_they_lie() -> Result<()> {
        let _guard = generator();
        let like = Like::default();
        let double = Like {
            dtype: Dtype::Float64,
            ..like
        };
        for options in variants() {
            let shape = [5, 3, 4, 4];
            let convolution = rand(&shape, like)?.channels_last()?.leaf()?;
            let other = rand(&[6], double)?.leaf()?;
            let whole = rand(&[8, 9], like)?;
            let part = whole.narrow(1, 2, 5)?.leaf()?;
            let pairs = [
                (convolution, Some(rand(&shape, like)?)),
                (other, Some(rand(&[6], double)?)),
                (part, Some(rand(&[8, 5], like)?)),
            ];
            let before: Vec<_> = pairs.iter().map(|(w, _)| w.to_vec_f64()).collect();
            let outside = whole.narrow(1, 7, 2)?.copy()?;
            stepped(&options, &pairs)?;
            for ((w, g), before) in pairs.iter().zip(before) {
                assert_by_hand(&options, (&before?, w), g.as_ref(), 1e-5)?;
            }
            assert!(whole.narrow(1, 7, 2)?.equal(&outside)?);
        }
        Ok(())
    }

    #[test]
    fn a_step_counts_as_a_change_and_its_state_goes_on() -> Result<()> {
        let options = SgdOptions {
            lr: LR,
            momentum: 0.9,
            weight_decay: 0.0,
            nesterov: false,
        };
        let start = || {
            ones(&[2, 3, 4, 4], Like::default())?
                .channels_last()?
                .leaf()
        };
        let make = |w: &Tensor| Sgd::new(vec![("w".to_owned(), w.clone())], options.clone());
        let loss = |w: &Tensor| w.square()?.sum();
        let (w, other) = (start()?, start()?);
        let (first, whole) = (make(&w)?, make(&other)?);
        let before = w.version();
        first.step(&loss(&w)?)?;
        assert!(w.version() > before);
        // From a file, the momentum comes in the order of the entries.
        let state = first.state_dict().into_iter();
        let state = state.map(|(name, v)| Ok((name, v.contiguous()?)));
        let second = make(&w)?;
        second.load_state_dict(state.collect::<Result<_>>()?)?;
        second.step(&loss(&w)?)?;
        for _ in 0..2 {
            whole.step(&loss(&other)?)?;
        }
        assert!(w.equal(&other)?);
        Ok(())
    }

    #[test]
    fn a_loss_that_is_no_number_changes_nothing() -> Result<()> {
        let w = ones(&[3], Like::default())?.leaf()?;
        let optimizer = Sgd::new(
            vec![("w".to_owned(), w.clone())],
            SgdOptions {
                lr: LR,
                momentum: 0.9,
                weight_decay: 0.0,
                nesterov: false,
            },
        )?;
        let loss = w.sub(1.0)?.log()?.sum()?;
        assert!(optimizer.step(&loss).is_err());
        assert_eq!(w.to_vec_f64()?, [1.0; 3]);
        assert!(optimizer.state_dict().is_empty());
        Ok(())
    }
}
