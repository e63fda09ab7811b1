#![no_main]
//! JPEG and PNG, decoded whole and in part.

use libfuzzer_sys::fuzz_target;
use rhobust::data::{DatasetOptions, decode_image};
use rhobust_fuzz::{dataset, folder, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(folder());
}

fuzz_target!(|data: &[u8]| {
    let whole = decode_image(data);
    // Larger ones take most of a second and come to the same code.
    if whole.is_ok_and(|it| it.width() * it.height() > 1 << 20) {
        return;
    }
    FOLDER.with_borrow(|folder| {
        write(folder, "val/a/a.jpg", data);
        let options = DatasetOptions {
            size: Some(16),
            ..DatasetOptions::default()
        };
        if let Ok(data) = dataset(folder, options) {
            let _ = data.test.image(0);
        }
    });
});
