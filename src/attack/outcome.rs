use super::{Attack, Classifier, Draws, objective::Outputs, victim::Victim};
use crate::Result;
use crate::nn::class_logits;
use crate::torch::{Precision, Tensor, no_grad};

/// Changed images, and what is said of them.
pub struct Seen {
    pub x_adv: Tensor,
    /// The logits of the classes, `[n, classes]`.
    pub classes: Tensor,
}

impl Seen {
    /// What `classifier` says of images.
    pub fn at(classifier: &Classifier, x_adv: Tensor) -> Result<Self> {
        let logits = no_grad(|| classifier.logits(&x_adv))?;
        Ok(Seen {
            classes: class_logits(&logits, classifier.classes)?,
            x_adv,
        })
    }
}

/// What came of an attack.
pub struct Outcome {
    pub x_adv: Tensor,
    /// The share of the examples that is classified as `y`: `"clean"`, then after each attack
    /// that ran.
    pub robust_accuracy: Vec<(String, f64)>,
}

impl Outcome {
    /// Of an attack that has no parts.
    pub(super) fn of_one<A: Attack + ?Sized>(
        attack: &A,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Self> {
        let victim = Victim {
            classifier,
            outputs: Outputs::Class,
            precision: Precision::Float32,
        };
        let right = |x: &Tensor| -> Result<f64> {
            let wrong = victim.wrong(x, y)?.count_nonzero()? as f64;
            Ok(1.0 - wrong / y.numel().max(1) as f64)
        };
        let clean = right(x)?;
        let x_adv = attack.perturb(classifier, x, y, draws)?;
        let robust = right(&x_adv)?;
        Ok(Outcome {
            x_adv,
            robust_accuracy: vec![
                ("clean".to_owned(), clean),
                (attack.name().to_owned(), robust),
            ],
        })
    }
}
