//! What the tests of this folder share.

use super::image::Image;
use super::split::{Source, Split};
use super::transform::Fit;
use crate::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture with slopes, edges and fine detail; `tests/images/make.py` draws the same one.
pub(super) fn pattern(width: usize, height: usize) -> Image {
    Image::from_fn(width, height, |x, y| {
        let square = if (x / 3 + y / 2) % 2 == 0 { 200 } else { 30 };
        let slope = 255 * x / width;
        let detail = (7 * x + 13 * y + x * y) % 256;
        [square as u8, slope as u8, detail as u8]
    })
    .unwrap()
}

/// A picture of `tests/images`.
pub(super) fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/images")
        .join(name)
}

/// FNV-1a of 64 bits.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Images that hold nothing but their index; those named in `broken` cannot be loaded.
pub(super) struct Numbers {
    pub labels: Vec<i64>,
    pub broken: Vec<usize>,
    pub panics: Vec<usize>,
}

impl Numbers {
    pub fn split(labels: Vec<i64>) -> Split {
        Numbers {
            labels,
            broken: Vec::new(),
            panics: Vec::new(),
        }
        .into_split()
    }

    pub fn into_split(self) -> Split {
        let classes = self.labels.iter().max().map_or(0, |&it| it as usize + 1);
        let fit = Fit::Native {
            width: 6,
            height: 5,
        };
        Split::new("train", Arc::new(self), classes, fit, 0)
    }
}

impl Source for Numbers {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, index: usize) -> i64 {
        self.labels[index]
    }

    fn load(&self, index: usize) -> Result<Image> {
        ensure!(
            !self.broken.contains(&index),
            "{}: broken",
            self.describe(index)
        );
        assert!(!self.panics.contains(&index), "a bug");
        Image::from_fn(6, 5, |x, y| {
            [index as u8, (index / 256) as u8, (10 * y + x) as u8]
        })
    }

    fn describe(&self, index: usize) -> String {
        format!("number {index}")
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}
