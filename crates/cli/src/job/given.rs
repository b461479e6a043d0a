//! What a program around us gives in place of words: code of its own for source, fetch, computation and save.
//!
//! Each stands where a flag would; everything else of the job is said by flags. What the code does is not known here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use inflight::{Fault, Observer, Record, Reply};
use inflight_connectors::{Callee, Payload, Supply};

/// Code of the program around us. What is not given is said by the flags, or not wanted.
#[derive(Default)]
pub struct Given {
    /// Where items come from.
    pub source: Option<Arc<dyn Supply>>,
    /// What fetches.
    pub fetch: Option<Arc<dyn Callee>>,
    /// What computes.
    pub compute: Option<Code>,
    /// What saves.
    pub save: Option<Arc<dyn Callee>>,
    /// Who wants to see every fact of the run.
    pub watch: Option<Box<dyn Observer>>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("source", &self.source.is_some())
            .field("fetch", &self.fetch.is_some())
            .field("compute", &self.compute)
            .field("save", &self.save.is_some())
            .finish_non_exhaustive()
    }
}

/// Computes many items; one outcome for each, as [`inflight::Job::compute_with`] has it.
pub type Computing = Arc<dyn Fn(&[Record<Payload>]) -> Result<Reply<Payload>, Fault> + Send + Sync>;

/// Code that computes.
#[derive(Clone)]
pub enum Code {
    /// In worker processes.
    Workers {
        /// The program and its arguments.
        command: Vec<String>,
        /// What each is told before its first item.
        setup: Bytes,
    },
    /// On the threads that compute.
    Threads(Computing),
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::Workers { .. } => "Workers",
            Code::Threads(_) => "Threads",
        })
    }
}
