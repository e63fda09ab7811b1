//! The loss around clean images: whether gradients foretell it, and how it looks.

use super::check::{Finding, Line, Plot, Shape, Verdict};
use super::subject::{Subject, quantile};
use crate::Result;
use crate::attack::Loss;
use crate::torch::{Tensor, no_grad};

/// So many images stand for all: each takes some 150 passes.
const IMAGES: usize = 32;

/// The length of a small step, as a part of eps: half a grey level for eps 8/255. Longer ones
/// leave the piece on which a network is linear, shorter ones are lost in float32.
const SMALL: f64 = 1.0 / 16.0;

/// Random directions for each image.
const DIRECTIONS: usize = 3;

/// How much of the change of the margin along small steps the gradient foretells: 1 is all of it,
/// 0 is what a gradient of zero foretells. Rectified networks reach more than 0.9, gradients of
/// something else about 0.
const LITTLE: f64 = 0.2;
const HALF: f64 = 0.5;

/// Whether the first-order prediction holds for small steps, and a drawing of the loss.
pub fn first_order(subject: &Subject) -> Result<Finding> {
    let rows = subject.some_right(IMAGES);
    let margin = Fit::of(subject, Loss::Margin, &rows)?;
    let loss = Fit::of(subject, Loss::CrossEntropy, &rows)?;
    let verdict = match margin.foretold {
        Some(it) if it >= HALF => Verdict::Pass,
        Some(it) if it >= LITTLE => Verdict::Warn,
        // Nothing changes at all: that is `flatness`.
        None => Verdict::Warn,
        Some(_) => Verdict::Fail,
    };
    let found = match verdict {
        Verdict::Pass => "The gradient foretells how the margin changes along small steps.",
        Verdict::Fail => {
            "The gradient does not foretell how the margin changes along small steps: it is not the \
             gradient of what the classifier computes."
        }
        _ if margin.foretold.is_none() => "The margin does not change along small steps.",
        _ => {
            "The gradient foretells less than half of how the margin changes along small steps: \
             the surface is rough."
        }
    };
    let mut finding = Finding::new(verdict, found)
        .number("change of the margin that is foretold", margin.foretold)
        .number("change of the loss that is foretold", loss.foretold)
        .number("gain of the margin over the foretold, median", margin.ratio)
        .number("gain of the loss over the foretold, median", loss.ratio)
        .advise(
            "Average gradients over noise, or differentiate a smooth stand-in (BPDA); rely on the \
             black-box attacks meanwhile.",
        );
    finding.plots = drawn(subject, &rows)?;
    Ok(finding)
}

/// How well a gradient foretells small steps.
struct Fit {
    /// `1 - sum (actual - foretold)^2 / sum actual^2` over all steps.
    foretold: Option<f64>,
    /// Actual over foretold gain along the sign of the gradient, the median.
    ratio: Option<f64>,
}

impl Fit {
    fn of(subject: &Subject, loss: Loss, rows: &[usize]) -> Result<Self> {
        let (here, gradient) = subject.gradient(loss, rows)?;
        let x = subject.x(rows)?;
        let draws = subject.draws("diagnose directions", rows);
        let length = SMALL * subject.options.eps;
        let mut directions = vec![gradient.sign()?];
        for _ in 0..DIRECTIONS {
            directions.push(draws.uniform(&x, -1.0, 1.0)?.sign()?);
        }
        let (mut off, mut all, mut ratios) = (0.0, 0.0, Vec::new());
        for (at, direction) in directions.iter().enumerate() {
            let moved = x.add(direction.mul(length)?)?.clamp(0.0, 1.0)?;
            let step = moved.sub(&x)?;
            let n = rows.len() as i64;
            let foretold = step.mul(&gradient)?.reshape(&[n, -1])?.sum_dim(1, false)?;
            let there = no_grad(|| subject.loss(loss, &moved, rows))?;
            let actual = there.sub(&here)?.to_vec_f64()?;
            for (actual, foretold) in actual.into_iter().zip(foretold.to_vec_f64()?) {
                off += (actual - foretold).powi(2);
                all += actual.powi(2);
                if at == 0 && foretold > 0.0 {
                    ratios.push(actual / foretold);
                }
            }
        }
        Ok(Fit {
            foretold: (all > 0.0).then(|| 1.0 - off / all),
            ratio: quantile(&ratios, 0.5),
        })
    }
}

/// Places along a line, each way, and on each side of the grid.
const LINE: i64 = 20;
const GRID: i64 = 8;

/// The mean loss along the sign of the gradient and along random signs, and over both.
fn drawn(subject: &Subject, rows: &[usize]) -> Result<Vec<Plot>> {
    let eps = subject.options.eps;
    let (_, gradient) = subject.gradient(Loss::CrossEntropy, rows)?;
    let uphill = gradient.sign()?;
    let x = subject.x(rows)?;
    let random = subject
        .draws("diagnose surface", rows)
        .uniform(&x, -1.0, 1.0)?
        .sign()?;
    let at = |a: f64, b: f64| -> Result<f64> {
        crate::interrupt::check()?;
        let step = uphill.mul(a)?.add(random.mul(b)?)?;
        let there: Tensor = x.add(step)?.clamp(0.0, 1.0)?;
        no_grad(|| {
            subject
                .loss(Loss::CrossEntropy, &there, rows)?
                .mean()?
                .item()
        })
    };
    let places = |n: i64| (-n..=n).map(move |i| 2.0 * eps * i as f64 / n as f64);
    let line = |name: &str, at: &dyn Fn(f64) -> Result<f64>| -> Result<Line> {
        let points = places(LINE).map(|a| Ok((a, at(a)?)));
        Ok(Line {
            name: name.to_owned(),
            points: points.collect::<Result<_>>()?,
        })
    };
    let lines = vec![
        line("gradient", &|a| at(a, 0.0))?,
        line("random", &|b| at(0.0, b))?,
    ];
    let sides: Vec<f64> = places(GRID).collect();
    let row = |&b: &f64| {
        sides
            .iter()
            .map(|&a| at(a, b))
            .collect::<Result<Vec<f64>>>()
    };
    let values = sides.iter().map(row).collect::<Result<_>>()?;
    let n = rows.len();
    Ok(vec![
        Plot {
            name: "loss-lines".into(),
            title: "Loss along two directions".into(),
            description: format!(
                "Mean cross-entropy of {n} images against the length of a step in every pixel, \
                 along the sign of the gradient and along random signs."
            ),
            x: "step, pixels of [0, 1]".into(),
            y: "cross-entropy".into(),
            shape: Shape::Lines(lines),
        },
        Plot {
            name: "loss-surface".into(),
            title: "Loss surface".into(),
            description: format!(
                "Mean cross-entropy of {n} images: to the right along the sign of the gradient, \
                 upwards along random signs."
            ),
            x: "along the gradient's sign".into(),
            y: "along random signs".into(),
            shape: Shape::Grid {
                xs: sides.clone(),
                ys: sides,
                values,
            },
        },
    ])
}
