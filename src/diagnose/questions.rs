//! What is asked, in which order, and who asked it first.

use super::check::Finding;
use super::options::Options;
use super::subject::Subject;
use super::{auto, black_box, climb, conventions, gradients, losses, outputs, steps, surface};
use crate::Result;

/// One question to a classifier.
pub struct Question {
    pub name: &'static str,
    pub text: &'static str,
    pub source: &'static str,
    pub answer: fn(&Subject) -> Result<Finding>,
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
        answer: climb::ascent,
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
        answer: climb::unbounded,
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
pub fn asked(options: &Options) -> Vec<&'static Question> {
    let wanted = |it: &&Question| {
        options.checks.is_empty() || options.checks.iter().any(|name| name == it.name)
    };
    QUESTIONS.iter().filter(wanted).collect()
}
