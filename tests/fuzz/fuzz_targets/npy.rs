#![no_main]
//! Arrays of NumPy, as images of a corruption and as their labels. The first byte is the severity.

use libfuzzer_sys::fuzz_target;
use rhobust::data::{Corruption, DatasetOptions};
use rhobust_fuzz::{cifar, dataset, opened, write};
use std::cell::RefCell;
use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(cifar());
}

/// An array that is whole.
fn array(shape: &str, entries: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:117}\n");
    let length = (header.len() as u16).to_le_bytes();
    [
        b"\x93NUMPY\x01\x00",
        length.as_slice(),
        header.as_bytes(),
        entries,
    ]
    .concat()
}

fuzz_target!(|data: &[u8]| {
    let Some((severity, data)) = data.split_first() else {
        return;
    };
    FOLDER.with_borrow(|folder| {
        let whole = dataset(folder, DatasetOptions::default()).expect("it is a data set");
        let read = |fog: &[u8], labels: &[u8]| {
            write(folder, "fog.npy", fog);
            write(folder, "labels.npy", labels);
            let severity = severity % 5 + 1;
            let fog = Corruption::Fog;
            if let Ok(split) = whole.stored_corruption(&whole.test, &opened(folder), fog, severity)
            {
                for index in 0..split.len() {
                    split.image(index).expect("what was opened can be read");
                }
            }
        };
        read(data, &array("(15,)", &[3, 9, 0].repeat(5)));
        read(&array("(15, 32, 32, 3)", &[7; 15 * 3072]), data);
    });
});
