use super::{Attack, Classifier, Draws, check_batch};
use crate::Result;
use crate::torch::Tensor;
use serde::{Deserialize, Serialize};

/// Adds normal noise to every value and clips to [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// Standard deviation, in pixels of [0, 1].
    pub std: f64,
}

impl GaussianNoise {
    /// # Errors
    /// `Invalid` for a negative deviation.
    pub fn check(&self) -> Result<()> {
        let std = self.std;
        ensure!(
            (0.0..=1.0).contains(&std),
            "gaussian_noise: `std` must lie in [0, 1], got {std}"
        );
        Ok(())
    }
}

impl Attack for GaussianNoise {
    fn name(&self) -> &'static str {
        "gaussian_noise"
    }

    fn perturb(
        &self,
        _classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        check_batch(self.name(), x, y)?;
        let x = x.detach()?;
        x.add(draws.normal(&x, 0.0, 1.0)?.mul(self.std)?)?
            .clamp(0.0, 1.0)
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
