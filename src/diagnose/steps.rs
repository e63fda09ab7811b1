//! Whether the attack works as one that follows gradients should: more steps, more starts find
//! more than one, until there is no more to find (Carlini et al. 2019, section 4; Athalye et al. 2018,
//! section 3).

use super::check::{Finding, Line, Plot, Shape, Verdict};
use super::compare::Paired;
use super::subject::{Subject, count};
use crate::Result;
use crate::attack::Fgsm;

/// PGD beside one step.
pub fn single_step(subject: &Subject) -> Result<Finding> {
    let json = serde_json::json!({ "eps": subject.options.eps });
    let fgsm: Fgsm =
        serde_json::from_value(json).map_err(|error| crate::Error::invalid(error.to_string()))?;
    let rows = subject.right();
    let once = subject.within_eps(&fgsm, &subject.classifier, rows, "diagnose fgsm")?;
    let reference = subject.reference()?;
    let paired = Paired::of(reference, &once)?;
    let verdict = match paired.second_ahead() {
        true => Verdict::Fail,
        false => Verdict::Pass,
    };
    let (ours, theirs) = (count(reference), count(&once));
    let found = format!(
        "PGD-{} breaks {ours} of {} images, FGSM {theirs}; {} only FGSM.",
        subject.options.steps,
        rows.len(),
        paired.only_second
    );
    Ok(Finding::new(verdict, found)
        .share(
            format!("error under PGD-{}", subject.options.steps),
            subject.share(subject.wrong_count() + ours),
        )
        .share(
            "error under FGSM",
            subject.share(subject.wrong_count() + theirs),
        )
        .count("broken by PGD only", paired.only_first)
        .count("broken by FGSM only", paired.only_second)
        .number("p", Some(paired.p))
        .advise(
            "One step leaves the place where gradients are masked; many small ones get stuck \
             there. Look at `gradients` and `losses`.",
        ))
}

/// The steps of a short attack, beside the one in question and a longer one.
const FEW: i64 = 10;

/// What more steps still find.
pub fn more_steps(subject: &Subject) -> Result<Finding> {
    let (steps, many) = (subject.options.steps, subject.options.many_steps);
    let few = FEW.min(steps);
    let rows = subject.right();
    let short = subject.pgd(|it| it.steps = few)?;
    let short = subject.within_eps(&short, &subject.classifier, rows, "evaluate")?;
    let reference = count(subject.reference()?);
    let long = subject.pgd(|it| it.steps = many)?;
    let left = subject.survivors()?;
    let long = subject.within_eps(&long, &subject.classifier, &left, "diagnose steps")?;
    let found = count(&long);
    let paired = Paired::one_way(found);
    let verdict = paired.verdict(reference, subject.images());
    let error = |broken: usize| subject.share(subject.wrong_count() + broken);
    let points = vec![
        (0.0, 100.0 * error(0)),
        (few as f64, 100.0 * error(count(&short))),
        (steps as f64, 100.0 * error(reference)),
        (many as f64, 100.0 * error(reference + found)),
    ];
    let text = format!(
        "{many} steps break {found} of the {} images that {steps} leave.",
        left.len()
    );
    Ok(Finding::new(verdict, text)
        .share(format!("error under PGD-{few}"), error(count(&short)))
        .share(format!("error under PGD-{steps}"), error(reference))
        .share(
            format!("error under PGD-{many} beside it"),
            error(reference + found),
        )
        .number("p of the gain", Some(paired.p))
        .advise("The attack has not converged: report the longer one, or AutoAttack.")
        .plot(Plot {
            name: "error-steps".into(),
            title: "Error by the number of steps".into(),
            description: "The error under PGD against its steps.".into(),
            x: "steps".into(),
            y: "error, %".into(),
            shape: Shape::Lines(vec![Line {
                name: "PGD".into(),
                points,
            }]),
        }))
}

/// What more starts still find.
pub fn restarts(subject: &Subject) -> Result<Finding> {
    let starts = subject.options.restarts;
    let mut left = subject.survivors()?;
    let n = left.len();
    let mut errors = Vec::new();
    for start in 1..=starts {
        let attack = subject.pgd(|_| {})?;
        let purpose = format!("diagnose start {start}");
        let broken = subject.within_eps(&attack, &subject.classifier, &left, &purpose)?;
        left = std::iter::zip(left, broken)
            .filter(|it| !it.1)
            .map(|it| it.0)
            .collect();
        errors.push(1.0 - subject.share(left.len()));
    }
    let found = n - left.len();
    let paired = Paired::one_way(found);
    let text =
        format!("{starts} more random starts break {found} of the {n} images that one leaves.");
    let mut finding = Finding::new(paired.verdict(subject.found()?, subject.images()), text)
        .share("error after one start", 1.0 - subject.share(n));
    for (start, error) in errors.into_iter().enumerate().rev() {
        finding = finding.share(format!("error after {} more", start + 1), error);
    }
    Ok(finding
        .number("p of the gain", Some(paired.p))
        .advise("The attack depends on where it starts: report several restarts, or AutoAttack."))
}
