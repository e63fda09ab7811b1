//! Gradients that are zero, vanish, or say nothing about the function.

use super::check::{Finding, Verdict};
use super::subject::{Subject, count, flags, quantile};
use crate::Result;
use crate::attack::{Loss, Norm};
use crate::torch::{Tensor, no_grad};

/// Of images that have no gradient at all. An honest network has none but by underflow; a tenth
/// is more than the error would be known by.
const SOME_WITHOUT: f64 = 0.02;
const MANY_WITHOUT: f64 = 0.10;

/// Of the entries that are zero, in the images that have some gradient: where more than half of
/// the pixels do not move, an attack by signs leaves them alone.
const MOST_ENTRIES: f64 = 0.5;

/// Zero and vanishing gradients of the cross-entropy, which PGD follows.
pub fn gradients(subject: &Subject) -> Result<Finding> {
    let rows = subject.right();
    let (_, of_loss) = subject.gradient(Loss::CrossEntropy, rows)?;
    let (_, of_margin) = subject.gradient(Loss::Margin, rows)?;
    let size = |gradient: &Tensor| Norm::Linf.dual_size(gradient)?.to_vec_f64();
    let (sizes, margins) = (size(&of_loss)?, size(&of_margin)?);
    ensure!(
        sizes.iter().all(|it| it.is_finite()),
        "diagnose: the gradient of the cross-entropy is not finite for some images"
    );
    let without = |sizes: &[f64]| sizes.iter().filter(|it| **it == 0.0).count();
    let n = rows.len() as f64;
    let (none, none_of_margin) = (without(&sizes), without(&margins));
    let zeros = (of_loss.numel() as f64 - of_loss.count_nonzero()? as f64) / of_loss.numel() as f64;
    let some = sizes.len() - none;
    // What is left of the share when whole images without gradient are taken out.
    let zeros_else = match some {
        0 => 0.0,
        _ => ((zeros * n - none as f64) / some as f64).max(0.0),
    };
    let share = none as f64 / n;
    let verdict = match share {
        it if it >= MANY_WITHOUT => Verdict::Fail,
        it if it >= SOME_WITHOUT || zeros_else > MOST_ENTRIES => Verdict::Warn,
        _ => Verdict::Pass,
    };
    let found = match verdict {
        Verdict::Pass => format!("{none} of {} images have a gradient of zero.", rows.len()),
        _ if none_of_margin as f64 >= MANY_WITHOUT * n => format!(
            "{none} of {} images have a gradient that is zero in every pixel, and so has the \
             margin between logits: something before them is constant in steps, such as a \
             quantiser, or is not differentiated.",
            rows.len()
        ),
        _ if share >= SOME_WITHOUT => format!(
            "{none} of {} images have a gradient that is zero in every pixel, though the margin \
             between logits has one: the loss is saturated.",
            rows.len()
        ),
        _ => format!(
            "Of the entries of gradients {:.0} % are zero.",
            100.0 * zeros_else
        ),
    };
    let advice = match none_of_margin as f64 >= MANY_WITHOUT * n {
        true => {
            "Replace the gradient of the part that has none by that of a smooth stand-in, the \
             identity for a quantiser (BPDA, Athalye et al. 2018, section 4.1): in a closure, \
             |x| model.forward(x + (quantised - x).detach())."
        }
        false => "Attack with `loss: \"dlr\"` or \"margin\", or with divided logits.",
    };
    Ok(Finding::new(verdict, found)
        .share("images whose gradient is zero", share)
        .share("the same of the margin", none_of_margin as f64 / n)
        .share("entries that are zero", zeros)
        .number("L1 norm, 5 % quantile", quantile(&sizes, 0.05))
        .number("L1 norm, median", quantile(&sizes, 0.5))
        .number("L1 norm, 95 % quantile", quantile(&sizes, 0.95))
        .advise(advice))
}

/// A change that float32 pixels and layers still see: a twentieth of a grey level.
const TINY_CHANGE: f64 = 0.05 / 255.0;

/// Of images whose outputs do not change at all.
const SOME_FLAT: f64 = 0.1;

/// Whether outputs stay exactly the same under a tiny change of every pixel.
pub fn flatness(subject: &Subject) -> Result<Finding> {
    let rows = subject.right();
    let unchanged = no_grad(|| {
        subject.in_batches(rows, |rows| {
            let x = subject.x(rows)?;
            let signs = subject
                .draws("diagnose flatness", rows)
                .uniform(&x, -1.0, 1.0)?;
            let moved = x.add(signs.sign()?.mul(TINY_CHANGE)?)?.clamp(0.0, 1.0)?;
            let (here, there) = (
                subject.classifier.logits(&x)?,
                subject.classifier.logits(&moved)?,
            );
            here.sub(there)?.abs()?.amax_dim(1, false)?.eq(0.0)
        })
    })?;
    let flat = count(&flags(&unchanged)?);
    let share = flat as f64 / rows.len() as f64;
    let verdict = match share >= SOME_FLAT {
        true => Verdict::Fail,
        false => Verdict::Pass,
    };
    let found = match verdict {
        Verdict::Pass => {
            "A change of a twentieth of a grey level in each pixel changes the outputs."
        }
        _ => {
            "A change of a twentieth of a grey level in each pixel leaves all outputs exactly as \
             they were: they are constant in steps, as behind a quantiser, or rounded to the ends \
             of their range. Gradients are zero there and say nothing about the next step."
        }
    };
    Ok(Finding::new(verdict, found)
        .share("images whose outputs stay", share)
        .advise(
            "Differentiate a smooth stand-in for the part that is constant in steps (BPDA, \
             Athalye et al. 2018, section 4.1).",
        ))
}
