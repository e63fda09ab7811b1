//! What can go wrong. A variant exists only where somebody acts on it; the rest is text.

use std::any::Any;
use std::fmt;
use std::path::Path;

pub type Result<T, E = Error> = std::result::Result<T, E>;

pub enum Error {
    /// What was passed or asked for is not acceptable: one sentence in lower case, the
    /// argument in backticks, the rule, what came.
    Invalid(String),
    /// The computation was stopped on request (Ctrl-C).
    Interrupted,
    /// A callback failed. The caller that supplied it takes its own error out again.
    Callback(Box<dyn Any>),
}

impl Error {
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Invalid(message.into())
    }

    /// A file that could not be read or written: the path, then what the system said.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
            std::io::ErrorKind::PermissionDenied => "the system refuses access to it".to_owned(),
            _ => error.to_string(),
        };
        Error::Invalid(format!("{}: {reason}", path.display()))
    }

    /// The same error with `prefix: ` before its sentence.
    pub fn context(self, prefix: impl fmt::Display) -> Self {
        match self {
            Error::Invalid(message) => Error::Invalid(format!("{prefix}: {message}")),
            other => other,
        }
    }

    /// The same error with the path `real` written as the user wrote it.
    pub fn with_path_as(self, real: &Path, given: &str) -> Self {
        match self {
            Error::Invalid(message) => {
                Error::Invalid(message.replace(&real.display().to_string(), given))
            }
            other => other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Invalid(message) => f.write_str(message),
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
