//! The iteration of Auto-PGD in L1: sparse steps, projected onto the intersection of the ball with
//! the box (Croce & Hein 2021, <https://arxiv.org/abs/2103.01208>, section 3 and algorithm 1). It
//! begins in larger balls, as there in section 3.3.

use super::Draws;
use super::apgd::Apgd;
use super::ascent::{Goal, Point, keep, laid_out, look};
use super::l1;
use super::stop::Stop;
use super::survivors::{Found, rows};
use super::victim::Victim;
use crate::torch::Tensor;
use crate::{Result, interrupt};

/// The radii in units of eps, and their shares of the steps; the last has the rest.
const RADII: [(f64, f64); 3] = [(3.0, 0.3), (2.0, 0.3), (1.0, 0.4)];

/// The supports shrink by this factor from one window to the next, and so does a step size.
const SHRINK: f64 = 1.5;

/// The smallest step is so many times smaller than the largest.
const RANGE: f64 = 10.0;

/// A support counts as smaller below this share of what it was.
const SMALLER: f64 = 0.95;

/// From one random start; every image of `x` is classified rightly.
pub fn climb(
    attack: &Apgd,
    victim: &Victim,
    goal: Goal,
    x: &Tensor,
    y: &Tensor,
    draws: &Draws,
) -> Result<Found> {
    let given = x;
    // The layout in which networks compute.
    let x = &laid_out(given)?;
    let mut start = laid_out(&given.add(draws.normal(given, 0.0, 1.0)?)?)?;
    let mut steps_left = attack.steps;
    let mut found = None;
    for (at, (factor, share)) in RADII.into_iter().enumerate() {
        let last = at + 1 == RADII.len();
        let steps = match last {
            true => steps_left,
            false => ((share * attack.steps as f64).ceil() as i64).min(steps_left),
        };
        steps_left -= steps;
        let eps = factor * attack.eps;
        start = x
            .add(l1::nearest(x, &start.sub(x)?, eps)?)?
            .clamp(0.0, 1.0)?;
        // The authors' program draws a start here that it does not use.
        draws.normal(given, 0.0, 1.0)?;
        let mut ascent = SparseAscent::start(attack, victim, goal.clone(), x, y, &start, eps)?;
        // Only in the ball of eps does a success count.
        if last {
            ascent.keep()?;
        }
        let window = ((0.04 * steps as f64) as i64).max(1);
        for step in 1..=steps {
            interrupt::check()?;
            if ascent.is_over() {
                break;
            }
            ascent.step()?;
            if last {
                ascent.keep()?;
            }
            if !ascent.is_over() && step % window == 0 {
                ascent.adapt()?;
            }
        }
        if last {
            found = Some(ascent.found);
        } else {
            start = ascent.best.x;
        }
    }
    Ok(found.expect("the last of the radii gives it"))
}

/// One run in one ball. Each tensor but `found` has a row for every example still in it.
struct SparseAscent<'a> {
    attack: &'a Apgd,
    victim: &'a Victim<'a>,
    eps: f64,
    found: Found,
    /// The rows of `found`.
    places: Tensor,
    goal: Goal,
    x: Tensor,
    y: Tensor,
    here: Point,
    wrong: Tensor,
    best: Point,
    step_size: Tensor,
    /// The share of the entries that a step changes, and how many the best point had changed at
    /// the last look.
    density: Tensor,
    support: Tensor,
}

impl<'a> SparseAscent<'a> {
    fn start(
        attack: &'a Apgd,
        victim: &'a Victim<'a>,
        goal: Goal,
        x: &Tensor,
        y: &Tensor,
        start: &Tensor,
        eps: f64,
    ) -> Result<Self> {
        let (here, wrong) = look(attack, victim, &goal, start, y)?;
        let support = support(&start.sub(x)?)?;
        Ok(SparseAscent {
            attack,
            victim,
            eps,
            found: Found {
                x_adv: start.clone(),
                broken: y.ne(y)?,
            },
            places: rows(&y.eq(y)?)?,
            goal,
            x: x.clone(),
            y: y.clone(),
            best: here.clone(),
            step_size: here.loss.zeros_like()?.add(eps)?,
            density: density(&support, x)?,
            support,
            here,
            wrong,
        })
    }

    fn is_over(&self) -> bool {
        self.places.numel() == 0
    }

    fn step(&mut self) -> Result<()> {
        let gradient = &self.here.gradient;
        let chosen = l1::largest(&gradient.abs()?, &self.density)?;
        let direction = gradient.sign()?.mul(chosen.to_like(gradient)?)?;
        let count = direction.norm_each(1.0)?.add(1e-10)?;
        let length = self.step_size.broadcast_to_examples(gradient)?;
        let step = length
            .mul(direction)?
            .div(count.broadcast_to_examples(gradient)?)?;
        let delta = self.here.x.add(step)?.sub(&self.x)?;
        let next = self.x.add(l1::nearest(&self.x, &delta, self.eps)?)?;
        let next = next.clamp(0.0, 1.0)?;
        (self.here, self.wrong) = look(self.attack, self.victim, &self.goal, &next, &self.y)?;
        let higher = self.here.loss.gt(&self.best.loss)?;
        self.best = self.here.where_(&higher, &self.best)?;
        Ok(())
    }

    /// At the end of a window: where the best point has fewer changed entries than before, on
    /// from it with the largest step, else from here with a smaller one.
    fn adapt(&mut self) -> Result<()> {
        let now = support(&self.best.x.sub(&self.x)?)?;
        let sparser = now.div(&self.support)?.lt(SMALLER)?;
        let largest = self.step_size.zeros_like()?.add(self.eps)?;
        self.step_size = largest
            .where_(&sparser, &self.step_size.div(SHRINK)?)?
            .clamp_min(self.eps / RANGE)?;
        self.density = density(&now, &self.x)?;
        self.support = now;
        self.here = self.best.where_(&sparser, &self.here)?;
        Ok(())
    }

    /// Writes down the successes; they leave unless the attack goes on with them.
    fn keep(&mut self) -> Result<()> {
        let wrong = self.wrong.clone();
        let confirmed = self.victim.confirmed(&self.here.x, &self.y, wrong)?;
        if !keep(&mut self.found, &self.places, &self.here.x, &confirmed)?
            || self.attack.stop == Stop::Never
        {
            return Ok(());
        }
        let stay = &rows(&confirmed.logical_not()?)?;
        self.goal = self.goal.select(stay)?;
        self.here = self.here.select(stay)?;
        self.best = self.best.select(stay)?;
        for part in [
            &mut self.places,
            &mut self.x,
            &mut self.y,
            &mut self.wrong,
            &mut self.step_size,
            &mut self.density,
            &mut self.support,
        ] {
            *part = part.index_select(0, stay)?;
        }
        Ok(())
    }
}

/// How many entries of each image are changed, `[n]`.
fn support(delta: &Tensor) -> Result<Tensor> {
    delta.ne(0.0)?.to_like(delta)?.norm_each(1.0)
}

fn density(support: &Tensor, x: &Tensor) -> Result<Tensor> {
    let entries = x.numel() as f64 / x.shape()[0].max(1) as f64;
    support.div(entries)?.div(SHRINK)
}
