//! Images in folders of classes, as torchvision's `ImageFolder` reads them: classes are the
//! sorted names of folders, files below a class folder are taken at any depth, hidden ones and
//! those that are no pictures are passed over.
//!
//! Four layouts: `train/<class>/` beside `test/<class>/` or `val/<class>/`; one of the two
//! alone; `<class>/` directly, which is divided by a seed; ImageNet's flat `val/` with a file of
//! classes (`truth`) in place of its folders.

use super::decode::{ImageFile, read_image};
use super::image::Image;
use super::part::{Part, Picture, Window};
use super::split::Source;
use super::transform::{Fit, SMALL};
use super::truth::{self, Class};
use super::{Dataset, DatasetOptions, Half, Halves};
use crate::files::{self, Folder, Kind, Stamp};
use crate::{Error, Result, interrupt, seed};
use rand::seq::SliceRandom;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const READ: [&str; 3] = ["jpeg", "jpg", "png"];

/// Pictures of kinds that are not read. Passing over them would change the data set silently.
const NOT_READ: [&str; 10] = [
    "avif", "bmp", "gif", "heic", "jp2", "pgm", "ppm", "tif", "tiff", "webp",
];

/// The side that photographs get when no size is asked for.
const PHOTOGRAPH: usize = 224;

pub(super) fn open(
    folder: &Folder,
    options: &DatasetOptions,
    real: Option<&files::File>,
) -> Result<Dataset> {
    let train = Path::new("train");
    // A `test` of loose files, as ImageNet's, has no labels.
    let mut test = None;
    for name in ["test", "val"].map(Path::new) {
        if test.is_none() && folder.has_folder(name)? && has_folders(folder, name)? {
            test = Some(name);
        }
    }
    let flat = match &test {
        None => truth::flat(folder)?,
        Some(_) => None,
    };
    let scan = |inner: &Path| scan(folder, inner);

    let (classes, train, test) = match (folder.has_folder(train)?, test, flat) {
        (true, None, Some(images)) => {
            let (classes, files) = scan(train)?;
            let images = labelled(folder, images, &classes)?;
            (classes, Ok(files), Ok(images))
        }
        (false, None, Some(images)) => {
            let classes = classes_of(&images);
            let images = labelled(folder, images, &classes)?;
            let reason = lacks(folder, "has no folder `train`");
            (classes, Err(reason), Ok(images))
        }
        (true, Some(test), _) => {
            let (train_classes, train_files) = scan(train)?;
            let (test_classes, test_files) = scan(test)?;
            let (train, test) = (folder.shown(train), folder.shown(test));
            check_same(&train, &train_classes, &test, &test_classes)?;
            (train_classes, Ok(train_files), Ok(test_files))
        }
        (true, None, None) => {
            let (classes, files) = scan(train)?;
            let reason = "has no folder `test` or `val` with folders of classes in it";
            (classes, Ok(files), Err(lacks(folder, reason)))
        }
        (false, Some(test), _) => {
            let (classes, files) = scan(test)?;
            (
                classes,
                Err(lacks(folder, "has no folder `train`")),
                Ok(files),
            )
        }
        (false, None, None) => {
            let (classes, files) = scan(Path::new(""))?;
            let (train, test) = divide(files, &classes, options)?;
            (classes, Ok(train), Ok(test))
        }
    };

    let first = [&train, &test]
        .into_iter()
        .flatten()
        .find_map(|it| it.first());
    let (path, _) = first.expect("a scan finds at least one file or fails");
    let (width, height) = ImageFile::read(folder.file(path)?)?.size()?;
    let fit = if width <= SMALL && height <= SMALL {
        Fit::Native { width, height }
    } else {
        Fit::Square {
            side: PHOTOGRAPH,
            interpolation: options.interpolation,
        }
    };
    let half = |files: Result<Vec<File>, String>| -> Half {
        Ok(Box::new(Files::new(folder.clone(), files?)))
    };
    let halves = Halves {
        train: half(train),
        test: half(test),
        real,
    };
    let name = folder.shown("").display().to_string();
    Dataset::assemble(name, classes, fit, halves, options)
}

/// The classes that the images name, sorted; their places as names where there are no others.
fn classes_of(images: &[(PathBuf, Class)]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut places = 0;
    for (_, class) in images {
        match class {
            Class::Name(name) => {
                names.insert(name.clone());
            }
            Class::Place(place) => places = places.max(place + 1),
        }
    }
    match names.is_empty() {
        true => (0..places).map(|place| place.to_string()).collect(),
        false => names.into_iter().collect(),
    }
}

fn labelled(
    folder: &Folder,
    images: Vec<(PathBuf, Class)>,
    classes: &[String],
) -> Result<Vec<File>> {
    let label = |path: &Path, class: &Class| {
        let label = match class {
            Class::Name(name) => classes.iter().position(|it| it == name),
            Class::Place(place) => (*place < classes.len()).then_some(*place),
        };
        label.ok_or_else(|| {
            let path = folder.shown(path);
            let path = path.display();
            Error::invalid(format!(
                "{path}: its class, {class}, is none of the training classes"
            ))
        })
    };
    let mut files = Vec::new();
    for (path, class) in images {
        let label = label(&path, &class)? as u32;
        files.push((path.into_boxed_path(), label));
    }
    // By class, as the images of class folders come.
    files.sort_by_key(|(_, label)| *label);
    Ok(files)
}

fn lacks(folder: &Folder, what: &str) -> String {
    format!("{} {what}", folder.shown("").display())
}

/// An image file, beneath the folder of the data set, and its class.
pub(super) type File = (Box<Path>, u32);

struct Files {
    folder: Folder,
    files: Vec<File>,
    /// Which files were decoded to their end. The first time that is done, so that damage anywhere
    /// is found; afterwards a crop needs no more than its part.
    checked: Vec<AtomicBool>,
}

impl Files {
    fn new(folder: Folder, files: Vec<File>) -> Files {
        Files {
            folder,
            checked: files.iter().map(|_| AtomicBool::new(false)).collect(),
            files,
        }
    }

    fn path(&self, index: usize) -> &Path {
        &self.files[index].0
    }
}

impl Source for Files {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, index: usize) -> i64 {
        i64::from(self.files[index].1)
    }

    fn load(&self, index: usize) -> Result<Image> {
        read_image(&self.folder.file(self.path(index))?)
    }

    fn open(&self, index: usize) -> Result<Box<dyn Picture + '_>> {
        Ok(Box::new(Opened {
            file: ImageFile::read(self.folder.file(self.path(index))?)?,
            checked: &self.checked[index],
        }))
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(self.path(index))
    }

    fn stamp(&self, index: usize) -> Result<Option<Stamp>> {
        self.folder.stamp(self.path(index)).map(Some)
    }

    fn describe(&self, index: usize) -> String {
        self.folder.shown(self.path(index)).display().to_string()
    }

    fn is_in_memory(&self) -> bool {
        false
    }
}

struct Opened<'a> {
    file: ImageFile,
    checked: &'a AtomicBool,
}

impl Picture for Opened<'_> {
    fn size(&self) -> Result<(usize, usize)> {
        self.file.size()
    }

    fn part(self: Box<Self>, needed: Window) -> Result<Part> {
        let whole = !self.checked.load(Ordering::Relaxed);
        let part = self.file.part(needed, whole)?;
        self.checked.store(true, Ordering::Relaxed);
        Ok(part)
    }
}

fn has_folders(folder: &Folder, inner: &Path) -> Result<bool> {
    let mut entries = folder.entries(inner)?.into_iter();
    Ok(entries.any(|(_, kind)| kind == Kind::Folder))
}

/// The classes in `inner`, a folder beneath `folder`, sorted, and their files.
pub(super) fn scan(folder: &Folder, inner: &Path) -> Result<(Vec<String>, Vec<File>)> {
    let mut classes = Vec::new();
    let mut files = Vec::new();
    for (path, kind) in folder.entries(inner)? {
        if kind != Kind::Folder {
            continue;
        }
        let shown = folder.shown(&path);
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else {
            bail!("{}: the name of a class must be UTF-8", shown.display());
        };
        let class = classes.len() as u32;
        classes.push(name.to_owned());
        let mut found = Vec::new();
        collect(folder, &path, 0, &mut found)?;
        ensure!(
            !found.is_empty(),
            "{}: a class must have at least one image (.jpg, .jpeg or .png), the folder has none",
            shown.display()
        );
        files.extend(found.into_iter().map(|it| (it.into_boxed_path(), class)));
    }
    ensure!(
        !classes.is_empty(),
        "{}: a data set has a folder for each class, or `train` and `test` (or `val`) with those \
         in them; here there are no folders",
        folder.shown(inner).display()
    );
    Ok((classes, files))
}

/// Deeper than this a folder is taken for one that contains itself by a link.
const MAX_DEPTH: usize = 16;

/// Adds the images below `inner`: of each folder first its own, then those of the next.
fn collect(folder: &Folder, inner: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    interrupt::check()?;
    ensure!(
        depth < MAX_DEPTH,
        "{}: folders may be nested {MAX_DEPTH} deep in a class",
        folder.shown(inner).display()
    );
    let (folders, files): (Vec<_>, Vec<_>) = folder
        .entries(inner)?
        .into_iter()
        .partition(|(_, kind)| *kind == Kind::Folder);
    for (path, _) in files {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let extension = extension.to_ascii_lowercase();
        ensure!(
            !NOT_READ.contains(&extension.as_str()),
            "{}: images are read from JPEG and PNG files only",
            folder.shown(path).display()
        );
        if READ.contains(&extension.as_str()) {
            found.push(path);
        }
    }
    for (path, _) in folders {
        collect(folder, &path, depth + 1, found)?;
    }
    Ok(())
}

fn check_same(train: &Path, a: &[String], test: &Path, b: &[String]) -> Result<()> {
    let only = |here: &Path, some: &[String], there: &Path, others: &[String]| match some
        .iter()
        .find(|name| !others.contains(name))
    {
        Some(name) => bail!(
            "the same classes must be in both splits, but `{name}` is in {} and not in {}",
            here.display(),
            there.display()
        ),
        None => Ok(()),
    };
    only(train, a, test, b)?;
    only(test, b, train, a)
}

/// Sets aside `test_fraction` of each class, at least one image and never all.
fn divide(
    files: Vec<File>,
    classes: &[String],
    options: &DatasetOptions,
) -> Result<(Vec<File>, Vec<File>)> {
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for members in files.chunk_by(|(_, a), (_, b)| a == b) {
        let (n, class) = (members.len(), members[0].1);
        ensure!(
            n >= 2,
            "`{}` has one image; a class that is to be divided into `train` and `test` needs two",
            classes[class as usize]
        );
        let share = (n as f64 * options.test_fraction).round() as usize;
        let share = share.clamp(1, n - 1);
        let mut order: Vec<usize> = (0..n).collect();
        let mut random = seed::generator(options.seed, "split", &[u64::from(class)]);
        order.shuffle(&mut random);
        let mut for_test = vec![false; n];
        for &index in &order[..share] {
            for_test[index] = true;
        }
        for (file, for_test) in members.iter().zip(for_test) {
            if for_test { &mut test } else { &mut train }.push(file.clone());
        }
    }
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::pattern;
    use crate::data::write_png;
    use std::fs;
    use tempfile::TempDir;

    /// A folder with an image of `size` at each of `paths`.
    fn folder(size: (usize, usize), paths: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &pattern(size.0, size.1)).unwrap();
        }
        folder
    }

    fn open_it(folder: &TempDir) -> Result<Dataset> {
        open_with(folder, &DatasetOptions::default())
    }

    fn open_with(folder: &TempDir, options: &DatasetOptions) -> Result<Dataset> {
        open(&Folder::open(folder.path())?, options, None)
    }

    fn error(folder: &TempDir) -> String {
        open_it(folder).unwrap_err().to_string()
    }

    fn names(split: &crate::data::Split) -> Vec<String> {
        let name = |i| {
            split
                .describe(i)
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        };
        (0..split.len()).map(name).collect()
    }

    #[test]
    fn train_and_val_with_sorted_classes_and_files() {
        let folder = folder(
            (10, 8),
            &[
                "train/cat/b.png",
                "train/cat/a.PNG",
                "train/cat/deep/0.png",
                "train/ant/x.jpeg",
                "train/.hidden/x.png",
                "val/ant/.hidden.png",
                "val/ant/1.png",
                "val/cat/1.png",
            ],
        );
        fs::write(folder.path().join("train/cat/notes.txt"), "").unwrap();
        fs::write(folder.path().join("train/labels.csv"), "").unwrap();
        let data = open_it(&folder).unwrap();
        assert_eq!(data.classes, ["ant", "cat"]);
        assert_eq!((data.width, data.height), (10, 8));
        assert_eq!(data.train.labels(), [0, 1, 1, 1]);
        assert_eq!(names(&data.train), ["x.jpeg", "a.PNG", "b.png", "0.png"]);
        assert_eq!(data.test.labels(), [0, 1]);
        // The content decides: this JPEG is a PNG file.
        assert_eq!(data.train.image(0).unwrap(), pattern(10, 8));
    }

    #[test]
    fn a_flat_folder_of_validation_images_has_a_file_of_classes() {
        let image = "val/ILSVRC2012_val_0000000";
        let paths = [1, 2, 3].map(|n| format!("{image}{n}.png"));
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        for (file, text) in [
            (
                "LOC_val_solution.csv",
                "ImageId,PredictionString\nILSVRC2012_val_00000001,n02 1 2 3 4\n\
                 ILSVRC2012_val_00000002,n01 1 2 3 4 n01 5 6 7 8\n\
                 ILSVRC2012_val_00000003,n02 1 2 3 4\n",
            ),
            (
                "imagenet_2012_validation_synset_labels.txt",
                "n02\nn01\nn02\n",
            ),
            (
                "val.txt",
                "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 0\n\
                 ILSVRC2012_val_00000003.JPEG 1\n",
            ),
        ] {
            let folder = folder((10, 8), &paths);
            fs::write(folder.path().join(file), text).unwrap();
            let data = open_it(&folder).unwrap();
            assert_eq!(data.test.labels(), [0, 1, 1], "{file}");
            assert_eq!(
                names(&data.test),
                [2, 1, 3].map(|n| format!("ILSVRC2012_val_0000000{n}.png"))
            );
            write_png(
                &folder.path().join(format!("{image}9.png")),
                &pattern(10, 8),
            )
            .unwrap();
            assert!(error(&folder).contains("does not say its class"));
            fs::write(folder.path().join(file), "\nstrange\n").unwrap();
            assert!(error(&folder).contains(file), "{}", error(&folder));
        }
        let folder = folder((10, 8), &paths);
        let numbers = "ILSVRC2012_validation_ground_truth.txt";
        fs::write(folder.path().join(numbers), "490\n361\n171\n").unwrap();
        assert!(error(&folder).contains("in an order of their own"));
    }

    #[test]
    fn one_split_alone_says_so_when_the_other_is_asked_for() {
        let only_val = folder((10, 8), &["val/a/1.png", "val/b/1.png"]);
        let data = open_it(&only_val).unwrap();
        assert_eq!(data.test.len(), 2);
        let error = data.train.batches(Default::default()).err().unwrap();
        assert!(error.to_string().ends_with("has no folder `train`"));

        let only_train = folder((10, 8), &["train/a/1.png", "train/b/1.png"]);
        // Loose files are not a labelled test set.
        fs::create_dir(only_train.path().join("test")).unwrap();
        fs::write(only_train.path().join("test/1.png"), "").unwrap();
        let data = open_it(&only_train).unwrap();
        let error = data.test.image(0).unwrap_err().to_string();
        assert!(error.contains("has no folder `test` or `val`"), "{error}");
    }

    #[test]
    fn classes_alone_are_divided_by_the_seed() {
        let paths: Vec<String> = (0..40)
            .map(|i| format!("{}/{i}.png", ["a", "b"][i % 2]))
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let folder = folder((10, 8), &paths);
        let options = |seed, test_fraction| DatasetOptions {
            seed,
            test_fraction,
            ..DatasetOptions::default()
        };
        let open = |seed, fraction| open_with(&folder, &options(seed, fraction)).unwrap();
        let data = open(0, 0.2);
        assert_eq!((data.train.len(), data.test.len()), (32, 8));
        assert_eq!(data.test.labels(), [0, 0, 0, 0, 1, 1, 1, 1]);
        let mut all = [names(&data.train), names(&data.test)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        assert_eq!(names(&open(0, 0.2).test), names(&data.test));
        assert_ne!(names(&open(1, 0.2).test), names(&data.test));
        assert_eq!(open(0, 0.001).test.len(), 2);
        assert_eq!(open(0, 0.999).train.len(), 2);
    }

    #[test]
    fn large_images_get_224_and_any_size_on_request() {
        let large = folder((100, 70), &["val/a/1.png", "val/b/1.png"]);
        let data = open_it(&large).unwrap();
        assert_eq!((data.width, data.height), (224, 224));
        assert_eq!(data.test.image(0).unwrap().width(), 224);
        let options = DatasetOptions {
            size: Some(48),
            ..DatasetOptions::default()
        };
        let data = open_with(&large, &options).unwrap();
        assert_eq!(data.test.image(1).unwrap().height(), 48);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let empty = folder((10, 8), &[]);
        assert!(error(&empty).ends_with("here there are no folders"));

        let no_images = folder((10, 8), &["train/a/1.png", "val/a/1.png"]);
        fs::create_dir(no_images.path().join("train/b")).unwrap();
        let message = error(&no_images);
        assert!(
            message.contains("train/b: a class must have at least one"),
            "{message}"
        );

        let mismatch = folder((10, 8), &["train/a/1.png", "val/a/1.png", "val/b/1.png"]);
        assert!(error(&mismatch).contains("both splits, but `b` is in "));

        let bitmap = folder((10, 8), &["train/a/1.png", "val/a/1.png", "val/a/2.BMP"]);
        assert!(error(&bitmap).ends_with("2.BMP: images are read from JPEG and PNG files only"));

        let single = folder((10, 8), &["a/1.png", "b/1.png", "b/2.png"]);
        assert!(error(&single).starts_with("`a` has one image"));

        let sizes = folder((10, 8), &["train/a/1.png", "val/a/1.png"]);
        write_png(&sizes.path().join("val/a/2.png"), &pattern(9, 9)).unwrap();
        let data = open_it(&sizes).unwrap();
        let message = data.test.image(1).unwrap_err().to_string();
        assert!(message.contains("val/a/2.png: the images of this data set are 10 x 8"));
        assert!(message.contains("the option `size`"));
    }

    #[test]
    fn a_damaged_file_is_named_by_the_batch() {
        let folder = folder((10, 8), &["val/a/1.png", "val/b/1.png", "val/b/2.png"]);
        let path = folder.path().join("val/b/1.png");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        let data = open_it(&folder).unwrap();
        let mut batches = data.test.batches(Default::default()).unwrap();
        let message = batches.next().unwrap().unwrap_err().to_string();
        assert!(
            message.contains("val/b/1.png: the PNG is truncated"),
            "{message}"
        );
    }
}
