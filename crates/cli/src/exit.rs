//! How the process leaves: one code for each way a command can end.

use crate::error::Error;
use inflight::{Ending, ErrorKind, Summary};

/// The exit codes, as documented in `inflight --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was saved.
    Success,
    /// An internal error, or input that could not be read on.
    Internal,
    /// Usage or configuration; nothing was sent.
    Usage,
    /// Finished, with dead letters.
    Dead,
    /// Stopped by a bound that was set, or because the service could not be reached or stayed away too long.
    Halted,
    /// Another run holds the journal; nothing was sent.
    InUse,
    /// The journal is that of another job, or the input has changed; nothing was sent.
    OtherJob,
    /// The journal is damaged; nothing was sent.
    Damaged,
    /// The journal, dead letters or a file of results could not be written.
    Storage,
    /// Computations did not come back.
    Hung,
    /// `--once`, and the job was finished before; nothing was sent.
    Once,
    /// Stopped because the terminal is gone (SIGHUP).
    HungUp,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl Exit {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Internal => 1,
            Exit::Usage => 2,
            Exit::Dead => 3,
            Exit::Halted => 4,
            Exit::InUse => 5,
            Exit::OtherJob => 6,
            Exit::Damaged => 7,
            Exit::Storage => 8,
            Exit::Hung => 9,
            Exit::Once => 10,
            Exit::HungUp => 129,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// How a run that came to this leaves; `signal` is what stopped it, if a signal did.
    pub(crate) fn of(summary: &Summary, signal: Option<Exit>) -> Exit {
        match &summary.ending {
            // A signal that came too late to stop anything changes nothing.
            Ending::Complete if summary.dead == 0 => Exit::Success,
            Ending::Complete => Exit::Dead,
            Ending::Stopped => signal.unwrap_or(Exit::Interrupted),
            Ending::Unavailable(_) | Ending::Halted(_) => Exit::Halted,
            Ending::Unreadable(_) => Exit::Internal,
            Ending::Storage(_) => Exit::Storage,
            Ending::Hung(_) => Exit::Hung,
        }
    }

    /// How a command leaves that ended in an error.
    pub(crate) fn of_error(error: &Error) -> Exit {
        match error {
            Error::Usage(_) => Exit::Usage,
            Error::OtherJob(_) => Exit::OtherJob,
            Error::Finished(_) => Exit::Once,
            Error::Away(_) => Exit::Halted,
            Error::Internal(_) => Exit::Internal,
            Error::Run(error) => match error.kind() {
                ErrorKind::Options => Exit::Usage,
                ErrorKind::InUse => Exit::InUse,
                ErrorKind::OtherJob => Exit::OtherJob,
                ErrorKind::Damaged => Exit::Damaged,
                ErrorKind::Storage => Exit::Storage,
                ErrorKind::Internal => Exit::Internal,
            },
        }
    }
}
