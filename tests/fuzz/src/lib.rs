//! What the targets share: folders with files in them, in memory where the system has such.

use rhobust::data::{Dataset, DatasetOptions};
use rhobust::files::Folder;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// An empty folder.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("there is room for a folder")
}

/// Writes a file beneath `folder`.
pub fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    let path = folder.path().join(name);
    let parent = path.parent().expect("it lies in the folder");
    fs::create_dir_all(parent).expect("a folder can be made");
    fs::write(path, bytes).expect("a file can be written");
}

/// The folder as readers are given it.
pub fn opened(folder: &TempDir) -> Folder {
    Folder::open(folder.path()).expect("the folder is there")
}

/// A folder with three test images of CIFAR-10, of the classes 3, 9 and 0.
pub fn cifar() -> TempDir {
    let records = [3, 9, 0].map(|label: u8| [vec![label], vec![label * 20; 3072]].concat());
    let folder = folder();
    write(&folder, "test_batch.bin", &records.concat());
    folder
}

/// The data set in a folder.
///
/// # Errors
/// What the program says.
pub fn dataset(folder: &TempDir, options: DatasetOptions) -> rhobust::Result<Dataset> {
    Dataset::open(&opened(folder), &options, None)
}
