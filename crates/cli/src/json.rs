//! The objects that `--json` writes, and where they go.
//!
//! A run's object is the engine's summary as it is; a comparison's is put together here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use inflight::{Dist, Summary};
use serde::Serialize;

use crate::exit::Usage;
use crate::stdout;

/// What `compare --json` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// The version of this object's shape.
    pub(crate) version: u32,
    /// Cores that could compute at once.
    pub(crate) cores: usize,
    pub(crate) workload: Workload,
    /// All computations on one thread, nothing saved.
    pub(crate) compute_only_s: f64,
    /// The same on all cores.
    pub(crate) compute_only_all_s: f64,
    /// What the lab itself took for a request.
    pub(crate) service_ms: Option<Dist>,
    /// One for each strategy, in the order they ran.
    pub(crate) runs: Vec<Summary>,
}

/// The job that is compared, in the words of the command line.
#[derive(Debug, Serialize)]
pub(crate) struct Workload {
    pub(crate) items: u64,
    pub(crate) compute: String,
    /// Without passwords and tokens.
    pub(crate) sink: String,
}

/// Where a JSON object goes. Whether a file can be written is tried before the run, so that a wrong path costs nothing;
/// it is created or emptied only when there is something to write.
#[derive(Debug)]
pub(crate) enum JsonTarget {
    Nowhere,
    Stdout,
    /// One that is there already, open: a pipe is not to be closed and opened again.
    Old(File, PathBuf),
    /// One that is yet to be created.
    New(PathBuf),
}

impl JsonTarget {
    /// Tries the file, or takes `-` for standard output.
    ///
    /// # Errors
    /// A usage error when the file cannot be written.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<JsonTarget> {
        match path {
            None => Ok(JsonTarget::Nowhere),
            Some(path) if path == Path::new("-") => Ok(JsonTarget::Stdout),
            Some(path) => JsonTarget::file(path).map_err(|error| {
                Usage::error(format_args!("failed to write {}: {error}", path.display()))
            }),
        }
    }

    fn file(path: &Path) -> io::Result<JsonTarget> {
        let is_new = !path.try_exists()?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        if !is_new {
            return Ok(JsonTarget::Old(file, path.to_owned()));
        }
        // Of a link, what it leads to.
        fs::remove_file(path.canonicalize()?)?;
        Ok(JsonTarget::New(path.to_owned()))
    }

    /// Whether standard output belongs to the object alone.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, JsonTarget::Stdout)
    }

    /// Writes the object and a line end.
    ///
    /// # Errors
    /// When the file or standard output fails.
    pub(crate) fn write(self, object: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(object)?;
        text.push('\n');
        let (written, path) = match self {
            JsonTarget::Nowhere => return Ok(()),
            JsonTarget::Stdout => return Ok(stdout::write(&text)?),
            JsonTarget::Old(file, path) => (replace(file, &text), path),
            JsonTarget::New(path) => (fs::write(&path, &text), path),
        };
        written.with_context(|| format!("failed to write {}", path.display()))
    }
}

/// Puts this in place of what the file holds; a pipe or terminal holds nothing.
fn replace(mut file: File, text: &str) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_only_when_there_is_something_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, before: Option<&str>| {
            let path = folder.path().join(name);
            let read = || fs::read_to_string(&path).ok();
            if let Some(text) = before {
                fs::write(&path, text).unwrap();
            }
            drop(JsonTarget::open(Some(&path)).unwrap());
            assert_eq!(read().as_deref(), before, "{name}");
            let target = JsonTarget::open(Some(&path)).unwrap();
            target.write(&[1]).unwrap();
            assert_eq!(read().as_deref(), Some("[1]\n"), "{name}");
        };
        check("new.json", None);
        check("old.json", Some("{\"longer\":\"than what comes\"}\n"));
        std::os::unix::fs::symlink(folder.path().join("end"), folder.path().join("link")).unwrap();
        check("link", None);
        assert!(folder.path().join("link").is_symlink());
    }
}
