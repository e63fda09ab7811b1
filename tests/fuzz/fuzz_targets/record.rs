#![no_main]
//! `record.json`, without the hash at its end, which older ones have not.

use libfuzzer_sys::fuzz_target;
use rhobust::run::Recorded;
use rhobust_fuzz::{folder, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(folder());
}

fuzz_target!(|data: &[u8]| {
    FOLDER.with_borrow(|folder| {
        write(folder, "record.json", data);
        let _ = Recorded::read(folder.path());
    });
});
