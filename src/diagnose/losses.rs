//! Whether PGD finds more when what it ascends is written in another way. Mathematically the same
//! classifier is attacked; where it is broken by that, the cross-entropy in float32 was the
//! obstacle (Carlini et al. 2019, section 4.11; Croce & Hein 2020, section 4).

use super::check::{Finding, Verdict};
use super::compare::Paired;
use super::outputs::are_probabilities;
use super::subject::{Subject, count};
use crate::attack::{Classifier, Loss, Outputs};
use crate::torch::Dtype;
use crate::{Error, Result};

/// What logits are divided by. The largest brings logits of 100,000 to where float32 has a
/// softmax for them.
const TEMPERATURES: [f64; 4] = [0.1, 10.0, 100.0, 10_000.0];

/// Probabilities below this are as good as none, and their logarithm stays finite.
const LEAST: f64 = 1e-30;

/// Another thing to ascend.
struct Variant<'a> {
    name: String,
    classifier: Classifier<'a>,
    loss: Loss,
    outputs: Outputs,
}

fn variants<'a>(subject: &'a Subject) -> Result<Vec<Variant<'a>>> {
    let of = |name: String, classifier, loss| Variant {
        name,
        classifier,
        loss,
        outputs: Outputs::Class,
    };
    let same = || subject.behind(|logits| Ok(logits.clone()));
    let mut all = Vec::new();
    for t in TEMPERATURES {
        let cooled = subject.behind(move |logits| logits.div(t));
        all.push(of(format!("logits / {t}"), cooled, Loss::CrossEntropy));
    }
    all.push(of("margin".into(), same(), Loss::Margin));
    if subject.classes() >= 3 {
        all.push(of("DLR".into(), same(), Loss::Dlr));
    }
    let precise = subject.behind(|logits| logits.to_dtype(Dtype::Float64));
    all.push(of("loss in float64".into(), precise, Loss::CrossEntropy));
    let outputs = subject.outputs(&subject.right()[..1])?;
    if are_probabilities(&outputs)? {
        let logs = subject.behind(|it| it.clamp_min(LEAST)?.log());
        all.push(of("log of the outputs".into(), logs, Loss::CrossEntropy));
    }
    if outputs.shape()[1] > subject.classes() {
        all.push(Variant {
            outputs: Outputs::All,
            ..of("all outputs".into(), same(), Loss::CrossEntropy)
        });
    }
    Ok(all)
}

/// The best of the other losses on the images that PGD leaves, beside a second run of PGD.
pub fn losses(subject: &Subject) -> Result<Finding> {
    let left = subject.survivors()?;
    let control = subject.control()?;
    let variants = variants(subject)?;
    let mut verdict = Verdict::Pass;
    let mut found = Vec::new();
    let mut best: Option<(usize, String, Paired)> = None;
    for it in &variants {
        let attack = subject.pgd(|options| {
            options.loss = it.loss.into();
            options.outputs = Some(it.outputs);
        })?;
        let broken = subject.within_eps(&attack, &it.classifier, &left, "diagnose control")?;
        let paired = Paired::of(control, &broken)?.best_of(variants.len());
        verdict = verdict.max(paired.verdict(subject.found()?, subject.images()));
        found.push((format!("broken with {}", it.name), count(&broken)));
        if best.as_ref().is_none_or(|it| count(&broken) > it.0) {
            best = Some((count(&broken), it.name.clone(), paired));
        }
    }
    let mut finding = Finding::new(verdict, "");
    if let Some((broken, name, paired)) = best {
        finding.explanation = format!(
            "Of {} images that PGD leaves, a second run breaks {}, and PGD with the best of {} \
             other losses ({name}) {broken}.",
            left.len(),
            count(control),
            variants.len()
        );
        finding = finding
            .count("broken by the best", broken)
            .count("broken by a second run of the plain one", count(control))
            .count("images that PGD leaves", left.len())
            .number("p of the best", Some(paired.p));
    }
    for (name, broken) in found {
        finding = finding.count(name, broken);
    }
    Ok(finding.advise(
        "The cross-entropy in float32 misleads the attack: report PGD with the loss that found \
         most, or AutoAttack.",
    ))
}

/// The whole classifier in float64.
pub fn float64(subject: &Subject) -> Result<Finding> {
    let left = subject.survivors()?;
    let control = subject.control()?;
    let attack = subject.pgd(|_| {})?;
    let perturb = |classifier: &Classifier| {
        subject.attacked_precisely(&attack, classifier, &left, "diagnose control")
    };
    let broken = match subject.model {
        Some(model) if model.dtype()? == Dtype::Float64 => {
            return Ok(Finding::not_run(
                "The model computes in float64 already.",
                "Nothing is to be done.",
            ));
        }
        Some(model) => {
            let precise =
                model.in_dtype(Dtype::Float64, || perturb(&Classifier::of(model, false)))?;
            subject.broken_at_images(&left, precise)?
        }
        None => {
            let x = subject.x(&subject.right()[..1])?.to_dtype(Dtype::Float64)?;
            match subject.classifier.logits(&x) {
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(_) => {
                    return Ok(Finding::not_run(
                        "The closure does not take images in float64.",
                        "Give the model itself, or a closure whose models were moved with \
                         model.to(\"float64\").",
                    ));
                }
                Ok(_) => subject.broken_at_images(&left, perturb(&subject.classifier)?)?,
            }
        }
    };
    let paired = Paired::of(control, &broken)?;
    let found = format!(
        "Of {} images that PGD leaves, PGD in float64 breaks {}, a second run in float32 {}.",
        left.len(),
        count(&broken),
        count(control)
    );
    Ok(
        Finding::new(paired.verdict(subject.found()?, subject.images()), found)
            .count("broken in float64", count(&broken))
            .count("broken by a second run in float32", count(control))
            .count("images that PGD leaves", left.len())
            .number("p of the gain", Some(paired.p))
            .advise("Evaluate in float64: model.to(\"float64\")."),
    )
}
