//! What an attack ascends: a loss of some of the outputs at some label.

use super::Classifier;
use crate::Result;
use crate::nn::class_logits;
use crate::torch::{Reduction, Tensor, no_grad};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    #[default]
    CrossEntropy,
    /// Largest other logit minus the label's (Carlini & Wagner 2017, f6 without its bound):
    /// above 0 exactly where the label is not the prediction.
    Margin,
    /// The difference of logits ratio: the margin in units of the distance from the largest
    /// logit to the third (Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, equation 6).
    /// Scaling the logits does not change it.
    Dlr,
}

/// Keeps the ratios finite where the largest logits are equal.
const TINY: f64 = 1e-12;

impl Loss {
    /// One loss for each image, `[n]`.
    pub fn each(self, logits: &Tensor, y: &Tensor) -> Result<Tensor> {
        match self {
            Loss::CrossEntropy => logits.cross_entropy(y, Reduction::None),
            Loss::Margin => {
                let k = logits.shape()[1];
                ensure!(k > 1, "the margin loss needs at least two outputs, got {k}");
                y.check_range("y", k)?;
                let others = logits
                    .scatter(1, &y.reshape(&[-1, 1])?, f64::NEG_INFINITY)?
                    .amax_dim(1, false)?;
                others.sub(column(logits, y)?)
            }
            Loss::Dlr => {
                let k = logits.shape()[1];
                ensure!(k >= 3, "the DLR loss needs at least three outputs, got {k}");
                y.check_range("y", k)?;
                let (largest, order) = logits.topk(3, 1, true)?;
                let [first, second, third] = [0, 1, 2].map(|rank| largest.select(1, rank));
                let (first, second) = (first?, second?);
                let right = order.select(1, 0)?.eq(y)?;
                let other = second.where_(&right, &first)?;
                let range = first.sub(third?)?.add(TINY)?;
                column(logits, y)?.sub(other)?.neg()?.div(range)
            }
        }
    }
}

/// The targeted difference of logits ratio, `[n]`: high where class `target` leads over `y`
/// (Croce & Hein 2020, equation 7).
pub fn targeted_dlr(logits: &Tensor, y: &Tensor, target: &Tensor) -> Result<Tensor> {
    let k = logits.shape()[1];
    ensure!(
        k >= 4,
        "the targeted DLR loss needs at least four outputs, got {k}"
    );
    let (largest, _) = logits.topk(4, 1, true)?;
    let [first, third, fourth] = [0, 2, 3].map(|rank| largest.select(1, rank));
    let range = first?.sub(third?.add(fourth?)?.mul(0.5)?)?.add(TINY)?;
    let lead = column(logits, y)?.sub(column(logits, target)?)?.neg()?;
    lead.div(range)
}

/// The logit of class `y` of each example, `[n]`.
pub fn column(logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    logits.gather(1, &y.reshape(&[-1, 1])?)?.squeeze_dim(1)
}

/// The outputs that the attacker sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// The first K: the classes.
    #[default]
    Class,
    /// All K+M, those of the transformations too.
    All,
}

impl Outputs {
    pub fn of(self, classifier: &Classifier, x: &Tensor) -> Result<Tensor> {
        self.of_logits(&classifier.logits(x)?, classifier)
    }

    pub fn of_logits(self, logits: &Tensor, classifier: &Classifier) -> Result<Tensor> {
        match self {
            Outputs::Class => class_logits(logits, classifier.classes),
            Outputs::All => Ok(logits.clone()),
        }
    }
}

/// The label whose loss is ascended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// The class that was passed.
    #[default]
    True,
    /// The classifier's own argmax over the outputs that the attacker sees, at the clean
    /// image.
    Predicted,
}

impl Labels {
    pub fn of(
        self,
        outputs: Outputs,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<Tensor> {
        match self {
            Labels::True => Ok(y.clone()),
            Labels::Predicted => no_grad(|| outputs.of(classifier, x)?.argmax(1, false)),
        }
    }
}
