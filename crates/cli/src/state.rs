//! Where inflight keeps what outlives a run: `$XDG_STATE_HOME/inflight`, or `~/.local/state/inflight`.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::exit::Usage;

/// The folder, which may not exist yet.
///
/// # Errors
/// A usage error, when the environment names none.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let named = |name| env::var_os(name).map(PathBuf::from);
    // The standard says that a relative path is to be ignored.
    let state = named("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| named("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("inflight")).ok_or_else(|| {
        Usage::error(
            "there is no place for the journal: set XDG_STATE_HOME or HOME, name one with --journal FILE, or add \
             --no-journal",
        )
    })
}

/// Makes a folder that is there, for its owner alone.
///
/// # Errors
/// A usage error that names it.
pub(crate) fn create(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Usage::error(format_args!(
            "failed to make the folder {}: {error}; add --no-journal to run without one",
            folder.display()
        ))
    })
}
