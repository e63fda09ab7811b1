use super::{Attack, Classifier, Draws, check_batch};
use crate::Result;
use crate::torch::{Like, Tensor, zeros};
use serde::{Deserialize, Serialize};

/// Adds one number to all pixels of an image, uniform within `amount`, and clips to [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brightness {
    /// Largest change, in pixels of [0, 1].
    pub amount: f64,
}

impl Brightness {
    /// # Errors
    /// `Invalid` for an amount outside [0, 1].
    pub fn check(&self) -> Result<()> {
        let amount = self.amount;
        ensure!(
            (0.0..=1.0).contains(&amount),
            "brightness: `amount` must lie in [0, 1], got {amount}"
        );
        Ok(())
    }
}

impl Attack for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
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
        let like = Like {
            dtype: x.dtype()?,
            device: x.device(),
        };
        let each = zeros(&[x.dim(0)?], like)?;
        let change = draws.uniform(&each, -self.amount, self.amount)?;
        x.add(change.broadcast_to_examples(&x)?)?.clamp(0.0, 1.0)
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
