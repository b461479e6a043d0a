//! Why a run could not go on. A failed item is a result, not an error.

use std::fmt;

/// Why a run could not start, or had to be given up.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What kind of error it is, for those who leave with a code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An option is out of bounds: nothing was read or sent.
    Options,
    /// The engine, or code of the user's that it called, failed.
    Internal,
    /// Another run holds the journal: nothing was sent.
    InUse,
    /// The journal is that of another job, or its input has changed: nothing was sent.
    OtherJob,
    /// The journal was changed by something other than a crash: nothing was sent.
    Damaged,
    /// A file of the engine's own cannot be read or written.
    Storage,
}

impl Error {
    pub(crate) fn options(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Options, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message)
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        let message = message.into();
        Error { kind, message }
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
