//! For each test image the set of all classes that are right for it, as the ReaL labels of
//! ImageNet's validation images: a JSON list of lists.
//!
//! Beyer et al. 2020, <https://arxiv.org/abs/2006.07159>; `real.json` of
//! `google-research/reassessed-imagenet`. Entry i belongs to the image with number i + 1 in its
//! file name; an empty set says that no class was found right. For other data sets than ImageNet,
//! entry i belongs to test image i.

use super::image::Image;
use super::part::Picture;
use super::split::Source;
use crate::files::{File, LARGEST_TEXT, Stamp};
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Images in ImageNet's validation set.
const IMAGENET_IMAGES: usize = 50_000;
const IMAGENET_CLASSES: usize = 1000;

/// The source with the sets in a file as the correct classes of its images.
///
/// # Errors
/// `Invalid` with the path for a file that is no list of lists of classes, or of another length
/// than there are images; and for an image of ImageNet without a number.
pub(super) fn with_real(
    source: Box<dyn Source>,
    classes: usize,
    file: &File,
) -> Result<Box<dyn Source>> {
    let sets = read(file)?;
    let shown = file.shown().display();
    let strange = sets.iter().flatten();
    let strange = strange
        .filter(|it| !(0..classes as i64).contains(*it))
        .min();
    if let Some(class) = strange {
        bail!(
            "{shown}: ReaL labels are classes from 0 to {}, got {class}",
            classes - 1
        );
    }
    let (images, belong) = match classes {
        IMAGENET_CLASSES => (IMAGENET_IMAGES, "validation image of ImageNet"),
        _ => (source.len(), "test image of the data set"),
    };
    ensure!(
        sets.len() == images,
        "{shown}: ReaL labels are {images} lists, one for each {belong}, got {}",
        sets.len()
    );
    let entry = |index| match classes {
        IMAGENET_CLASSES => imagenet_entry(&*source, index),
        _ => Ok(index),
    };
    let sets: Vec<Arc<[i64]>> = sets.into_iter().map(Arc::from).collect();
    let of_image = |index| entry(index).map(|entry| sets[entry].clone());
    let correct = (0..source.len()).map(of_image).collect::<Result<_>>()?;
    Ok(Box::new(Real { source, correct }))
}

fn read(file: &File) -> Result<Vec<Vec<i64>>> {
    let bytes = file.read(LARGEST_TEXT)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::invalid(format!(
            "{}: ReaL labels are a list of lists of classes: {error}",
            file.shown().display()
        ))
    })
}

fn imagenet_entry(source: &dyn Source, index: usize) -> Result<usize> {
    let shown = source.describe(index);
    let found = number(Path::new(&shown)).filter(|it| (1..=IMAGENET_IMAGES).contains(it));
    found.map(|number| number - 1).ok_or_else(|| {
        Error::invalid(format!(
            "{shown}: ReaL labels go by the number in the file's name, 1 to {IMAGENET_IMAGES}, \
             as in ILSVRC2012_val_00000293.JPEG; here there is none"
        ))
    })
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

    fn open(&self, index: usize) -> Result<Box<dyn Picture + '_>> {
        self.source.open(index)
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.source.file(index)
    }

    fn stamp(&self, index: usize) -> Result<Option<Stamp>> {
        self.source.stamp(index)
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
    use crate::data::testing::Numbers;

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
        let open = |text: &str, classes| {
            std::fs::write(&path, text).unwrap();
            let source = Numbers {
                labels: vec![0, 1],
                broken: vec![],
                panics: vec![],
            };
            with_real(Box::new(source), classes, &File::open(&path).unwrap())
        };
        let refused = |text: &str, classes| open(text, classes).err().unwrap().to_string();
        assert!(refused("[[1],[2,3]]", 1000).contains("50000 lists, one for each validation"));
        assert!(refused("{}", 1000).contains("a list of lists of classes"));
        let text = format!("[{}[1000]]", "[],".repeat(IMAGENET_IMAGES - 1));
        assert!(refused(&text, 1000).contains("from 0 to 999, got 1000"));
        assert!(refused("[[1]]", 3).contains("2 lists, one for each test image"));
        assert!(refused("[[1],[3]]", 3).contains("from 0 to 2, got 3"));

        let text = format!("[[7, 9],{}[]]", "[],".repeat(IMAGENET_IMAGES - 2));
        // Its images are called `number 0` and `number 1`.
        assert!(refused(&text, 1000).contains("number 0: ReaL labels go by the number"));
        let real = open("[[1, 2],[]]", 3).unwrap();
        assert_eq!(real.correct(0), Some(vec![1, 2]));
        assert_eq!(real.correct(1), Some(vec![]));
    }
}
