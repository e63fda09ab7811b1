//! Simultaneous perturbation stochastic approximation: Uesato et al. 2018,
//! <https://arxiv.org/abs/1802.05666>, section 4 and algorithm 1. The gradient is estimated from
//! differences of the margin along random directions, so it sees the logits only.

use super::adam::Adam;
use super::aim::Aim;
use super::apgd::{check_count, hundred, one};
use super::cw::hundredth;
use super::norm::Norm;
use super::objective::Outputs;
use super::pgd::check_eps;
use super::space::EpsSpace;
use super::stop::Stop;
use super::survivors::rows;
use super::worst::Worst;
use super::{Attack, Classifier, Draws, Mode, ready};
use crate::torch::{Index, Tensor, cat, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spsa {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "hundred")]
    pub steps: i64,
    /// Directions for each gradient.
    #[serde(default = "samples")]
    pub samples: i64,
    /// How far the margin is looked at along each.
    #[serde(default = "hundredth")]
    pub delta: f64,
    #[serde(default = "hundredth")]
    pub lr: f64,
    #[serde(default = "one")]
    pub restarts: i64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub stop: Stop,
    /// Images that the classifier sees at once, at most, unless the batch has more.
    #[serde(default = "chunk")]
    pub chunk: i64,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

fn samples() -> i64 {
    128
}

fn chunk() -> i64 {
    256
}

impl Spsa {
    /// With every default.
    pub fn within(eps: f64) -> Self {
        Spsa {
            eps,
            norm: Norm::default(),
            steps: hundred(),
            samples: samples(),
            delta: hundredth(),
            lr: hundredth(),
            restarts: one(),
            targeted: false,
            stop: Stop::Broken,
            chunk: chunk(),
            mode: Mode::default(),
            outputs: Outputs::default(),
        }
    }

    /// # Errors
    /// `Invalid` for an eps that is no radius, counts below 1, lengths that are not positive.
    pub fn check(&self) -> Result<()> {
        check_eps("spsa", self.eps, self.norm, EpsSpace::Pixel)?;
        self.norm.check_dense("spsa")?;
        check_count("spsa", "steps", self.steps)?;
        check_count("spsa", "samples", self.samples)?;
        check_count("spsa", "restarts", self.restarts)?;
        check_count("spsa", "chunk", self.chunk)?;
        for (option, value) in [("delta", self.delta), ("lr", self.lr)] {
            ensure!(
                value.is_finite() && value > 0.0,
                "spsa: `{option}` must be positive, got {value}"
            );
        }
        Ok(())
    }

    /// One ascent from the clean images.
    fn ascend(&self, aim: &Aim, x: &Tensor, draws: &Draws) -> Result<Tensor> {
        let mut x_adv = x.clone();
        let mut run = Run {
            places: rows(&aim.y.eq(&aim.y)?)?,
            aim: aim.select(&rows(&aim.y.eq(&aim.y)?)?)?,
            x: x.clone(),
            moved: x.zeros_like()?,
            adam: Adam::new(self.lr, x)?,
        };
        for _ in 0..self.steps {
            interrupt::check()?;
            let here = run.x.add(&run.moved)?;
            let downhill = self.estimate(&run.aim, &here, draws)?.neg()?;
            let moved = run.moved.add(run.adam.step(&downhill)?)?;
            let inside = self.norm.project(&moved, self.eps)?;
            let next = run.x.add(inside)?.clamp(0.0, 1.0)?;
            run.moved = next.sub(&run.x)?;
            x_adv = x_adv.with_index(&[Index::Tensor(run.places.clone())], &next)?;
            if self.stop == Stop::Broken {
                run = run.select(&rows(&run.aim.hit(&next)?.logical_not()?)?)?;
                if run.places.numel() == 0 {
                    break;
                }
            }
        }
        Ok(x_adv)
    }

    /// The gradient of the lead at `here`. The directions are drawn one by one, the same for all
    /// images, as in torchattacks: so neither the batch nor `chunk` changes them.
    fn estimate(&self, aim: &Aim, here: &Tensor, draws: &Draws) -> Result<Tensor> {
        let n = here.dim(0)?;
        let mut one = here.shape();
        one[0] = 1;
        let at_once = (self.chunk / n.max(1)).max(1);
        let mut sum = here.zeros_like()?;
        let mut done = 0;
        while done < self.samples {
            interrupt::check()?;
            let count = at_once.min(self.samples - done);
            let signs = (0..count).map(|_| {
                let heads = draws.common(&one, here.like()?)?.lt(0.5)?.to_like(here)?;
                heads.mul(2.0)?.sub(1.0)
            });
            let signs = signs.collect::<Result<Vec<Tensor>>>()?;
            let lead_at = |side: f64| -> Result<Vec<Tensor>> {
                let images = signs.iter().map(|it| here.add(it.mul(side * self.delta)?));
                let images = cat(&images.collect::<Result<Vec<_>>>()?, 0)?;
                let y = aim.y.repeat(&[count])?;
                let all = Aim::new(aim.victim.classifier, aim.victim.outputs, &y, aim.targeted);
                all.lead(&all.victim.exact_sight(&images)?)?.split(n, 0)
            };
            let pairs = lead_at(1.0)?.into_iter().zip(lead_at(-1.0)?);
            for ((ahead, behind), sign) in pairs.zip(&signs) {
                let slope = ahead.sub(behind)?.broadcast_to_examples(here)?;
                sum = sum.add(slope.div(sign.mul(2.0 * self.delta)?)?)?;
            }
            done += count;
        }
        sum.div(self.samples as f64)
    }
}

/// Each tensor has a row for every image that is still moved.
struct Run<'a> {
    places: Tensor,
    aim: Aim<'a>,
    x: Tensor,
    moved: Tensor,
    adam: Adam,
}

impl<'a> Run<'a> {
    fn select(&self, stay: &Tensor) -> Result<Run<'a>> {
        Ok(Run {
            places: self.places.index_select(0, stay)?,
            aim: self.aim.select(stay)?,
            x: self.x.index_select(0, stay)?,
            moved: self.moved.index_select(0, stay)?,
            adam: self.adam.select(stay)?,
        })
    }
}

impl Attack for Spsa {
    fn name(&self) -> &'static str {
        "spsa"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        let (x, idle) = ready("spsa", Some(self.eps), x, y)?;
        if idle {
            return Ok(x);
        }
        let aim = Aim::new(classifier, self.outputs, y, self.targeted);
        no_grad(|| {
            let mut worst = Worst::default();
            let mut x_adv = x.clone();
            let mut left = match self.stop {
                Stop::Never => rows(&y.eq(y)?)?,
                Stop::Broken => rows(&aim.hit(&x)?.logical_not()?)?,
            };
            for _ in 0..self.restarts {
                if left.numel() == 0 {
                    break;
                }
                let part = x.index_select(0, &left)?;
                let moved = self.ascend(&aim.select(&left)?, &part, draws)?;
                x_adv = x_adv.with_index(&[Index::Tensor(left.clone())], moved)?;
                let run = aim.judge(x_adv.clone())?;
                if self.stop == Stop::Broken {
                    left = rows(&run.success.logical_not()?)?;
                }
                worst.keep(run)?;
            }
            Ok(worst.images().unwrap_or(x))
        })
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn images_leave(&self) -> bool {
        self.stop == Stop::Broken
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, generator, manual_seed, rand, randn};
    use serde_json::{Value, json};

    fn spsa(options: Value) -> Spsa {
        serde_json::from_value(options).expect("the options are right")
    }

    fn problem() -> Result<(Tensor, Tensor, Tensor)> {
        manual_seed(2);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let (weight, x) = (randn(&[4, 3], like)?, rand(&[5, 4], like)?);
        let y = x.matmul(&weight)?.argmax(1, false)?;
        Ok((weight, x, y))
    }

    /// With all 16 corners of a cube, or many of them, the estimate is the gradient: between two
    /// classes the difference of their weights.
    #[test]
    fn the_estimate_tends_to_the_gradient() -> Result<()> {
        let _guard = generator();
        let (weight, x, _) = problem()?;
        let two = weight.narrow(1, 0, 2)?;
        let classifier = Classifier::new(|x| x.matmul(&two)?.detach());
        let y = Tensor::from_i64(&[0; 5], &[5])?;
        let aim = Aim::new(&classifier, Outputs::Class, &y, false);
        let attack = spsa(json!({ "eps": 0.1, "samples": 4000 }));
        let slope = attack.estimate(&aim, &x, &Draws::of_batch())?;
        let exact = two.select(1, 1)?.sub(two.select(1, 0)?)?;
        // The deviation of the mean of 4000 is a sixtieth of the gradient's length.
        let off = slope.sub(&exact)?.abs()?.amax()?.item()?;
        assert!(off < 5.0 * Norm::L2.size(&exact.unsqueeze(0)?)?.item()? / 4000_f64.sqrt());
        Ok(())
    }

    /// How many images the classifier sees at once changes nothing.
    #[test]
    fn chunks_change_nothing() -> Result<()> {
        let _guard = generator();
        let (weight, x, y) = problem()?;
        let most = std::cell::Cell::new(0);
        let classifier = Classifier::new(|x| {
            most.set(most.get().max(x.shape()[0]));
            x.mul(5.0)?.sin()?.matmul(&weight)
        });
        let mut results = Vec::new();
        for (chunk, expected) in [(1, 5), (17, 15), (1000, 40)] {
            most.set(0);
            manual_seed(3);
            let options = json!({
                "eps": 0.1, "steps": 3, "samples": 8, "chunk": chunk, "stop": "never",
            });
            let attack = spsa(options);
            results.push(attack.perturb(&classifier, &x, &y, &Draws::of_batch())?);
            assert_eq!(most.get(), expected);
        }
        // Sums of products in another order differ in the last bits.
        assert!(results[0].all_close(&results[1], 0.0, 1e-12)?);
        assert!(results[0].all_close(&results[2], 0.0, 1e-12)?);
        Ok(())
    }
}
