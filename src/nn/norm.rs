use super::frozen::Plan;
use super::module::{Entry, Module, join};
use crate::Result;
use crate::torch::{self, BatchNorm, Dtype, Like, Tensor};

/// Batch normalisation over the channels of `[n, c, h, w]` (Ioffe & Szegedy 2015).
///
/// Starts, as PyTorch's does, from weight 1 and bias 0. In training it normalises by the
/// batch's biased variance and moves the running statistics (unbiased variance) by 0.1.
pub struct BatchNorm2d {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    num_batches_tracked: Tensor,
}

const MOMENTUM: f64 = 0.1;
const EPS: f64 = 1e-5;

impl BatchNorm2d {
    /// # Errors
    /// `Invalid` for fewer than one channel.
    pub fn new(channels: i64) -> Result<Self> {
        ensure!(
            channels > 0,
            "`BatchNorm2d`: `channels` must be positive, got {channels}"
        );
        let like = Like::default();
        Ok(BatchNorm2d {
            weight: torch::ones(&[channels], like)?.leaf()?,
            bias: torch::zeros(&[channels], like)?.leaf()?,
            running_mean: torch::zeros(&[channels], like)?,
            running_var: torch::ones(&[channels], like)?,
            num_batches_tracked: torch::zeros(
                &[],
                Like {
                    dtype: Dtype::Int64,
                    ..like
                },
            )?,
        })
    }
}

impl Module for BatchNorm2d {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        if training {
            self.num_batches_tracked
                .assign(&self.num_batches_tracked.add(1_i64)?)?;
        }
        x.batch_norm(&BatchNorm {
            weight: Some(&self.weight),
            bias: Some(&self.bias),
            running_mean: Some(&self.running_mean),
            running_var: Some(&self.running_var),
            training,
            momentum: MOMENTUM,
            eps: EPS,
        })
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        let scale = self
            .weight
            .div(self.running_var.add(EPS)?.sqrt()?)?
            .detach()?;
        let shift = self.bias.sub(self.running_mean.mul(&scale)?)?.detach()?;
        plan.affine(&scale, &shift)?;
        Ok(true)
    }

    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry)) {
        visit(
            join(prefix, "weight"),
            Entry::Parameter(self.weight.clone()),
        );
        visit(join(prefix, "bias"), Entry::Parameter(self.bias.clone()));
        visit(
            join(prefix, "running_mean"),
            Entry::Buffer(self.running_mean.clone()),
        );
        visit(
            join(prefix, "running_var"),
            Entry::Buffer(self.running_var.clone()),
        );
        visit(
            join(prefix, "num_batches_tracked"),
            Entry::Buffer(self.num_batches_tracked.clone()),
        );
    }

    fn describe(&self) -> String {
        format!("BatchNorm2d({})", self.weight.numel())
    }
}
