//! Data sets: labelled RGB images in a training and a test split, and their batches.
//!
//! Pixels are bytes here; who makes tensors of them divides by 255. Images are read as
//! torchvision reads them, byte for byte.

mod batches;
mod cache;
mod cifar;
mod corrupted;
mod corruption;
mod decode;
mod folder;
mod image;
mod jpeg_code;
mod jpeg_part;
mod part;
mod planes;
mod real;
mod resize;
mod shapes;
mod split;
mod stored_corruption;
mod tensors;
#[cfg(test)]
mod testing;
mod transform;
mod truth;

pub use batches::{Batch, BatchOptions, Batches};
pub use cache::Cache;
pub use corrupted::{Condition, Corrupting, severity};
pub use corruption::{
    Corruption, Frost, FrostSource, MAX_SEVERITY, Variant, corrupt, corruption_generator,
};
pub use decode::{decode as decode_image, read_image};
pub use image::{Image, png, write_png};
pub use resize::Interpolation;
pub use shapes::NAME as SHAPES;
pub use split::Split;
pub use tensors::{batch, images};

use crate::Result;
use crate::files::{File, Folder};
use serde::{Deserialize, Serialize};
use split::Source;
use std::path::PathBuf;
use transform::Fit;

/// The middle of an image as a square with this side, as data sets bring test images to their
/// size.
///
/// # Errors
/// `Invalid` for a side out of range.
pub fn test_square(image: Image, side: u32) -> Result<Image> {
    check_side(side)?;
    let fit = Fit::Square {
        side: side as usize,
        interpolation: Interpolation::default(),
    };
    let recipe = fit.test((image.width(), image.height()))?;
    Ok(recipe.make(image.into()))
}

/// How a data set is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetOptions {
    /// At most this many training images, as many of each class as possible.
    pub train: Option<usize>,
    /// At most this many test images, likewise.
    pub test: Option<usize>,
    /// The side to which images are resized and cut. Left out: images of at most 64 x 64
    /// keep their size, others get 224.
    pub size: Option<u32>,
    /// How images are resized.
    pub interpolation: Interpolation,
    /// Decides what `shapes` draws, which images a limit keeps and how a folder without
    /// splits is divided.
    pub seed: u64,
    /// A file with the set of correct classes of each test image, such as ImageNet's ReaL labels.
    /// Whoever opens a data set hands it over opened.
    pub real: Option<PathBuf>,
    /// Where decoded images are kept. `open` leaves it to `Dataset::cached`, which asks before it
    /// writes and tells how far it is.
    pub cache: Option<PathBuf>,
    /// The share of each class that a folder of classes without splits sets aside for tests.
    pub test_fraction: f64,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        DatasetOptions {
            train: None,
            test: None,
            size: None,
            interpolation: Interpolation::default(),
            seed: 0,
            real: None,
            cache: None,
            test_fraction: 0.2,
        }
    }
}

const MAX_SIZE: u32 = 4096;

impl DatasetOptions {
    fn check(&self) -> Result<()> {
        if let Some(size) = self.size {
            check_side(size)?;
        }
        for (name, limit) in [("train", self.train), ("test", self.test)] {
            ensure!(
                limit != Some(0),
                "`{name}` must be at least 1 image, got 0; leave it out for all of them"
            );
        }
        let share = self.test_fraction;
        ensure!(
            share > 0.0 && share < 1.0,
            "`test_fraction` must be between 0 and 1, got {share}"
        );
        Ok(())
    }
}

fn check_side(size: u32) -> Result<()> {
    ensure!(
        (8..=MAX_SIZE).contains(&size),
        "`size` must be from 8 to {MAX_SIZE} pixels, got {size}"
    );
    Ok(())
}

/// Labelled images of one size, in a training and a test split.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The name or path that it was opened by.
    pub name: String,
    /// The name of each class; labels are places in this list.
    pub classes: Vec<String>,
    pub height: usize,
    pub width: usize,
    pub train: Split,
    pub test: Split,
}

impl Dataset {
    /// The built-in data set; `real` are the correct classes of its test images, if it has others
    /// than its own.
    ///
    /// # Errors
    /// `Invalid` for options out of range, or with the file `real`.
    pub fn shapes(options: &DatasetOptions, real: Option<&File>) -> Result<Dataset> {
        options.check()?;
        shapes::open(options, real)
    }

    /// Opens a folder: CIFAR-10 or CIFAR-100 as binary files, or images in folders of classes.
    /// `real` are the correct classes of its test images, if it has others than its own.
    ///
    /// # Errors
    /// `Invalid` for options out of range, for a folder that is no data set, and with the file
    /// or folder when something is wrong with it or it may not be read.
    pub fn open(folder: &Folder, options: &DatasetOptions, real: Option<&File>) -> Result<Dataset> {
        options.check()?;
        match cifar::open(folder, options, real)? {
            Some(data) => Ok(data),
            None => folder::open(folder, options, real),
        }
    }

    /// A split of this data set as `folder` has it under a corruption, as ImageNet-C's folders or
    /// CIFAR-10-C's arrays.
    ///
    /// # Errors
    /// `Invalid` where the folder lacks something or has other labels or sizes.
    pub fn stored_corruption(
        &self,
        split: &Split,
        folder: &Folder,
        corruption: Corruption,
        severity: u8,
    ) -> Result<Split> {
        stored_corruption::stored(split, &self.classes, folder, corruption, severity)
    }

    /// The data set of these halves, with the size and the limits of `options`.
    fn assemble(
        name: String,
        classes: Vec<String>,
        native: Fit,
        halves: Halves,
        options: &DatasetOptions,
    ) -> Result<Dataset> {
        let fit = options.size.map_or(native, |side| Fit::Square {
            side: side as usize,
            interpolation: options.interpolation,
        });
        let k = classes.len();
        let test = match (halves.test, halves.real) {
            (Ok(source), Some(file)) => Ok(real::with_real(source, k, file)?),
            (half, _) => half,
        };
        let split = |name, half: Half, limit: Option<usize>| -> Result<Split> {
            let split = match half {
                Ok(source) => Split::new(name, source.into(), k, fit, options.seed),
                Err(reason) => Split::absent(name, fit, reason),
            };
            match limit {
                Some(n) => split
                    .take(n)
                    .map_err(|error| error.context(format_args!("`{name}`"))),
                None => Ok(split),
            }
        };
        Ok(Dataset {
            name,
            classes,
            height: fit.height(),
            width: fit.width(),
            train: split("train", halves.train, options.train)?,
            test: split("test", test, options.test)?,
        })
    }
}

/// The images of one split, or why there are none.
type Half = Result<Box<dyn Source>, String>;

/// What a data set consists of before limits.
struct Halves<'a> {
    train: Half,
    test: Half,
    /// The correct classes of the test images, if they are not the source's own.
    real: Option<&'a File>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(options: serde_json::Value) -> String {
        match serde_json::from_value(options) {
            Ok(options) => Dataset::shapes(&options, None).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn bad_options_are_refused_by_name() {
        use serde_json::json;
        for (options, expected) in [
            (
                json!({"size": 4}),
                "`size` must be from 8 to 4096 pixels, got 4",
            ),
            (
                json!({"train": 0}),
                "`train` must be at least 1 image, got 0",
            ),
            (
                json!({"test_fraction": 1.0}),
                "`test_fraction` must be between 0 and 1, got 1",
            ),
            (json!({"sise": 32}), "unknown field `sise`"),
        ] {
            let error = refuse(options);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
