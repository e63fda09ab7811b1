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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_comes_before_the_loss() -> Result<()> {
        let mut worst = Worst::default();
        for (image, success, loss) in [
            (1.0, [false, true, true], [5.0, 1.0, 1.0]),
            (2.0, [true, false, true], [0.0, 9.0, 2.0]),
        ] {
            worst.keep(Run {
                images: Tensor::from_f64(&[image; 3], &[3, 1])?,
                success: Tensor::from_bool(&success, &[3])?,
                loss: Tensor::from_f64(&loss, &[3])?,
            })?;
        }
        let images = worst.images().expect("there were two runs");
        assert_eq!(images.to_vec_f64()?, [2.0, 1.0, 2.0]);
        Ok(())
    }
}
