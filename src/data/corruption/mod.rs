//! The corruptions of ImageNet-C: 15 of the benchmark and 4 for validation, five severities
//! each, for RGB images of any size.
//!
//! Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4.1. What a
//! corruption does in detail only the scripts say, and there are three (`Variant`). As in all
//! of them, results are cut to 8 bits, not rounded. The published ImageNet-C images were also
//! saved as JPEG of quality 85 after the corruption; that is not done here.

mod blur;
mod canny;
mod color;
mod defocus;
mod elastic;
mod field;
mod fog;
mod frost;
mod gaussian;
mod glass;
mod jpeg;
mod motion;
mod noise;
mod normal;
mod pixelate;
mod snow;
mod spatter;
#[cfg(test)]
mod tests;
mod texture;
mod zoom;

pub use frost::{Frost, FrostSource};

use super::image::Image;
use crate::{Error, Result, seed};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The strongest severity; the weakest is 1.
pub const MAX_SEVERITY: u8 = 5;

/// One of the 19 corruptions. Its name is the one of the benchmark: `gaussian_noise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    GaussianNoise,
    ShotNoise,
    ImpulseNoise,
    DefocusBlur,
    GlassBlur,
    MotionBlur,
    ZoomBlur,
    Snow,
    Frost,
    Fog,
    Brightness,
    Contrast,
    ElasticTransform,
    Pixelate,
    JpegCompression,
    SpeckleNoise,
    GaussianBlur,
    Spatter,
    Saturate,
}

impl Corruption {
    /// The 15 of the benchmark in its order, then the 4 that it sets aside for validation.
    pub const ALL: [Corruption; 19] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::DefocusBlur,
        Self::GlassBlur,
        Self::MotionBlur,
        Self::ZoomBlur,
        Self::Snow,
        Self::Frost,
        Self::Fog,
        Self::Brightness,
        Self::Contrast,
        Self::ElasticTransform,
        Self::Pixelate,
        Self::JpegCompression,
        Self::SpeckleNoise,
        Self::GaussianBlur,
        Self::Spatter,
        Self::Saturate,
    ];

    /// The 15 over which the mean corruption error is taken, in the order of the benchmark.
    pub const BENCHMARK: &'static [Corruption] = Self::ALL.split_at(15).0;

    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian_noise",
            Self::ShotNoise => "shot_noise",
            Self::ImpulseNoise => "impulse_noise",
            Self::DefocusBlur => "defocus_blur",
            Self::GlassBlur => "glass_blur",
            Self::MotionBlur => "motion_blur",
            Self::ZoomBlur => "zoom_blur",
            Self::Snow => "snow",
            Self::Frost => "frost",
            Self::Fog => "fog",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::ElasticTransform => "elastic_transform",
            Self::Pixelate => "pixelate",
            Self::JpegCompression => "jpeg_compression",
            Self::SpeckleNoise => "speckle_noise",
            Self::GaussianBlur => "gaussian_blur",
            Self::Spatter => "spatter",
            Self::Saturate => "saturate",
        }
    }

    /// Whether the result depends on the generator.
    pub fn is_random(self) -> bool {
        !matches!(
            self,
            Self::DefocusBlur
                | Self::ZoomBlur
                | Self::Brightness
                | Self::Contrast
                | Self::Pixelate
                | Self::JpegCompression
                | Self::GaussianBlur
                | Self::Saturate
        )
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Corruption {
    type Err = Error;

    /// # Errors
    /// `Invalid` for a name that is none, with the nearest one or the whole list.
    fn from_str(name: &str) -> Result<Corruption> {
        if let Some(found) = Self::ALL.into_iter().find(|it| it.name() == name) {
            return Ok(found);
        }
        let slips = |it: &Corruption| strsim::damerau_levenshtein(name, it.name());
        let near = Self::ALL.into_iter().min_by_key(slips);
        match near.filter(|it| slips(it) <= it.name().len() / 3) {
            Some(near) => bail!("there is no corruption `{name}`; did you mean `{near}`?"),
            None => bail!(
                "there is no corruption `{name}`; there are {}",
                Self::ALL.map(Corruption::name).join(", ")
            ),
        }
    }
}

/// Whose parameters and details. They agree at 224 x 224 pixels except where this says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// `make_imagenet_c.py` of `hendrycks/robustness`, which made ImageNet-C at 224 x 224:
    /// motion blur and the streaks of snow as ImageMagick blurs, an elastic transform with a
    /// random affine map.
    ImagenetC,
    /// The package `imagecorruptions` 1.1.2 (Michaelis et al. 2019), made for any size: its
    /// own motion blur, another elastic transform, frost enlarged by 1.1.
    Imagecorruptions,
    /// `make_cifar_c.py` of `hendrycks/robustness`, which made CIFAR-10-C at 32 x 32: as
    /// `ImagenetC` with weaker parameters, and frost reduced to a fifth.
    Cifar,
}

impl Variant {
    /// `Cifar` for images of at most 64 x 64 pixels, `ImagenetC` for larger ones.
    pub fn for_size(width: usize, height: usize) -> Variant {
        if width.max(height) <= 64 {
            Variant::Cifar
        } else {
            Variant::ImagenetC
        }
    }
}

/// The severity and the variant, from which a corruption takes its parameters.
#[derive(Clone, Copy, Debug)]
struct Setting {
    severity: u8,
    variant: Variant,
}

impl Setting {
    /// The entry of this severity in the table of ImageNet-C or of CIFAR-10-C.
    fn pick<T: Copy>(self, imagenet: [T; 5], cifar: [T; 5]) -> T {
        let table = match self.variant {
            Variant::Cifar => cifar,
            Variant::ImagenetC | Variant::Imagecorruptions => imagenet,
        };
        table[usize::from(self.severity) - 1]
    }

    fn is_package(self) -> bool {
        self.variant == Variant::Imagecorruptions
    }
}

/// The generator for `corruption` of that severity on image number `image` of a data set: no
/// other image, and not the order in which images are corrupted, changes the result.
pub fn corruption_generator(
    seed: u64,
    image: u64,
    corruption: Corruption,
    severity: u8,
) -> ChaCha8Rng {
    let counters = [image, corruption as u64, u64::from(severity)];
    seed::generator(seed, "corruption", &counters)
}

/// `image` under `corruption`, of the same size.
///
/// `severity` is from 1 to 5. `frost` is looked at by the corruption of that name alone.
///
/// # Errors
/// `Invalid` for another severity, and from `JpegCompression` for an image with a side of
/// more than 65535 pixels.
pub fn corrupt(
    image: &Image,
    corruption: Corruption,
    severity: u8,
    variant: Variant,
    frost: &Frost,
    random: &mut ChaCha8Rng,
) -> Result<Image> {
    ensure!(
        (1..=MAX_SEVERITY).contains(&severity),
        "`severity` must be from 1 to {MAX_SEVERITY}, got {severity}"
    );
    let setting = Setting { severity, variant };
    Ok(match corruption {
        Corruption::GaussianNoise => noise::gaussian_noise(image, setting, random),
        Corruption::ShotNoise => noise::shot_noise(image, setting, random),
        Corruption::ImpulseNoise => noise::impulse_noise(image, setting, random),
        Corruption::SpeckleNoise => noise::speckle_noise(image, setting, random),
        Corruption::DefocusBlur => defocus::defocus_blur(image, setting),
        Corruption::GaussianBlur => blur::gaussian_blur(image, setting),
        Corruption::GlassBlur => glass::glass_blur(image, setting, random),
        Corruption::MotionBlur => motion::motion_blur(image, setting, random),
        Corruption::ZoomBlur => zoom::zoom_blur(image, setting),
        Corruption::Snow => snow::snow(image, setting, random),
        Corruption::Frost => frost::frost(image, setting, frost, random),
        Corruption::Fog => fog::fog(image, setting, random),
        Corruption::Spatter => spatter::spatter(image, setting, random),
        Corruption::Brightness => color::brightness(image, setting),
        Corruption::Contrast => color::contrast(image, setting),
        Corruption::Saturate => color::saturate(image, setting),
        Corruption::ElasticTransform => elastic::elastic_transform(image, setting, random),
        Corruption::Pixelate => pixelate::pixelate(image, setting),
        Corruption::JpegCompression => jpeg::jpeg_compression(image, setting)?,
    })
}
