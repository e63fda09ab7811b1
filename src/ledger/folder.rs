//! Where the ledgers of a run lie: `ledger/<model>/<condition>.parquet`.

use super::rows::Ledger;
use crate::Result;
use crate::files::{Folder, Kind, plain_name};
use std::path::{Path, PathBuf};

/// Below the run's folder.
pub const FOLDER: &str = "ledger";

/// The file of a model's ledger for a condition, in the folder of a run.
pub fn path_in(run: &Path, model: &str, condition: &str) -> PathBuf {
    let file = format!("{}.parquet", plain_name(condition));
    run.join(FOLDER).join(plain_name(model)).join(file)
}

/// All ledgers of the run in `run`, by model and condition; none where it kept none.
///
/// # Errors
/// `Invalid` with the path for a folder that cannot be read or a ledger that is damaged.
pub fn read_all(run: &Folder) -> Result<Vec<Ledger>> {
    let files = files(run)?.into_iter();
    files.map(|file| Ledger::read(&run.file(file)?)).collect()
}

/// The files of all ledgers in `run`, by model and condition, as paths beneath it; for those who read
/// one after the other, because all together may not fit into memory.
///
/// # Errors
/// `Invalid` with the path for a folder that cannot be read.
pub fn files(run: &Folder) -> Result<Vec<PathBuf>> {
    if !run.has_folder(FOLDER)? {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for (model, kind) in run.entries(FOLDER)? {
        if kind == Kind::Folder {
            files.extend(run.entries(&model)?);
        }
    }
    files.retain(|(file, kind)| {
        *kind == Kind::File && file.extension().is_some_and(|it| it == "parquet")
    });
    Ok(files.into_iter().map(|(file, _)| file).collect())
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
