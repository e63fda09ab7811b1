//! A file that is open for reading.

use super::gate::Gate;
use super::special::is_special;
use crate::{Error, Result};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::OpenOptionsExt;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// In bytes; a picture of as many pixels as are read at all, not compressed.
pub const LARGEST_IMAGE: u64 = 1 << 30;

/// In bytes, of a script, a list of classes or a JSON file.
pub const LARGEST_TEXT: u64 = 256 << 20;

/// An ordinary file, open for reading, and the path that errors show.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    bytes: u64,
    shown: PathBuf,
    real: PathBuf,
    /// Who opened it for a script.
    gate: Option<Gate>,
}

impl File {
    /// A file that the user, not a script, names.
    ///
    /// # Errors
    /// `Invalid` with the path where it cannot be opened or is no ordinary file.
    pub fn open(path: &Path) -> Result<File> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(WITHOUT_WAITING)
            .open(path)
            .map_err(|error| Error::io(path, &error))?;
        File::ordinary(file, path.to_owned(), path.to_owned(), None)
    }

    /// What was opened, unless it is no ordinary file.
    pub(super) fn ordinary(
        file: std::fs::File,
        shown: PathBuf,
        real: PathBuf,
        gate: Option<&Gate>,
    ) -> Result<File> {
        let failed = |error| Error::io(&shown, &error);
        let metadata = file.metadata().map_err(failed)?;
        ensure!(
            !metadata.is_dir(),
            "{}: a file is needed here, this is a folder",
            shown.display()
        );
        if is_special(&file, metadata.is_file()).map_err(failed)? {
            return Err(not_ordinary(&shown));
        }
        Ok(File {
            file,
            bytes: metadata.len(),
            shown,
            real,
            gate: gate.cloned(),
        })
    }

    /// The path to show in errors.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The same, as what lies at a path that is a link to it.
    pub(super) fn found_at(self, path: &Path) -> File {
        File {
            real: path.to_owned(),
            ..self
        }
    }

    /// Its path with links and `..` resolved, those beneath a folder excepted that it was opened in.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Its size when it was opened.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The whole content.
    ///
    /// # Errors
    /// `Invalid` with the path for more than `largest` bytes, or where it cannot be read;
    /// `OutOfMemory` where there is no room for it.
    pub fn read(&self, largest: u64) -> Result<Vec<u8>> {
        let shown = self.shown.display();
        ensure!(
            self.bytes <= largest,
            "{shown}: a file of this kind may have {largest} bytes, this one has {}",
            self.bytes
        );
        let mut content = Vec::new();
        let room = content.try_reserve_exact(self.bytes as usize);
        room.map_err(|_| {
            Error::OutOfMemory(format!("{shown}: the file does not fit into memory"))
        })?;
        // It may have grown since it was opened.
        let mut file = (&self.file).take(largest);
        file.read_to_end(&mut content)
            .map_err(|error| Error::io(&self.shown, &error))?;
        self.relied_upon();
        if let Some(gate) = &self.gate {
            gate.read(&self.real, &content);
        }
        Ok(content)
    }

    /// The whole content, which must be text.
    ///
    /// # Errors
    /// As for [`File::read`], and for what is not UTF-8.
    pub fn text(&self, largest: u64) -> Result<String> {
        String::from_utf8(self.read(largest)?).map_err(|_| {
            Error::invalid(format!("{}: this must be UTF-8 text", self.shown.display()))
        })
    }

    /// BLAKE3 of the whole content, which is read in pieces.
    ///
    /// # Errors
    /// `Invalid` with the path where it cannot be read.
    pub fn hash(&self) -> Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(&self.file)
            .map_err(|error| Error::io(&self.shown, &error))?;
        Ok(hasher.finalize())
    }

    /// To read parts of it.
    pub fn parts(&self) -> &std::fs::File {
        self.relied_upon();
        &self.file
    }

    /// What is only opened, and refused, is not what somebody read.
    fn relied_upon(&self) {
        if let Some(gate) = &self.gate {
            gate.opened(&self.real, self.bytes);
        }
    }
}

/// A pipe without a writer or a device would keep us waiting.
const WITHOUT_WAITING: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// How files are opened beneath a folder. `links` is whether they may be followed within it.
pub(super) fn reading(links: bool) -> cap_std::fs::OpenOptions {
    let mut options = cap_std::fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(WITHOUT_WAITING)
        .follow(match links {
            true => FollowSymlinks::Yes,
            false => FollowSymlinks::No,
        });
    options
}

pub(super) fn not_ordinary(shown: &Path) -> Error {
    let shown = shown.display();
    Error::invalid(format!("{shown}: this must be an ordinary file or folder"))
}
