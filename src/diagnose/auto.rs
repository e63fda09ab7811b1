//! Auto-PGD and AutoAttack beside PGD: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>.

use super::check::Finding;
use super::compare::Paired;
use super::subject::{Subject, count};
use crate::Result;
use crate::attack::{Apgd, AutoAttack, AutoAttackOptions, Loss, Norm, Outputs, Stop, Version};
use std::collections::BTreeMap;

fn apgd(subject: &Subject, loss: Loss) -> Apgd {
    Apgd {
        eps: subject.options.eps,
        norm: Norm::Linf,
        steps: subject.options.autoattack_steps,
        restarts: 1,
        loss,
        eot: 1,
        rho: 0.75,
        mode: Default::default(),
        precision: Default::default(),
        outputs: Outputs::Class,
        stop: Stop::Broken,
    }
}

/// Auto-PGD by a loss that scaling the logits does not change, beside cross-entropy.
pub fn apgd_losses(subject: &Subject) -> Result<Finding> {
    if subject.classes() < 3 {
        return Ok(Finding::not_run(
            format!(
                "The DLR loss needs three classes, there are {}.",
                subject.classes()
            ),
            "`losses` compares the margin instead.",
        ));
    }
    let rows = subject.right();
    let run = |loss, purpose| {
        subject.within_eps(&apgd(subject, loss), &subject.classifier, rows, purpose)
    };
    let ce = run(Loss::CrossEntropy, "diagnose apgd")?;
    let dlr = run(Loss::Dlr, "diagnose apgd")?;
    let paired = Paired::of(&ce, &dlr)?;
    let found = format!(
        "Auto-PGD breaks {} of {} images by cross-entropy, {} by DLR; {} only by DLR.",
        count(&ce),
        rows.len(),
        count(&dlr),
        paired.only_second
    );
    let error = |broken: &[bool]| subject.share(subject.wrong_count() + count(broken));
    Ok(
        Finding::new(paired.verdict(count(&ce), subject.images()), found)
            .share("error under APGD-CE", error(&ce))
            .share("error under APGD-DLR", error(&dlr))
            .count("broken by DLR only", paired.only_second)
            .count("broken by cross-entropy only", paired.only_first)
            .number("p", Some(paired.p))
            .advise("The scale of the logits hides the gradient of the cross-entropy: use DLR."),
    )
}

/// AutoAttack on what PGD leaves.
pub fn autoattack(subject: &Subject) -> Result<Finding> {
    let left = subject.survivors()?;
    let options = subject.options;
    let mut given = serde_json::json!({
        "eps": options.eps, "steps": options.autoattack_steps, "queries": options.queries,
        "targets": options.targets,
    });
    // Its targeted attacks need four classes, as its authors' program says, too.
    let enough = subject.classes() >= 4;
    if !enough {
        given["version"] = "custom".into();
        given["attacks"] = serde_json::json!(["apgd-ce", "fab", "square"]);
    }
    let given: AutoAttackOptions =
        serde_json::from_value(given).map_err(|error| crate::Error::invalid(error.to_string()))?;
    debug_assert!(enough || given.version == Version::Custom);
    let attack = AutoAttack::new(given, BTreeMap::new())?;
    let broken = subject.within_eps(&attack, &subject.classifier, &left, "evaluate")?;
    let paired = Paired::one_way(count(&broken));
    let pgd = subject.images() - left.len();
    let mut found = format!(
        "Of {} images that PGD-{} leaves, AutoAttack ({} steps, {} queries) breaks {}.",
        left.len(),
        options.steps,
        options.autoattack_steps,
        options.queries,
        count(&broken)
    );
    if !enough {
        found += " With fewer than four classes it has no targeted attacks.";
    }
    Ok(Finding::new(
        paired.verdict(count(subject.reference()?), subject.images()),
        found,
    )
    .share(
        format!("error under PGD-{}", options.steps),
        subject.share(pgd),
    )
    .share("error under both", subject.share(pgd + count(&broken)))
    .share("gap", subject.share(count(&broken)))
    .number("p of the gap", Some(paired.p))
    .advise("Report AutoAttack's error (autoattack(#{ eps: ... }) in full) instead of PGD's."))
}
