//! Why a run could not go on. A failed item is a result, not an error.

use std::fmt;

/// Why a run could not start, or had to be given up.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Options(String),
    Internal(String),
}

impl Error {
    pub(crate) fn options(message: impl Into<String>) -> Error {
        Error(Kind::Options(message.into()))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error(Kind::Internal(message.into()))
    }

    /// Whether the options were at fault, so that nothing was read or sent.
    pub fn is_options(&self) -> bool {
        matches!(self.0, Kind::Options(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Options(message) | Kind::Internal(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
