//! A flat folder of validation images, as ImageNet's archive unpacks, with a file that says the
//! class of each.
//!
//! Read are Kaggle's `LOC_val_solution.csv` (`ILSVRC2012_val_00048981,n03995372 85 1 499 272`),
//! lists of a class for each image by its number (`imagenet_2012_validation_synset_labels.txt`),
//! and `val.txt` (`ILSVRC2012_val_00000001.JPEG 65`, places among the sorted classes).

use crate::files::{Folder, Kind, LARGEST_TEXT};
use crate::{Error, Result};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

const SOLUTION: &str = "LOC_val_solution.csv";
const SYNSETS: &str = "imagenet_2012_validation_synset_labels.txt";
const PLACES: &str = "val.txt";
/// The development kit's own; its numbers are in an order that only a file of MATLAB tells.
const NUMBERS: &str = "ILSVRC2012_validation_ground_truth.txt";

/// What the file says of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Class {
    Name(String),
    /// Its place among the sorted names of all classes.
    Place(usize),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Class::Name(name) => write!(f, "`{name}`"),
            Class::Place(place) => write!(f, "number {place}"),
        }
    }
}

/// The images directly in `val` below `root` with their classes, if a file beside them or in `root` tells
/// these.
///
/// # Errors
/// `Invalid` for a file that cannot be read so, and for an image that it does not name.
pub(super) fn flat(root: &Folder) -> Result<Option<Vec<(PathBuf, Class)>>> {
    let val = Path::new("val");
    if !root.has_folder(val)? {
        return Ok(None);
    }
    let find = |name: &str| -> Result<Option<PathBuf>> {
        for path in [PathBuf::from(name), val.join(name)] {
            if root.has_file(&path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    };
    let (path, read): (_, fn(&str) -> Result<Truth>) = if let Some(path) = find(SOLUTION)? {
        (path, solution)
    } else if let Some(path) = find(SYNSETS)? {
        (path, synsets)
    } else if let Some(path) = find(PLACES)? {
        (path, places)
    } else {
        ensure!(
            find(NUMBERS)?.is_none(),
            "{}: the classes in {NUMBERS} are numbered in an order of their own; put {SOLUTION} \
                 (Kaggle), {SYNSETS} or {PLACES} beside it",
            root.shown("").display()
        );
        return Ok(None);
    };
    let text = root.file(&path)?.text(LARGEST_TEXT)?;
    let shown = root.shown(&path);
    let truth = read(&text).map_err(|error| error.context(shown.display()))?;
    let mut images = Vec::new();
    for (image, kind) in root.entries(val)? {
        if kind == Kind::Folder || !is_image(&image) {
            continue;
        }
        let Some(class) = truth.class(&image) else {
            bail!(
                "{}: {} does not say its class",
                root.shown(image).display(),
                shown.display()
            );
        };
        images.push((image, class));
    }
    Ok((!images.is_empty()).then_some(images))
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    super::folder::READ.contains(&extension.to_ascii_lowercase().as_str())
}

/// The classes of images.
enum Truth {
    /// By the name without its extension.
    ByName(HashMap<String, Class>),
    /// By the number at the end of the name, from 1.
    ByNumber(Vec<Class>),
}

impl Truth {
    fn class(&self, image: &Path) -> Option<Class> {
        match self {
            Truth::ByName(classes) => classes.get(image.file_stem()?.to_str()?).cloned(),
            Truth::ByNumber(classes) => {
                let number = super::real::number(image)?;
                classes.get(number.checked_sub(1)?).cloned()
            }
        }
    }
}

fn solution(text: &str) -> Result<Truth> {
    let lines = text.lines().skip(1).filter(|line| !line.trim().is_empty());
    let of_line = |line: &str| {
        let (image, boxes) = line.split_once(',')?;
        let class = boxes.split_whitespace().next()?;
        Some((image.trim().to_owned(), Class::Name(class.to_owned())))
    };
    by_name(lines, of_line, "`image,class x1 y1 x2 y2`")
}

fn places(text: &str) -> Result<Truth> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let of_line = |line: &str| {
        let (image, place) = line.trim().rsplit_once(char::is_whitespace)?;
        let stem = Path::new(image.trim()).file_stem()?.to_str()?;
        Some((stem.to_owned(), Class::Place(place.parse().ok()?)))
    };
    by_name(lines, of_line, "`image place`")
}

fn by_name<'a>(
    lines: impl Iterator<Item = &'a str>,
    read: impl Fn(&str) -> Option<(String, Class)>,
    form: &str,
) -> Result<Truth> {
    let of_line = |line: &str| {
        read(line).ok_or_else(|| Error::invalid(format!("a line must be {form}, got `{line}`")))
    };
    Ok(Truth::ByName(lines.map(of_line).collect::<Result<_>>()?))
}

fn synsets(text: &str) -> Result<Truth> {
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let classes = names.map(|name| Class::Name(name.to_owned()));
    Ok(Truth::ByNumber(classes.collect()))
}
