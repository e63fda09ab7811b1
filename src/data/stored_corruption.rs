//! Corrupted images as they are published: ImageNet-C, CIFAR-10-C and CIFAR-100-C.
//!
//! ImageNet-C is folders, `<corruption>/<severity>/<class>/`, in the archives below one more
//! folder (`noise/gaussian_noise/3/...`), with the file names of the validation images. CIFAR-C
//! is one array of NumPy for each corruption, the test images in their order five times, severity
//! 1 first, and the labels beside them.

use super::Split;
use super::corrupted::Condition;
use super::corruption::Corruption;
use super::decode::read_image;
use super::folder;
use super::image::Image;
use super::split::Source;
use crate::files::{self, Folder, Kind, Stamp};
use crate::panics::caught;
use crate::{Error, Result};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEVERITIES: usize = 5;

/// The images of `split` as `folder` has them under a corruption, in the same order with the same
/// labels. Nothing is resized.
///
/// # Errors
/// `Invalid` where the folder lacks the corruption, the severity, a class or an image, or where
/// its labels or sizes are not those of the split.
pub(super) fn stored(
    split: &Split,
    classes: &[String],
    folder: &Folder,
    corruption: Corruption,
    severity: u8,
) -> Result<Split> {
    let array = PathBuf::from(format!("{corruption}.npy"));
    let source: Arc<dyn Source> = match folder.has_file(&array)? {
        true => Arc::new(rows(split, folder, &array, severity)?),
        false => Arc::new(files(split, classes, folder, corruption, severity)?),
    };
    let condition = Condition {
        corruption,
        severity,
        how: "stored".to_owned(),
    };
    Ok(split.with_source(source, condition))
}

fn files(
    split: &Split,
    classes: &[String],
    root: &Folder,
    corruption: Corruption,
    severity: u8,
) -> Result<Files> {
    let here = find(root, corruption)?.join(severity.to_string());
    let shown = root.shown(&here);
    ensure!(
        root.has_folder(&here)?,
        "{}: there is no such folder; a corruption has one for each severity, 1 to 5",
        shown.display()
    );
    let (found, files) = folder::scan(root, &here)?;
    let of_split = split.source();
    let mut by_name = HashMap::new();
    for (path, class) in &files {
        let stem = path.file_stem().unwrap_or_default().to_os_string();
        by_name.insert((found[*class as usize].as_str(), stem), path);
    }
    let mut paths = vec![PathBuf::new(); of_split.len()];
    for position in split.positions() {
        let file = of_split.file(position).ok_or_else(|| {
            Error::invalid(
                "stored corruptions in folders belong to a data set of image files; for CIFAR's \
                 binary files they are arrays, `fog.npy` and so on",
            )
        })?;
        let class = &classes[of_split.label(position) as usize];
        let stem = file.file_stem().unwrap_or_default().to_os_string();
        let Some(path) = by_name.get(&(class.as_str(), stem)) else {
            bail!(
                "{}: there is no image for {} of class `{class}`",
                shown.display(),
                of_split.describe(position)
            );
        };
        paths[position] = path.to_path_buf();
    }
    Ok(Files {
        labels: (0..of_split.len()).map(|i| of_split.label(i)).collect(),
        correct: (0..of_split.len()).map(|i| of_split.correct(i)).collect(),
        folder: root.clone(),
        paths,
    })
}

/// The folder of a corruption, directly below `root` or below a group such as `noise`.
fn find(root: &Folder, corruption: Corruption) -> Result<PathBuf> {
    let direct = PathBuf::from(corruption.name());
    if root.has_folder(&direct)? {
        return Ok(direct);
    }
    for (group, kind) in root.entries("")? {
        let inner = group.join(corruption.name());
        if kind == Kind::Folder && root.has_folder(&inner)? {
            return Ok(inner);
        }
    }
    bail!(
        "{}: there is neither a folder `{corruption}`, here or one below, nor a file \
         `{corruption}.npy`",
        root.shown("").display()
    )
}

struct Files {
    folder: Folder,
    /// Beneath the folder; empty for images that the split has not chosen.
    paths: Vec<PathBuf>,
    labels: Vec<i64>,
    correct: Vec<Option<Vec<i64>>>,
}

impl Source for Files {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, index: usize) -> i64 {
        self.labels[index]
    }

    fn correct(&self, index: usize) -> Option<Vec<i64>> {
        self.correct[index].clone()
    }

    fn load(&self, index: usize) -> Result<Image> {
        read_image(&self.folder.file(&self.paths[index])?)
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.paths[index])
    }

    fn stamp(&self, index: usize) -> Result<Option<Stamp>> {
        self.folder.stamp(&self.paths[index]).map(Some)
    }

    fn describe(&self, index: usize) -> String {
        self.folder.shown(&self.paths[index]).display().to_string()
    }

    fn is_in_memory(&self) -> bool {
        false
    }
}

fn rows(split: &Split, folder: &Folder, path: &Path, severity: u8) -> Result<Rows> {
    let of_split = split.source();
    let shown = folder.shown(path);
    let n = of_split.len();
    ensure!(
        n == 0 || of_split.file(0).is_none(),
        "{}: arrays go by the order of CIFAR's binary files, the data set is a folder of images",
        shown.display()
    );
    let (height, width) = (split.height(), split.width());
    let each = [height, width, 3];
    let bytes = read_rows(&folder.file(path)?, &each, n, usize::from(severity) - 1)?;
    let labels = folder.file("labels.npy")?;
    let stored = read_rows(&labels, &[], n, 0)?;
    for (index, &label) in stored.iter().enumerate() {
        ensure!(
            i64::from(label) == of_split.label(index),
            "{}: image {index} has the label {label}, in the data set it is {}",
            labels.shown().display(),
            of_split.label(index)
        );
    }
    Ok(Rows {
        path: shown,
        labels: stored,
        bytes,
        height,
        width,
    })
}

/// Part `part` of the five of an array of bytes whose entries have the shape `each`; labels may
/// be there once.
fn read_rows(file: &files::File, each: &[usize], n: usize, part: usize) -> Result<Vec<u8>> {
    let shown = file.shown().display();
    let failed = |error: std::io::Error| Error::io(file.shown(), &error);
    let header = read_header(file)
        .map_err(|error| Error::invalid(format!("{shown}: this is no array of NumPy: {error}")))?;
    let shape: Vec<usize> = header.shape().iter().map(|&it| it as usize).collect();
    let kind = header.dtype().descr();
    let wanted = [&[SEVERITIES * n], each].concat();
    let once = [&[n], each].concat();
    ensure!(
        shape == wanted || (part == 0 && shape == once),
        "{shown}: the array must be {wanted:?}, the test images at five severities, got {shape:?}"
    );
    let wide = kind.contains("i8") && each.is_empty();
    ensure!(
        (kind.contains("u1") || wide) && header.order() == npyz::Order::C,
        "{shown}: the array must hold bytes, rows first, got {kind}"
    );
    let size = n * each.iter().product::<usize>() * if wide { 8 } else { 1 };
    let mut content = file.parts();
    content
        .seek(SeekFrom::Current((part * size) as i64))
        .map_err(failed)?;
    let mut bytes = Vec::new();
    content
        .take(size as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    ensure!(bytes.len() == size, "{shown}: the file ends too early");
    // Labels of eight bytes, the lowest first.
    Ok(match wide {
        true => bytes.into_iter().step_by(8).collect(),
        false => bytes,
    })
}

/// What the file says of its array; the file is then at its entries.
fn read_header(file: &files::File) -> std::io::Result<npyz::NpyHeader> {
    /// In bytes; those of published arrays have 128.
    const LONGEST: u64 = 1 << 16;
    /// An array of numbers has two: `{'descr': '|u1', 'fortran_order': False, 'shape': (5, 3), }`.
    const MOST_BRACKETS: usize = 4;
    let mut content = file.parts();
    let mut beginning = Vec::new();
    content.take(LONGEST).read_to_end(&mut beginning)?;
    // Its reader's time doubles with every bracket within another.
    let brackets = text(&beginning).filter(|it| b"{[(".contains(it)).count();
    if brackets > MOST_BRACKETS {
        let error = format!("its header has {brackets} brackets");
        return Err(std::io::Error::new(ErrorKind::InvalidData, error));
    }
    let mut rest = beginning.as_slice();
    // It panics at sizes whose product is too large a number.
    let header = caught(|| npyz::NpyHeader::from_reader(&mut rest))
        .map_err(|_| std::io::Error::new(ErrorKind::InvalidData, "its shape is too large"))??;
    let length = beginning.len() - rest.len();
    content.seek(SeekFrom::Start(length as u64))?;
    Ok(header)
}

/// The text of a header of NumPy at the beginning of a file, behind its mark, its version and its
/// length: two bytes in version 1, four in those after it.
fn text(beginning: &[u8]) -> impl Iterator<Item = &u8> {
    let (length, start) = match beginning {
        [_, _, _, _, _, _, 1, _, a, b, ..] => (u16::from_le_bytes([*a, *b]).into(), 10),
        [_, _, _, _, _, _, _, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]), 12),
        _ => (0, 0),
    };
    beginning.iter().skip(start).take(length as usize)
}

struct Rows {
    path: PathBuf,
    labels: Vec<u8>,
    bytes: Vec<u8>,
    height: usize,
    width: usize,
}

impl Source for Rows {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, index: usize) -> i64 {
        i64::from(self.labels[index])
    }

    fn load(&self, index: usize) -> Result<Image> {
        let size = 3 * self.height * self.width;
        let pixels = self.bytes[index * size..(index + 1) * size].to_vec();
        Image::new(self.width, self.height, pixels)
    }

    fn describe(&self, index: usize) -> String {
        format!("{}, image {index}", self.path.display())
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{Numbers, pattern};
    use crate::data::{Dataset, DatasetOptions, write_png};
    use std::fs;

    fn write(root: &Path, path: &str, image: &Image) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_png(&path, image).unwrap();
    }

    /// A data set of two classes, and a folder like ImageNet-C with other pixels.
    fn photographs(root: &Path) -> Dataset {
        for (file, corrupted) in [("a/1", 3), ("a/2", 4), ("b/7", 5)] {
            write(root, &format!("data/val/{file}.png"), &pattern(10, 8));
            let other = Image::from_fn(10, 8, |_, _| [corrupted; 3]).unwrap();
            write(root, &format!("c/weather/fog/2/{file}.png"), &other);
        }
        let folder = Folder::open(&root.join("data")).unwrap();
        Dataset::open(&folder, &DatasetOptions::default(), None).unwrap()
    }

    #[test]
    fn files_are_found_by_class_and_name() {
        let root = tempfile::tempdir().unwrap();
        let data = photographs(root.path());
        let test = data.test.take(2).unwrap();
        let open = |severity| {
            let folder = Folder::open(&root.path().join("c"))?;
            data.stored_corruption(&test, &folder, Corruption::Fog, severity)
        };
        let foggy = open(2).unwrap();
        assert_eq!(foggy.labels(), test.labels());
        for index in 0..2 {
            let name = |split: &Split| {
                let shown = split.describe(index).unwrap();
                let path = Path::new(&shown);
                path.file_name().unwrap().to_owned()
            };
            assert_eq!(name(&foggy), name(&test));
            assert_ne!(foggy.image(index).unwrap(), test.image(index).unwrap());
        }
        let refused = |error: Result<Split>| error.unwrap_err().to_string();
        assert!(refused(open(3)).contains("one for each severity"));
        fs::remove_file(root.path().join("c/weather/fog/2/b/7.png")).unwrap();
        write(root.path(), "c/weather/fog/2/b/8.png", &pattern(10, 8));
        assert!(refused(open(2)).contains("there is no image for"));
        let folder = Folder::open(&root.path().join("c")).unwrap();
        let snow = data.stored_corruption(&test, &folder, Corruption::Snow, 1);
        assert!(refused(snow).contains("nor a file `snow.npy`"));
    }

    #[test]
    fn images_of_another_size_are_not_resized() {
        let root = tempfile::tempdir().unwrap();
        let data = photographs(root.path());
        for name in ["a/1", "a/2", "b/7"] {
            write(
                root.path(),
                &format!("c/weather/fog/2/{name}.png"),
                &pattern(9, 8),
            );
        }
        let folder = Folder::open(&root.path().join("c")).unwrap();
        let foggy = data.stored_corruption(&data.test, &folder, Corruption::Fog, 2);
        let foggy = foggy.unwrap();
        let error = foggy.image(0).unwrap_err().to_string();
        assert!(error.contains("are 10 x 8, got 9 x 8"), "{error}");
    }

    /// An array of bytes as NumPy writes it.
    fn npy(path: &Path, kind: &str, shape: &[usize], bytes: &[u8]) {
        let dims: Vec<_> = shape.iter().map(usize::to_string).collect();
        let dims = format!("{},", dims.join(", "));
        let head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({dims}), }}");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        let padded = (10 + head.len() + 1).next_multiple_of(64) - 10;
        file.extend((padded as u16).to_le_bytes());
        file.extend(format!("{head:<width$}\n", width = padded - 1).bytes());
        file.extend(bytes);
        fs::write(path, file).unwrap();
    }

    #[test]
    fn rows_of_an_array_are_those_of_the_severity() {
        let root = tempfile::tempdir().unwrap();
        let fog = root.path().join("fog.npy");
        let labels = root.path().join("labels.npy");
        let split = Numbers::split(vec![1, 0]);
        let each = 5 * 6 * 3;
        // Image 0 of severity 1 is all 0, image 1 of severity 5 all 9.
        let bytes: Vec<u8> = (0..10).flat_map(|i| vec![i; each]).collect();
        npy(&fog, "|u1", &[10, 5, 6, 3], &bytes);
        npy(&labels, "|u1", &[10], &[1, 0].repeat(5));
        let open = |severity| {
            let classes = ["a".to_owned(), "b".to_owned()];
            let folder = Folder::open(root.path())?;
            stored(&split, &classes, &folder, Corruption::Fog, severity)
        };
        let third = open(3).unwrap();
        assert_eq!(third.image(0).unwrap().pixels(), [4; 90]);
        assert_eq!(third.image(1).unwrap().pixels(), [5; 90]);
        let refused = || open(3).unwrap_err().to_string();
        let wide: Vec<u8> = [0, 1]
            .repeat(5)
            .iter()
            .flat_map(|&it: &u8| [it, 0, 0, 0, 0, 0, 0, 0])
            .collect();
        npy(&labels, "<i8", &[10], &wide);
        assert!(refused().contains("image 0 has the label 0, in the data set it is 1"));
        npy(&fog, "|u1", &[8, 5, 6, 3], &bytes[..8 * each]);
        assert!(refused().contains("must be [10, 5, 6, 3], the test images at five"));
        npy(&fog, "<f4", &[10, 5, 6, 3], &bytes);
        assert!(refused().contains("must hold bytes"));
        npy(&fog, "|u1", &[10, 5, 6, 3], &bytes[..each]);
        assert!(refused().starts_with(&fog.display().to_string()));
        npy(&fog, &"{".repeat(60), &[10, 5, 6, 3], &bytes);
        assert!(refused().contains("its header has 62 brackets"));
        npy(&fog, "|u1", &[usize::MAX, 32, 32, 3], &bytes);
        assert!(refused().starts_with(&fog.display().to_string()));
        fs::write(&fog, "no array").unwrap();
        assert!(refused().contains("no array of NumPy"));
    }
}
