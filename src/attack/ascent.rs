//! The iteration of Auto-PGD in L-infinity and L2: steps with momentum, and a step size for each
//! example that is halved where the loss no longer rises (Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>,
//! algorithm 1).

use super::Draws;
use super::apgd::Apgd;
use super::norm::Norm;
use super::objective::{Loss, targeted_dlr};
use super::stop::Stop;
use super::survivors::{Found, rows};
use super::victim::Victim;
use crate::Result;
use crate::nn::Part;
use crate::torch::{Index, Tensor, no_grad, with_grad};

/// What is ascended.
#[derive(Clone)]
pub enum Goal {
    /// A loss of the true class.
    Away(Loss),
    /// The targeted DLR loss, towards these classes, `[n]`.
    Towards(Tensor),
}

impl Goal {
    fn each(&self, logits: &Tensor, y: &Tensor) -> Result<Tensor> {
        match self {
            Goal::Away(loss) => loss.each(logits, y),
            Goal::Towards(target) => targeted_dlr(logits, y, target),
        }
    }

    pub fn select(&self, stay: &Tensor) -> Result<Self> {
        Ok(match self {
            Goal::Away(loss) => Goal::Away(*loss),
            Goal::Towards(target) => Goal::Towards(target.index_select(0, stay)?),
        })
    }

    fn part(&self, part: Part) -> Result<Self> {
        Ok(match self {
            Goal::Away(loss) => Goal::Away(*loss),
            Goal::Towards(target) => Goal::Towards(part.of(target)?),
        })
    }
}

/// A point of each image's ball, what is ascended there, `[n]`, and its gradient.
#[derive(Clone)]
pub struct Point {
    pub x: Tensor,
    pub loss: Tensor,
    pub gradient: Tensor,
}

impl Point {
    pub fn select(&self, stay: &Tensor) -> Result<Self> {
        Ok(Point {
            x: self.x.index_select(0, stay)?,
            loss: self.loss.index_select(0, stay)?,
            gradient: self.gradient.index_select(0, stay)?,
        })
    }

    /// This point where `mask`, the other one elsewhere.
    pub fn where_(&self, mask: &Tensor, other: &Self) -> Result<Self> {
        let images = mask.broadcast_to_examples(&self.x)?;
        Ok(Point {
            x: self.x.where_(&images, &other.x)?,
            loss: self.loss.where_(mask, &other.loss)?,
            gradient: self.gradient.where_(&images, &other.gradient)?,
        })
    }
}

/// One run from one start. Each tensor but `found` has a row for every example still in it.
pub struct Ascent<'a> {
    attack: &'a Apgd,
    victim: &'a Victim<'a>,
    found: Found,
    /// The rows of `found`.
    places: Tensor,
    goal: Goal,
    x: Tensor,
    y: Tensor,
    /// The smallest and the largest pixels of the L-infinity ball within [0, 1].
    low: Tensor,
    high: Tensor,
    here: Point,
    /// Where `here` came from.
    before: Tensor,
    best: Point,
    step_size: Tensor,
    /// Steps of this window in which the loss rose, and the loss it is compared with.
    rises: Tensor,
    last_loss: Tensor,
    best_at_last_check: Tensor,
    halved_at_last_check: Tensor,
}

impl<'a> Ascent<'a> {
    pub fn start(
        attack: &'a Apgd,
        victim: &'a Victim<'a>,
        goal: Goal,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Self> {
        let noise = match attack.norm {
            Norm::Linf => draws.uniform(x, 0.0, 1.0)?.mul(2.0)?.sub(1.0)?,
            Norm::L2 | Norm::L1 => draws.normal(x, 0.0, 1.0)?,
        };
        let noise = unit(attack.norm, &noise)?.mul(attack.eps)?;
        // The layout in which networks compute.
        let x = &laid_out(x)?;
        let start = laid_out(&x.add(noise)?.clamp(0.0, 1.0)?)?;
        let (here, wrong) = look(attack, victim, &goal, &start, y)?;
        let zeros = here.loss.zeros_like()?;
        let mut ascent = Ascent {
            attack,
            victim,
            found: Found {
                x_adv: start.clone(),
                broken: y.ne(y)?,
            },
            places: rows(&y.eq(y)?)?,
            goal,
            x: x.clone(),
            y: y.clone(),
            low: x.sub(attack.eps)?.clamp_min(0.0)?,
            high: x.add(attack.eps)?.clamp_max(1.0)?,
            before: start,
            best: here.clone(),
            step_size: zeros.add(2.0 * attack.eps)?,
            rises: zeros.clone(),
            // As in the authors' program, whose first check looks at a slot still empty: so the
            // first step counts as a rise for a loss above 0.
            last_loss: zeros,
            best_at_last_check: here.loss.clone(),
            halved_at_last_check: y.eq(y)?,
            here,
        };
        ascent.keep(&wrong)?;
        Ok(ascent)
    }

    pub fn is_over(&self) -> bool {
        self.places.numel() == 0
    }

    pub fn found(self) -> Found {
        self.found
    }

    /// One step, of which the momentum leaves the share `fresh`.
    pub fn step(&mut self, fresh: f64) -> Result<()> {
        let next = self.next(fresh)?;
        let (next, wrong) = look(self.attack, self.victim, &self.goal, &next, &self.y)?;
        self.before = std::mem::replace(&mut self.here, next).x;

        let loss = &self.here.loss;
        let rose = loss.gt(&self.last_loss)?.to_like(loss)?;
        self.rises = self.rises.add(rose)?;
        self.last_loss = loss.clone();
        self.best = self.here.where_(&loss.gt(&self.best.loss)?, &self.best)?;
        self.keep(&wrong)
    }

    /// The point after this one.
    fn next(&self, fresh: f64) -> Result<Tensor> {
        let (here, before, gradient) = (&self.here.x, &self.before, &self.here.gradient);
        let (step_size, eps) = (&self.step_size, self.attack.eps);
        if self.attack.norm == Norm::Linf
            && let Some(next) =
                no_grad(|| here.apgd_step(before, gradient, &self.x, step_size, eps, fresh))
        {
            return Ok(next);
        }
        let momentum = here.sub(before)?;
        let uphill = match self.attack.norm {
            Norm::Linf => gradient.sign()?,
            norm => unit(norm, gradient)?,
        };
        let step = step_size.broadcast_to_examples(here)?.mul(uphill)?;
        let stepped = self.project(&here.add(step)?)?;
        let mixed = here
            .add(stepped.sub(here)?.mul(fresh)?)?
            .add(momentum.mul(1.0 - fresh)?)?;
        self.project(&mixed)
    }

    /// At the end of a window: halves the step and goes back to the best point where the loss
    /// rose too rarely, or where neither the step nor the best loss has changed since the last
    /// check (conditions 1 and 2 of section 3.2).
    pub fn adapt(&mut self, window: i64) -> Result<()> {
        let rarely = self.rises.le(window as f64 * self.attack.rho)?;
        let stuck = self
            .best_at_last_check
            .ge(&self.best.loss)?
            .logical_and(&self.halved_at_last_check.logical_not()?)?;
        let halve = rarely.logical_or(&stuck)?;
        self.step_size = self.step_size.div(2.0)?.where_(&halve, &self.step_size)?;
        self.here = self.best.where_(&halve, &self.here)?;
        self.best_at_last_check = self.best.loss.clone();
        self.halved_at_last_check = halve;
        self.rises = self.rises.zeros_like()?;
        Ok(())
    }

    /// The nearest point of the ball, then of [0, 1].
    fn project(&self, z: &Tensor) -> Result<Tensor> {
        match self.attack.norm {
            Norm::Linf => z.clamp_between(&self.low, &self.high),
            norm => {
                let delta = z.sub(&self.x)?;
                let length = length(norm, &delta)?;
                let scale = length.clamp_max(self.attack.eps)?;
                let inside = delta.div(length.add(TINY)?)?.mul(scale)?;
                self.x.add(inside)?.clamp(0.0, 1.0)
            }
        }
    }

    /// Writes down the successes; they leave unless the attack goes on with them.
    fn keep(&mut self, wrong: &Tensor) -> Result<()> {
        let wrong = &self
            .victim
            .confirmed(&self.here.x, &self.y, wrong.clone())?;
        if !keep(&mut self.found, &self.places, &self.here.x, wrong)?
            || self.attack.stop == Stop::Never
        {
            return Ok(());
        }
        self.retain(&rows(&wrong.logical_not()?)?)
    }

    fn retain(&mut self, stay: &Tensor) -> Result<()> {
        self.goal = self.goal.select(stay)?;
        self.here = self.here.select(stay)?;
        self.best = self.best.select(stay)?;
        for part in [
            &mut self.places,
            &mut self.x,
            &mut self.y,
            &mut self.low,
            &mut self.high,
            &mut self.before,
            &mut self.step_size,
            &mut self.rises,
            &mut self.last_loss,
            &mut self.best_at_last_check,
            &mut self.halved_at_last_check,
        ] {
            *part = part.index_select(0, stay)?;
        }
        Ok(())
    }
}

/// Writes down which of `images`, whose rows of `found` are `places`, are `wrong`; whether any is.
pub fn keep(found: &mut Found, places: &Tensor, images: &Tensor, wrong: &Tensor) -> Result<bool> {
    let hits = rows(wrong)?;
    if hits.numel() == 0 {
        return Ok(false);
    }
    let at = [Index::Tensor(places.index_select(0, &hits)?)];
    found.x_adv = found
        .x_adv
        .with_index(&at, images.index_select(0, &hits)?)?;
    let broken = wrong.index_select(0, &hits)?;
    found.broken = found.broken.with_index(&at, broken)?;
    Ok(true)
}

/// Images in the layout in which networks compute.
pub fn laid_out(x: &Tensor) -> Result<Tensor> {
    match x.ndim() {
        4 => x.channels_last(),
        _ => Ok(x.clone()),
    }
}

/// Loss and gradient at `z`, and which images are misclassified there. Over several passes (a
/// classifier that draws) the gradient is the mean, loss and classes are the last one's.
pub fn look(
    attack: &Apgd,
    victim: &Victim,
    goal: &Goal,
    z: &Tensor,
    y: &Tensor,
) -> Result<(Point, Tensor)> {
    let pass = || {
        victim.classifier.in_parts(z.dim(0)?, |part| {
            let (goal, y) = (goal.part(part)?, part.of(y)?);
            with_grad(|| {
                let leaf = part.of(z)?.leaf()?;
                let sight = victim.sight(&leaf)?;
                let loss = goal.each(&sight.logits, &y)?;
                let gradient = loss.sum()?.gradient(&leaf)?;
                Ok([loss.detach()?, gradient, sight.wrong(&y)?])
            })
        })
    };
    let [mut loss, mut gradient, mut wrong] = pass()?;
    for _ in 1..attack.eot {
        let [last_loss, another, last_wrong] = pass()?;
        (loss, wrong) = (last_loss, last_wrong);
        gradient = gradient.add(another)?;
    }
    if attack.eot > 1 {
        gradient = gradient.div(attack.eot as f64)?;
    }
    let x = z.clone();
    Ok((Point { x, loss, gradient }, wrong))
}

/// Keeps quotients finite.
const TINY: f64 = 1e-12;

/// The norm of each image's perturbation, `[n, 1, ...]`.
fn length(norm: Norm, delta: &Tensor) -> Result<Tensor> {
    norm.size(delta)?.broadcast_to_examples(delta)
}

/// Scaled to norm 1.
fn unit(norm: Norm, delta: &Tensor) -> Result<Tensor> {
    delta.div(length(norm, delta)?.add(TINY)?)
}
