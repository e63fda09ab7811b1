//! What an attack outside of the family of PGD wants of each image.

use super::Classifier;
use super::objective::{Loss, Outputs};
use super::victim::{Sight, Victim};
use super::worst::Run;
use crate::Result;
use crate::nn::Part;
use crate::torch::{Precision, Tensor, no_grad, with_grad};

/// Away from the class `y`, or towards it.
pub struct Aim<'a> {
    pub victim: Victim<'a>,
    pub y: Tensor,
    pub targeted: bool,
}

impl<'a> Aim<'a> {
    pub fn new(
        classifier: &'a Classifier<'a>,
        outputs: Outputs,
        y: &Tensor,
        targeted: bool,
    ) -> Self {
        Aim {
            victim: Victim {
                classifier,
                outputs,
                precision: Precision::Float32,
            },
            y: y.clone(),
            targeted,
        }
    }

    /// The same for some rows of the batch.
    pub fn select(&self, rows: &Tensor) -> Result<Aim<'a>> {
        Ok(self.at(&self.y.index_select(0, rows)?))
    }

    /// What `pass` gives for the parts of a batch that go through the classifier at once, each
    /// with the aim for its images.
    pub fn in_parts<const K: usize>(
        &self,
        pass: impl Fn(Part, &Aim<'a>) -> Result<[Tensor; K]>,
    ) -> Result<[Tensor; K]> {
        self.victim.classifier.in_parts(self.y.dim(0)?, |part| {
            with_grad(|| pass(part, &self.at(&part.of(&self.y)?)))
        })
    }

    fn at(&self, y: &Tensor) -> Aim<'a> {
        let Victim {
            classifier,
            outputs,
            ..
        } = self.victim;
        Aim::new(classifier, outputs, y, self.targeted)
    }

    /// Which images are where they are wanted, bool `[n]`.
    pub fn reached(&self, sight: &Sight) -> Result<Tensor> {
        let wrong = sight.wrong(&self.y)?;
        match self.targeted {
            true => wrong.logical_not(),
            false => Ok(wrong),
        }
    }

    /// [`reached`](Self::reached) at `x`, without gradient.
    pub fn hit(&self, x: &Tensor) -> Result<Tensor> {
        no_grad(|| self.reached(&self.victim.exact_sight(x)?))
    }

    /// What a run of an attack on the margin came to.
    pub fn judge(&self, images: Tensor) -> Result<Run> {
        no_grad(|| {
            let sight = self.victim.exact_sight(&images)?;
            Ok(Run {
                images,
                success: self.reached(&sight)?,
                loss: self.lead(&sight)?,
            })
        })
    }

    /// By how much the logits are beyond the boundary, `[n]`: above 0 where the image is where
    /// it is wanted, if the attacker sees the classes alone.
    pub fn lead(&self, sight: &Sight) -> Result<Tensor> {
        let margin = Loss::Margin.each(&sight.logits, &self.y)?;
        match self.targeted {
            true => margin.neg(),
            false => Ok(margin),
        }
    }
}
