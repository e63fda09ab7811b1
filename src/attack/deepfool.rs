//! DeepFool: Moosavi-Dezfooli et al. 2016, <https://arxiv.org/abs/1511.04599>, algorithm 2 and
//! section 3.3. Step by step over the nearest of the boundaries, as if the classifier was linear.

use super::aim::Aim;
use super::apgd::check_count;
use super::norm::Norm;
use super::objective::{Outputs, column};
use super::smallest::{Smallest, check_limit, find};
use super::survivors::rows;
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeepFool {
    #[serde(default)]
    pub eps: Option<f64>,
    #[serde(default = "l2")]
    pub norm: Norm,
    #[serde(default = "fifty")]
    pub steps: i64,
    /// The share by which a step goes beyond the boundary.
    #[serde(default = "fiftieth")]
    pub overshoot: f64,
    /// So many classes, those ranked first at the clean image.
    #[serde(default = "ten")]
    pub candidates: i64,
    /// What is added to the length of each step: where the box takes more from it than the
    /// overshoot adds, steps without it come nearer to the boundary for ever.
    #[serde(default = "extra")]
    pub extra: f64,
    #[serde(default)]
    pub mode: Mode,
}

pub(super) fn l2() -> Norm {
    Norm::L2
}

fn fifty() -> i64 {
    50
}

fn fiftieth() -> f64 {
    0.02
}

fn ten() -> i64 {
    10
}

fn extra() -> f64 {
    1e-4
}

/// A gradient of zeros leads nowhere.
const FLAT: f64 = 1e-30;

impl DeepFool {
    /// # Errors
    /// `Invalid` for an eps that is no radius, no steps, fewer than two candidates and negative
    /// lengths.
    pub fn check(&self) -> Result<()> {
        check_limit("deepfool", self.eps, self.norm)?;
        check_count("deepfool", "steps", self.steps)?;
        ensure!(
            self.candidates >= 2,
            "deepfool: `candidates` must be at least 2, the class itself among them, got {}",
            self.candidates
        );
        for (option, value) in [("overshoot", self.overshoot), ("extra", self.extra)] {
            ensure!(
                value.is_finite() && value >= 0.0,
                "deepfool: `{option}` must be at least 0, got {value}"
            );
        }
        Ok(())
    }

    fn search(&self, aim: &Aim, x: &Tensor, smallest: &mut Smallest) -> Result<()> {
        let mut places = smallest.rows()?;
        let mut run = Run {
            here: x.clone(),
            others: self.others(aim, x)?,
            aim: aim.select(&places)?,
        };
        for _ in 0..self.steps {
            interrupt::check()?;
            if places.numel() == 0 {
                break;
            }
            let [here] = run.aim.in_parts(|part, aim| {
                let (here, others) = (part.of(&run.here)?, part.of(&run.others)?);
                Ok([self.step(aim, &here, &others)?])
            })?;
            run.here = here;
            let wrong = run.aim.hit(&run.here)?;
            smallest.offer(&places, &run.here, &wrong)?;
            let stay = rows(&wrong.logical_not()?)?;
            places = places.index_select(0, &stay)?;
            run = run.select(&stay)?;
        }
        Ok(())
    }

    /// The classes to head for, `[n, candidates - 1]`: those ranked first, without the class `y`.
    fn others(&self, aim: &Aim, x: &Tensor) -> Result<Tensor> {
        let sight = no_grad(|| aim.victim.exact_sight(x))?;
        let classes = sight.classes.shape()[1];
        ensure!(
            classes >= 2,
            "deepfool: the classifier must tell at least two classes apart, got {classes}"
        );
        // The class itself comes last.
        let own = aim.y.reshape(&[-1, 1])?;
        let ranked = sight.classes.scatter(1, &own, f64::NEG_INFINITY)?;
        let (_, order) = ranked.topk(self.candidates.min(classes) - 1, 1, true)?;
        Ok(order)
    }

    /// Over the nearest linearised boundary.
    fn step(&self, aim: &Aim, here: &Tensor, others: &Tensor) -> Result<Tensor> {
        let leaf = here.leaf()?;
        let logits = aim.victim.exact_sight(&leaf)?.classes;
        let own = column(&logits, &aim.y)?;
        let mut nearest: Option<Boundary> = None;
        for other in 0..others.shape()[1] {
            let lead = column(&logits, &others.select(1, other)?)?.sub(&own)?;
            let gradient = lead.sum()?.gradient_keeping(&leaf)?;
            let boundary = no_grad(|| self.boundary(lead.detach()?, gradient))?;
            nearest = Some(match nearest {
                None => boundary,
                Some(best) => no_grad(|| boundary.or_nearer(best))?,
            });
        }
        let Some(nearest) = nearest else {
            bail!("deepfool: there is no other class");
        };
        no_grad(|| {
            let step = nearest.direction.mul(
                nearest
                    .distance
                    .add(self.extra)?
                    .broadcast_to_examples(here)?,
            )?;
            here.add(step.mul(1.0 + self.overshoot)?)?.clamp(0.0, 1.0)
        })
    }

    fn boundary(&self, lead: Tensor, gradient: Tensor) -> Result<Boundary> {
        let slope = self.norm.dual_size(&gradient)?.clamp_min(FLAT)?;
        Ok(Boundary {
            distance: lead.abs()?.div(slope)?,
            direction: self.norm.ascent(&gradient)?,
        })
    }
}

/// Where another class begins: how far it is, `[n]`, and the way there of length 1.
struct Boundary {
    distance: Tensor,
    direction: Tensor,
}

impl Boundary {
    fn or_nearer(self, other: Boundary) -> Result<Boundary> {
        let nearer = self.distance.lt(&other.distance)?;
        let images = nearer.broadcast_to_examples(&self.direction)?;
        Ok(Boundary {
            distance: self.distance.where_(&nearer, &other.distance)?,
            direction: self.direction.where_(&images, &other.direction)?,
        })
    }
}

/// Each tensor has a row for every image that has not crossed a boundary.
struct Run<'a> {
    here: Tensor,
    others: Tensor,
    aim: Aim<'a>,
}

impl<'a> Run<'a> {
    fn select(&self, stay: &Tensor) -> Result<Run<'a>> {
        Ok(Run {
            here: self.here.index_select(0, stay)?,
            others: self.others.index_select(0, stay)?,
            aim: self.aim.select(stay)?,
        })
    }
}

impl Attack for DeepFool {
    fn name(&self) -> &'static str {
        "deepfool"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        _draws: &Draws,
    ) -> Result<Tensor> {
        let aim = Aim::new(classifier, Outputs::Class, y, false);
        let limits = ("deepfool", self.norm, self.eps);
        find(limits, &aim, x, |aim, x, smallest| {
            self.search(aim, x, smallest)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::planes::relative_sizes;

    /// One step over the nearest plane, `overshoot` beyond it.
    #[test]
    fn reaches_the_nearest_plane() -> Result<()> {
        for norm in [Norm::L2, Norm::Linf] {
            let options =
                serde_json::json!({ "norm": norm, "steps": 1, "overshoot": 0.001, "extra": 0.0 });
            let attack: DeepFool = serde_json::from_value(options).expect("right");
            for size in relative_sizes(&attack, norm, 4)? {
                assert!((size - 1.001).abs() < 1e-12, "{norm:?}: {size}");
            }
        }
        Ok(())
    }
}
