//! Plain random noise: what every attack has to beat.

use super::aim::Aim;
use super::apgd::{check_count, one};
use super::norm::Norm;
use super::objective::Outputs;
use super::pgd::check_eps;
use super::space::EpsSpace;
use super::worst::Worst;
use super::{Attack, Classifier, Draws, Mode, ready};
use crate::torch::{Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniformNoise {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    /// Draws, of which the worst is kept for each image.
    #[serde(default = "one")]
    pub queries: i64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
}

impl UniformNoise {
    /// # Errors
    /// `Invalid` for an eps that is no radius, and fewer than one draw.
    pub fn check(&self) -> Result<()> {
        check_eps("uniform_noise", self.eps, self.norm, EpsSpace::Pixel)?;
        self.norm.check_dense("uniform_noise")?;
        check_count("uniform_noise", "queries", self.queries)
    }
}

impl Attack for UniformNoise {
    fn name(&self) -> &'static str {
        "uniform_noise"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        let (x, idle) = ready("uniform_noise", Some(self.eps), x, y)?;
        if idle {
            return Ok(x);
        }
        let aim = Aim::new(classifier, self.outputs, y, self.targeted);
        no_grad(|| {
            let mut worst = Worst::default();
            for _ in 0..self.queries {
                interrupt::check()?;
                let noise = self.norm.uniform(&x, self.eps, draws)?;
                let x_adv = x.add(noise)?.clamp(0.0, 1.0)?;
                // One draw alone needs no classifier.
                if self.queries == 1 {
                    return Ok(x_adv);
                }
                worst.keep(aim.judge(x_adv)?)?;
            }
            Ok(worst.images().unwrap_or(x))
        })
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, full, generator, manual_seed};

    /// In a ball of radius r the share (s/r)^d of the points is nearer than s: the d-th power of
    /// the relative length is uniform.
    #[test]
    fn the_l2_noise_is_uniform_in_the_ball() -> Result<()> {
        let _guard = generator();
        manual_seed(6);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        let x = full(&[4000, 5], 0.5.into(), like)?;
        let y = Tensor::from_i64(&[0; 4000], &[4000])?;
        let options = serde_json::json!({ "eps": 0.3, "norm": "l2" });
        let noise: UniformNoise = serde_json::from_value(options).expect("right");
        let none = Classifier::new(|_| bail!("one draw needs no classifier"));
        let x_adv = noise.perturb(&none, &x, &y, &Draws::of_batch())?;
        let share = Norm::L2.size(&x_adv.sub(&x)?)?.div(0.3)?.pow(5.0)?;
        assert!(share.amax()?.item()? <= 1.0 + 1e-12);
        // The mean of 4000 uniform numbers has a deviation of 0.0046, their variance is 1/12.
        assert!((share.mean()?.item()? - 0.5).abs() < 0.02);
        assert!((share.variance(1)?.item()? - 1.0 / 12.0).abs() < 0.006);
        Ok(())
    }
}
