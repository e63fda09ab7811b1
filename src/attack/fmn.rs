//! Fast minimum norm: Pintor et al. 2021, <https://arxiv.org/abs/2102.12827>, algorithm 1. A step
//! along the gradient, then onto a ball that shrinks while the image is adversarial and grows
//! while it is not.

use super::aim::Aim;
use super::apgd::{check_count, hundred};
use super::norm::Norm;
use super::objective::Outputs;
use super::smallest::{Smallest, check_limit, find};
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fmn {
    #[serde(default)]
    pub eps: Option<f64>,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "hundred")]
    pub steps: i64,
    /// The length of the first step, in L2; the last has a hundredth of it.
    #[serde(default = "whole")]
    pub first_step: f64,
    /// By which share the ball grows and shrinks at first.
    #[serde(default = "twentieth")]
    pub gamma: f64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

pub(super) fn whole() -> f64 {
    1.0
}

pub(super) fn twentieth() -> f64 {
    0.05
}

/// `gamma` in the end.
const LAST_GAMMA: f64 = 0.001;
/// The last step's share of the first one's length.
const LAST_STEP: f64 = 0.01;
/// Keeps quotients finite, or at least numbers.
const FLAT: f64 = 1e-30;

impl Fmn {
    /// # Errors
    /// `Invalid` for an eps that is no radius, no steps, a length that is not positive, a share
    /// outside of (0, 1).
    pub fn check(&self) -> Result<()> {
        check_limit("fmn", self.eps, self.norm)?;
        check_search(
            "fmn",
            self.steps,
            self.gamma,
            ("first_step", self.first_step),
        )
    }

    fn search(&self, aim: &Aim, x: &Tensor, smallest: &mut Smallest) -> Result<()> {
        let places = smallest.rows()?;
        let farthest = self.norm.size(&x.maximum(x.rsub(1.0)?)?)?;
        let mut here = x.clone();
        let mut radius = farthest.zeros_like()?;
        let mut ever = radius.lt(0.0)?;
        for step in 0..self.steps {
            interrupt::check()?;
            let annealed = |first, last| cosine(first, last, step, self.steps);
            let step_size = annealed(self.first_step, LAST_STEP * self.first_step);
            let gamma = annealed(self.gamma, LAST_GAMMA);
            let [success, lead, gradient] = aim.in_parts(|part, aim| {
                let leaf = part.of(&here)?.leaf()?;
                let sight = aim.victim.exact_sight(&leaf)?;
                let lead = aim.lead(&sight)?;
                let gradient = lead.sum()?.gradient(&leaf)?;
                Ok([aim.reached(&sight)?, lead.detach()?, gradient])
            })?;
            here = no_grad(|| {
                smallest.offer(&places, &here, &success)?;
                ever = ever.logical_or(&success)?;
                let delta = here.sub(x)?;
                // Where nothing was found yet, the ball reaches the linearised boundary. Where it
                // would not grow by that, it grows as after a success: the box takes a part of
                // each step, and the paper's ball comes nearer to the boundary for ever.
                let slope = self.norm.dual_size(&gradient)?.clamp_min(FLAT)?;
                let reach = self.norm.size(&delta)?.add(lead.abs()?.div(slope)?)?;
                let larger = radius.mul(1.0 + gamma)?;
                let grows = ever.logical_or(&reach.le(&radius)?)?;
                let outside = larger.where_(&grows, &reach)?;
                let inside = radius.mul(1.0 - gamma)?.minimum(smallest.size())?;
                radius = inside.where_(&success, &outside)?.minimum(&farthest)?;
                let step = Norm::L2.ascent(&gradient)?.mul(step_size)?;
                let delta = self.norm.project_each(&delta.add(step)?, &radius)?;
                x.add(delta)?.clamp(0.0, 1.0)
            })?;
        }
        Ok(())
    }
}

/// From `first` towards `last` along half a cosine.
pub(super) fn cosine(first: f64, last: f64, step: i64, steps: i64) -> f64 {
    last + (first - last) * (1.0 + (PI * step as f64 / steps as f64).cos()) / 2.0
}

pub(super) fn check_search(
    what: &str,
    steps: i64,
    gamma: f64,
    (option, length): (&str, f64),
) -> Result<()> {
    check_count(what, "steps", steps)?;
    ensure!(
        gamma > 0.0 && gamma < 1.0,
        "{what}: `gamma` must lie between 0 and 1, got {gamma}"
    );
    ensure!(
        length.is_finite() && length > 0.0,
        "{what}: `{option}` must be positive, got {length}"
    );
    Ok(())
}

impl Attack for Fmn {
    fn name(&self) -> &'static str {
        "fmn"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        _draws: &Draws,
    ) -> Result<Tensor> {
        let aim = Aim::new(classifier, self.outputs, y, self.targeted);
        find(("fmn", self.norm, self.eps), &aim, x, |aim, x, smallest| {
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

    /// The ball's last changes are of a thousandth, and so near it comes. With more classes it
    /// heads for the one of the largest logit, which need not be the nearest.
    #[test]
    fn reaches_the_nearest_plane() -> Result<()> {
        for norm in [Norm::L2, Norm::Linf] {
            let attack: Fmn =
                serde_json::from_value(serde_json::json!({ "norm": norm })).expect("right");
            assert_within(&relative_sizes(&attack, norm, 2)?, 1.01);
        }
        Ok(())
    }
}
