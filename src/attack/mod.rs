//! Attacks and random transformations of images. Each sees a classifier as a function from
//! pixels in [0, 1] to logits, so it works on any.

mod adam;
mod aim;
mod apgd;
mod apgd_t;
mod ascent;
mod autoattack;
mod ball;
mod blur;
mod brightness;
mod chase;
mod classifier;
mod corrupted;
mod cw;
mod ddn;
mod deepfool;
mod draws;
mod fab;
mod fgsm;
mod fmn;
mod gaussian_noise;
mod hyperplane;
mod l1;
mod landscape;
mod momentum;
mod norm;
mod objective;
mod outcome;
mod own;
mod pgd;
#[cfg(test)]
mod planes;
mod preflight;
mod presets;
#[cfg(test)]
mod properties;
mod rotation;
mod smallest;
mod space;
mod sparse_ascent;
mod spsa;
mod square;
mod squares;
mod start;
mod stop;
mod survivors;
mod uniform_noise;
mod victim;
mod worst;

pub use apgd::Apgd;
pub use apgd_t::ApgdT;
pub use autoattack::{AutoAttack, AutoAttackOptions, Version};
pub use ball::linf_step;
pub use blur::Blur;
pub use brightness::Brightness;
pub use classifier::Classifier;
pub use corrupted::Corrupted;
pub use cw::Cw;
pub use ddn::Ddn;
pub use deepfool::DeepFool;
pub use draws::Draws;
pub use fab::Fab;
pub use fgsm::Fgsm;
pub use fmn::Fmn;
pub use gaussian_noise::GaussianNoise;
pub use landscape::Objective;
pub use norm::Norm;
pub use objective::{Labels, Loss, Outputs};
pub use outcome::{Outcome, Seen};
pub use own::{OfTwo, Own, OwnOptions, Parts, Searcher, Stepper};
pub use pgd::{Convention, Pgd, PgdOptions};
pub use preflight::doubts;
pub use presets::{Preset, PresetOptions};
pub use rotation::Rotation;
pub use space::{Clip, EpsSpace};
pub use spsa::Spsa;
pub use square::Square;
pub use start::Start;
pub use stop::Stop;
pub use uniform_noise::UniformNoise;

use crate::Result;
use crate::nn::{Model, Normalize};
use crate::profile::{self, Work};
use crate::torch::{Dtype, Precision, Tensor, with_precision};
use serde::{Deserialize, Serialize};

/// Something that changes images: an attack, or a transformation that needs no classifier.
/// A value: everything that decides the result is in it.
pub trait Attack {
    /// The name in scripts, tables and as a transformation of label augmentation.
    fn name(&self) -> &str;

    /// Changed images, shaped like `x` and without gradient.
    ///
    /// `x` is `[n, c, h, w]` in [0, 1]; `y` holds the true classes (or the wanted ones of a
    /// targeted attack), int64 `[n]`; random numbers come from `draws`.
    ///
    /// # Errors
    /// `Invalid` for misshapen `x` or `y`; whatever the classifier raises.
    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor>;

    /// The same, and what the classifier itself says of them.
    fn perturb_seen(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Seen> {
        Seen::at(classifier, self.perturb(classifier, x, y, draws)?)
    }

    /// The same, and how many examples are left before it and after each of its parts.
    fn perturb_in_stages(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Outcome> {
        Outcome::of_one(self, classifier, x, y, draws)
    }

    /// The mode in which a model is attacked.
    fn mode(&self) -> Mode {
        Mode::Eval
    }

    /// Whether it is done with some images of a batch before others.
    fn images_leave(&self) -> bool {
        false
    }

    /// The whole threat model as data, for records and for people.
    fn options(&self) -> serde_json::Value;
}

/// Whether batch normalisation and dropout of an attacked model behave as in evaluation (as
/// the established libraries do) or as in training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Eval,
    Train,
}

/// [`Attack::perturb`] on a model, in the attack's mode. The model's own mode, its buffers and
/// its gradients stay as they are.
pub fn perturb_model(
    attack: &dyn Attack,
    model: &Model,
    x: &Tensor,
    y: &Tensor,
    draws: &Draws,
) -> Result<Tensor> {
    in_mode(attack.mode(), model, |classifier| {
        attack.perturb(classifier, x, y, draws)
    })
}

/// [`Attack::perturb`] on any function.
pub fn perturb_function(
    attack: &dyn Attack,
    classifier: &Classifier,
    x: &Tensor,
    y: &Tensor,
    draws: &Draws,
) -> Result<Tensor> {
    alone(|| attack.perturb(classifier, x, y, draws))
}

/// [`Attack::perturb_seen`] on a model, in passes of at most `at_once` images. What is seen is the
/// model in eval mode, whatever the mode of the attack.
pub fn perturb_model_seen(
    attack: &dyn Attack,
    model: &Model,
    x: &Tensor,
    y: &Tensor,
    draws: &Draws,
    at_once: usize,
) -> Result<Seen> {
    let classifier = Classifier::of(model, false).in_passes_of(Some(at_once as i64));
    match attack.mode() {
        Mode::Eval => alone(|| attack.perturb_seen(&classifier, x, y, draws)),
        Mode::Train => Seen::at(&classifier, perturb_model(attack, model, x, y, draws)?),
    }
}

/// How many images an evaluation gives an attack that passes them through a model `at_once` at a
/// time. An attack that some images leave before others gets more: then passes stay full.
///
/// Not without end: what an attack has not finished is lost when a run is stopped. But the last
/// images, on which an attack spends all its steps, go through in passes that are not full, and
/// those of a few images take as long as those of dozens.
pub fn images_held(attack: &dyn Attack, at_once: usize, image_bytes: usize) -> usize {
    if !attack.images_leave() || attack.mode() == Mode::Train {
        return at_once;
    }
    let fit = MOST_HELD / image_bytes.max(1);
    at_once.saturating_mul(PASSES).min(fit).max(at_once)
}

/// Images that an attack holds, in passes, and their bytes; it keeps several tensors of that size.
const PASSES: usize = 32;
const MOST_HELD: usize = 1 << 26;

/// [`Attack::perturb_in_stages`] on a model, likewise.
pub fn perturb_model_in_stages(
    attack: &dyn Attack,
    model: &Model,
    x: &Tensor,
    y: &Tensor,
    draws: &Draws,
) -> Result<Outcome> {
    in_mode(attack.mode(), model, |classifier| {
        attack.perturb_in_stages(classifier, x, y, draws)
    })
}

fn in_mode<T>(
    mode: Mode,
    model: &Model,
    attack: impl FnOnce(&Classifier) -> Result<T>,
) -> Result<T> {
    alone(|| match mode {
        Mode::Eval => attack(&Classifier::of(model, false)),
        Mode::Train => model.keeping_buffers(|| attack(&Classifier::of(model, true))),
    })
}

/// Runs an attack. What it computes in does not hang on who calls it.
fn alone<T>(attack: impl FnOnce() -> T) -> T {
    let _span = profile::span(Work::Attack);
    with_precision(Precision::Float32, attack)
}

/// A radius in the three units in use: `0.03 = 7.65/255 = 0.13 standard deviations`, the last
/// by the mean of the model's deviations over the channels.
pub fn describe_eps(eps: f64, space: EpsSpace, normalize: Option<&Normalize>) -> String {
    let std = normalize
        .filter(|normalize| !normalize.is_none())
        .map(|normalize| normalize.std.iter().sum::<f64>() / normalize.std.len() as f64);
    let pixels = |eps: f64| format!("{} = {}/255", short(eps), short(eps * 255.0));
    match (space, std) {
        (EpsSpace::Pixel, Some(std)) => {
            format!("{} = {} standard deviations", pixels(eps), short(eps / std))
        }
        (EpsSpace::Pixel, None) => pixels(eps),
        (EpsSpace::Normalized, Some(std)) => {
            format!("{} = {} standard deviations", pixels(eps * std), short(eps))
        }
        (EpsSpace::Normalized, None) => format!("{} standard deviations", short(eps)),
    }
}

/// Three significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 12);
    let text = format!("{value:.*}", digits.unsigned_abs() as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
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

/// The images of a batch without their graph, and whether there is nothing to do: an `eps` of 0, or
/// no image. `what` is the attack's name in errors.
///
/// # Errors
/// `Invalid` for a misshapen batch and pixels out of [0, 1].
fn ready(what: &str, eps: Option<f64>, x: &Tensor, y: &Tensor) -> Result<(Tensor, bool)> {
    check_batch(what, x, y)?;
    let x = x.detach()?;
    let idle = eps == Some(0.0) || x.numel() == 0;
    if !idle {
        Clip::default().check(&x)?;
    }
    Ok((x, idle))
}

/// `Invalid` unless `x` is a floating-point batch of images and `y` has a class for each.
fn check_batch(what: &str, x: &Tensor, y: &Tensor) -> Result<()> {
    ensure!(
        x.ndim() >= 2 && x.dtype()?.is_float(),
        "`{what}`: `x` must be a floating-point batch [n, ...], got {}",
        x.signature()
    );
    ensure!(
        !(x.ndim() == 3 && y.numel() == 1),
        "`{what}`: `x` must be a batch [n, c, h, w], got one image {}; `x.unsqueeze(0)` makes a \
         batch of one",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radius_in_three_units() -> Result<()> {
        let imagenet = Normalize::named("imagenet")?;
        assert_eq!(
            describe_eps(0.03, EpsSpace::Pixel, Some(&imagenet)),
            "0.03 = 7.65/255 = 0.133 standard deviations"
        );
        assert_eq!(
            describe_eps(0.03, EpsSpace::Normalized, Some(&imagenet)),
            "0.00678 = 1.73/255 = 0.03 standard deviations"
        );
        assert_eq!(
            describe_eps(8.0 / 255.0, EpsSpace::Pixel, None),
            "0.0314 = 8/255"
        );
        assert_eq!(describe_eps(0.0, EpsSpace::Pixel, None), "0 = 0/255");
        Ok(())
    }
}
