//! One program at a time in a folder.

use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// A lock on a folder, which the system takes back when the program ends, however it ends.
pub struct Lock {
    _folder: File,
}

impl Lock {
    /// # Errors
    /// `Invalid` where another program holds the lock, which says that `what` is still going on, or
    /// without such a folder.
    pub fn of(folder: &Path, what: &str) -> Result<Self> {
        let opened = File::open(folder).map_err(|error| Error::io(folder, &error))?;
        match opened.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("{}: this {what} is still going on", folder.display())
            }
            // Some network file systems know no locks; the folder is as good as it was.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock { _folder: opened }),
        }
    }
}
