//! What the outputs look like: AutoAttack's flags (Croce & Hein 2020 and the notes of the authors'
//! program), which say that its standard version, or any attack by cross-entropy, is the wrong
//! one.

use super::check::{Finding, Verdict};
use super::compare::{LARGE_GAIN, Paired};
use super::subject::{Subject, count, flags, quantile};
use crate::Result;
use crate::attack::{Apgd, Loss, Norm, Outputs, Stop};
use crate::nn::class_logits;
use crate::torch::{Tensor, no_grad, passes};

/// Two passes on the same images differ by rounding at most, a classifier that draws by more:
/// relative to the largest output.
const ROUNDING: f64 = 1e-4;

/// How many images are looked at in two passes.
const LOOKED_AT: usize = 64;

/// Gradients that are averaged where the classifier draws, half of what AutoAttack's version for
/// such models takes.
const AVERAGED: i64 = 10;

/// Whether two passes differ; where they do, whether averaged gradients find more.
pub fn randomness(subject: &Subject) -> Result<Finding> {
    let rows = subject.some_right(LOOKED_AT);
    let (first, second) = (subject.outputs(&rows)?, subject.outputs(&rows)?);
    let size = first.abs()?.amax()?.item()?.max(f64::MIN_POSITIVE);
    let apart = first.sub(&second)?.abs()?.amax()?.item()? / size;
    let moved = first.argmax(1, false)?.ne(second.argmax(1, false)?)?;
    let moved = count(&flags(&moved)?);
    let numbers = |it: Finding| {
        it.number("largest difference, relative", Some(apart))
            .count("predictions that changed", moved)
    };
    if apart <= ROUNDING {
        let found = "Two passes over the same images give the same outputs.";
        return Ok(numbers(Finding::new(Verdict::Pass, found)));
    }
    let attack = Apgd {
        eps: subject.options.eps,
        norm: Norm::Linf,
        steps: subject.options.autoattack_steps,
        restarts: 1,
        loss: Loss::CrossEntropy,
        eot: AVERAGED,
        rho: 0.75,
        mode: Default::default(),
        precision: Default::default(),
        outputs: Outputs::Class,
        stop: Stop::Broken,
    };
    let rows = subject.survivors()?;
    let averaged = subject.within_eps(&attack, &subject.classifier, &rows, "diagnose averaged")?;
    let paired = Paired::of(subject.control()?, &averaged)?;
    // Randomness alone is a warning: one gradient does not point where the mean one does.
    let verdict = paired
        .verdict(subject.found()?, subject.images())
        .max(Verdict::Warn);
    let found = format!(
        "Two passes over the same images differ: the classifier draws random numbers. Of the {} \
         images that PGD leaves, Auto-PGD with gradients averaged over {AVERAGED} passes breaks \
         {}, a second run of PGD {}.",
        rows.len(),
        count(&averaged),
        count(subject.control()?)
    );
    let advice = "Attack the mean over the random numbers: apgd(#{ eot: 20, ... }), or \
                  autoattack(#{ version: \"rand\", ... }).";
    Ok(numbers(Finding::new(verdict, found)).advise(advice))
}

/// Whether a pass differentiates something within.
pub fn inference(subject: &Subject) -> Result<Finding> {
    let rows = subject.some_right(LOOKED_AT);
    let before = passes();
    subject.outputs(&rows)?;
    let after = passes();
    let n = rows.len() as f64;
    let forward = (after.forward - before.forward) as f64 / n;
    let backward = (after.backward - before.backward) as f64 / n;
    let (verdict, found) = match backward > 0.0 {
        true => (
            Verdict::Warn,
            "The classifier takes gradients while it classifies: it optimises at inference, and \
             an attack that does not go through this sees another function.",
        ),
        false => (
            Verdict::Pass,
            "An image is classified without gradients, as far as those through models count.",
        ),
    };
    let advice = "Attack what is optimised too (an adaptive attack, Croce et al. 2022), and rely \
                  on the black-box attacks below.";
    Ok(Finding::new(verdict, found)
        .number("passes for each image", Some(forward))
        .number("gradients for each image", Some(backward))
        .advise(advice))
}

/// What sums are allowed to be off by: float32, and a thousand classes.
const SUM: f64 = 1e-3;

/// Whether outputs are not negative and sum to 1.
pub fn are_probabilities(outputs: &Tensor) -> Result<bool> {
    let least = outputs.amin()?.item()?;
    let off = outputs.sum_dim(1, false)?.sub(1.0)?.abs()?.amax()?.item()?;
    Ok(least >= 0.0 && off <= SUM)
}

/// Logits, or probabilities.
pub fn probabilities(subject: &Subject) -> Result<Finding> {
    let outputs = subject.outputs(subject.right())?;
    let are = are_probabilities(&outputs)?;
    let found = match are {
        true => {
            "The outputs are not negative and sum to 1: they are probabilities. Cross-entropy takes \
             a softmax of them once more, and its gradient is small, or nothing where one of them \
             is 1."
        }
        false => "The outputs are no probabilities.",
    };
    let verdict = if are { Verdict::Warn } else { Verdict::Pass };
    Ok(Finding::new(verdict, found)
        .number("smallest output", Some(outputs.amin()?.item()?))
        .number("largest output", Some(outputs.amax()?.item()?))
        .advise("Return logits, without the softmax, and measure again."))
}

/// Where the softmax of this share of the images is exactly 1 in float32, cross-entropy loses the
/// label's logit from its gradient. Confident models come to that honestly, so it is a warning;
/// whether it misled the attack, the other losses say.
const SOME_SATURATED: f64 = 0.1;

/// How large logits are.
pub fn saturation(subject: &Subject) -> Result<Finding> {
    let rows = subject.right();
    let outputs = class_logits(&subject.outputs(rows)?, subject.classifier.classes)?;
    let y = subject.y(rows)?;
    let own = no_grad(|| outputs.softmax(1)?.gather(1, &y.reshape(&[-1, 1])?))?;
    let saturated = count(&flags(&own.ge(1.0)?.squeeze_dim(1)?)?);
    let margins = Loss::Margin.each(&outputs, &y)?.neg()?.to_vec_f64()?;
    let share = saturated as f64 / rows.len() as f64;
    // An attack that breaks nearly all was not misled by much.
    let left = subject.share(subject.survivors()?.len());
    let verdict = match share >= SOME_SATURATED && left > LARGE_GAIN {
        true => Verdict::Warn,
        false => Verdict::Pass,
    };
    let found = format!(
        "Of {} images that are classified rightly, {saturated} have a softmax of exactly 1 at \
         their class{}.",
        rows.len(),
        match (verdict, saturated) {
            (Verdict::Pass, 0) => "",
            (Verdict::Pass, _) => ", too few to matter or broken all the same",
            _ => ": the cross-entropy of these is 0, and so is most of its gradient",
        }
    );
    let size = outputs.abs()?.amax()?.item()?;
    Ok(Finding::new(verdict, found)
        .share("saturated", share)
        .number("median margin between logits", quantile(&margins, 0.5))
        .number("largest margin", quantile(&margins, 1.0))
        .number("largest logit", Some(size))
        .advise(
            "Attack with a loss that the scale of logits does not change: `loss: \"dlr\"` of pgd \
             and apgd, or divide the logits.",
        ))
}
