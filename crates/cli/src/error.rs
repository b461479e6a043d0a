//! Why a command does not do what it was asked, as far as that decides how the process leaves.
//!
//! Each kind is a type of its own; `exit.rs` gives each its code.

use std::{fmt, io};

use inflight::{Fault, Verdict};

/// An error of the command line or of what it names: nothing was sent.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    /// Refuses with this sentence.
    pub(crate) fn error(sentence: impl fmt::Display) -> anyhow::Error {
        anyhow::Error::new(Usage(sentence.to_string()))
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A service that cannot be reached before anything was sent: nobody's mistake, and the same command may work later.
#[derive(Debug)]
pub(crate) struct Away(String);

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; nothing was sent", self.0)
    }
}

impl std::error::Error for Away {}

/// The job was finished before, and is not to be done again.
#[derive(Debug)]
pub(crate) struct Finished(pub(crate) String);

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Finished {}

/// The journal is that of another input.
#[derive(Debug)]
pub(crate) struct OtherInput(pub(crate) String);

impl fmt::Display for OtherInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OtherInput {}

/// Why nothing can be saved in a sink, as an error: usage, unless its server is away.
pub(crate) fn unfit(fault: Fault) -> anyhow::Error {
    match fault.verdict() {
        Verdict::Unreached => anyhow::Error::new(Away(fault.to_string())),
        _ => Usage::error(fault),
    }
}

/// Why an input cannot be opened, as an error: usage, unless its server is away.
pub(crate) fn unread(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotConnected => anyhow::Error::new(Away(error.to_string())),
        _ => Usage::error(error),
    }
}
