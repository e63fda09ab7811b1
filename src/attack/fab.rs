//! The Fast Adaptive Boundary attack: Croce & Hein 2020, "Minimally distorted adversarial
//! examples", <https://arxiv.org/abs/1907.02044>, algorithm 1; towards given classes (FAB-T) as in
//! <https://arxiv.org/abs/2003.01690>, section 4.1. It looks for the smallest perturbation; those
//! within eps count.

use super::apgd::{check_count, hundred, one};
use super::apgd_t::nine;
use super::ascent::laid_out;
use super::hyperplane::step_onto;
use super::norm::Norm;
use super::objective::{Outputs, column};
use super::pgd::{check_eps, check_precision};
use super::space::EpsSpace;
use super::stop::Stop;
use super::survivors::{Found, after, rows};
use super::victim::Victim;
use super::{Attack, Classifier, Draws, Mode};
use crate::torch::{Index, Precision, Tensor, cat, no_grad, with_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fab {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default = "hundred")]
    pub steps: i64,
    #[serde(default = "one")]
    pub restarts: i64,
    /// How many classes, those ranked second, third, ... at the clean image, are headed for one
    /// after the other. With 0 each step heads for the nearest boundary of all.
    #[serde(default = "nine")]
    pub targets: i64,
    /// The largest share of the way towards the clean image.
    #[serde(default = "tenth")]
    pub alpha_max: f64,
    /// How far beyond the linearised boundary a step goes.
    #[serde(default = "overshoot")]
    pub eta: f64,
    /// The share of a perturbation that is left after a success.
    #[serde(default = "backward")]
    pub beta: f64,
    #[serde(default)]
    pub mode: Mode,
    /// Of the passes of the search.
    #[serde(default)]
    pub precision: Precision,
    #[serde(default)]
    pub outputs: Outputs,
    /// `Never` looks for still smaller perturbations once one is within eps.
    #[serde(default)]
    pub stop: Stop,
}

fn tenth() -> f64 {
    0.1
}

fn overshoot() -> f64 {
    1.05
}

fn backward() -> f64 {
    0.9
}

/// Steps count as at least this long when the two are weighed.
const SHORTEST: f64 = 1e-8;

/// Keeps distances finite where a gradient vanishes.
const TINY: f64 = 1e-12;

impl Fab {
    /// With every default.
    pub fn within(eps: f64) -> Self {
        Fab {
            eps,
            norm: Norm::default(),
            steps: hundred(),
            restarts: one(),
            targets: nine(),
            alpha_max: tenth(),
            eta: overshoot(),
            beta: backward(),
            mode: Mode::default(),
            precision: Precision::default(),
            outputs: Outputs::default(),
            stop: Stop::Broken,
        }
    }

    /// # Errors
    /// `Invalid` for an eps that is no radius, counts below 1 and shares outside of [0, 1].
    pub fn check(&self) -> Result<()> {
        check_eps("fab", self.eps, self.norm, EpsSpace::Pixel)?;
        check_precision("fab", self.precision, self.mode)?;
        check_count("fab", "steps", self.steps)?;
        check_count("fab", "restarts", self.restarts)?;
        ensure!(
            self.targets >= 0,
            "fab: `targets` must be at least 0, got {}",
            self.targets
        );
        for (option, share) in [("alpha_max", self.alpha_max), ("beta", self.beta)] {
            ensure!(
                (0.0..=1.0).contains(&share),
                "fab: `{option}` must lie in [0, 1], got {share}"
            );
        }
        ensure!(
            self.eta.is_finite() && self.eta >= 1.0,
            "fab: `eta` must be at least 1, got {}",
            self.eta
        );
        Ok(())
    }

    /// One run; every image of `x` is classified rightly.
    fn approach(
        &self,
        victim: &Victim,
        rank: Option<i64>,
        x: &Tensor,
        y: &Tensor,
        start: Tensor,
    ) -> Result<Found> {
        // The layout in which networks compute.
        let (x, start) = (&laid_out(x)?, laid_out(&start)?);
        let sight = victim.sight(x)?;
        let heading = match rank {
            Some(rank) => Heading::Class(sight.ranked(rank)?),
            None => Heading::Nearest(sight.classes.shape()[1]),
        };
        let nowhere = y.to_like(x)?.zeros_like()?.add(f64::INFINITY)?;
        let mut found = Found {
            x_adv: x.clone(),
            broken: y.ne(y)?,
        };
        let mut places = rows(&y.eq(y)?)?;
        let mut run = Run {
            x: x.clone(),
            y: y.clone(),
            heading,
            here: start,
            best: x.clone(),
            size: nowhere,
        };
        for _ in 0..self.steps {
            interrupt::check()?;
            self.step(victim, &mut run)?;
            let close = run.size.le(self.eps)?;
            let within = victim.confirmed(&run.best, &run.y, close.clone())?;
            // What does not count is not in the way of what will.
            let false_alarm = close.logical_xor(&within)?;
            run.size = run.size.masked_fill(&false_alarm, f64::INFINITY)?;
            let hits = rows(&within)?;
            if hits.numel() > 0 {
                let at = [Index::Tensor(places.index_select(0, &hits)?)];
                let images = run.best.index_select(0, &hits)?;
                found.x_adv = found.x_adv.with_index(&at, images)?;
                let broken = within.index_select(0, &hits)?;
                found.broken = found.broken.with_index(&at, broken)?;
                if self.stop == Stop::Broken {
                    let stay = rows(&within.logical_not()?)?;
                    places = places.index_select(0, &stay)?;
                    run = run.select(&stay)?;
                }
            }
            if places.numel() == 0 {
                break;
            }
        }
        Ok(found)
    }

    /// Towards the boundary from here and from the clean image, weighed by how far it is; where
    /// that crosses it, most of the way back.
    fn step(&self, victim: &Victim, run: &mut Run) -> Result<()> {
        let (x, here) = (&run.x, &run.here);
        let (lead, gradient) = match &run.heading {
            Heading::Class(target) => lead_of(victim, here, &run.y, target)?,
            Heading::Nearest(classes) => self.nearest(victim, here, &run.y, *classes)?,
        };
        let (alpha_max, eta) = (self.alpha_max, self.eta);
        let native = match self.norm {
            Norm::Linf => here.fab_step(x, &gradient, &lead, false, alpha_max, eta),
            Norm::L2 => here.fab_step(x, &gradient, &lead, true, alpha_max, eta),
            Norm::L1 => None,
        };
        let next = match native {
            Some(next) => next,
            None => self.next(x, here, &lead, &gradient)?,
        };
        let wrong = victim.sight(&next)?.wrong(&run.y)?;
        let size = self.norm.size(&next.sub(x)?)?;
        let better = wrong.logical_and(&size.lt(&run.size)?)?;
        run.size = size.where_(&better, &run.size)?;
        run.best = next.where_(&better.broadcast_to_examples(x)?, &run.best)?;
        let back = x.add(next.sub(x)?.mul(self.beta)?)?;
        run.here = back.where_(&wrong.broadcast_to_examples(x)?, &next)?;
        Ok(())
    }

    /// The point between those that are reached from `here` and from `x`.
    fn next(&self, x: &Tensor, here: &Tensor, lead: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let n = here.dim(0)?;
        let flat = |images: &Tensor| images.reshape(&[n, -1]);
        let (normal, z) = (flat(gradient)?, flat(here)?);
        let offset = normal.mul(&z)?.sum_dim(1, false)?.sub(lead)?;
        let steps = step_onto(
            self.norm,
            &cat(&[z, flat(x)?], 0)?,
            &cat(&[normal.clone(), normal], 0)?,
            &cat(&[offset.clone(), offset], 0)?,
        )?;
        let length = self.norm.size(&steps)?.clamp_min(SHORTEST)?;
        let (from_here, from_x) = (length.narrow(0, 0, n)?, length.narrow(0, n, n)?);
        let alpha = from_here
            .div(from_here.add(from_x)?)?
            .clamp(0.0, self.alpha_max)?
            .broadcast_to_examples(here)?;
        let step = |first| steps.narrow(0, first, n)?.reshape(&here.shape());
        let ahead = here.add(step(0)?.mul(self.eta)?)?;
        let aside = x.add(step(n)?.mul(self.eta)?)?;
        ahead
            .mul(alpha.rsub(1.0)?)?
            .add(aside.mul(&alpha)?)?
            .clamp(0.0, 1.0)
    }

    /// The lead of the class whose linearised boundary is nearest, and its gradient.
    fn nearest(
        &self,
        victim: &Victim,
        here: &Tensor,
        y: &Tensor,
        classes: i64,
    ) -> Result<(Tensor, Tensor)> {
        let far = y.to_like(here)?.zeros_like()?.add(f64::INFINITY)?;
        let mut nearest = (far.clone(), here.zeros_like()?);
        let mut distance = far.clone();
        for class in 0..classes {
            let target = y.zeros_like()?.add(class)?;
            let (lead, gradient) = lead_of(victim, here, y, &target)?;
            // Measured in the dual norm.
            let slope = self.norm.dual_size(&gradient)?.add(TINY)?;
            let there = far.where_(&y.eq(class)?, &lead.abs()?.div(slope)?)?;
            let nearer = there.lt(&distance)?;
            distance = there.where_(&nearer, &distance)?;
            let images = nearer.broadcast_to_examples(here)?;
            nearest = (
                lead.where_(&nearer, &nearest.0)?,
                gradient.where_(&images, &nearest.1)?,
            );
        }
        Ok(nearest)
    }

    /// A random point at half of eps.
    fn random_start(&self, x: &Tensor, draws: &Draws) -> Result<Tensor> {
        let noise = match self.norm {
            Norm::Linf => draws.uniform(x, 0.0, 1.0)?.mul(2.0)?.sub(1.0)?,
            Norm::L2 | Norm::L1 => draws.normal(x, 0.0, 1.0)?,
        };
        let length = self.norm.size(&noise)?.broadcast_to_examples(x)?;
        let delta = noise.mul(self.eps)?.div(length)?.mul(0.5)?;
        x.add(delta)?.clamp(0.0, 1.0)
    }
}

/// Whose boundary is headed for.
enum Heading {
    /// That of one class for each example, `[n]`.
    Class(Tensor),
    /// The nearest of so many classes.
    Nearest(i64),
}

/// Each tensor has a row for every example still in the run.
struct Run {
    x: Tensor,
    y: Tensor,
    heading: Heading,
    here: Tensor,
    /// The smallest perturbed image so far, and the size of its perturbation.
    best: Tensor,
    size: Tensor,
}

impl Run {
    fn select(&self, stay: &Tensor) -> Result<Self> {
        let of = |part: &Tensor| part.index_select(0, stay);
        Ok(Run {
            x: of(&self.x)?,
            y: of(&self.y)?,
            heading: match &self.heading {
                Heading::Class(target) => Heading::Class(of(target)?),
                Heading::Nearest(classes) => Heading::Nearest(*classes),
            },
            here: of(&self.here)?,
            best: of(&self.best)?,
            size: of(&self.size)?,
        })
    }
}

/// How far class `target` leads over `y`, `[n]`, and the gradient.
fn lead_of(
    victim: &Victim,
    here: &Tensor,
    y: &Tensor,
    target: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let [lead, gradient] = victim.classifier.in_parts(here.dim(0)?, |part| {
        let (y, target) = (part.of(y)?, part.of(target)?);
        with_grad(|| {
            let leaf = part.of(here)?.leaf()?;
            let classes = victim.sight(&leaf)?.classes;
            let lead = column(&classes, &y)?
                .sub(column(&classes, &target)?)?
                .neg()?;
            let gradient = lead.sum()?.gradient(&leaf)?;
            Ok([lead.detach()?, gradient])
        })
    })?;
    Ok((lead, gradient))
}

impl Attack for Fab {
    fn name(&self) -> &'static str {
        "fab"
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
        after("fab", self.eps, &victim, (x, y), |survivors| {
            let ranks: Vec<Option<i64>> = match self.targets {
                0 => vec![None],
                targets => survivors.target_ranks(targets).map(Some).collect(),
            };
            for rank in ranks {
                for restart in 0..self.restarts {
                    survivors.attack(draws, |x, y, draws| {
                        let start = match restart {
                            0 => x.clone(),
                            _ => self.random_start(x, draws)?,
                        };
                        no_grad(|| self.approach(&victim, rank, x, y, start))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, generator, manual_seed, rand, randn};

    /// In native code and in libtorch's operations, in both layouts.
    #[test]
    fn both_ways_to_step_agree() -> Result<()> {
        let _guard = generator();
        manual_seed(5);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let shape = [6, 3, 5, 5];
        let (x, here) = (rand(&shape, like)?, rand(&shape, like)?);
        let (gradient, lead) = (randn(&shape, like)?, randn(&[6], like)?);
        for norm in [Norm::Linf, Norm::L2] {
            let fab = Fab {
                norm,
                ..Fab::within(0.1)
            };
            let expected = fab.next(&x, &here, &lead, &gradient)?;
            for x in [x.clone(), x.channels_last()?] {
                let l2 = norm == Norm::L2;
                let native = here.fab_step(&x, &gradient, &lead, l2, fab.alpha_max, fab.eta);
                let native = native.expect("they are rows of one kind");
                // The same sums in another order.
                assert!(native.all_close(&expected, 0.0, 1e-12)?, "{norm:?}");
            }
        }
        Ok(())
    }
}
