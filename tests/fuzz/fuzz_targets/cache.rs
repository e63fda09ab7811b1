#![no_main]
//! Files of decoded images, behind the check sum of their index: the input is the index, in which
//! `KEY` stands for what identifies the one image of the data set.

use libfuzzer_sys::fuzz_target;
use rhobust::data::{Cache, DatasetOptions, Image, png};
use rhobust::files::LastingFolder;
use rhobust_fuzz::{dataset, folder, write};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;

const PIXELS: [u8; 12] = [7; 12];

thread_local! {
    static FOLDER: RefCell<(TempDir, String)> = RefCell::new(picture());
}

/// A data set of one picture, and the picture's key.
fn picture() -> (TempDir, String) {
    let folder = folder();
    let image = Image::new(2, 2, PIXELS.to_vec()).expect("these are four pixels");
    let name = "val/a/a.png";
    write(&folder, name, &png(&image).expect("it can be written"));
    let of_file = fs::metadata(folder.path().join(name)).expect("it was written");
    let key = serde_json::json!({
        "file": name,
        "bytes": of_file.len(),
        "changed": [of_file.mtime(), of_file.mtime_nsec()],
    });
    (folder, key.to_string())
}

fn segment(index: &[u8]) -> Vec<u8> {
    let length = (index.len() as u64).to_le_bytes();
    let sum = crc32fast::hash(&[index, &length].concat()).to_le_bytes();
    [&PIXELS, index, &length, &sum, b"rhobust images 1"].concat()
}

fuzz_target!(|text: &str| {
    FOLDER.with_borrow(|(folder, key)| {
        let cache = folder.path().join("cache");
        let _ = fs::remove_dir_all(&cache);
        let index = text.replace("KEY", key);
        write(folder, "cache/a.images", &segment(index.as_bytes()));
        let data = dataset(folder, DatasetOptions::default()).expect("it is a data set");
        let cached = data.cached(Cache {
            folder: &LastingFolder::open(&cache).expect("it is a folder"),
            progress: &mut |_, _| {},
        });
        if let Ok(data) = cached {
            let _ = data.test.image(0);
        }
    });
});
