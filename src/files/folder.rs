//! A folder that may be read, with all beneath it.

use super::gate::Gate;
use super::open::{File, not_ordinary, reading};
use super::special::is_special;
use crate::{Error, Result};
use cap_std::fs::{Dir, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder and the path that errors show; clones share the handle.
///
/// Paths are relative to it. Links are followed: within the folder by the system, elsewhere
/// where the gate that opened the folder allows what they lead to.
#[derive(Clone, Debug)]
pub struct Folder {
    gate: Gate,
    handle: Arc<Dir>,
    real: PathBuf,
    shown: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

/// What tells a file from another one under its name, short of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub bytes: u64,
    /// When it was changed last: seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

impl Folder {
    pub(super) fn new(gate: Gate, handle: Dir, real: PathBuf, shown: PathBuf) -> Result<Folder> {
        let folder = Folder {
            gate,
            handle: Arc::new(handle),
            real,
            shown,
        };
        folder.refuse_special(&folder.handle, Path::new(""))?;
        Ok(folder)
    }

    /// A folder that the user, not a script, names.
    ///
    /// # Errors
    /// `Invalid` with the path where it cannot be opened or is no folder.
    pub fn open(path: &Path) -> Result<Folder> {
        Gate::of_user()?.folder(path, &[path.to_owned()])
    }

    /// The path to show in errors, of the folder (`""`) or of what lies beneath it.
    pub fn shown(&self, path: impl AsRef<Path>) -> PathBuf {
        match path.as_ref().as_os_str().is_empty() {
            true => self.shown.clone(),
            false => self.shown.join(path),
        }
    }

    /// The path of the folder itself with links and `..` resolved.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `Invalid` with the path where there is none, it may not be read, or it is no ordinary file.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        // To open some devices is to do something with them.
        let kind = self.handle.metadata(path);
        if kind.is_ok_and(|it| !it.is_file() && !it.is_dir()) {
            return Err(not_ordinary(&self.shown(path)));
        }
        match self.handle.open_with(path, &reading(true)) {
            Ok(file) => File::ordinary(
                file.into_std(),
                self.shown(path),
                self.real.join(path),
                Some(&self.gate),
            ),
            // A link that leads out, or something that is wrong, which is said there.
            Err(_) => self
                .gate
                .linked_file(&self.shown(path), &self.real.join(path)),
        }
    }

    /// What is at a path; nothing where nothing is there.
    ///
    /// # Errors
    /// `Invalid` with the path for a link to what may not be read, and for what is neither file
    /// nor folder.
    pub fn kind(&self, path: impl AsRef<Path>) -> Result<Option<Kind>> {
        let path = path.as_ref();
        match self.handle.metadata(path) {
            Ok(it) if it.is_dir() => Ok(Some(Kind::Folder)),
            Ok(it) if it.is_file() => Ok(Some(Kind::File)),
            Ok(_) => Err(not_ordinary(&self.shown(path))),
            Err(_) => {
                let (shown, real) = (self.shown(path), self.real.join(path));
                self.gate.linked_kind(&shown, &real)
            }
        }
    }

    /// Whether there is a file; errors as for [`Folder::kind`].
    pub fn has_file(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(self.kind(path)? == Some(Kind::File))
    }

    /// Whether there is a folder; errors as for [`Folder::kind`].
    pub fn has_folder(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(self.kind(path)? == Some(Kind::Folder))
    }

    /// The size of a file and when it was changed.
    ///
    /// # Errors
    /// As for [`Folder::file`].
    pub fn stamp(&self, path: impl AsRef<Path>) -> Result<Stamp> {
        let path = path.as_ref();
        if let Ok(it) = self.handle.metadata(path) {
            self.gate.opened(&self.real.join(path), it.len());
            return Ok(Stamp {
                bytes: it.len(),
                changed: (it.mtime(), it.mtime_nsec()),
            });
        }
        let file = self
            .gate
            .linked_file(&self.shown(path), &self.real.join(path))?;
        let metadata = file.parts().metadata();
        let it = metadata.map_err(|error| Error::io(file.shown(), &error))?;
        Ok(Stamp {
            bytes: it.len(),
            changed: {
                use std::os::unix::fs::MetadataExt;
                (it.mtime(), it.mtime_nsec())
            },
        })
    }

    /// The paths of what is in a folder, the folder itself or one beneath it, sorted, without
    /// those whose name begins with a dot.
    ///
    /// # Errors
    /// `Invalid` with the path where it cannot be read or an entry is a link to what may not be
    /// read, or neither file nor folder.
    pub fn entries(&self, path: impl AsRef<Path>) -> Result<Vec<(PathBuf, Kind)>> {
        let path = path.as_ref();
        let shown = self.shown(path);
        let failed = |error: std::io::Error| Error::io(&shown, &error);
        let opened = match path.as_os_str().is_empty() {
            true => Ok(None),
            false => self.handle.open_dir(path).map(Some),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(_) => Some(self.gate.linked_folder(&shown, &self.real.join(path))?),
        };
        let folder = opened.as_ref().unwrap_or(&self.handle);
        self.refuse_special(folder, path)?;
        let mut entries = Vec::new();
        for entry in folder.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let inner = path.join(name);
            let kind = entry.file_type().map_err(failed)?;
            let kind = match (kind.is_dir(), kind.is_file()) {
                (true, _) => Kind::Folder,
                (_, true) => Kind::File,
                // A link, or a file system that does not say.
                _ => match self.kind(&inner)? {
                    Some(kind) => kind,
                    None => bail!(
                        "{}: this is a link that leads nowhere",
                        self.shown(&inner).display()
                    ),
                },
            };
            entries.push((inner, kind));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(entries)
    }

    fn refuse_special(&self, folder: &Dir, path: &Path) -> Result<()> {
        match is_special(folder, true) {
            Ok(false) => Ok(()),
            Ok(true) => Err(not_ordinary(&self.shown(path))),
            Err(error) => Err(Error::io(&self.shown(path), &error)),
        }
    }
}
