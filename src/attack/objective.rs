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
}

impl Loss {
    /// One loss for each image, `[n]`.
    pub fn each(self, logits: &Tensor, y: &Tensor) -> Result<Tensor> {
        match self {
            Loss::CrossEntropy => logits.cross_entropy(y, Reduction::None),
            Loss::Margin => {
                let k = logits.shape()[1];
                ensure!(k > 1, "the margin loss needs at least two outputs, got {k}");
                y.check_range("y", k)?;
                let column = y.reshape(&[-1, 1])?;
                let own = logits.gather(1, &column)?.squeeze_dim(1)?;
                let others = logits
                    .scatter(1, &column, f64::NEG_INFINITY)?
                    .amax_dim(1, false)?;
                others.sub(&own)
            }
        }
    }
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
        let logits = classifier.logits(x)?;
        match self {
            Outputs::Class => class_logits(&logits, classifier.classes),
            Outputs::All => Ok(logits),
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
