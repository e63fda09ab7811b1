use super::{Attack, Classifier, Draws, check_batch};
use crate::Result;
use crate::torch::{Like, Tensor, stack, zeros};
use serde::{Deserialize, Serialize};

/// Turns each image about its centre by an angle uniform within `degrees`; bilinear, black
/// outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Largest angle, in degrees.
    pub degrees: f64,
}

impl Rotation {
    /// # Errors
    /// `Invalid` for an angle outside [0, 180].
    pub fn check(&self) -> Result<()> {
        let degrees = self.degrees;
        ensure!(
            (0.0..=180.0).contains(&degrees),
            "rotation: `degrees` must lie in [0, 180], got {degrees}"
        );
        Ok(())
    }
}

impl Attack for Rotation {
    fn name(&self) -> &'static str {
        "rotation"
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
        ensure!(
            x.ndim() == 4,
            "rotation: `x` must be images [n, c, h, w], got {}",
            x.signature()
        );
        let [n, _, height, width] = x.shape()[..] else {
            bail!("rotation: `x` must be images [n, c, h, w]")
        };
        let like = Like {
            dtype: x.dtype()?,
            device: x.device(),
        };
        let none = zeros(&[n], like)?;
        let degrees = draws.uniform(&none, -self.degrees, self.degrees)?;
        let angle = degrees.mul(1_f64.to_radians())?;
        let (cos, sin) = (angle.cos()?, angle.sin()?);
        // Coordinates run from -1 to 1 along both sides: a turn of a rectangle scales them.
        let aspect = height as f64 / width as f64;
        let (right, down) = (sin.mul(-aspect)?, sin.mul(1.0 / aspect)?);
        let rows = [
            stack(&[cos.clone(), right, none.clone()], 1)?,
            stack(&[down, cos, none], 1)?,
        ];
        x.affine(&stack(&rows, 1)?)?.clamp(0.0, 1.0)
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
