//! The space in which eps is measured, and the box that images stay in.

use super::Classifier;
use crate::Result;
use crate::nn::Normalize;
use crate::torch::Tensor;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsSpace {
    /// Pixels in [0, 1].
    #[default]
    Pixel,
    /// After the model's normalisation: standard deviations of the training pixels.
    Normalized,
}

impl EpsSpace {
    /// The way from pixels to this space, for `classifier`.
    ///
    /// # Errors
    /// `Invalid` where the classifier's normalisation is not known.
    pub fn transform(self, classifier: &Classifier) -> Result<Normalize> {
        match (self, &classifier.normalize) {
            (EpsSpace::Pixel, _) => Ok(Normalize::none()),
            (EpsSpace::Normalized, Some(normalize)) => Ok(normalize.clone()),
            (EpsSpace::Normalized, None) => bail!(
                "`eps_space: \"normalized\"` needs a model, whose normalisation is known; a \
                 closure's is not"
            ),
        }
    }
}

/// The range of pixels that an attack may produce.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip(pub Option<(f64, f64)>);

impl Default for Clip {
    fn default() -> Self {
        Clip(Some((0.0, 1.0)))
    }
}

/// How far rounding may have taken a pixel out of the range.
const SLACK: f64 = 1e-4;

impl Clip {
    /// `Invalid` for pixels outside of the range: clipping would change them beyond eps.
    pub fn check(self, x: &Tensor) -> Result<()> {
        let Some((low, high)) = self.0 else {
            return Ok(());
        };
        let (least, most) = (x.amin()?.item()?, x.amax()?.item()?);
        let worst = if least < low - SLACK { least } else { most };
        ensure!(
            least >= low - SLACK && most <= high + SLACK,
            "`x` must lie in [{low}, {high}], got {worst}; divide grey levels by 255.0, or say \
             another range with `clip`"
        );
        Ok(())
    }

    /// The bounds in the space that `transform` leads to, ready to clamp tensors like `z`.
    pub fn bounds(self, transform: &Normalize, z: &Tensor) -> Result<Bounds> {
        let Some((low, high)) = self.0 else {
            return Ok(Bounds::None);
        };
        if transform.is_none() {
            return Ok(Bounds::Numbers(low, high));
        }
        let channels = transform.mean.len() as i64;
        let corner = |value: f64| {
            let pixel = Tensor::from_f64(&vec![value; transform.mean.len()], &[1, channels, 1, 1]);
            transform.forward(&pixel?.to_like(z)?)
        };
        Ok(Bounds::Tensors(corner(low)?, corner(high)?))
    }
}

#[derive(Clone)]
pub enum Bounds {
    None,
    Numbers(f64, f64),
    Tensors(Tensor, Tensor),
}

impl Bounds {
    /// The same bounds for all entries, if they are.
    pub fn numbers(&self) -> Option<(f64, f64)> {
        match self {
            Bounds::None => Some((f64::NEG_INFINITY, f64::INFINITY)),
            Bounds::Numbers(low, high) => Some((*low, *high)),
            Bounds::Tensors(..) => None,
        }
    }

    pub fn clamp(&self, z: &Tensor) -> Result<Tensor> {
        match self {
            Bounds::None => Ok(z.clone()),
            Bounds::Numbers(low, high) => z.clamp(*low, *high),
            Bounds::Tensors(low, high) => z.clamp_between(low, high),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Switch(bool),
    Range([f64; 2]),
}

impl Serialize for Clip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some((low, high)) => Written::Range([low, high]).serialize(serializer),
            None => Written::Switch(false).serialize(serializer),
        }
    }
}

/// `true` for [0, 1], `false` for no clipping, or `[low, high]`.
impl<'de> Deserialize<'de> for Clip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer) {
            Ok(Written::Switch(true)) => Ok(Clip::default()),
            Ok(Written::Switch(false)) => Ok(Clip(None)),
            Ok(Written::Range([low, high])) if low < high => Ok(Clip(Some((low, high)))),
            _ => Err(D::Error::custom(
                "`clip` must be true, false or [low, high] in floats",
            )),
        }
    }
}
