//! Targeted Auto-PGD: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 4.2: one
//! ascent of the targeted DLR loss after the other, towards the classes that come next in rank.

use super::apgd::{Apgd, check_count, hundred, one, three_quarters};
use super::ascent::Goal;
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::stop::Stop;
use super::survivors::after;
use super::victim::Victim;
use super::{Attack, Classifier, Draws, Mode};
use crate::Result;
use crate::torch::{Precision, Tensor, no_grad};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApgdT {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "hundred")]
    pub steps: i64,
    /// Towards each class.
    #[serde(default = "one")]
    pub restarts: i64,
    /// How many classes, those ranked second, third, ... at the clean image.
    #[serde(default = "nine")]
    pub targets: i64,
    #[serde(default = "one")]
    pub eot: i64,
    #[serde(default = "three_quarters")]
    pub rho: f64,
    #[serde(default)]
    pub mode: Mode,
    /// Of the passes of the search.
    #[serde(default)]
    pub precision: Precision,
    #[serde(default)]
    pub outputs: Outputs,
    #[serde(default)]
    pub stop: Stop,
}

pub(super) fn nine() -> i64 {
    9
}

impl ApgdT {
    /// # Errors
    /// `Invalid` for an eps that is no radius and counts below 1.
    pub fn check(&self) -> Result<()> {
        check_count("apgd_t", "targets", self.targets)?;
        self.untargeted().check_as("apgd_t")
    }

    fn untargeted(&self) -> Apgd {
        Apgd {
            eps: self.eps,
            norm: self.norm,
            steps: self.steps,
            restarts: self.restarts,
            loss: Loss::Dlr,
            eot: self.eot,
            rho: self.rho,
            mode: self.mode,
            precision: self.precision,
            outputs: self.outputs,
            stop: self.stop,
        }
    }
}

impl Attack for ApgdT {
    fn name(&self) -> &'static str {
        "apgd_t"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        let victim = Victim {
            classifier,
            outputs: self.outputs,
            precision: self.precision,
        };
        let ascent = self.untargeted();
        after("apgd_t", self.eps, &victim, (x, y), |survivors| {
            for rank in survivors.target_ranks(self.targets) {
                for _ in 0..self.restarts {
                    survivors.attack(draws, |x, y, draws| {
                        let target = no_grad(|| victim.sight(x)?.ranked(rank))?;
                        ascent.climb(&victim, Goal::Towards(target), x, y, draws)
                    })?;
                }
            }
            Ok(())
        })
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn images_leave(&self) -> bool {
        true
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
