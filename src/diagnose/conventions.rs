//! The same attack under another reading of eps.

use super::check::{Finding, Verdict};
use super::compare::Paired;
use super::subject::{Subject, count};
use crate::Result;
use crate::attack::{Convention, EpsSpace, describe_eps};

/// PGD under the conventions of the notebook of arXiv 2408.01977 beside those in pixels.
pub fn conventions(subject: &Subject) -> Result<Finding> {
    let Some(model) = subject.model else {
        return Ok(Finding::not_run(
            "What a closure does to pixels first is not known.",
            "Give the model itself: eps after normalisation needs its normalisation.",
        ));
    };
    let (eps, steps) = (subject.options.eps, subject.options.steps);
    let other = subject.pgd(|it| it.convention = Convention::La2024)?;
    let all: Vec<usize> = (0..subject.images()).collect();
    let theirs = subject.broken_by(&other, &subject.classifier, &all, "evaluate")?;
    let mut ours = vec![true; all.len()];
    for row in subject.survivors()? {
        ours[row] = false;
    }
    let paired = Paired::of(&ours, &theirs)?;
    let radius = describe_eps(eps, EpsSpace::Normalized, Some(model.normalize()));
    // The other ball is the smaller one, unless nothing is normalised.
    let verdict = match paired.second_ahead() && !model.normalize().is_none() {
        true => Verdict::Warn,
        false => Verdict::Pass,
    };
    let found = format!(
        "PGD-{steps} with eps {eps} in pixels gives an error of {:.1} %, under `la2024`, where eps \
         is {radius}, {:.1} %: two numbers that cannot be compared.",
        100.0 * subject.share(count(&ours)),
        100.0 * subject.share(count(&theirs))
    );
    Ok(Finding::new(verdict, found)
        .share("error, pixel", subject.share(count(&ours)))
        .share("error, la2024", subject.share(count(&theirs)))
        .count("wrong under la2024 only", paired.only_second)
        .count("wrong in pixels only", paired.only_first)
        .advise(
            "An attack in a smaller ball finds more: the one in pixels is misled, perhaps by the \
             outputs or the labels that it looks at.",
        ))
}
