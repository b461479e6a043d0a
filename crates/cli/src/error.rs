//! Why a command does not do what it was asked: one type, whose kinds decide how the process leaves (`exit.rs`).

use std::{fmt, io};

use inflight::{Fault, Verdict};

/// What a command comes to.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command does not do what it was asked.
#[derive(Debug)]
pub(crate) enum Error {
    /// A mistake on the command line or in what it names: nothing was sent.
    Usage(String),
    /// A service that cannot be reached before a run begins: nobody's mistake, and the same command may work later.
    Away(String),
    /// The job was finished before, and is not to be done again.
    Finished(String),
    /// The journal is that of another job or another input.
    OtherJob(String),
    /// A journal that cannot be used, or a run that could not go on.
    Run(inflight::Error),
    /// What nobody expected, such as a terminal that cannot be written to.
    Internal(anyhow::Error),
}

impl Error {
    /// Refuses with this sentence.
    pub(crate) fn usage(sentence: impl fmt::Display) -> Error {
        Error::Usage(sentence.to_string())
    }

    /// Ends with this sentence.
    pub(crate) fn internal(sentence: impl fmt::Display) -> Error {
        Error::Internal(anyhow::Error::msg(sentence.to_string()))
    }

    fn away(why: impl fmt::Display) -> Error {
        Error::Away(format!("{why}; nothing was sent"))
    }

    /// Why nothing can be saved in a sink: usage, unless its server is away.
    pub(crate) fn unfit(fault: Fault) -> Error {
        match fault.verdict() {
            Verdict::Unreached => Error::away(fault),
            _ => Error::usage(fault),
        }
    }

    /// Why an input cannot be opened: usage, unless its server is away.
    pub(crate) fn unread(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotConnected => Error::away(error),
            _ => Error::usage(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(why) | Error::Away(why) | Error::Finished(why) | Error::OtherJob(why) => {
                f.write_str(why)
            }
            Error::Run(error) => error.fmt(f),
            // With its causes.
            Error::Internal(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<inflight::Error> for Error {
    fn from(error: inflight::Error) -> Error {
        Error::Run(error)
    }
}

/// What connectors refuse was typed.
impl From<inflight_connectors::Error> for Error {
    fn from(error: inflight_connectors::Error) -> Error {
        Error::usage(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Internal(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Internal(error.into())
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        Error::Internal(error)
    }
}
