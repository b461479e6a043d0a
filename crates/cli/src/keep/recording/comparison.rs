//! What a comparison came to: the object of `compare --json`.

use inflight::{Dist, Summary};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) items: u64,
    pub(crate) compute: String,
    /// Without passwords and tokens.
    pub(crate) sink: String,
}
