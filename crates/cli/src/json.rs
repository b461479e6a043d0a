//! The objects that `--json` writes, and where they go.
//!
//! A run's object is the engine's summary as it is; a comparison's is put together here.

use std::fs::File;
use std::io::Write;
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

/// Where a JSON object goes. A file is opened before the run, so that a wrong path costs nothing, and emptied only when
/// there is something to write.
#[derive(Debug)]
pub(crate) enum JsonTarget {
    Nowhere,
    Stdout,
    File(File, PathBuf),
}

impl JsonTarget {
    /// Opens the file, or takes `-` for standard output.
    ///
    /// # Errors
    /// A usage error when the file cannot be written.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<JsonTarget> {
        let Some(path) = path else {
            return Ok(JsonTarget::Nowhere);
        };
        if path == Path::new("-") {
            return Ok(JsonTarget::Stdout);
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path);
        let file = file.map_err(|error| {
            Usage::error(format_args!("failed to write {}: {error}", path.display()))
        })?;
        Ok(JsonTarget::File(file, path.to_owned()))
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
        match self {
            JsonTarget::Nowhere => Ok(()),
            JsonTarget::Stdout => Ok(stdout::write(&text)?),
            JsonTarget::File(mut file, path) => file
                .set_len(0)
                .and_then(|()| file.write_all(text.as_bytes()))
                .with_context(|| format!("failed to write {}", path.display())),
        }
    }
}
