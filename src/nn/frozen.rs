//! A network for many passes with the weights of now: eval mode, nothing learned, batch
//! normalisation inside the convolutions before it. Low-order bits differ from the network's own.

use super::compiled::{Compiled, Tape};
use super::module::Module;
use super::normalize::Normalize;
use super::stateless::Reach;
use crate::torch::{self, Device, Dtype, Recorded, Tensor, no_grad};
use crate::{Result, profile};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The steps from pixels in [0, 1] to logits.
pub struct Frozen {
    pub(super) normalize: Normalize,
    pub(super) steps: Vec<Step>,
    /// Of the weights, and so of images.
    own: (Dtype, Device),
    /// What passes compute in.
    dtype: Dtype,
    /// By the rows and columns of images.
    compiled: RefCell<HashMap<(i64, i64), Packed>>,
}

/// What passes go through, packed for so many images.
struct Packed {
    images: i64,
    compiled: Rc<Compiled>,
}

pub(super) enum Step {
    Conv {
        weight: Tensor,
        bias: Option<Tensor>,
        geometry: torch::Conv2d,
        relu: bool,
    },
    /// A factor and a summand for each channel, `[c, 1, 1]`.
    Affine(Tensor, Tensor),
    Relu,
    /// `[n, inputs]` to `[n, outputs]`.
    Linear {
        weight: Tensor,
        bias: Option<Tensor>,
    },
    Layer(Rc<dyn Module>, Reach),
    /// Two ways side by side, added.
    Sum(Vec<Step>, Vec<Step>),
}

/// What a network puts together as it is frozen.
#[derive(Default)]
pub struct Plan(Vec<Step>);

impl Plan {
    pub(super) fn conv(
        &mut self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: torch::Conv2d,
    ) -> Result<()> {
        self.0.push(Step::Conv {
            weight: weight.detach()?,
            bias: bias.map(Tensor::detach).transpose()?,
            geometry,
            relu: false,
        });
        Ok(())
    }

    pub(super) fn linear(&mut self, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        self.0.push(Step::Linear {
            weight: weight.detach()?,
            bias: bias.map(Tensor::detach).transpose()?,
        });
        Ok(())
    }

    /// `scale * x + shift` for each channel, both `[c]`.
    pub(super) fn affine(&mut self, scale: &Tensor, shift: &Tensor) -> Result<()> {
        if let Some(Step::Conv {
            weight,
            bias,
            relu: false,
            ..
        }) = self.0.last_mut()
        {
            *weight = weight
                .mul(scale.reshape(&[-1, 1, 1, 1])?)?
                .channels_last()?;
            *bias = Some(match &bias {
                Some(bias) => bias.mul(scale)?.add(shift)?,
                None => shift.clone(),
            });
            return Ok(());
        }
        let each = |values: &Tensor| values.reshape(&[-1, 1, 1]);
        self.0.push(Step::Affine(each(scale)?, each(shift)?));
        Ok(())
    }

    pub(super) fn relu(&mut self) {
        match self.0.last_mut() {
            Some(Step::Conv { relu, .. }) => *relu = true,
            _ => self.0.push(Step::Relu),
        }
    }

    /// A layer as it is.
    pub(super) fn layer(&mut self, layer: Rc<dyn Module>, reach: Reach) {
        self.0.push(Step::Layer(layer, reach));
    }

    pub(super) fn sum(&mut self, one: Plan, other: Plan) {
        self.0.push(Step::Sum(one.0, other.0));
    }

    /// All of `network`; as it is where it cannot be taken apart.
    pub(super) fn network(&mut self, network: &Rc<dyn Module>) -> Result<()> {
        if !network.freeze(self)? {
            self.layer(network.clone(), Reach::All);
        }
        Ok(())
    }
}

impl Step {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Step::Conv {
                weight,
                bias,
                geometry,
                relu,
            } => {
                let out = x.conv2d(weight, bias.as_ref(), *geometry)?;
                if *relu { out.into_relu() } else { Ok(out) }
            }
            Step::Affine(scale, shift) => x.mul(scale)?.add(shift),
            Step::Relu => x.relu(),
            Step::Linear { weight, bias } => x.linear(weight, bias.as_ref()),
            Step::Layer(layer, _) => layer.forward(x, false),
            Step::Sum(one, other) => through(one, x)?.add(through(other, x)?),
        }
    }

    /// The same for an input that has its padding in it.
    pub(super) fn forward_unpadded(&self, x: &Tensor) -> Result<Tensor> {
        let Step::Conv {
            weight,
            bias,
            geometry,
            relu,
        } = self
        else {
            return self.forward(x);
        };
        let geometry = torch::Conv2d {
            padding: 0,
            ..*geometry
        };
        let out = x.conv2d(weight, bias.as_ref(), geometry)?;
        if *relu { out.into_relu() } else { Ok(out) }
    }
}

pub(super) fn through(steps: &[Step], x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    for step in steps {
        x = step.forward(&x)?;
    }
    Ok(x)
}

impl Frozen {
    /// For passes in `dtype`, which is that of the weights, or bfloat16 in the place of float32.
    pub(super) fn new(
        network: &Rc<dyn Module>,
        normalize: Normalize,
        own: (Dtype, Device),
        dtype: Dtype,
    ) -> Result<Self> {
        let mut plan = Plan::default();
        no_grad(|| plan.network(network))?;
        Ok(Frozen {
            normalize,
            steps: plan.0,
            own,
            dtype,
            compiled: RefCell::default(),
        })
    }

    /// What the network makes of images `[n, c, h, w]` before its first step.
    pub(super) fn first_input(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.normalize.forward(x)?;
        if x.ndim() == 4 {
            x.channels_last()
        } else {
            Ok(x)
        }
    }

    /// Logits `[n, outputs]` for pixels in [0, 1].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check_input(x, self.own)?;
        let compiled = self.compiled(x)?;
        let _span = profile::forward(x.is_recorded());
        let logits = match compiled {
            None => through(&self.steps, &self.first_input(x)?)?,
            Some(compiled) if x.is_recorded() => {
                let z = no_grad(|| self.normalize.forward(&x.detach()?))?;
                let (logits, tape) = no_grad(|| compiled.record(&z))?;
                let normalize = self.normalize.clone();
                x.record(
                    &logits,
                    Pass {
                        compiled,
                        tape,
                        normalize,
                    },
                )?
            }
            Some(compiled) => compiled.forward(&self.normalize.forward(x)?)?,
        };
        let images = x.shape().first().copied().unwrap_or(1);
        torch::count_forward(images, logits.requires_grad());
        Ok(logits)
    }

    /// For images like `x`, in single precision.
    fn compiled(&self, x: &Tensor) -> Result<Option<Rc<Compiled>>> {
        let &[n, channels, height, width] = x.shape().as_slice() else {
            return Ok(None);
        };
        if x.dtype()? != Dtype::Float32 {
            return Ok(None);
        }
        let size = (height, width);
        // Weights that were packed for a few images are slow for many.
        if let Some(known) = self.compiled.borrow().get(&size)
            && n < 4 * known.images
        {
            return Ok(Some(known.compiled.clone()));
        }
        let input = [n, channels, height, width];
        let place = (self.dtype, x.device());
        let compiled = Rc::new(Compiled::new(&self.steps, input, place)?);
        let packed = Packed {
            images: n,
            compiled: compiled.clone(),
        };
        self.compiled.borrow_mut().insert(size, packed);
        Ok(Some(compiled))
    }
}

/// `Invalid` unless `x` has the dtype and device of a model.
pub(super) fn check_input(x: &Tensor, (dtype, device): (Dtype, Device)) -> Result<()> {
    ensure!(
        x.dtype()? == dtype && x.device() == device,
        "the model is {dtype} on {device}, `x` is {}; move one with `to`",
        match x.device() {
            Device::Cpu => format!("{} on cpu", x.signature()),
            _ => x.signature(),
        }
    );
    Ok(())
}

/// One pass, for the way back from its logits to pixels.
struct Pass {
    compiled: Rc<Compiled>,
    tape: Tape,
    normalize: Normalize,
}

impl Recorded for Pass {
    fn pull_back(&self, gradient: &Tensor) -> Result<Tensor> {
        let gradient = self.compiled.pull_back(&self.tape, gradient)?;
        self.normalize.pull_back(&gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{noisy_resnet, noisy_sequential};
    use crate::nn::{Conv2d, Linear, Model, Sequential, Stateless};
    use crate::torch::{Dtype, Like, Precision, generator, manual_seed, rand};

    /// Logits and gradients of both kinds of networks, in float64.
    #[test]
    fn a_frozen_network_is_the_network() -> Result<()> {
        let _guard = generator();
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        for model in [noisy_sequential()?, noisy_resnet()?] {
            model.to(Some(Dtype::Float64), None)?;
            let frozen = model.frozen(Precision::Float32)?;
            let x = rand(&[3, 3, 16, 16], like)?.leaf()?;
            let (own, fast) = (model.forward_in(&x, false)?, frozen.forward(&x)?);
            // The weights are multiplied in another order.
            assert!(fast.all_close(&own, 1e-10, 1e-10)?, "{model}");
            let slope = |logits: &Tensor| logits.square()?.sum()?.gradient(&x);
            assert!(
                slope(&fast)?.all_close(&slope(&own)?, 1e-9, 1e-9)?,
                "{model}"
            );
        }
        Ok(())
    }

    /// The passes that were made ready for one size of images, twice through the same graph, beside
    /// the network's own in float32. bfloat16 has eight bits, of which layers lose some.
    #[test]
    fn compiled_passes_are_those_of_the_network() -> Result<()> {
        let _guard = generator();
        manual_seed(6);
        for model in [noisy_sequential()?, noisy_resnet()?] {
            // Gradients of a network at random meet many corners of its ReLUs.
            for (precision, logits_within, angle) in [
                (Precision::Float32, 1e-5, 0.999),
                (Precision::Bfloat16, 0.05, 0.9),
            ] {
                let frozen = model.frozen(precision)?;
                for side in [16, 9, 16] {
                    let x = rand(&[3, 3, side, side], Like::default())?.leaf()?;
                    let (own, fast) = (model.forward_in(&x, false)?, frozen.forward(&x)?);
                    let distance = |a: &Tensor, b: &Tensor| -> Result<f64> {
                        a.sub(b)?.square()?.sum()?.sqrt()?.item()
                    };
                    let size = distance(&own, &own.zeros_like()?)?;
                    assert!(
                        distance(&own, &fast)? < logits_within * size,
                        "{model} {precision:?}"
                    );
                    let unrecorded = no_grad(|| frozen.forward(&x))?;
                    // Sums are rounded once or twice, as somebody else holds a summand or not.
                    assert!(distance(&unrecorded, &fast)? < logits_within * size);

                    let expected = own.square()?.sum()?.gradient(&x)?;
                    let loss = fast.square()?.sum()?;
                    let again = loss.gradient_keeping(&x)?;
                    let slope = loss.gradient(&x)?;
                    assert!(slope.equal(&again)?);
                    let along = slope.mul(&expected)?.sum()?.item()?;
                    let lengths = distance(&slope, &slope.zeros_like()?)?
                        * distance(&expected, &expected.zeros_like()?)?;
                    assert!(
                        along > angle * lengths,
                        "{model} {precision:?} {}",
                        along / lengths
                    );
                }
            }
        }
        Ok(())
    }

    /// A linear layer along the rows of images, then a convolution; and one that has no images.
    #[test]
    fn layers_meet_what_they_meet_in_the_network() -> Result<()> {
        let _guard = generator();
        let model = |layers: Vec<Rc<dyn Module>>| -> Result<Model> {
            let named = layers.into_iter().enumerate();
            let named = named.map(|(at, layer)| (at.to_string(), layer)).collect();
            let network = Rc::new(Sequential::new(named)?);
            Ok(Model::new("Sequential", network, Normalize::none(), None))
        };
        let conv = || Conv2d::new(3, 4, 3, torch::Conv2d::default(), true);
        let along = model(vec![
            Rc::new(Linear::new(8, 6, true)?),
            Rc::new(conv()?),
            Rc::new(Stateless::relu()),
            Rc::new(Stateless::flatten()),
            Rc::new(Linear::new(96, 5, true)?),
        ])?;
        let x = rand(&[2, 3, 8, 8], Like::default())?;
        let fast = no_grad(|| along.frozen(Precision::Float32)?.forward(&x))?;
        let own = no_grad(|| along.forward_in(&x, false))?;
        assert!(fast.all_close(&own, 1e-4, 1e-4)?);

        let without = model(vec![Rc::new(Stateless::flatten()), Rc::new(conv()?)])?;
        let error = without.frozen(Precision::Bfloat16)?.forward(&x);
        assert!(error.is_err());
        let still = torch::Conv2d {
            stride: 0,
            ..torch::Conv2d::default()
        };
        assert!(Conv2d::new(3, 4, 3, still, true).is_err());
        // Images of another dtype are refused, not converted.
        let double = x.to_dtype(Dtype::Float64)?;
        assert!(along.frozen(Precision::Float32)?.forward(&double).is_err());
        Ok(())
    }

    /// A copy is kept as long as the weights are what they were: through training steps, running
    /// statistics, loading and moving, each alone.
    #[test]
    fn a_frozen_copy_follows_the_weights() -> Result<()> {
        let _guard = generator();
        let model = noisy_sequential()?;
        let x = rand(&[2, 3, 16, 16], Like::default())?;
        let agrees = |what: &str| -> Result<()> {
            let fast = no_grad(|| model.frozen(Precision::Float32)?.forward(&x))?;
            let own = no_grad(|| model.forward_in(&x, false))?;
            assert!(fast.all_close(&own, 1e-4, 1e-4)?, "{what}");
            Ok(())
        };
        agrees("at first")?;
        let first = model.frozen(Precision::Float32)?;
        assert!(Rc::ptr_eq(&first, &model.frozen(Precision::Float32)?));
        no_grad(|| model.forward_in(&x, true))?;
        assert!(!Rc::ptr_eq(&first, &model.frozen(Precision::Float32)?));
        agrees("after a pass in train mode")?;
        let options = serde_json::json!({ "lr": 0.1, "momentum": 0.9 });
        let sgd = crate::train::Sgd::new(
            model.parameters(),
            serde_json::from_value(options).expect("these are its options"),
        )?;
        for _ in 0..2 {
            sgd.step(&model.forward_in(&x, false)?.square()?.mean()?)?;
            agrees("after a step")?;
        }
        model.to(Some(Dtype::BFloat16), None)?;
        model.to(Some(Dtype::Float32), None)?;
        agrees("after rounding to bfloat16")?;
        model.in_dtype(Dtype::Float64, || Ok(()))?;
        agrees("after a stay in float64")?;
        for (_, weight) in model.parameters() {
            weight.assign(&weight.mul(0.5)?)?;
        }
        agrees("after assigning")
    }

    #[test]
    fn batch_norm_is_folded_in() -> Result<()> {
        let _guard = generator();
        let frozen = noisy_sequential()?.frozen(Precision::Float32)?;
        let norms = frozen
            .steps
            .iter()
            .filter(|step| matches!(step, Step::Affine(..)));
        // The one that comes first has no convolution before it.
        assert_eq!(norms.count(), 1);
        Ok(())
    }
}
