//! The ReaL labels of ImageNet's validation images: for each the set of all classes that are
//! right for it.
//!
//! Beyer et al. 2020, <https://arxiv.org/abs/2006.07159>; `real.json` of
//! `google-research/reassessed-imagenet`. Entry i belongs to the image with number i + 1 in its
//! file name; an empty set says that no class was found right.

use super::image::Image;
use super::split::Source;
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Images in ImageNet's validation set.
const IMAGES: usize = 50_000;
const CLASSES: i64 = 1000;

/// The sets in the file at `path`, by the number of the image less one.
///
/// # Errors
/// `Invalid` for a file that is no list of 50,000 lists of classes.
pub(super) fn read(path: &Path) -> Result<Vec<Vec<i64>>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, &error))?;
    let sets: Vec<Vec<i64>> = serde_json::from_slice(&bytes).map_err(|error| {
        Error::invalid(format!(
            "{}: ReaL labels are a list of lists of classes: {error}",
            path.display()
        ))
    })?;
    ensure!(
        sets.len() == IMAGES,
        "{}: ReaL labels are {IMAGES} lists, one for each validation image of ImageNet, got {}",
        path.display(),
        sets.len()
    );
    let strange = sets.iter().flatten().find(|it| !(0..CLASSES).contains(*it));
    if let Some(class) = strange {
        bail!(
            "{}: ReaL labels are classes from 0 to {}, got {class}",
            path.display(),
            CLASSES - 1
        );
    }
    Ok(sets)
}

/// The source with the sets of its images as their correct classes.
///
/// # Errors
/// `Invalid` for other classes than ImageNet's 1,000, and for an image without a number.
pub(super) fn with_real(
    source: Box<dyn Source>,
    classes: usize,
    sets: Vec<Vec<i64>>,
) -> Result<Box<dyn Source>> {
    ensure!(
        classes as i64 == CLASSES,
        "ReaL labels are of ImageNet's {CLASSES} classes, the data set has {classes}"
    );
    let number = |index| {
        let shown = source.describe(index);
        let found = number(Path::new(&shown)).filter(|it| (1..=IMAGES).contains(it));
        found.ok_or_else(|| {
            Error::invalid(format!(
                "{shown}: ReaL labels go by the number in the file's name, 1 to {IMAGES}, as in \
                 ILSVRC2012_val_00000293.JPEG; here there is none"
            ))
        })
    };
    let of_image = |index| number(index).map(|number| sets[number - 1].clone().into());
    let correct = (0..source.len()).map(of_image).collect::<Result<_>>()?;
    Ok(Box::new(Real { source, correct }))
}

/// The digits at the end of a file's name.
pub(super) fn number(path: &Path) -> Option<usize> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits = digits.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

struct Real {
    source: Box<dyn Source>,
    correct: Vec<Arc<[i64]>>,
}

impl Source for Real {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn label(&self, index: usize) -> i64 {
        self.source.label(index)
    }

    fn correct(&self, index: usize) -> Option<Vec<i64>> {
        Some(self.correct[index].to_vec())
    }

    fn load(&self, index: usize) -> Result<Image> {
        self.source.load(index)
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.source.file(index)
    }

    fn describe(&self, index: usize) -> String {
        self.source.describe(index)
    }

    fn is_in_memory(&self) -> bool {
        self.source.is_in_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_at_the_end_of_the_name() {
        for (name, expected) in [
            ("val/n01440764/ILSVRC2012_val_00000293.JPEG", Some(293)),
            ("n01440764_tench.JPEG", None),
            ("50000.png", Some(50_000)),
            ("none.png", None),
        ] {
            assert_eq!(number(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_set_of_labels_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("real.json");
        let mut text = "[[1],[2,3]]".to_owned();
        let refused = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        assert!(refused(&text).contains("50000 lists"));
        assert!(refused("{}").contains("a list of lists of classes"));
        text = format!("[{}[1000]]", "[],".repeat(IMAGES - 1));
        assert!(refused(&text).contains("from 0 to 999, got 1000"));
        text = format!("[[7, 9],{}[]]", "[],".repeat(IMAGES - 2));
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read(&path).unwrap()[0], [7, 9]);
    }
}
