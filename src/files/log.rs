//! What was read and written.

use super::gate::Right;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// A file or folder that was opened for reading, or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub right: Right,
    /// Its path as the script or the command line has it.
    pub shown: PathBuf,
    pub real: PathBuf,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// With its bytes when it was opened, or as they were written.
    File { bytes: u64 },
    /// With all that is beneath it.
    Folder,
}

/// What a file held when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub bytes: u64,
    pub hash: blake3::Hash,
}

/// Each file or folder once for reading and once for writing, in the order of the first time.
#[derive(Default)]
pub(super) struct Log {
    accesses: Vec<Access>,
    known: HashSet<(Right, PathBuf)>,
    /// Of each file that was read, in folders too, by its real path; the hash once somebody read
    /// all of it.
    contents: BTreeMap<PathBuf, (u64, Option<blake3::Hash>)>,
}

impl Log {
    pub fn add(&mut self, right: Right, shown: &Path, real: &Path, what: What) {
        if self.known.insert((right, real.to_owned())) {
            self.accesses.push(Access {
                right,
                shown: shown.to_owned(),
                real: real.to_owned(),
                what,
            });
        }
    }

    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// A file of so many bytes is read, or relied upon.
    pub fn opened(&mut self, real: &Path, bytes: u64) {
        if !self.contents.contains_key(real) {
            self.contents.insert(real.to_owned(), (bytes, None));
        }
    }

    /// Whether somebody should say what is in a file.
    pub fn lacks(&self, real: &Path) -> bool {
        matches!(self.contents.get(real), Some((_, None)))
    }

    /// What was in a file when it was first read in full.
    pub fn read(&mut self, real: &Path, content: Content) {
        if let Some(known) = self.contents.get_mut(real) {
            *known = (content.bytes, known.1.or(Some(content.hash)));
        }
    }

    pub fn contents(&self) -> &BTreeMap<PathBuf, (u64, Option<blake3::Hash>)> {
        &self.contents
    }
}
