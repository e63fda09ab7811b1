//! One run at a time in a folder.

use crate::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub(super) const FILE: &str = ".lock";

/// A lock that the system takes back when the program ends, however it ends.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// # Errors
    /// `Invalid` where another program holds the lock, or for a folder that cannot be written.
    pub fn of(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let file = File::create(&path).map_err(|error| Error::io(&path, &error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("{}: this run is still going on", folder.display())
            }
            // Some network file systems know no locks; the folder is as good as it was.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock { path, _file: file }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file that stays is no harm.
        let _ = fs::remove_file(&self.path);
    }
}
