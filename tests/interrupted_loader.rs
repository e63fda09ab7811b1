//! Ctrl-C while batches are made. A file of its own: the flag belongs to the process.

use rhobust::data::{BatchOptions, Dataset, DatasetOptions};
use rhobust::{Error, interrupt};

#[test]
fn an_interrupt_ends_the_batches() {
    let options = DatasetOptions {
        train: Some(500),
        ..DatasetOptions::default()
    };
    let data = Dataset::shapes(&options, None).unwrap();
    for threads in [0, 2] {
        let options = BatchOptions {
            batch_size: 10,
            threads: Some(threads),
            ..BatchOptions::default()
        };
        let mut batches = data.train.batches(options).unwrap();
        assert!(batches.next().unwrap().is_ok());
        interrupt::request();
        let error = batches.next().unwrap().unwrap_err();
        assert!(matches!(error, Error::Interrupted));
        assert!(batches.next().is_none());
        interrupt::clear();
    }
    // Nothing was damaged: the next pass is whole.
    let batches = data.train.batches(BatchOptions::default()).unwrap();
    let images: usize = batches.map(|batch| batch.unwrap().labels.len()).sum();
    assert_eq!(images, 500);
}
