//! What is in a cache is what is in the files, or an error.

use super::*;
use crate::data::testing::{pattern, stored};
use crate::data::{BatchOptions, DatasetOptions, write_png};
use crate::files::{Folder, Gate, Right};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Photographs of the project's own making in two classes, and a folder for their cache.
struct World {
    root: TempDir,
}

impl World {
    fn new() -> World {
        let root = tempfile::tempdir().unwrap();
        for (class, split) in [("a", "train"), ("b", "train"), ("a", "val"), ("b", "val")] {
            let folder = root.path().join("data").join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for name in ["420.jpg", "444.jpg", "grey.jpg", "rgb.png"] {
                fs::copy(stored(name), folder.join(name)).unwrap();
            }
            write_png(&folder.join("large.png"), &pattern(131, 90)).unwrap();
        }
        World { root }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("data").join(name)
    }

    fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    /// The names in the cache, hidden ones too.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.cache()).unwrap();
        let name = |it: std::io::Result<fs::DirEntry>| it.unwrap().file_name();
        let mut names: Vec<String> = names
            .map(|it| name(it).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn open(&self, limit: Option<usize>) -> Dataset {
        let options = DatasetOptions {
            size: Some(96),
            train: limit,
            ..DatasetOptions::default()
        };
        let path = self.root.path().join("data");
        Dataset::open(&Folder::open(&path).unwrap(), &options, None).unwrap()
    }

    /// The data set with its cache, and how many images had to be decoded.
    fn cached(&self, data: Dataset) -> Result<(Dataset, usize)> {
        let mut decoded = 0;
        let cached = data.cached(Cache {
            folder: &LastingFolder::open(&self.cache())?,
            progress: &mut |done, _| decoded = done,
        })?;
        Ok((cached, decoded))
    }
}

fn pixels(split: &Split, augment: bool, threads: usize) -> Vec<Vec<u8>> {
    let options = BatchOptions {
        batch_size: 3,
        augment,
        shuffle: true,
        threads: Some(threads),
        ..BatchOptions::default()
    };
    // Twice: the first time images are checked and read whole.
    let passes = [options.clone(), options];
    let passes = passes.into_iter().flat_map(|it| split.batches(it).unwrap());
    passes.map(|it| it.unwrap().pixels).collect()
}

#[test]
fn the_pixels_are_the_same_with_and_without_a_cache() {
    let world = World::new();
    let plain = world.open(None);
    let (filled, decoded) = world.cached(world.open(None)).unwrap();
    assert_eq!(decoded, 20);
    let (again, decoded) = world.cached(world.open(None)).unwrap();
    assert_eq!(decoded, 0);
    assert_eq!(world.names(), ["0001.images"]);
    for augment in [false, true] {
        let expected = pixels(&plain.train, augment, 0);
        for cached in [&filled, &again] {
            for threads in [0, 3] {
                assert_eq!(pixels(&cached.train, augment, threads), expected);
            }
        }
        let expected = pixels(&plain.test, augment, 0);
        assert_eq!(pixels(&again.test, augment, 2), expected);
    }
    for index in 0..plain.test.len() {
        let image = |data: &Dataset| data.test.image(index).unwrap();
        assert_eq!(image(&again), image(&plain));
        let source = |data: &Dataset| data.test.source().load(index).unwrap();
        assert_eq!(source(&again), source(&plain));
    }
}

#[test]
fn what_is_missing_or_has_changed_is_added() {
    let world = World::new();
    let (_, decoded) = world.cached(world.open(Some(4))).unwrap();
    assert_eq!(decoded, 4 + 10);
    let (_, decoded) = world.cached(world.open(None)).unwrap();
    assert_eq!(decoded, 6);
    write_png(&world.file("val/a/large.png"), &pattern(140, 90)).unwrap();
    let (data, decoded) = world.cached(world.open(None)).unwrap();
    assert_eq!(decoded, 1);
    assert_eq!(world.names(), ["0001.images", "0002.images", "0003.images"]);
    let expected = pixels(&world.open(None).test, false, 0);
    assert_eq!(pixels(&data.test, false, 0), expected);
}

#[test]
fn several_may_fill_a_cache_at_once() {
    let world = World::new();
    let expected = pixels(&world.open(None).test, false, 0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (data, _) = world.cached(world.open(None)).unwrap();
                assert_eq!(pixels(&data.test, false, 0), expected);
            });
        }
    });
    let names = world.names();
    assert!(names.iter().all(|it| !it.starts_with('.')), "{names:?}");
}

/// What reading test images says when the cache has been treated by `damage`.
fn after(damage: impl FnOnce(&mut Vec<u8>)) -> String {
    let world = World::new();
    world.cached(world.open(None)).unwrap();
    let path = world.cache().join("0001.images");
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let read = |(data, _): (Dataset, usize)| {
        for index in 0..data.train.len() {
            data.train.image(index)?;
        }
        Ok(())
    };
    let error = world.cached(world.open(None)).and_then(read);
    let error = error.unwrap_err().to_string();
    let named = format!("{}: this file of a cache is damaged (", path.display());
    let reason = error.strip_prefix(&named).expect(&error).to_owned();
    // And that it says what to do.
    fs::remove_file(&path).unwrap();
    world.cached(world.open(None)).and_then(read).unwrap();
    reason
}

#[test]
fn damage_is_named() {
    let pixel = after(|bytes| bytes[1000] ^= 1);
    assert!(
        pixel.starts_with("the pixels of train/a/420.jpg have another check sum)"),
        "{pixel}"
    );
    let index = after(|bytes| {
        let at = bytes.len() - 100;
        bytes[at] ^= 1;
    });
    assert!(
        index.starts_with("its index has another check sum)"),
        "{index}"
    );
    let cut = after(|bytes| bytes.truncate(bytes.len() / 2));
    assert!(cut.starts_with("its end is missing)"), "{cut}");
    let empty = after(Vec::clear);
    assert!(empty.starts_with("it is too short)"), "{empty}");
    let long = after(|bytes| {
        let at = bytes.len() - 28;
        bytes[at + 6] = 1;
    });
    assert!(
        long.starts_with("its index is longer than the file)"),
        "{long}"
    );
}

#[test]
fn what_cannot_be_kept_is_said() {
    let world = World::new();
    fs::write(world.cache(), "").unwrap();
    let error = world.cached(world.open(None)).unwrap_err().to_string();
    assert!(error.ends_with("cache: a folder is needed here, this is a file"));
    fs::remove_file(world.cache()).unwrap();

    // There is a folder of that name, in which nothing may be written.
    fs::create_dir(world.cache()).unwrap();
    let gate = Gate::new(|_| Some("not here".into()));
    gate.allow(Right::Read, world.root.path()).unwrap();
    let refused = |data: Dataset| {
        let cached = data.cached(Cache {
            folder: &gate.lasting(&world.cache()).unwrap(),
            progress: &mut |_, _| {},
        });
        cached.map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused(world.open(None)).ends_with("not here"));
    assert_eq!(world.names(), [""; 0]);
    let shapes = Dataset::shapes(&DatasetOptions::default(), None).unwrap();
    let error = refused(shapes);
    assert_eq!(error, "`cache` is for image files, this data set has none");

    // A file that cannot be decoded is named; what came before it is kept.
    fs::write(world.file("val/b/grey.jpg"), "no picture").unwrap();
    let error = world.cached(world.open(None)).unwrap_err().to_string();
    assert!(
        error.contains("val/b/grey.jpg: the file is neither"),
        "{error}"
    );
    fs::copy(stored("grey.jpg"), world.file("val/b/grey.jpg")).unwrap();
    let (_, decoded) = world.cached(world.open(None)).unwrap();
    assert!((1..20).contains(&decoded), "{decoded}");
}
