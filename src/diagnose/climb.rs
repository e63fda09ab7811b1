//! Whether the attack climbs: the loss step by step, and the error as the radius grows (Carlini et
//! al. 2019, section 4; Athalye et al. 2018, section 3.1).

use super::check::{Finding, Line, Plot, Shape, Verdict};
use super::compare::{FEWEST_NO_CHANCE, SIGNIFICANT};
use super::subject::Subject;
use crate::attack::{Loss, Start, linf_step};
use crate::metrics::McNemar;
use crate::torch::{Tensor, with_grad};
use crate::{Result, interrupt};

/// So many images stand for all in the curve of the loss.
const CURVE: usize = 64;

/// The loss step by step.
pub fn ascent(subject: &Subject) -> Result<Finding> {
    let rows = subject.some_right(CURVE);
    let (eps, steps) = (subject.options.eps, subject.options.steps);
    let (x, step_size) = (subject.x(&rows)?, 2.5 * eps / steps as f64);
    let start = subject
        .draws("diagnose ascent", &rows)
        .uniform(&x, -eps, eps)?;
    let mut x_adv = x.add(start)?.clamp(0.0, 1.0)?;
    let look = |x_adv: &Tensor| -> Result<(Vec<f64>, Tensor)> {
        interrupt::check()?;
        with_grad(|| {
            let leaf = x_adv.leaf()?;
            let each = subject.loss(Loss::CrossEntropy, &leaf, &rows)?;
            let gradient = each.sum()?.gradient(&leaf)?;
            Ok((each.detach()?.to_vec_f64()?, gradient))
        })
    };
    let mean = |each: &[f64]| each.iter().sum::<f64>() / each.len() as f64;
    let (clean, _) = look(&x)?;
    let (began, mut gradient) = look(&x_adv)?;
    let mut each = began.clone();
    let mut means = vec![mean(&each)];
    for _ in 0..steps {
        x_adv = linf_step(&x_adv, &x, &gradient, eps, step_size)?;
        (each, gradient) = look(&x_adv)?;
        means.push(mean(&each));
    }
    let rose = std::iter::zip(&began, &each)
        .filter(|it| it.1 > it.0)
        .count();
    let fell = std::iter::zip(&began, &each)
        .filter(|it| it.1 < it.0)
        .count();
    let rises = means.windows(2).filter(|it| it[1] >= it[0]).count();
    let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let last = means[means.len() - 1];
    // As many up as down, or nearly: chance, not an ascent.
    let p = McNemar::from_counts(0, rose as u64, fell as u64, 0).p_exact;
    let climbs = rose > fell && p < SIGNIFICANT;
    let verdict = match climbs {
        true if last < KEPT * most => Verdict::Warn,
        true => Verdict::Pass,
        // So few could not show a climb.
        false if rows.len() < FEWEST_NO_CHANCE && rose > fell => Verdict::Warn,
        false => Verdict::Fail,
    };
    let found = match verdict {
        Verdict::Fail => format!(
            "From its random start the attack raises the loss of {rose} of {} images and lowers that \
             of {fell}: it does not climb.",
            rows.len()
        ),
        _ => format!(
            "From its random start the attack raises the loss of {rose} of {} images, from {} to {} \
             in the mean.",
            rows.len(),
            short(mean(&began)),
            short(last)
        ),
    };
    let points = means.iter().enumerate();
    let curve = Plot {
        name: "loss-ascent".into(),
        title: format!("Loss along the attack, {steps} steps"),
        description: format!(
            "Mean cross-entropy of {} images after each step of PGD.",
            rows.len()
        ),
        x: "steps".into(),
        y: "cross-entropy".into(),
        shape: Shape::Lines(vec![Line {
            name: "PGD".into(),
            points: points.map(|(step, &it)| (step as f64, it)).collect(),
        }]),
    };
    Ok(Finding::new(verdict, found)
        .number("mean loss, clean", Some(mean(&clean)))
        .number("mean loss, after the attack", Some(last))
        .number("largest mean loss on the way", Some(most))
        .share(
            "steps in which it did not fall",
            rises as f64 / steps as f64,
        )
        .count("images whose loss rose", rose)
        .count("images whose loss fell", fell)
        .advise("Look at `gradients`; take smaller steps (`step_size` of pgd) where it overshoots.")
        .plot(curve))
}

/// An attack that ends more than this below its best has overshot.
const KEPT: f64 = 0.9;

fn short(value: f64) -> String {
    format!("{value:.3}")
}

/// The radii of the unbounded attack, as multiples of eps; then half of the range of pixels, and
/// all of it.
const MULTIPLES: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// In a ball that holds every image, all of them can be broken. What gets stuck on the way are a
/// few for a sound gradient, many for one that is masked.
const SOME_LEFT: f64 = 0.02;
const MANY_LEFT: f64 = 0.10;

/// The error as the radius grows. It starts at the image itself: a random start in a large ball
/// is another image, which needs no gradient to be taken for another class.
pub fn unbounded(subject: &Subject) -> Result<Finding> {
    let eps = subject.options.eps;
    let mut radii: Vec<f64> = MULTIPLES.iter().map(|it| it * eps).collect();
    radii.retain(|it| *it < 0.5);
    radii.extend([0.5, 1.0]);
    let mut left = subject.right().to_vec();
    let mut points = vec![(0.0, 100.0 * subject.share(subject.wrong_count()))];
    for radius in radii {
        let attack = subject.pgd(|it| {
            it.eps = radius;
            it.random_start = Start::Clean;
        })?;
        let broken = subject.broken_by(&attack, &subject.classifier, &left, "diagnose radius")?;
        if radius <= eps {
            subject.note(&left, &broken);
        }
        // What is broken within a ball is broken within a larger one.
        left = std::iter::zip(left, broken)
            .filter(|it| !it.1)
            .map(|it| it.0)
            .collect();
        points.push((radius, 100.0 * (1.0 - subject.share(left.len()))));
    }
    let share = left.len() as f64 / subject.right().len() as f64;
    let verdict = match share {
        it if it > MANY_LEFT && left.len() > 1 => Verdict::Fail,
        it if it > SOME_LEFT => Verdict::Warn,
        _ => Verdict::Pass,
    };
    let found = match left.len() {
        0 => "With a radius that allows any image, the attack breaks every one.".to_owned(),
        n => format!(
            "With a radius that allows any image, the attack still leaves {n} of {}.",
            subject.right().len()
        ),
    };
    let mut finding = Finding::new(verdict, found);
    for (radius, error) in points.iter().rev() {
        let radius = (radius * 1e4).round() / 1e4;
        finding = finding.share(format!("error at eps {radius}"), error / 100.0);
    }
    Ok(finding
        .advise(
            "The attack gets stuck where it could go anywhere: look at `gradients` and `losses`.",
        )
        .plot(Plot {
            name: "error-eps".into(),
            title: "Error as the radius grows".into(),
            description: "The error under PGD from the clean image against the radius of the ball."
                .into(),
            x: "eps, pixels of [0, 1]".into(),
            y: "error, %".into(),
            shape: Shape::Lines(vec![Line {
                name: "PGD".into(),
                points,
            }]),
        }))
}
