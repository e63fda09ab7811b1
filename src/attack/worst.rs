use crate::Result;
use crate::torch::Tensor;

/// The worst case for each image over several runs: one that succeeds before one that does not,
/// then the higher loss. So more runs never break fewer images.
#[derive(Default)]
pub struct Worst(Option<Run>);

/// What one run made of a batch.
pub struct Run {
    pub images: Tensor,
    /// Whether the attack succeeded, bool `[n]`.
    pub success: Tensor,
    /// High is good for the attacker, `[n]`.
    pub loss: Tensor,
}

impl Worst {
    pub fn keep(&mut self, run: Run) -> Result<()> {
        self.0 = Some(match self.0.take() {
            None => run,
            Some(before) => {
                let first = run.success.logical_and(&before.success.logical_not()?)?;
                let higher = run
                    .success
                    .eq(&before.success)?
                    .logical_and(&run.loss.gt(&before.loss)?)?;
                let worse = first.logical_or(&higher)?;
                let images = worse.broadcast_to_examples(&run.images)?;
                Run {
                    images: run.images.where_(&images, &before.images)?,
                    success: run.success.where_(&worse, &before.success)?,
                    loss: run.loss.where_(&worse, &before.loss)?,
                }
            }
        });
        Ok(())
    }

    /// Of the runs so far; nothing before the first.
    pub fn images(self) -> Option<Tensor> {
        self.0.map(|run| run.images)
    }
}
