//! Whether the error under an attack can be trusted: a list of checks for masked gradients, after
//! Carlini et al. 2019 (<https://arxiv.org/abs/1902.06705>), Athalye et al. 2018
//! (<https://arxiv.org/abs/1802.00420>) and the flags of AutoAttack's program (Croce & Hein 2020,
//! <https://arxiv.org/abs/2003.01690>).
//!
//! An attack that follows gradients finds nothing where gradients are masked, and its error is
//! then too low. Each check compares numbers that would differ. A difference counts where it is no
//! chance among so many images (`compare`).

mod auto;
mod black_box;
mod check;
mod climb;
mod compare;
mod conventions;
mod gradients;
mod losses;
mod options;
mod outputs;
mod questions;
mod steps;
mod subject;
mod surface;
#[cfg(test)]
mod tests;
mod verdict;

pub use check::{Check, Diagnosis, Evidence, Line, Plot, Shape, Trust, Unit, Verdict};
pub use options::Options;
pub use questions::check_names;
pub use subject::Images;

use crate::attack::{Classifier, describe};
use crate::nn::Model;
use crate::{Result, interrupt};
use check::Finding;
use questions::asked;
use subject::{Subject, count};

/// What is to be diagnosed.
pub struct Suspect<'a> {
    /// From pixels in [0, 1] to logits, in eval mode.
    pub classifier: Classifier<'a>,
    /// The model that it is, unless it is another function.
    pub model: Option<&'a Model>,
    /// Another classifier of the same classes, to make attacks on.
    pub source: Option<Classifier<'a>>,
}

impl Options {
    /// # Errors
    /// `Invalid` for a radius that is none, counts below 1, too few images, unknown checks.
    pub fn validate(&self) -> Result<()> {
        self.check(&check_names())
    }

    pub fn check_count(&self) -> usize {
        asked(self).len()
    }
}

/// Runs the checks that `options` name on `images`, which `data` describes. `progress` hears after
/// each check how many are done.
///
/// Nothing depends on the batch size but rounding, and libtorch's generator stays where it is.
///
/// # Errors
/// `Invalid` for options out of range, and classifiers that give no finite logits or no gradient;
/// whatever the classifier raises.
pub fn diagnose(
    suspect: Suspect,
    images: Images,
    data: &str,
    options: &Options,
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Diagnosis> {
    options.validate()?;
    let Suspect {
        classifier,
        model,
        source,
    } = suspect;
    let subject = Subject::new(classifier, model, source, images, options, seed)?;
    let mut checks = Vec::new();
    let mut plots = Vec::new();
    for (done, question) in asked(options).into_iter().enumerate() {
        interrupt::check()?;
        let finding = match subject.right().is_empty() {
            true => Finding::not_run(
                "The classifier gets every image wrong: there is nothing to attack.",
                "Take a classifier that was trained, and labels that belong to it.",
            ),
            false => (question.answer)(&subject)?,
        };
        plots.extend(finding.plots);
        checks.push(Check {
            name: question.name.to_owned(),
            question: question.text.to_owned(),
            source: question.source.to_owned(),
            verdict: finding.verdict,
            evidence: finding.evidence,
            explanation: finding.explanation,
            advice: finding.advice,
        });
        progress(done + 1);
    }
    let attack_error = subject.share(subject.wrong_count() + count(subject.reference()?));
    let mut diagnosis = Diagnosis {
        name: options.name.clone(),
        data: data.to_owned(),
        verdict: Trust::Doubt,
        summary: String::new(),
        options: options.clone(),
        seed,
        images: subject.images(),
        clean_error: subject.share(subject.wrong_count()),
        attack: describe(&subject.pgd(|_| {})?),
        attack_error,
        worst_error: subject.share(subject.worst_count()),
        resolution: subject.share(compare::FEWEST_NO_CHANCE),
        checks,
        plots,
    };
    (diagnosis.verdict, diagnosis.summary) = verdict::of(&diagnosis, subject.right().len());
    Ok(diagnosis)
}
