use super::Draws;
use crate::Result;
use crate::torch::Tensor;
use serde::{Deserialize, Serialize};

/// The norm in which a perturbation is at most `eps`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    #[default]
    Linf,
    L2,
    L1,
}

const NO_L1: &str = "`norm: \"l1\"` is not for this attack; apgd, apgd_t, fab, square and \
                     autoattack have it";

/// Gradients shorter than this are not stretched to a whole step (as foolbox does).
const SHORTEST: f64 = 1e-12;

impl Norm {
    /// The direction of steepest ascent: the sign, or the gradient scaled to length 1 for
    /// each image.
    pub fn ascent(self, gradient: &Tensor) -> Result<Tensor> {
        match self {
            Norm::L1 => bail!("{NO_L1}"),
            Norm::Linf => gradient.sign(),
            Norm::L2 => {
                let length = gradient.norm_each(2.0)?.clamp_min(SHORTEST)?;
                gradient.div(length.broadcast_to_examples(gradient)?)
            }
        }
    }

    /// The nearest perturbation whose norm is at most `eps`.
    pub fn project(self, delta: &Tensor, eps: f64) -> Result<Tensor> {
        match self {
            Norm::L1 => bail!("{NO_L1}"),
            Norm::Linf => delta.clamp(-eps, eps),
            Norm::L2 => {
                let factor = delta.norm_each(2.0)?.rdiv(eps)?.clamp_max(1.0)?;
                delta.mul(factor.broadcast_to_examples(delta)?)
            }
        }
    }

    /// The same with a radius for each image, `[n]`.
    pub fn project_each(self, delta: &Tensor, eps: &Tensor) -> Result<Tensor> {
        let eps = eps.broadcast_to_examples(delta)?;
        match self {
            Norm::L1 => bail!("{NO_L1}"),
            Norm::Linf => delta.clamp_between(&eps.neg()?, &eps),
            Norm::L2 => {
                let length = delta.norm_each(2.0)?.clamp_min(SHORTEST)?;
                let factor = eps.div(length.broadcast_to_examples(delta)?)?;
                delta.mul(factor.clamp_max(1.0)?)
            }
        }
    }

    /// A random perturbation within `eps`: uniform, or (L2) in a uniform direction with a
    /// uniform length. Drawn as torchattacks draws.
    pub fn random(self, like: &Tensor, eps: f64, draws: &Draws) -> Result<Tensor> {
        match self {
            Norm::L1 => bail!("{NO_L1}"),
            Norm::Linf => draws.uniform(like, -eps, eps),
            Norm::L2 => {
                let direction = draws.normal(like, 0.0, 1.0)?;
                let norms = direction.norm_each(2.0)?.broadcast_to_examples(like)?;
                let length = draws.uniform(&norms, 0.0, 1.0)?;
                direction.mul(length.div(norms)?.mul(eps)?)
            }
        }
    }

    /// A perturbation that is uniform in the ball: in L2 its length is `eps` times the d-th root
    /// of a uniform number, d being the number of entries.
    pub fn uniform(self, like: &Tensor, eps: f64, draws: &Draws) -> Result<Tensor> {
        match self {
            Norm::L1 => bail!("{NO_L1}"),
            Norm::Linf => draws.uniform(like, -eps, eps),
            Norm::L2 => {
                let direction = draws.normal(like, 0.0, 1.0)?;
                let norms = direction.norm_each(2.0)?.broadcast_to_examples(like)?;
                let entries = like.numel() as f64 / like.dim(0)? as f64;
                let share = draws.uniform(&norms, 0.0, 1.0)?.pow(1.0 / entries)?;
                direction.mul(share.div(norms)?.mul(eps)?)
            }
        }
    }

    /// The norm of each image's perturbation, `[n]`.
    pub fn size(self, delta: &Tensor) -> Result<Tensor> {
        match self {
            Norm::Linf => delta.norm_each(f64::INFINITY),
            Norm::L1 => delta.norm_each(1.0),
            // Not `norm_each`, whose last bits differ from those of the reference.
            Norm::L2 => {
                let n = delta.dim(0)?;
                delta.square()?.reshape(&[n, -1])?.sum_dim(1, false)?.sqrt()
            }
        }
    }

    /// The dual norm of each image's gradient, `[n]`: how much a step of length 1 can gain.
    pub fn dual_size(self, gradient: &Tensor) -> Result<Tensor> {
        match self {
            Norm::Linf => gradient.norm_each(1.0),
            Norm::L2 => self.size(gradient),
            Norm::L1 => gradient.norm_each(f64::INFINITY),
        }
    }

    /// `Invalid` in L1, for attacks that step along the steepest ascent: there it changes one
    /// entry of an image, and the nearest point of the ball depends on the range of pixels.
    pub fn check_dense(self, what: &str) -> Result<()> {
        ensure!(self != Norm::L1, "{what}: {NO_L1}");
        Ok(())
    }
}
