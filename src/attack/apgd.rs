//! Auto-PGD: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 3 and algorithm 1,
//! with the random start of the authors' program.

use super::ascent::{Ascent, Goal};
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::pgd::{check_eps, check_precision};
use super::space::EpsSpace;
use super::stop::Stop;
use super::survivors::{Found, after};
use super::victim::Victim;
use super::{Attack, Classifier, Draws, Mode, sparse_ascent};
use crate::torch::{Precision, Tensor};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apgd {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "hundred")]
    pub steps: i64,
    #[serde(default = "one")]
    pub restarts: i64,
    #[serde(default)]
    pub loss: Loss,
    /// So many gradients are averaged in each step.
    #[serde(default = "one")]
    pub eot: i64,
    /// The step is halved where the loss rose in at most this share of a window.
    #[serde(default = "three_quarters")]
    pub rho: f64,
    #[serde(default)]
    pub mode: Mode,
    /// Of the passes of the search.
    #[serde(default)]
    pub precision: Precision,
    #[serde(default)]
    pub outputs: Outputs,
    /// With `Never` an example goes on after its first success, and its last one is returned.
    #[serde(default)]
    pub stop: Stop,
}

pub(super) fn hundred() -> i64 {
    100
}

pub(super) fn one() -> i64 {
    1
}

pub(super) fn three_quarters() -> f64 {
    0.75
}

impl Apgd {
    /// # Errors
    /// `Invalid` for an eps that is no radius and counts below 1.
    pub fn check(&self) -> Result<()> {
        self.check_as("apgd")
    }

    pub(super) fn check_as(&self, what: &str) -> Result<()> {
        check_eps(what, self.eps, self.norm, EpsSpace::Pixel)?;
        check_precision(what, self.precision, self.mode)?;
        check_count(what, "steps", self.steps)?;
        check_count(what, "restarts", self.restarts)?;
        check_count(what, "eot", self.eot)?;
        ensure!(
            (0.0..=1.0).contains(&self.rho),
            "{what}: `rho` must lie in [0, 1], got {}",
            self.rho
        );
        Ok(())
    }

    /// One ascent from one random start; every image of `x` is classified rightly.
    pub(super) fn climb(
        &self,
        victim: &Victim,
        goal: Goal,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Found> {
        if self.norm == Norm::L1 {
            return sparse_ascent::climb(self, victim, goal, x, y, draws);
        }
        let mut ascent = Ascent::start(self, victim, goal, x, y, draws)?;
        let mut window = Window::new(self.steps);
        for step in 0..self.steps {
            interrupt::check()?;
            if ascent.is_over() {
                break;
            }
            ascent.step(if step == 0 { 1.0 } else { 0.75 })?;
            if let Some(length) = window.after_step() {
                ascent.adapt(length)?;
            }
        }
        Ok(ascent.found())
    }
}

/// The windows between two looks at the step size: 22 % of the steps at first, each 3 % shorter
/// than the one before, none below 6 % (section 3.2).
struct Window {
    length: i64,
    shorter: i64,
    shortest: i64,
    gone: i64,
}

impl Window {
    fn new(steps: i64) -> Self {
        let share = |part: f64| ((part * steps as f64) as i64).max(1);
        Window {
            length: share(0.22),
            shorter: share(0.03),
            shortest: share(0.06),
            gone: 0,
        }
    }

    /// The length of the window that this step ends, if it ends one.
    fn after_step(&mut self) -> Option<i64> {
        self.gone += 1;
        (self.gone == self.length).then(|| {
            self.gone = 0;
            let next = (self.length - self.shorter).max(self.shortest);
            std::mem::replace(&mut self.length, next)
        })
    }
}

impl Attack for Apgd {
    fn name(&self) -> &'static str {
        "apgd"
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
        after("apgd", self.eps, &victim, (x, y), |survivors| {
            for _ in 0..self.restarts {
                survivors.attack(draws, |x, y, draws| {
                    self.climb(&victim, Goal::Away(self.loss), x, y, draws)
                })?;
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

/// `Invalid` for a count below 1.
pub(super) fn check_count(what: &str, option: &str, count: i64) -> Result<()> {
    ensure!(
        count >= 1,
        "{what}: `{option}` must be at least 1, got {count}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_of_the_paper() {
        let mut window = Window::new(100);
        let ends: Vec<i64> = (1..=100)
            .filter(|_| window.after_step().is_some())
            .collect();
        // Section 3.2: p = 0, 0.22, 0.41, 0.57, 0.7, 0.8, 0.87, then every 0.06.
        assert_eq!(ends, [22, 41, 57, 70, 80, 87, 93, 99]);
    }
}
