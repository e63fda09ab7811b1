use super::Classifier;
use super::objective::Outputs;
use crate::Result;
use crate::nn::class_logits;
use crate::torch::{Tensor, no_grad};

/// A classifier as an attack sees it that knows when it has won.
pub struct Victim<'a> {
    pub classifier: &'a Classifier<'a>,
    /// The outputs that the attacker sees.
    pub outputs: Outputs,
}

/// What one pass gives.
pub struct Sight {
    /// The outputs that the attacker sees, `[n, outputs]`.
    pub logits: Tensor,
    /// Those that make the prediction, `[n, classes]`: a success is a changed class, whatever
    /// the attacker sees.
    pub classes: Tensor,
}

impl Victim<'_> {
    pub fn sight(&self, x: &Tensor) -> Result<Sight> {
        let all = self.classifier.logits(x)?;
        let classes = class_logits(&all, self.classifier.classes)?;
        let logits = match self.outputs {
            Outputs::Class => classes.clone(),
            Outputs::All => all,
        };
        Ok(Sight { logits, classes })
    }

    /// Whether each image is taken for another class than `y`, bool `[n]`.
    pub fn wrong(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        no_grad(|| self.sight(x)?.wrong(y))
    }
}

impl Sight {
    pub fn wrong(&self, y: &Tensor) -> Result<Tensor> {
        self.classes.detach()?.argmax(1, false)?.ne(y)
    }

    /// The class of rank `rank` for each example, int64 `[n]`; rank 1 is the prediction.
    pub fn ranked(&self, rank: i64) -> Result<Tensor> {
        let (_, order) = self.classes.detach()?.topk(rank, 1, true)?;
        order.select(1, rank - 1)
    }
}
