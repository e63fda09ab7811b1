#![no_main]
//! ReaL labels.

use libfuzzer_sys::fuzz_target;
use rhobust::data::{Dataset, DatasetOptions};
use rhobust::files::File;
use rhobust_fuzz::{cifar, opened, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(cifar());
}

fuzz_target!(|data: &[u8]| {
    FOLDER.with_borrow(|folder| {
        write(folder, "real.json", data);
        let file = File::open(&folder.path().join("real.json")).expect("it was written");
        let options = DatasetOptions::default();
        if let Ok(data) = Dataset::open(&opened(folder), &options, Some(&file)) {
            for index in 0..data.test.len() {
                data.test
                    .correct(index)
                    .expect("each image has its classes");
            }
        }
    });
});
