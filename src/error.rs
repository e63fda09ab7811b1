//! What can go wrong. A variant exists only where somebody acts on it; the rest is text.

use std::any::Any;
use std::fmt;
use std::path::Path;

pub type Result<T, E = Error> = std::result::Result<T, E>;

pub enum Error {
    /// What was passed or asked for is not acceptable: one sentence in lower case, the
    /// argument in backticks, the rule, what came.
    Invalid(String),
    /// An allocator had no room: a sentence like that of `Invalid`. Fewer images at once may fit.
    OutOfMemory(String),
    /// The computation was stopped on request (Ctrl-C).
    Interrupted,
    /// A callback failed. The caller that supplied it takes its own error out again.
    Callback(Box<dyn Any>),
}

/// What the system says of a full disk, with what to do.
const FULL: &str = "there is no space left on the disk; make some";

impl Error {
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Invalid(message.into())
    }

    /// A file that could not be read or written: the path, then what the system said.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
            std::io::ErrorKind::PermissionDenied => "the system refuses access to it".to_owned(),
            std::io::ErrorKind::IsADirectory => {
                "a file is needed here, this is a folder".to_owned()
            }
            std::io::ErrorKind::NotADirectory => {
                "a part of this path is a file, not a folder".to_owned()
            }
            std::io::ErrorKind::AlreadyExists => "there is a file of this name already".to_owned(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => FULL.to_owned(),
            std::io::ErrorKind::ReadOnlyFilesystem => {
                "nothing can be written here, the file system is read-only".to_owned()
            }
            _ => error.to_string(),
        };
        Error::Invalid(format!("{}: {reason}", path.display()))
    }

    /// Whether the disk has no room.
    pub fn is_lack_of_space(&self) -> bool {
        matches!(self, Error::Invalid(message) if message.ends_with(FULL))
    }

    /// The same error with `prefix: ` before its sentence.
    pub fn context(self, prefix: impl fmt::Display) -> Self {
        match self {
            Error::Invalid(message) => Error::Invalid(format!("{prefix}: {message}")),
            Error::OutOfMemory(message) => Error::OutOfMemory(format!("{prefix}: {message}")),
            other => other,
        }
    }

    /// The same error with the path `real`, and those beneath it, written as the user wrote it.
    pub fn with_path_as(self, real: &Path, given: &Path) -> Self {
        let Error::Invalid(message) = self else {
            return self;
        };
        let (real, given) = (real.display().to_string(), given.display().to_string());
        let mut parts = message.split(real.as_str());
        let mut shown = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // In `/data/cifar10-small`, `/data/cifar10` is another folder.
            let ends = part.starts_with(['/', ':', ',', ';', ' ']) || part.is_empty();
            shown += if ends { &given } else { &real };
            shown += part;
        }
        Error::Invalid(shown)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Invalid(message) | Error::OutOfMemory(message) => f.write_str(message),
            Error::Interrupted => f.write_str("interrupted"),
            Error::Callback(_) => f.write_str("a callback failed"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {}

/// Returns `Error::Invalid` with the formatted sentence unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::Error::Invalid(format!($($message)+)));
        }
    };
}

/// Returns `Error::Invalid` with the formatted sentence.
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return Err($crate::Error::Invalid(format!($($message)+)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_was_given_and_its_neighbours_are_left_alone() {
        let error = Error::invalid("/data/c10/a.png: no; /data/c10: no; /data/c10-small/b: no");
        let shown = error.with_path_as(Path::new("/data/c10"), Path::new("link"));
        assert_eq!(
            shown.to_string(),
            "link/a.png: no; link: no; /data/c10-small/b: no"
        );
    }
}
