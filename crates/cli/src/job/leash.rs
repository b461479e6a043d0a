//! Ties a worker process to us: when we end, however we end, so does it.
//!
//! A worker sees the end of its input when we are gone, and one that hangs does not look. Linux can kill it then, if the
//! process itself asks for that; so a worker begins as this program, which asks, and becomes the worker.

use std::ffi::OsString;
use std::process::ExitCode;

/// The first argument of this program where it is about to become a worker. Nobody types it.
const BECOME: &str = "--become-worker";

/// What stands before the command of a worker.
pub(crate) fn launcher() -> Vec<OsString> {
    if cfg!(target_os = "linux") {
        // This very program, even when its file has been replaced.
        let us = ["/proc/self/exe".into(), BECOME.into()];
        return us
            .into_iter()
            .chain([std::process::id().to_string().into()])
            .collect();
    }
    Vec::new()
}

/// Becomes the worker that the arguments name, if they do; returns only if that fails, or if they do not.
pub(crate) fn become_worker(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != BECOME {
        return None;
    }
    let parent = arguments.next()?;
    Some(tied::become_worker(&parent, arguments))
}

#[cfg(target_os = "linux")]
mod tied {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, ExitCode};

    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    use nix::unistd::getppid;

    use crate::terminal::messages;

    /// What a shell says of a command that it cannot start.
    const CANNOT_START: u8 = 127;

    pub(super) fn become_worker(
        parent: &OsStr,
        mut words: impl Iterator<Item = OsString>,
    ) -> ExitCode {
        // Without it the worker still sees its input end.
        let _ = set_pdeathsig(Signal::SIGKILL);
        let is_orphan = parent != OsStr::new(&getppid().to_string());
        let Some(program) = words.next().filter(|_| !is_orphan) else {
            return ExitCode::from(CANNOT_START);
        };
        let cause = Command::new(&program).args(words).exec();
        messages::line(&format_args!(
            "failed to start `{}`: {cause}",
            program.display()
        ));
        ExitCode::from(CANNOT_START)
    }
}

#[cfg(not(target_os = "linux"))]
mod tied {
    use std::ffi::{OsStr, OsString};
    use std::process::ExitCode;

    pub(super) fn become_worker(_: &OsStr, _: impl Iterator<Item = OsString>) -> ExitCode {
        ExitCode::FAILURE
    }
}
