//! The attack of Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>, section 6.A: the
//! smallest L2 perturbation, by gradient descent on its length plus a constant times the margin,
//! in a space of which every point is an image (section 5.B).

use super::adam::Adam;
use super::aim::Aim;
use super::apgd::check_count;
use super::norm::Norm;
use super::objective::Outputs;
use super::smallest::{Smallest, check_limit, find};
use super::survivors::rows;
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Index, Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cw {
    #[serde(default)]
    pub eps: Option<f64>,
    #[serde(default = "thousand")]
    pub steps: i64,
    /// Constants that are tried for each image; each one starts again.
    #[serde(default = "nine")]
    pub search_steps: i64,
    /// The first constant.
    #[serde(default = "thousandth")]
    pub c: f64,
    /// By how much the wanted logit has to lead.
    #[serde(default)]
    pub confidence: f64,
    #[serde(default = "hundredth")]
    pub lr: f64,
    /// Ends a descent that no longer descends.
    #[serde(default = "yes")]
    pub abort_early: bool,
    /// How far black and white are drawn into the range, so that they can move.
    #[serde(default = "millionth")]
    pub squeeze: f64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

fn thousand() -> i64 {
    1000
}

fn nine() -> i64 {
    9
}

fn thousandth() -> f64 {
    1e-3
}

pub(super) fn hundredth() -> f64 {
    1e-2
}

fn millionth() -> f64 {
    1e-6
}

fn yes() -> bool {
    true
}

/// From so many constants on, the last one is the smallest that ever succeeded: the authors
/// repeat it.
const REPEAT_FROM: i64 = 10;
/// The largest constant of that repetition, where none ever succeeded.
const LARGEST: f64 = 1e10;
/// A descent goes on while a tenth of the steps brings the loss to this share.
const PROGRESS: f64 = 0.9999;

impl Cw {
    /// # Errors
    /// `Invalid` for an eps that is no radius, counts below 1, rates that are not positive.
    pub fn check(&self) -> Result<()> {
        check_limit("cw", self.eps, Norm::L2)?;
        check_count("cw", "steps", self.steps)?;
        check_count("cw", "search_steps", self.search_steps)?;
        for (option, value) in [("c", self.c), ("lr", self.lr)] {
            ensure!(
                value.is_finite() && value > 0.0,
                "cw: `{option}` must be positive, got {value}"
            );
        }
        ensure!(
            self.confidence.is_finite() && self.confidence >= 0.0,
            "cw: `confidence` must be at least 0, got {}",
            self.confidence
        );
        ensure!(
            (0.0..1.0).contains(&self.squeeze),
            "cw: `squeeze` must lie in [0, 1), got {}",
            self.squeeze
        );
        Ok(())
    }

    fn search(&self, aim: &Aim, x: &Tensor, smallest: &mut Smallest) -> Result<()> {
        let zeros = smallest.size().zeros_like()?;
        let (mut low, mut high) = (zeros.clone(), zeros.add(f64::INFINITY)?);
        let mut c = zeros.add(self.c)?;
        for trial in 1..=self.search_steps {
            if trial == self.search_steps && trial >= REPEAT_FROM {
                c = high.clamp_max(LARGEST)?;
            }
            let found = self.descend(aim, x, &c, smallest)?;
            high = c.where_(&found, &high)?;
            low = low.where_(&found, &c)?;
            let between = low.add(&high)?.div(2.0)?;
            c = between.where_(&high.isfinite()?, &c.mul(10.0)?)?;
        }
        Ok(())
    }

    /// One descent with the constants `c`, `[n]`; which images succeeded in it, bool `[n]`.
    fn descend(
        &self,
        aim: &Aim,
        x: &Tensor,
        c: &Tensor,
        smallest: &mut Smallest,
    ) -> Result<Tensor> {
        let mut run = Run {
            places: smallest.rows()?,
            aim: aim.select(&smallest.rows()?)?,
            start: to_plane(x, 1.0 - self.squeeze)?,
            moved: x.zeros_like()?,
            c: c.clone(),
            adam: Adam::new(self.lr, x)?,
            last_loss: c.zeros_like()?.add(f64::INFINITY)?,
        };
        let mut found = aim.y.ne(&aim.y)?;
        let tenth = (self.steps + 9) / 10;
        for step in 0..self.steps {
            interrupt::check()?;
            let look = self.look(&run)?;
            no_grad(|| {
                smallest.offer(&run.places, &look.images, &look.success)?;
                let hits = rows(&look.success)?;
                let at = [Index::Tensor(run.places.index_select(0, &hits)?)];
                found = found.with_index(&at, look.success.index_select(0, &hits)?)?;
                run.moved = run.moved.add(run.adam.step(&look.gradient)?)?;
                if self.abort_early && step % tenth == 0 {
                    let goes_on = look.loss.le(run.last_loss.mul(PROGRESS)?)?;
                    run.last_loss = look.loss;
                    run = run.select(&rows(&goes_on)?)?;
                }
                Ok::<_, crate::Error>(())
            })?;
            if run.places.numel() == 0 {
                break;
            }
        }
        Ok(found)
    }

    fn look(&self, run: &Run) -> Result<Look> {
        let [images, success, loss, gradient] = run.aim.in_parts(|part, aim| {
            let (start, c) = (part.of(&run.start)?, part.of(&run.c)?);
            let leaf = part.of(&run.moved)?.leaf()?;
            let images = to_images(&start.add(&leaf)?)?;
            let sight = aim.victim.exact_sight(&images)?;
            ensure!(
                sight.logits.requires_grad(),
                "cw: the logits do not depend on the images by anything that has a gradient"
            );
            let lead = aim.lead(&sight)?;
            let n = images.dim(0)?;
            let squares = images.sub(to_images(&start)?)?.square()?;
            let length = squares.reshape(&[n, -1])?.sum_dim(1, false)?;
            let short = lead.rsub(self.confidence)?.clamp_min(0.0)?;
            let loss = short.mul(&c)?.add(length)?;
            let gradient = loss.sum()?.gradient(&leaf)?;
            let success = aim.reached(&sight)?;
            let success = match self.confidence > 0.0 {
                true => success.logical_and(&lead.ge(self.confidence)?)?,
                false => success,
            };
            Ok([images.detach()?, success, loss.detach()?, gradient])
        })?;
        Ok(Look {
            images,
            success,
            loss,
            gradient,
        })
    }
}

/// Each tensor has a row for every image that still descends.
struct Run<'a> {
    places: Tensor,
    aim: Aim<'a>,
    start: Tensor,
    moved: Tensor,
    c: Tensor,
    adam: Adam,
    last_loss: Tensor,
}

impl<'a> Run<'a> {
    fn select(&self, stay: &Tensor) -> Result<Run<'a>> {
        let of = |part: &Tensor| part.index_select(0, stay);
        Ok(Run {
            places: of(&self.places)?,
            aim: self.aim.select(stay)?,
            start: of(&self.start)?,
            moved: of(&self.moved)?,
            c: of(&self.c)?,
            adam: self.adam.select(stay)?,
            last_loss: of(&self.last_loss)?,
        })
    }
}

struct Look {
    images: Tensor,
    success: Tensor,
    loss: Tensor,
    gradient: Tensor,
}

/// From images in [0, 1] to the whole line, once they are drawn towards grey by `share`.
fn to_plane(x: &Tensor, share: f64) -> Result<Tensor> {
    let t = x.mul(2.0)?.sub(1.0)?.clamp(-1.0, 1.0)?.mul(share)?;
    t.add(1.0)?.div(t.rsub(1.0)?)?.log()?.mul(0.5)
}

fn to_images(w: &Tensor) -> Result<Tensor> {
    w.tanh()?.add(1.0)?.mul(0.5)
}

impl Attack for Cw {
    fn name(&self) -> &'static str {
        "cw"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        _draws: &Draws,
    ) -> Result<Tensor> {
        let aim = Aim::new(classifier, self.outputs, y, self.targeted);
        let limits = ("cw", Norm::L2, self.eps);
        find(limits, &aim, x, |aim, x, smallest| {
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
    use serde_json::{Value, json};

    fn cw(options: Value) -> Cw {
        serde_json::from_value(options).expect("the options are right")
    }

    /// Adam goes round the nearest point in smaller and smaller circles.
    #[test]
    fn reaches_the_nearest_plane() -> Result<()> {
        let attack = cw(json!({ "steps": 200, "search_steps": 6, "c": 0.1 }));
        assert_within(&relative_sizes(&attack, Norm::L2, 2)?, 1.01);
        Ok(())
    }

    /// A lead of 0.5 between logits (1, 0) and (0, 1) takes 0.25 in each entry more.
    #[test]
    fn confidence_is_a_lead_of_the_logits() -> Result<()> {
        let classifier = Classifier::new(|x| Ok(x.clone()));
        let x = Tensor::from_f64(&[0.6, 0.4], &[1, 2])?;
        let y = Tensor::from_i64(&[0], &[1])?;
        let attack = cw(json!({ "steps": 300, "c": 1.0, "confidence": 0.5 }));
        let x_adv = attack.perturb(&classifier, &x, &y, &Draws::of_batch())?;
        let expected = Tensor::from_f64(&[0.25, 0.75], &[1, 2])?;
        assert!(
            x_adv.all_close(&expected, 0.0, 2e-3)?,
            "{:?}",
            x_adv.to_vec_f64()?
        );
        let lead = x_adv.to_vec_f64()?;
        assert!(lead[1] - lead[0] >= 0.5);
        Ok(())
    }

    #[test]
    fn the_plane_and_the_images_are_inverse() -> Result<()> {
        let x = Tensor::from_f64(&[0.0, 0.1, 0.5, 1.0], &[4])?;
        let back = to_images(&to_plane(&x, 1.0)?)?;
        assert!(back.all_close(&x, 0.0, 1e-15)?);
        let back = to_images(&to_plane(&x, 0.8)?)?;
        let inward = Tensor::from_f64(&[0.1, 0.18, 0.5, 0.9], &[4])?;
        assert!(back.all_close(&inward, 0.0, 1e-15)?);
        Ok(())
    }
}
