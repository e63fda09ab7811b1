#![no_main]
//! Ledgers, behind their hash.

use libfuzzer_sys::fuzz_target;
use rhobust::files::File;
use rhobust::ledger::Ledger;
use rhobust_fuzz::{folder, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(folder());
}

fn read(bytes: &[u8]) {
    FOLDER.with_borrow(|folder| {
        write(folder, "a.parquet", bytes);
        let file = File::open(&folder.path().join("a.parquet"));
        let _ = Ledger::read(&file.expect("it was written"));
    });
}

/// With the hash that the program puts before the file's metadata.
fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let tail = bytes.len().checked_sub(8)?;
    let length = u32::from_le_bytes(bytes[tail..tail + 4].try_into().ok()?);
    let at = tail.checked_sub(length as usize)?;
    let mut sealed = bytes.to_vec();
    sealed.splice(at..at, *blake3::hash(bytes).as_bytes());
    Some(sealed)
}

fuzz_target!(|data: &[u8]| {
    read(data);
    if let Some(sealed) = sealed(data) {
        read(&sealed);
    }
});
