//! What PGD ascends, as a function of the images of one batch.

use super::Classifier;
use super::objective::{Loss, Outputs};
use super::space::Bounds;
use super::worst::Run;
use crate::Result;
use crate::nn::{Normalize, class_logits};
use crate::torch::{DivergenceReduction, Precision, Tensor, no_grad};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    #[default]
    CrossEntropy,
    Margin,
    Dlr,
    /// The Kullback-Leibler divergence from the prediction at the clean image: Zhang et al.
    /// 2019, <https://arxiv.org/abs/1901.08573>, equation 5. It needs no label.
    Kl,
}

impl Objective {
    /// The loss of a label, if it is one.
    fn of_label(self) -> Option<Loss> {
        match self {
            Objective::CrossEntropy => Some(Loss::CrossEntropy),
            Objective::Margin => Some(Loss::Margin),
            Objective::Dlr => Some(Loss::Dlr),
            Objective::Kl => None,
        }
    }
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Objective::CrossEntropy,
            Loss::Margin => Objective::Margin,
            Loss::Dlr => Objective::Dlr,
        }
    }
}

/// Images are in the space of eps, from which `transform` comes back.
pub struct Landscape<'a> {
    pub classifier: &'a Classifier<'a>,
    /// The label whose loss is ascended.
    pub label: Tensor,
    /// The class that was passed.
    pub class: Tensor,
    pub outputs: Outputs,
    pub targeted: bool,
    pub bounds: Bounds,
    pub transform: Normalize,
    precision: Precision,
    height: Height,
}

enum Height {
    Label(Loss),
    /// From these probabilities, `[n, outputs]`.
    Divergence(Tensor),
}

impl<'a> Landscape<'a> {
    pub fn new(
        classifier: &'a Classifier,
        (objective, outputs, targeted): (Objective, Outputs, bool),
        (x, label, class): (&Tensor, Tensor, &Tensor),
        (transform, bounds): (Normalize, Bounds),
        precision: Precision,
    ) -> Result<Self> {
        let height = match objective.of_label() {
            Some(loss) => Height::Label(loss),
            None => {
                let clean = no_grad(|| {
                    let logits = classifier.searched(x, precision)?;
                    outputs.of_logits(&logits, classifier)?.softmax(1)
                });
                Height::Divergence(clean?)
            }
        };
        Ok(Landscape {
            classifier,
            label,
            class: class.clone(),
            outputs,
            targeted,
            bounds,
            transform,
            precision,
            height,
        })
    }

    /// The gradient at `z`, the mean of `passes` of them.
    pub fn slope(&self, z: &Tensor, passes: i64) -> Result<Tensor> {
        let leaf = z.leaf()?;
        let pass = || {
            let logits = self
                .classifier
                .searched(&self.transform.inverse(&leaf)?, self.precision)?;
            self.each(&self.outputs.of_logits(&logits, self.classifier)?)?
                .sum()?
                .gradient(&leaf)?
                .detach()
        };
        let mut sum = pass()?;
        for _ in 1..passes {
            sum = sum.add(pass()?)?;
        }
        match passes {
            1 => Ok(sum),
            passes => sum.div(passes as f64),
        }
    }

    /// What a run came to.
    pub fn judge(&self, images: Tensor) -> Result<Run> {
        no_grad(|| {
            let logits = self
                .outputs
                .of(self.classifier, &self.transform.inverse(&images)?)?;
            // A success is a changed class, whatever other outputs the attacker sees.
            let classes = class_logits(&logits, self.classifier.classes)?;
            let hit = classes.argmax(1, false)?.eq(&self.class)?;
            Ok(Run {
                images,
                success: match self.targeted {
                    true => hit,
                    false => hit.logical_not()?,
                },
                loss: self.each(&logits)?,
            })
        })
    }

    /// What the attack ascends, for each image: high is good for the attacker.
    fn each(&self, logits: &Tensor) -> Result<Tensor> {
        match &self.height {
            Height::Divergence(clean) => logits
                .log_softmax(1)?
                .kl_div(clean, DivergenceReduction::None)?
                .sum_dim(1, false),
            Height::Label(loss) => {
                let each = loss.each(logits, &self.label)?;
                if self.targeted { each.neg() } else { Ok(each) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn landscape<'a>(classifier: &'a Classifier, loss: Objective) -> Result<Landscape<'a>> {
        let x = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        let y = Tensor::from_i64(&[0], &[1])?;
        Landscape::new(
            classifier,
            (loss, Outputs::Class, false),
            (&x, y.clone(), &y),
            (Normalize::none(), Bounds::None),
            Precision::Float32,
        )
    }

    /// A classifier whose weight is 1 and 3 by turns has a gradient of 2.
    #[test]
    fn several_passes_average_the_gradient() -> Result<()> {
        let turn = Cell::new(0);
        let classifier = Classifier::new(|x| {
            turn.set(turn.get() + 1);
            x.mul(if turn.get() % 2 == 1 { 1.0 } else { 3.0 })
        });
        let z = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        let slope = landscape(&classifier, Objective::Margin)?.slope(&z, 4)?;
        assert_eq!(slope.to_vec_f64()?, [-2.0, 2.0]);
        Ok(())
    }

    /// Of two probabilities: p ln(p/q) + (1-p) ln((1-p)/(1-q)), at the clean image 0 and flat.
    #[test]
    fn the_divergence_of_two_classes() -> Result<()> {
        let classifier = Classifier::new(|x| Ok(x.clone()));
        let landscape = landscape(&classifier, Objective::Kl)?;
        let clean = Tensor::from_f64(&[0.25, 0.5], &[1, 2])?;
        assert!(landscape.judge(clean.clone())?.loss.item()?.abs() < 1e-15);
        assert!(landscape.slope(&clean, 1)?.abs()?.amax()?.item()? < 1e-15);
        let z = Tensor::from_f64(&[0.75, 0.0], &[1, 2])?;
        let share = |difference: f64| 1.0 / (1.0 + difference.exp());
        let (p, q) = (share(0.25), share(-0.75));
        let expected = p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
        assert!((landscape.judge(z.clone())?.loss.item()? - expected).abs() < 1e-15);
        // Its derivative with respect to a logit is q - p.
        let slope = landscape.slope(&z, 1)?.to_vec_f64()?;
        assert!((slope[0] - (q - p)).abs() < 1e-15 && (slope[1] + (q - p)).abs() < 1e-15);
        Ok(())
    }
}
