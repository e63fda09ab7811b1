//! How the images of a split are corrupted.

use super::corruption::{Corruption, Frost, MAX_SEVERITY, Variant, corrupt, corruption_generator};
use super::image::Image;
use crate::Result;
use std::sync::Arc;

/// What a split is under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub corruption: Corruption,
    pub severity: u8,
    /// Where the images come from, in words: with the rest of this it decides every pixel.
    pub how: String,
}

/// # Errors
/// `Invalid` for a severity that is not from 1 to 5.
pub fn severity(given: i64) -> Result<u8> {
    let known = u8::try_from(given).ok();
    match known.filter(|it| (1..=MAX_SEVERITY).contains(it)) {
        Some(severity) => Ok(severity),
        None => bail!("`severity` must be from 1 to {MAX_SEVERITY}, got {given}"),
    }
}

/// A corruption with all that decides its result, for any number of images.
#[derive(Clone, Debug)]
pub struct Corrupting {
    corruption: Corruption,
    severity: u8,
    /// None: by the size of each image.
    variant: Option<Variant>,
    seed: u64,
    frost: Arc<Frost>,
}

impl Corrupting {
    /// # Errors
    /// `Invalid` for a severity that is not from 1 to 5.
    pub fn new(
        corruption: Corruption,
        severity: i64,
        variant: Option<Variant>,
        seed: u64,
        frost: Frost,
    ) -> Result<Self> {
        Ok(Corrupting {
            corruption,
            severity: self::severity(severity)?,
            variant,
            seed,
            frost: Arc::new(frost),
        })
    }

    pub fn condition(&self) -> Condition {
        let variant = match self.variant {
            Some(variant) => format!("{variant:?}"),
            None => "by size".to_owned(),
        };
        Condition {
            corruption: self.corruption,
            severity: self.severity,
            how: format!(
                "made, variant {variant}, seed {}, frost {:?}",
                self.seed,
                self.frost.source()
            ),
        }
    }

    /// Image `number` of a data set, corrupted: the result depends on nothing else that is
    /// corrupted.
    pub fn apply(&self, image: &Image, number: u64) -> Result<Image> {
        let variant = self
            .variant
            .unwrap_or_else(|| Variant::for_size(image.width(), image.height()));
        let (corruption, severity) = (self.corruption, self.severity);
        let mut random = corruption_generator(self.seed, number, corruption, severity);
        corrupt(
            image,
            corruption,
            severity,
            variant,
            &self.frost,
            &mut random,
        )
    }
}
