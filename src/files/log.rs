//! What was read and written.

use super::gate::Right;
use std::collections::HashSet;
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

/// Each file or folder once for reading and once for writing, in the order of the first time.
#[derive(Default)]
pub(super) struct Log {
    accesses: Vec<Access>,
    known: HashSet<(Right, PathBuf)>,
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
}
