#![no_main]
//! CIFAR's binary files and the names of classes beside them. The first byte says which.

use libfuzzer_sys::fuzz_target;
use rhobust::data::DatasetOptions;
use rhobust_fuzz::{cifar, dataset, folder, write};

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let (folder, name) = match kind % 4 {
        0 => (folder(), "test_batch.bin"),
        1 => (folder(), "train.bin"),
        2 => (folder(), "cifar-10-batches-bin/data_batch_1.bin"),
        _ => (cifar(), "batches.meta.txt"),
    };
    write(&folder, name, data);
    if let Ok(data) = dataset(&folder, DatasetOptions::default()) {
        for split in [data.train, data.test] {
            for index in 0..split.len() {
                split.image(index).expect("what was opened can be read");
            }
        }
    }
});
