//! Attacks and random transformations of images. Each sees a classifier as a function from
//! pixels in [0, 1] to logits, so it works on any.

mod blur;
mod brightness;
mod classifier;
mod fgsm;
mod gaussian_noise;
mod norm;
mod objective;
mod pgd;
mod rotation;
mod space;

pub use blur::Blur;
pub use brightness::Brightness;
pub use classifier::Classifier;
pub use fgsm::Fgsm;
pub use gaussian_noise::GaussianNoise;
pub use norm::Norm;
pub use objective::{Labels, Loss, Outputs};
pub use pgd::{Convention, Pgd, PgdOptions};
pub use rotation::Rotation;
pub use space::{Clip, EpsSpace};

use crate::Result;
use crate::torch::{Dtype, Tensor};

/// Something that changes images: an attack, or a transformation that needs no classifier.
/// A value: everything that decides the result is in it.
pub trait Attack {
    /// The name in scripts, tables and as a transformation of label augmentation.
    fn name(&self) -> &'static str;

    /// Changed images, shaped like `x` and without gradient.
    ///
    /// `x` is `[n, c, h, w]` in [0, 1]; `y` holds the true classes (or the wanted ones of a
    /// targeted attack), int64 `[n]`.
    ///
    /// # Errors
    /// `Invalid` for misshapen `x` or `y`; whatever the classifier raises.
    fn perturb(&self, classifier: &Classifier, x: &Tensor, y: &Tensor) -> Result<Tensor>;

    /// The whole threat model as data, for records and for people.
    fn options(&self) -> serde_json::Value;
}

/// `name(key: value, ...)`, without the options that are not set.
pub fn describe(attack: &dyn Attack) -> String {
    let options = attack.options();
    let pairs: Vec<String> = options
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("{key}: {text}"),
            None => format!("{key}: {value}"),
        })
        .collect();
    format!("{}({})", attack.name(), pairs.join(", "))
}

/// `Invalid` unless `x` is a floating-point batch of images and `y` has a class for each.
fn check_batch(what: &str, x: &Tensor, y: &Tensor) -> Result<()> {
    ensure!(
        x.ndim() >= 2 && x.dtype()?.is_float(),
        "`{what}`: `x` must be a floating-point batch [n, ...], got {}",
        x.signature()
    );
    let n = x.shape()[0];
    ensure!(
        y.dtype()? == Dtype::Int64 && y.shape() == [n],
        "`{what}`: `y` must be int64[{n}], one class for each image, got {}",
        y.signature()
    );
    Ok(())
}
