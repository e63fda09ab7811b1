//! Where the ledgers of a run lie: `ledger/<model>/<condition>.parquet`.

use super::rows::Ledger;
use crate::files::plain_name;
use crate::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Below the run's folder.
pub const FOLDER: &str = "ledger";

/// The file of a model's ledger for a condition, in the folder of a run.
pub fn path_in(run: &Path, model: &str, condition: &str) -> PathBuf {
    let file = format!("{}.parquet", plain_name(condition));
    run.join(FOLDER).join(plain_name(model)).join(file)
}

/// All ledgers of the run in `run`, by model and condition; none where it kept none. `may_read`
/// is asked about each file.
///
/// # Errors
/// `Invalid` with the path for a folder that cannot be read or a ledger that is damaged.
pub fn read_all(run: &Path, may_read: &dyn Fn(&Path) -> Result<()>) -> Result<Vec<Ledger>> {
    let ledgers = files(run)?.into_iter().map(|file| {
        may_read(&file)?;
        Ledger::read(&file)
    });
    ledgers.collect()
}

/// The files of all ledgers of the run in `run`, by model and condition; for those who read
/// one after the other, because all together may not fit into memory.
///
/// # Errors
/// `Invalid` with the path for a folder that cannot be read.
pub fn files(run: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in entries(&run.join(FOLDER))? {
        if folder.is_dir() {
            files.extend(entries(&folder)?);
        }
    }
    files.retain(|file| file.extension().is_some_and(|it| it == "parquet"));
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(folder, &error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let paths = entries.map(|entry| Ok(entry.map_err(failed)?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    // Temporary files of a run under way begin with a dot.
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.')
    });
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_has_a_place_of_its_own() {
        let path = |model, condition| path_in(Path::new("run"), model, condition);
        assert_eq!(
            path("Adv+", "PGD-40, eps 0.03"),
            Path::new("run/ledger/Adv+/PGD-40, eps 0.03.parquet")
        );
    }
}
