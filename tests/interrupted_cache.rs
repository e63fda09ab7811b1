//! Ctrl-C while a cache is filled. A file of its own: the flag belongs to the process.

use rhobust::data::{Cache, Dataset, DatasetOptions, Image, write_png};
use rhobust::files::{Folder, LastingFolder};
use rhobust::{Error, Result, interrupt};
use std::fs;
use std::path::Path;

fn fill(data: &Path, cache: &Path, stop: bool) -> Result<usize> {
    let options = DatasetOptions::default();
    let set = Dataset::open(&Folder::open(data)?, &options, None)?;
    let mut decoded = 0;
    set.cached(Cache {
        folder: &LastingFolder::open(cache)?,
        progress: &mut |done, _| {
            decoded = done;
            if stop && done > 0 {
                interrupt::request();
            }
        },
    })?;
    Ok(decoded)
}

#[test]
fn a_stop_keeps_what_was_decoded_and_leaves_nothing_broken() {
    let folder = tempfile::tempdir().unwrap();
    let (data, cache) = (folder.path().join("data"), folder.path().join("cache"));
    for class in ["a", "b"] {
        fs::create_dir_all(data.join("val").join(class)).unwrap();
        for i in 0..200_u8 {
            let image = Image::from_fn(4, 4, |x, y| [x as u8, y as u8, i]).unwrap();
            write_png(
                &data.join("val").join(class).join(format!("{i}.png")),
                &image,
            )
            .unwrap();
        }
    }
    let stopped = fill(&data, &cache, true).unwrap_err();
    assert!(matches!(stopped, Error::Interrupted));
    interrupt::clear();
    let names: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, ["0001.images"]);
    let rest = fill(&data, &cache, false).unwrap();
    assert!((1..400).contains(&rest), "{rest}");
    assert_eq!(fill(&data, &cache, false).unwrap(), 0);
}
