//! Decoupled direction and norm: Rony et al. 2019, <https://arxiv.org/abs/1811.09600>,
//! algorithm 1. A step along the gradient, then onto a sphere whose radius shrinks while the image
//! is adversarial and grows while it is not.

use super::aim::Aim;
use super::apgd::hundred;
use super::fmn::{check_search, cosine, twentieth, whole};
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::smallest::{Smallest, check_limit, find};
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ddn {
    #[serde(default)]
    pub eps: Option<f64>,
    #[serde(default = "hundred")]
    pub steps: i64,
    /// The radius of the first ball.
    #[serde(default = "whole")]
    pub first_eps: f64,
    #[serde(default = "twentieth")]
    pub gamma: f64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

/// The lengths of the first and the last step.
const STEPS: (f64, f64) = (1.0, 0.01);
/// Keeps quotients finite.
const TINY: f64 = 1e-30;

impl Ddn {
    /// # Errors
    /// `Invalid` for an eps that is no radius, no steps, a radius that is not positive, a share
    /// outside of (0, 1).
    pub fn check(&self) -> Result<()> {
        check_limit("ddn", self.eps, Norm::L2)?;
        check_search("ddn", self.steps, self.gamma, ("first_eps", self.first_eps))
    }

    fn search(&self, aim: &Aim, x: &Tensor, smallest: &mut Smallest) -> Result<()> {
        let places = smallest.rows()?;
        let farthest = Norm::L2.size(&x.maximum(x.rsub(1.0)?)?)?;
        let mut here = x.clone();
        let mut radius = farthest.zeros_like()?.add(self.first_eps)?;
        for step in 0..self.steps {
            interrupt::check()?;
            let step_size = cosine(STEPS.0, STEPS.1, step, self.steps);
            let [success, gradient] = aim.in_parts(|part, aim| {
                let leaf = part.of(&here)?.leaf()?;
                let sight = aim.victim.exact_sight(&leaf)?;
                let loss = Loss::CrossEntropy.each(&sight.logits, &aim.y)?.sum()?;
                let gradient = loss.gradient(&leaf)?;
                Ok([aim.reached(&sight)?, gradient])
            })?;
            here = no_grad(|| {
                smallest.offer(&places, &here, &success)?;
                let uphill = if aim.targeted { -step_size } else { step_size };
                let step = Norm::L2.ascent(&gradient)?.mul(uphill)?;
                let delta = here.sub(x)?.add(step)?;
                let smaller = radius.mul(1.0 - self.gamma)?;
                let larger = radius.mul(1.0 + self.gamma)?;
                radius = smaller.where_(&success, &larger)?.minimum(&farthest)?;
                let length = Norm::L2.size(&delta)?.clamp_min(TINY)?;
                let scale = radius.div(length)?.broadcast_to_examples(x)?;
                x.add(delta.mul(scale)?)?.clamp(0.0, 1.0)
            })?;
        }
        Ok(())
    }
}

impl Attack for Ddn {
    fn name(&self) -> &'static str {
        "ddn"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        _draws: &Draws,
    ) -> Result<Tensor> {
        let aim = Aim::new(classifier, self.outputs, y, self.targeted);
        find(("ddn", Norm::L2, self.eps), &aim, x, |aim, x, smallest| {
            self.search(aim, x, smallest)
        })
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::planes::{assert_within, relative_sizes};

    /// The sphere changes by a twentieth until the end.
    #[test]
    fn reaches_the_nearest_plane() -> Result<()> {
        let options = serde_json::json!({ "first_eps": 0.1, "steps": 200 });
        let attack: Ddn = serde_json::from_value(options).expect("right");
        assert_within(&relative_sizes(&attack, Norm::L2, 2)?, 1.06);
        Ok(())
    }
}
