//! Files that are written whole or not at all.

use super::gate::{Gate, Right};
use super::log::What;
use super::open::not_ordinary;
use super::root::{Root, ambient, parent_and_name};
use crate::profile::{self, Work};
use crate::{Error, Result};
use cap_std::fs::{Dir, OpenOptions};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// Writes `bytes` to `path`: into a temporary file of the same folder, which is synced and
/// then takes the name. Whoever reads `path` finds the old content or the new, never a part.
///
/// # Errors
/// `Invalid` with the path and what the system said; the old file is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let (folder, name) = parent_and_name(path)?;
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        write_into(&Arc::new(ambient(folder)?), name, bytes)
    };
    write().map_err(|error| Error::io(path, &error))
}

/// Where a script may create or replace a file.
#[derive(Debug)]
pub struct Target {
    gate: Gate,
    root: Arc<Root>,
    real: PathBuf,
    shown: PathBuf,
}

impl Target {
    pub(super) fn new(
        gate: Gate,
        root: Arc<Root>,
        real: PathBuf,
        shown: PathBuf,
    ) -> Result<Target> {
        let there = root
            .parent(&real)
            .and_then(|(folder, name)| folder.symlink_metadata(name));
        match there {
            Ok(it) if !it.is_file() && !it.is_dir() => return Err(not_ordinary(&shown)),
            // Folders on the way are made when something is written.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(&shown, &error));
            }
            _ => {}
        }
        Ok(Target {
            gate,
            root,
            real,
            shown,
        })
    }

    /// The path with links and `..` resolved.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Puts a file with this content there, in place of any other; as [`write_whole`].
    ///
    /// # Errors
    /// `Invalid` with the path and what the system said; the old file is then still there.
    pub fn write(&self, content: &[u8]) -> Result<()> {
        let write = || {
            let (folder, name) = self.root.parent_to_write(&self.real)?;
            write_into(&Arc::new(folder), name, content)
        };
        write().map_err(|error| Error::io(&self.shown, &error))?;
        let bytes = content.len() as u64;
        self.gate
            .log(Right::Write, &self.shown, &self.real, What::File { bytes });
        Ok(())
    }
}

/// Whether a file has a name like those that are written before they are complete.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(".tmp")
}

fn write_into(folder: &Arc<Dir>, name: &OsStr, content: &[u8]) -> io::Result<()> {
    let _span = profile::span(Work::Write);
    let mut file = NewFile::create(folder.clone(), &name.to_string_lossy())?;
    file.write_all(content)?;
    file.sync()?;
    file.replace(name)
}

/// A number that nobody else draws: the keys of a hash map are new in each process.
fn unlikely() -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static FILES: AtomicU64 = AtomicU64::new(0);
    KEYS.hash_one(FILES.fetch_add(1, Ordering::Relaxed))
}

/// A file under a temporary name in its folder. Dropped before it has its own, it is gone.
pub struct NewFile {
    folder: Arc<Dir>,
    temporary: Option<OsString>,
    file: File,
}

impl NewFile {
    /// `like` is what the temporary name reminds of.
    pub(super) fn create(folder: Arc<Dir>, like: &str) -> io::Result<NewFile> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // Another process may have the same number, in another container or on another machine; so
        // a name that is taken is somebody else's.
        loop {
            let temporary = OsString::from(format!(".{like}.{:016x}.tmp", unlikely()));
            match folder.open_with(&temporary, &options) {
                Ok(file) => {
                    return Ok(NewFile {
                        file: file.into_std(),
                        folder,
                        temporary: Some(temporary),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name, in place of any other.
    pub(super) fn replace(mut self, name: &OsStr) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            self.folder.rename(temporary, &self.folder, name)?;
            self.temporary = None;
        }
        sync_folder(&self.folder);
        Ok(())
    }

    /// Gives the file a name unless there is one of that name; whether it did.
    pub fn name(&mut self, name: impl AsRef<Path>) -> io::Result<bool> {
        let Some(temporary) = &self.temporary else {
            return Ok(false);
        };
        match self.folder.hard_link(temporary, &self.folder, name) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        }
        self.remove_temporary();
        Ok(true)
    }

    fn remove_temporary(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // What went wrong before is what the user needs to read.
            let _ = self.folder.remove_file(temporary);
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.remove_temporary();
    }
}

/// Makes the new name last through a power cut. Not every file system can; the file itself is
/// complete either way.
fn sync_folder(folder: &Dir) {
    // The handle only leads to the folder, it cannot be synced.
    if let Ok(opened) = folder.open(".") {
        let _ = opened.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_new_content_takes_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.csv");
        write_whole(&path, b"a longer first content").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["numbers.csv"]);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        let error = write_whole(&path, b"content").unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()));
        assert_eq!(names(folder.path()), ["taken"]);

        let nowhere = folder.path().join("missing/numbers.csv");
        let error = write_whole(&nowhere, b"content").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("there is no such file or folder")
        );
    }
}
