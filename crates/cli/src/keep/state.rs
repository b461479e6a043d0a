//! Where inflight keeps what outlives a run: `$XDG_STATE_HOME/inflight`, or `~/.local/state/inflight`. Journals, recordings and
//! what was learnt of services each have a folder of their own in it.

use crate::error::{Error, Result};
use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder of this name, which may not exist yet; `None` when the environment names no place.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    // The standard says that a relative path is to be ignored.
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("inflight").join(name))
}

/// Whether the journal is one that this user's own runs keep.
pub(crate) fn is_own(journal: &Path) -> bool {
    let jobs = folder("jobs").and_then(|jobs| jobs.canonicalize().ok());
    let journal = journal.canonicalize().ok();
    jobs.zip(journal)
        .is_some_and(|(jobs, journal)| journal.starts_with(jobs))
}

/// Makes a folder that is there, for its owner alone.
///
/// # Errors
/// A usage error that names it.
pub(crate) fn create(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Error::usage(format_args!(
            "failed to make the folder {}: {error}; add --no-journal to run without one",
            folder.display()
        ))
    })
}
