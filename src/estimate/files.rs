//! What a run leaves on disk.

use super::cost::Cost;
use crate::ledger;
use std::fs;
use std::path::Path;

/// Of what a run writes, that which has a row for each step or each image, so that a probe sees
/// little of it.
const BY_STEP: [&str; 2] = ["metrics.csv", "tensorboard"];
const BY_IMAGE: [&str; 1] = [ledger::FOLDER];

/// Bytes that the run writes into its folder: what the probe wrote into `folder`, and as many
/// more rows as there will be. `measured` is what the probe spent, `total` what the run will.
pub fn bytes_written(folder: &Path, measured: Cost, total: Cost) -> f64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0.0;
    };
    let times = |will_be: f64, are: f64| if are > 0.0 { will_be / are } else { 1.0 };
    let grown = entries.flatten().map(|entry| {
        let name = entry.file_name();
        let is_one_of = |names: &[&str]| names.iter().any(|it| name == *it);
        let factor = match () {
            () if is_one_of(&BY_STEP) => times(total.logged, measured.logged),
            () if is_one_of(&BY_IMAGE) => times(total.counted, measured.counted),
            () => 1.0,
        };
        size(&entry.path()) * factor
    });
    grown.sum()
}

/// Of a file, or of all files in a folder.
fn size(path: &Path) -> f64 {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(meta) => meta.len() as f64,
        Err(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_multiply_and_weights_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        };
        write("model.safetensors", 1000);
        write("metrics.csv", 10);
        write("tensorboard/adv/events", 20);
        write("ledger/adv/clean", 5);
        let rows = |logged, counted| Cost {
            logged,
            counted,
            ..Cost::default()
        };
        let all = bytes_written(folder.path(), rows(2.0, 64.0), rows(200.0, 640.0));
        assert_eq!(all, 1000.0 + 1000.0 + 2000.0 + 50.0);
        let none = bytes_written(folder.path(), rows(0.0, 0.0), rows(0.0, 0.0));
        assert_eq!(none, 1035.0);
    }
}
