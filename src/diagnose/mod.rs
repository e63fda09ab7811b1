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
mod compare;
mod conventions;
mod gradients;
mod losses;
mod options;
mod outputs;
mod steps;
mod subject;
mod surface;
#[cfg(test)]
mod tests;
mod verdict;

pub use check::{Check, Diagnosis, Evidence, Line, Plot, Shape, Trust, Unit, Verdict};
pub use options::Options;
pub use subject::Images;

use crate::attack::{Classifier, describe};
use crate::nn::Model;
use crate::{Result, interrupt};
use check::Finding;
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

/// One question to a classifier.
struct Question {
    name: &'static str,
    text: &'static str,
    source: &'static str,
    answer: fn(&Subject) -> Result<Finding>,
}

const CARLINI: &str = "Carlini et al. 2019, arXiv 1902.06705";
const ATHALYE: &str = "Athalye et al. 2018, arXiv 1802.00420, section 3.1";
const CROCE: &str = "Croce & Hein 2020, arXiv 2003.01690";
const FLAGS: &str = "AutoAttack's flags (Croce & Hein 2020, the authors' program)";

/// In the order of the page: what the classifier is, then its gradients, then attacks.
const QUESTIONS: [Question; 20] = [
    Question {
        name: "randomness",
        text: "Do two passes over an image agree?",
        source: FLAGS,
        answer: outputs::randomness,
    },
    Question {
        name: "inference",
        text: "Is an image classified without gradients within?",
        source: FLAGS,
        answer: outputs::inference,
    },
    Question {
        name: "probabilities",
        text: "Are the outputs logits?",
        source: FLAGS,
        answer: outputs::probabilities,
    },
    Question {
        name: "saturation",
        text: "Are logits small enough for a softmax in float32?",
        source: "Carlini & Wagner 2017, arXiv 1608.04644; Croce & Hein 2020, section 4",
        answer: outputs::saturation,
    },
    Question {
        name: "gradients",
        text: "Do all images have a gradient?",
        source: FLAGS,
        answer: gradients::gradients,
    },
    Question {
        name: "flatness",
        text: "Do outputs change with the pixels?",
        source: "Athalye et al. 2018, arXiv 1802.00420, section 4.1 (BPDA)",
        answer: gradients::flatness,
    },
    Question {
        name: "first_order",
        text: "Does the gradient foretell small steps?",
        source: CARLINI,
        answer: surface::first_order,
    },
    Question {
        name: "ascent",
        text: "Does the attack raise the loss?",
        source: CARLINI,
        answer: steps::ascent,
    },
    Question {
        name: "noise",
        text: "Does the attack beat random noise?",
        source: ATHALYE,
        answer: black_box::noise,
    },
    Question {
        name: "single_step",
        text: "Do many steps beat one?",
        source: ATHALYE,
        answer: steps::single_step,
    },
    Question {
        name: "unbounded",
        text: "Does the error reach 100 % as eps grows?",
        source: ATHALYE,
        answer: steps::unbounded,
    },
    Question {
        name: "steps",
        text: "Have more steps stopped to help?",
        source: CARLINI,
        answer: steps::more_steps,
    },
    Question {
        name: "restarts",
        text: "Have more restarts stopped to help?",
        source: CARLINI,
        answer: steps::restarts,
    },
    Question {
        name: "losses",
        text: "Do other losses find no more?",
        source: "Carlini et al. 2019, arXiv 1902.06705; Croce & Hein 2020, section 4",
        answer: losses::losses,
    },
    Question {
        name: "float64",
        text: "Does float64 find no more?",
        source: CARLINI,
        answer: losses::float64,
    },
    Question {
        name: "black_box",
        text: "Do attacks without gradients find no more?",
        source: ATHALYE,
        answer: black_box::black_box,
    },
    Question {
        name: "transfer",
        text: "Do attacks on another model find no more?",
        source: CARLINI,
        answer: black_box::transfer,
    },
    Question {
        name: "apgd",
        text: "Does Auto-PGD find no more by DLR than by cross-entropy?",
        source: CROCE,
        answer: auto::apgd_losses,
    },
    Question {
        name: "autoattack",
        text: "Does AutoAttack find no more than PGD?",
        source: CROCE,
        answer: auto::autoattack,
    },
    Question {
        name: "conventions",
        text: "What is the error under the other reading of eps?",
        source: "the notebook of arXiv 2408.01977",
        answer: conventions::conventions,
    },
];

/// The names that the option `checks` takes.
pub fn check_names() -> Vec<&'static str> {
    QUESTIONS.iter().map(|it| it.name).collect()
}

/// The questions that the options ask for.
fn asked(options: &Options) -> Vec<&'static Question> {
    let wanted = |it: &&Question| {
        options.checks.is_empty() || options.checks.iter().any(|name| name == it.name)
    };
    QUESTIONS.iter().filter(wanted).collect()
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
