//! The Square attack: Andriushchenko et al. 2020, <https://arxiv.org/abs/1912.00049>, algorithms 1
//! to 3. A random search that sees the logits only: a square of the image is changed at random,
//! and the change stays where the margin grows.

use super::apgd::{check_count, one};
use super::ascent::laid_out;
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::pgd::check_eps;
use super::space::EpsSpace;
use super::squares::{Trial, first, next, side};
use super::survivors::{Found, after, rows};
use super::victim::{Changing, Sight, Victim};
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Index, Precision, Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Square {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "five_thousand")]
    pub queries: i64,
    #[serde(default = "one")]
    pub restarts: i64,
    /// The share of the image that the first squares cover.
    #[serde(default = "four_fifths")]
    pub p: f64,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

pub(super) fn five_thousand() -> i64 {
    5000
}

pub(super) fn four_fifths() -> f64 {
    0.8
}

impl Square {
    /// # Errors
    /// `Invalid` for an eps that is no radius, counts below 1 and a share outside of (0, 1].
    pub fn check(&self) -> Result<()> {
        check_eps("square", self.eps, self.norm, EpsSpace::Pixel)?;
        check_count("square", "queries", self.queries)?;
        check_count("square", "restarts", self.restarts)?;
        ensure!(
            self.p > 0.0 && self.p <= 1.0,
            "square: `p` must lie in (0, 1], got {}",
            self.p
        );
        Ok(())
    }

    /// One search after the other, each of the images that go through the classifier at once: it
    /// keeps what the network makes of them.
    fn search_in_parts(
        &self,
        victim: &Victim,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Found> {
        let start = draws.mark();
        let end = RefCell::new(draws.mark());
        let [x_adv, broken] = victim.classifier.in_parts(x.dim(0)?, |part| {
            draws.rewind(&start);
            let own = draws.select(&part.rows());
            let found = self.search(victim, &part.of(x)?, &part.of(y)?, &own)?;
            end.replace_with(|end| end.latest(draws.mark()));
            Ok([found.x_adv, found.broken])
        })?;
        draws.rewind(&end.into_inner());
        Ok(Found { x_adv, broken })
    }

    /// One search; every image of `x` is classified rightly.
    fn search(&self, victim: &Victim, x: &Tensor, y: &Tensor, draws: &Draws) -> Result<Found> {
        let start = first(self.norm, self.eps, x, draws)?;
        // The layout in which networks compute.
        let (x, mut x_adv) = (&laid_out(x)?, laid_out(&start)?);
        let (margin, loss) = margins(victim.outputs, victim.sight(&x_adv)?, y)?;
        let mut left = Left {
            places: rows(&y.eq(y)?)?,
            x: x.clone(),
            y: y.clone(),
            best: x_adv.copy()?,
            margin,
            loss,
        };
        let mut own = draws.select(&left.places.to_vec_i64()?);
        let mut around: Option<Changing> = None;
        for query in 0..self.queries {
            interrupt::check()?;
            let done = left.margin.ge(0.0)?;
            if rows(&done)?.numel() > 0 {
                x_adv = left.write(x_adv)?;
                let stay = rows(&done.logical_not()?)?;
                left = left.select(&stay)?;
                if let Some(around) = &mut around {
                    around.select(&stay)?;
                }
                own = draws.select(&left.places.to_vec_i64()?);
            }
            if left.places.numel() == 0 {
                break;
            }
            let side = side(self.norm, self.p, query, x);
            if around.is_none() && self.norm == Norm::Linf && is_small(side, x) {
                around = victim.around(&left.best)?;
            }
            let trial = next(self.norm, self.eps, side, &left.x, &left.best, &own)?;
            let sight = match (&trial, &mut around) {
                (Trial::Part(window, pixels), Some(around)) => around.sight(*window, pixels)?,
                (Trial::Part(window, pixels), None) => {
                    victim.sight(&left.best.with_index(&window.index(), pixels)?)?
                }
                (Trial::All(tried), _) => victim.sight(tried)?,
            };
            let (margin, loss) = margins(victim.outputs, sight, &left.y)?;
            let better = loss.gt(&left.loss)?;
            let taken = better.logical_or(&margin.ge(0.0)?)?;
            left.loss = loss.where_(&better, &left.loss)?;
            left.margin = margin.where_(&taken, &left.margin)?;
            left.take(&trial, &taken)?;
            if let Some(around) = &around {
                around.keep(&taken)?;
            }
        }
        let x_adv = left.write(x_adv)?;
        let broken = victim.wrong(&x_adv, y)?;
        Ok(Found { x_adv, broken })
    }
}

/// The examples that the search still tries to break, a row for each.
struct Left {
    /// Their rows in the batch.
    places: Tensor,
    x: Tensor,
    y: Tensor,
    best: Tensor,
    /// Above 0 where `best` is misclassified, and what the search raises.
    margin: Tensor,
    loss: Tensor,
}

impl Left {
    /// `x_adv` of the whole batch with the images of these examples.
    fn write(&self, x_adv: Tensor) -> Result<Tensor> {
        x_adv.with_index(&[Index::Tensor(self.places.clone())], &self.best)
    }

    /// The trial becomes the best image where `taken`.
    fn take(&mut self, trial: &Trial, taken: &Tensor) -> Result<()> {
        let taken = taken.broadcast_to_examples(&self.best)?;
        match trial {
            Trial::Part(window, pixels) => {
                let part = window.of(&self.best)?;
                part.assign(&pixels.where_(&taken, &part)?)
            }
            Trial::All(tried) => {
                self.best = tried.where_(&taken, &self.best)?;
                Ok(())
            }
        }
    }

    fn select(&self, stay: &Tensor) -> Result<Self> {
        let of = |part: &Tensor| part.index_select(0, stay);
        Ok(Left {
            places: of(&self.places)?,
            x: of(&self.x)?,
            y: of(&self.y)?,
            best: of(&self.best)?,
            margin: of(&self.margin)?,
            loss: of(&self.loss)?,
        })
    }
}

/// Whether most of an image is out of reach of a change in a square of `side`.
fn is_small(side: i64, x: &Tensor) -> bool {
    let shape = x.shape();
    3 * side <= shape[2].min(shape[3])
}

/// The margin over the classes, and over what the attacker sees.
fn margins(outputs: Outputs, sight: Sight, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let margin = Loss::Margin.each(&sight.classes, y)?;
    let loss = match outputs {
        Outputs::Class => margin.clone(),
        Outputs::All => Loss::Margin.each(&sight.logits, y)?,
    };
    Ok((margin, loss))
}

impl Attack for Square {
    fn name(&self) -> &'static str {
        "square"
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
            precision: Precision::Float32,
        };
        after("square", self.eps, &victim, (x, y), |survivors| {
            ensure!(
                x.ndim() == 4,
                "square: `x` must be images [n, c, h, w], got {}",
                x.signature()
            );
            let smallest = x.shape()[2].min(x.shape()[3]);
            ensure!(
                self.norm == Norm::Linf || smallest >= 5,
                "square: in L2 and L1 images must be at least 5 x 5, got {}",
                x.signature()
            );
            for _ in 0..self.restarts {
                survivors.attack(draws, |x, y, draws| {
                    no_grad(|| self.search_in_parts(&victim, x, y, draws))
                })?;
            }
            Ok(())
        })
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
