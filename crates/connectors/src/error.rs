//! Why a source, a computation or a sink cannot be made of what was asked for.
//!
//! A sentence for whoever typed it. What goes wrong with one item is a [`Fault`](inflight::Fault) instead, and never this.

use std::fmt;

/// What was asked for cannot be: an address without a host, a filter that does not compile, a file that holds something else.
///
/// Its text is a fragment that names what is wrong and what is valid. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(sentence: String) -> Error {
        Error(sentence)
    }
}

impl From<&str> for Error {
    fn from(sentence: &str) -> Error {
        Error(sentence.to_owned())
    }
}
