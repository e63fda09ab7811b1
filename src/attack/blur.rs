use super::{Attack, Classifier, Draws, check_batch};
use crate::Result;
use crate::torch::{Conv2d, Tensor};
use serde::{Deserialize, Serialize};

/// Gaussian blur: the same for every image, borders reflected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    /// Standard deviation, in pixels of the image.
    pub sigma: f64,
}

/// Beyond this many deviations the weights are left out.
const REACH: f64 = 3.0;

impl Blur {
    /// # Errors
    /// `Invalid` for a deviation that is not positive or is larger than any image needs.
    pub fn check(&self) -> Result<()> {
        let sigma = self.sigma;
        ensure!(
            sigma > 0.0 && sigma <= 100.0,
            "blur: `sigma` must lie in (0, 100], got {sigma}"
        );
        Ok(())
    }

    /// Weights at -radius .. radius, summing to 1.
    fn kernel(&self) -> Vec<f64> {
        let radius = (REACH * self.sigma).ceil() as i64;
        let weight = |at: i64| (-0.5 * (at as f64 / self.sigma).powi(2)).exp();
        let weights: Vec<f64> = (-radius..=radius).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / sum).collect()
    }
}

impl Attack for Blur {
    fn name(&self) -> &'static str {
        "blur"
    }

    fn perturb(
        &self,
        _classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        _draws: &Draws,
    ) -> Result<Tensor> {
        check_batch(self.name(), x, y)?;
        let x = x.detach()?;
        ensure!(
            x.ndim() == 4,
            "blur: `x` must be images [n, c, h, w], got {}",
            x.signature()
        );
        let kernel = self.kernel();
        let size = kernel.len() as i64;
        let (channels, side) = (x.shape()[1], x.shape()[2].min(x.shape()[3]));
        ensure!(
            size / 2 < side,
            "blur: `sigma` {} reaches over {} pixels, too far for images of {side}",
            self.sigma,
            size / 2
        );
        let weights = Tensor::from_f64(&kernel, &[size])?.to_like(&x)?;
        let geometry = Conv2d {
            groups: channels,
            ..Conv2d::default()
        };
        let rows = weights
            .reshape(&[1, 1, size, 1])?
            .repeat(&[channels, 1, 1, 1])?;
        let columns = weights
            .reshape(&[1, 1, 1, size])?
            .repeat(&[channels, 1, 1, 1])?;
        let padded = x.pad2d(size / 2, "reflect")?;
        padded
            .conv2d(&rows, None, geometry)?
            .conv2d(&columns, None, geometry)?
            .clamp(0.0, 1.0)
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
