//! A folder that outlives the run, such as a cache.

use super::folder::Folder;
use super::gate::{Gate, Right};
use super::log::What;
use super::write::NewFile;
use crate::{Error, Result};
use cap_std::fs::Dir;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder, perhaps one that does not exist yet.
#[derive(Clone, Debug)]
pub struct LastingFolder {
    gate: Gate,
    real: PathBuf,
    shown: PathBuf,
}

/// A folder into which files may be written.
#[derive(Clone, Debug)]
pub struct FolderToWrite {
    handle: Arc<Dir>,
    shown: PathBuf,
}

impl LastingFolder {
    pub(super) fn new(gate: Gate, real: PathBuf, shown: PathBuf) -> Self {
        LastingFolder { gate, real, shown }
    }

    /// A folder that the user, not a script, names.
    ///
    /// # Errors
    /// `Invalid` for a path that cannot be resolved.
    pub fn open(path: &Path) -> Result<Self> {
        Gate::of_user()?.lasting(path)
    }

    /// The path with links and `..` resolved.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// To read what is in it; nothing where it does not exist.
    ///
    /// # Errors
    /// `Invalid` where it may not be read or is no folder.
    pub fn to_read(&self) -> Result<Option<Folder>> {
        match self.real.exists() {
            true => self
                .gate
                .folder(&self.shown, std::slice::from_ref(&self.real))
                .map(Some),
            false => Ok(None),
        }
    }

    /// To write into it; it is made where it does not exist.
    ///
    /// # Errors
    /// `Invalid` where it may not be written.
    pub fn to_write(&self) -> Result<FolderToWrite> {
        let root = self.gate.to_write(&self.shown, &self.real)?;
        let handle = root.make_folder(&self.real);
        let handle = handle.map_err(|error| Error::io(&self.shown, &error))?;
        self.gate
            .log(Right::Write, &self.shown, &self.real, What::Folder);
        Ok(FolderToWrite {
            handle: Arc::new(handle),
            shown: self.shown.clone(),
        })
    }
}

impl FolderToWrite {
    /// The path to show in errors.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// A file that is not there until it is finished.
    ///
    /// # Errors
    /// `Invalid` with the folder, when nothing can be written into it.
    pub fn new_file(&self) -> Result<NewFile> {
        NewFile::create(self.handle.clone(), "unfinished")
            .map_err(|error| Error::io(&self.shown, &error))
    }
}
