//! CIFAR-10 and CIFAR-100 as their authors distribute them for C programs ("binary version"):
//! records of one label (CIFAR-100: coarse and fine) and 3072 bytes, the planes R, G, B of 32
//! rows of 32. <https://www.cs.toronto.edu/~kriz/cifar.html>

use super::image::Image;
use super::split::Source;
use super::transform::Fit;
use super::{Dataset, DatasetOptions, Halves};
use crate::files::{File, Folder, LARGEST_TEXT};
use crate::{Result, interrupt};
use std::path::{Path, PathBuf};

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;
const PLANES: usize = 3 * PIXELS;

/// In bytes, of a file of records; the largest published one has 153 MB.
const LARGEST: u64 = 4 << 30;

const CIFAR10_CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// The two data sets and how their files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cifar10,
    Cifar100,
}

impl Kind {
    /// The name of the folder in the authors' archive.
    fn folder(self) -> &'static str {
        match self {
            Kind::Cifar10 => "cifar-10-batches-bin",
            Kind::Cifar100 => "cifar-100-binary",
        }
    }

    fn classes(self) -> usize {
        match self {
            Kind::Cifar10 => 10,
            Kind::Cifar100 => 100,
        }
    }

    /// Bytes before the pixels; the last of them is the label.
    fn label_bytes(self) -> usize {
        match self {
            Kind::Cifar10 => 1,
            Kind::Cifar100 => 2,
        }
    }

    fn record(self) -> usize {
        self.label_bytes() + PLANES
    }

    fn class_names_file(self) -> &'static str {
        match self {
            Kind::Cifar10 => "batches.meta.txt",
            Kind::Cifar100 => "fine_label_names.txt",
        }
    }

    /// The training files that are in `inner`, a folder beneath `folder`.
    fn training_files(self, folder: &Folder, inner: &Path) -> Result<Vec<PathBuf>> {
        if self == Kind::Cifar100 {
            let file = inner.join("train.bin");
            let is_there = folder.has_file(&file)?;
            return Ok(is_there.then_some(file).into_iter().collect());
        }
        let batch = |number: usize| inner.join(format!("data_batch_{number}.bin"));
        let mut there = Vec::new();
        for number in 1..=5 {
            if folder.has_file(batch(number))? {
                there.push(number);
            }
        }
        if let Some(&last) = there.last() {
            let gap = (1..last).find(|number| !there.contains(number));
            if let Some(gap) = gap {
                bail!(
                    "{}: the file is missing, data_batch_{last}.bin is there",
                    folder.shown(batch(gap)).display()
                );
            }
        }
        Ok(there.into_iter().map(batch).collect())
    }

    fn test_file(self, inner: &Path) -> PathBuf {
        inner.join(match self {
            Kind::Cifar10 => "test_batch.bin",
            Kind::Cifar100 => "test.bin",
        })
    }

    /// The names in the file beside the images; without that file CIFAR-10 has its well-known
    /// names, CIFAR-100 numbers.
    fn class_names(self, folder: &Folder, inner: &Path) -> Result<Vec<String>> {
        let path = inner.join(self.class_names_file());
        if !folder.has_file(&path)? {
            return Ok(match self {
                Kind::Cifar10 => CIFAR10_CLASSES.map(str::to_owned).to_vec(),
                Kind::Cifar100 => (0..self.classes()).map(|it| it.to_string()).collect(),
            });
        }
        let text = folder.file(&path)?.text(LARGEST_TEXT)?;
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
        let names: Vec<String> = lines.map(str::to_owned).collect();
        ensure!(
            names.len() == self.classes(),
            "{}: there must be {} names of classes, one in each line, got {}",
            folder.shown(path).display(),
            self.classes(),
            names.len()
        );
        Ok(names)
    }
}

/// The data set in `folder`, if one of the two is in it or in the folder that the authors'
/// archive makes there.
pub(super) fn open(
    folder: &Folder,
    options: &DatasetOptions,
    real: Option<&File>,
) -> Result<Option<Dataset>> {
    for kind in [Kind::Cifar10, Kind::Cifar100] {
        for inner in ["", kind.folder()].map(Path::new) {
            let training = kind.training_files(folder, inner)?;
            let test = kind.test_file(inner);
            let has_test = folder.has_file(&test)?;
            if training.is_empty() && !has_test {
                continue;
            }
            let classes = kind.class_names(folder, inner)?;
            let fit = Fit::Native {
                width: SIDE,
                height: SIDE,
            };
            let halves = Halves {
                train: match training.is_empty() {
                    false => Ok(Box::new(Records::read(kind, folder, &training)?)),
                    true => {
                        let inner = folder.shown(inner);
                        Err(format!("{} has no training files", inner.display()))
                    }
                },
                test: match has_test {
                    true => Ok(Box::new(Records::read(kind, folder, &[test])?)),
                    false => {
                        let test = folder.shown(test);
                        Err(format!("{}: there is no such file", test.display()))
                    }
                },
                real,
            };
            let name = folder.shown("").display().to_string();
            return Dataset::assemble(name, classes, fit, halves, options).map(Some);
        }
    }
    Ok(None)
}

/// The records of some files, in memory as they are in the files.
struct Records {
    kind: Kind,
    /// Each file and the number of its first record.
    files: Vec<(PathBuf, usize)>,
    bytes: Vec<u8>,
}

impl Records {
    fn read(kind: Kind, folder: &Folder, files: &[PathBuf]) -> Result<Records> {
        let mut records = Records {
            kind,
            files: Vec::new(),
            bytes: Vec::new(),
        };
        for path in files {
            interrupt::check()?;
            let bytes = folder.file(path)?.read(LARGEST)?;
            let path = folder.shown(path);
            check(kind, &bytes).map_err(|error| error.context(path.display()))?;
            records.files.push((path, records.len()));
            records.bytes.extend(bytes);
        }
        Ok(records)
    }

    fn record(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.kind.record()..(index + 1) * self.kind.record()]
    }
}

/// Whether `bytes` are whole records with labels in range.
fn check(kind: Kind, bytes: &[u8]) -> Result<()> {
    let (record, classes) = (kind.record(), kind.classes());
    ensure!(
        !bytes.is_empty() && bytes.len().is_multiple_of(record),
        "a file of CIFAR-{classes} has {record} bytes for each image, got {} bytes, which is {} \
         images and {} bytes",
        bytes.len(),
        bytes.len() / record,
        bytes.len() % record
    );
    for (number, record) in bytes.chunks_exact(record).enumerate() {
        let label = record[kind.label_bytes() - 1];
        ensure!(
            usize::from(label) < classes,
            "the label of an image must be below {classes}, got {label} in record {number} \
             (counted from 0)"
        );
    }
    Ok(())
}

impl Source for Records {
    fn len(&self) -> usize {
        self.bytes.len() / self.kind.record()
    }

    fn label(&self, index: usize) -> i64 {
        i64::from(self.record(index)[self.kind.label_bytes() - 1])
    }

    fn load(&self, index: usize) -> Result<Image> {
        let planes = &self.record(index)[self.kind.label_bytes()..];
        Image::from_fn(SIDE, SIDE, |x, y| {
            let at = y * SIDE + x;
            [planes[at], planes[at + PIXELS], planes[at + 2 * PIXELS]]
        })
    }

    fn describe(&self, index: usize) -> String {
        let file = self.files.iter().rfind(|(_, first)| *first <= index);
        let (path, first) = file.expect("the first file starts with record 0");
        format!("{}, record {}", path.display(), index - first)
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A file of records with these labels; the planes of record i are filled with i, 2 i, 3 i.
    fn write(kind: Kind, path: PathBuf, labels: &[u8]) {
        let mut bytes = Vec::new();
        for (i, &label) in labels.iter().enumerate() {
            bytes.extend(vec![99; kind.label_bytes() - 1]);
            bytes.push(label);
            for plane in 1..=3 {
                bytes.extend([(plane * i) as u8; PIXELS]);
            }
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn open_it(folder: &Path) -> Result<Option<Dataset>> {
        open(&Folder::open(folder)?, &DatasetOptions::default(), None)
    }

    fn open_error(folder: &Path) -> String {
        let error = open_it(folder).err().unwrap();
        error.to_string()
    }

    #[test]
    fn cifar10_with_its_folder_one_level_deeper() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("cifar-10-batches-bin");
        write(Kind::Cifar10, inner.join("data_batch_1.bin"), &[3, 9, 0]);
        write(Kind::Cifar10, inner.join("data_batch_2.bin"), &[1, 2]);
        write(Kind::Cifar10, inner.join("test_batch.bin"), &[7]);
        let data = open_it(folder.path());
        let data = data.unwrap().unwrap();
        assert_eq!((data.height, data.width), (32, 32));
        assert_eq!(data.classes[3], "cat");
        assert_eq!(data.train.labels(), [3, 9, 0, 1, 2]);
        assert_eq!(data.test.labels(), [7]);
        let image = data.train.image(2).unwrap();
        assert_eq!(image.pixels()[..6], [2, 4, 6, 2, 4, 6]);
        let described = data.train.describe(4).unwrap();
        assert!(described.ends_with("data_batch_2.bin, record 1"));
        let batch = data.train.batches(Default::default()).unwrap().next();
        let batch = batch.unwrap().unwrap();
        assert_eq!(batch.pixels.len(), 5 * PLANES);
        assert!(
            batch.pixels[PLANES + PIXELS..][..PIXELS]
                .iter()
                .all(|&it| it == 2)
        );
    }

    #[test]
    fn cifar100_takes_the_fine_label_and_its_names() {
        let folder = tempfile::tempdir().unwrap();
        write(Kind::Cifar100, folder.path().join("train.bin"), &[42, 0]);
        let data = open_it(folder.path());
        let data = data.unwrap().unwrap();
        assert_eq!(data.train.labels(), [42, 0]);
        assert_eq!(data.classes.len(), 100);
        let error = data.test.image(0).unwrap_err().to_string();
        assert!(error.starts_with("there are no `test` images: "), "{error}");

        let names: String = (0..100).map(|i| format!("kind {i}\r\n")).collect();
        let path = folder.path().join("fine_label_names.txt");
        fs::write(&path, names + "\n").unwrap();
        let data = open_it(folder.path());
        assert_eq!(data.unwrap().unwrap().classes[42], "kind 42");
        fs::write(&path, "one\ntwo\n").unwrap();
        assert!(open_error(folder.path()).ends_with("one in each line, got 2"));
    }

    #[test]
    fn damage_is_named_by_file_and_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test_batch.bin");
        write(Kind::Cifar10, path.clone(), &[1, 2, 10]);
        let error = open_error(folder.path());
        let expected = "test_batch.bin: the label of an image must be below 10, got 10 in \
                        record 2 (counted from 0)";
        assert!(error.ends_with(expected), "{error}");

        write(Kind::Cifar10, path.clone(), &[1, 2]);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = open_error(folder.path());
        let expected = "got 6145 bytes, which is 1 images and 3072 bytes";
        assert!(error.ends_with(expected), "{error}");
        fs::write(&path, []).unwrap();
        assert!(open_error(folder.path()).contains("got 0 bytes"));
    }

    #[test]
    fn a_missing_training_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        for number in [1, 3] {
            let name = format!("data_batch_{number}.bin");
            write(Kind::Cifar10, folder.path().join(name), &[1]);
        }
        let error = open_error(folder.path());
        let expected = "data_batch_2.bin: the file is missing, data_batch_3.bin is there";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn another_folder_is_none_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let data = open_it(folder.path());
        assert!(data.unwrap().is_none());
    }
}
