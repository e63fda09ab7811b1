//! What may be used, held by a handle.

use crate::{Error, Result};
use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// A file or folder, perhaps one that does not exist yet, with all beneath it.
#[derive(Debug)]
pub(super) struct Root {
    /// What may be used.
    real: PathBuf,
    /// The folder itself, or the nearest above it that was there; no later change of names leads
    /// the handle elsewhere.
    handle: Dir,
    /// The path of the handle.
    base: PathBuf,
}

impl Root {
    /// The root at a real path.
    pub fn open(real: PathBuf) -> Result<Root> {
        let mut base = real.as_path();
        while !base.is_dir() {
            base = base.parent().unwrap_or(Path::new("/"));
        }
        let handle = ambient(base).map_err(|error| Error::io(base, &error))?;
        Ok(Root {
            handle,
            base: base.to_owned(),
            real,
        })
    }

    pub fn covers(&self, real: &Path) -> bool {
        real.starts_with(&self.real)
    }

    /// The folder at a real path that is covered. A link on the way is an error: there was none
    /// when the path was resolved.
    pub fn folder(&self, real: &Path) -> io::Result<Dir> {
        self.walk(real, |folder, name| folder.open_dir_nofollow(name))
    }

    /// The same; folders that do not exist are made.
    pub fn make_folder(&self, real: &Path) -> io::Result<Dir> {
        self.walk(real, |folder, name| match folder.open_dir_nofollow(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match folder.create_dir(name) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                    // Made by us, or by somebody at the same moment.
                    _ => folder.open_dir_nofollow(name),
                }
            }
            opened => opened,
        })
    }

    /// The folder that `real` lies in, and its name there.
    pub fn parent<'a>(&self, real: &'a Path) -> io::Result<(Dir, &'a OsStr)> {
        let (parent, name) = self.apart(real)?;
        Ok((self.folder(parent)?, name))
    }

    /// The same, to write there: folders on the way that do not exist are made.
    pub fn parent_to_write<'a>(&self, real: &'a Path) -> io::Result<(Dir, &'a OsStr)> {
        let (parent, name) = self.apart(real)?;
        Ok((self.make_folder(parent)?, name))
    }

    fn apart<'a>(&self, real: &'a Path) -> io::Result<(&'a Path, &'a OsStr)> {
        match real == self.base {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => parent_and_name(real),
        }
    }

    fn walk(&self, real: &Path, step: impl Fn(&Dir, &OsStr) -> io::Result<Dir>) -> io::Result<Dir> {
        let outside = || io::Error::from(io::ErrorKind::PermissionDenied);
        let rest = real.strip_prefix(&self.base).map_err(|_| outside())?;
        let mut folder = self.handle.try_clone()?;
        for part in rest.components() {
            match part {
                Component::Normal(name) => folder = step(&folder, name)?,
                _ => return Err(outside()),
            }
        }
        Ok(folder)
    }
}

/// A handle of a folder that the user, not a script, names.
pub(super) fn ambient(path: &Path) -> io::Result<Dir> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    Ok(Dir::from_std_file(folder))
}

/// The folder that `real` lies in, and its name there.
pub(super) fn parent_and_name(real: &Path) -> io::Result<(&Path, &OsStr)> {
    match (real.parent(), real.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(io::ErrorKind::IsADirectory.into()),
    }
}
