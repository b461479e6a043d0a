//! What a run came to: a pure fold of its facts, and the object that `--json` writes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::options::Strategy;

/// The counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Items in the input, where that is known.
    pub total: Option<u64>,
    /// Items read.
    pub read: u64,
    /// Items saved.
    pub saved: u64,
    /// Dead letters.
    pub dead: u64,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests refused with 429 or 503.
    pub rejected: u64,
    /// Attempts beyond each item's first.
    pub retried: u64,
    /// Attempts of items whose effect is unknown.
    pub in_doubt: u64,
    /// Since when the service has been away.
    pub outage_since: Option<Duration>,
    /// Time since the start.
    pub elapsed: Duration,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase", tag = "how", content = "why")]
pub enum Ending {
    /// Every item is saved or dead.
    Complete,
    /// It was told to stop.
    Stopped,
    /// The service could not be reached, or stayed away too long; says what was tried.
    Unavailable(String),
    /// The input could not be read on; says why.
    Unreadable(String),
}

/// What limited a run: the largest term of its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wall {
    /// The cores.
    Cpu,
    /// The best goodput of the service.
    Service,
    /// The quota of requests a second.
    Rate,
    /// The user's own limit of requests in flight.
    Ceiling,
    /// Reading the input.
    Source,
    /// What cannot overlap: the first item's fetch and compute, the last item's save.
    Ends,
}

/// Where a term of the bound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The service or the user said so.
    Declared,
    /// Measured in this run.
    Measured,
    /// Learned in earlier runs.
    Learned,
    /// Taken for granted.
    Assumed,
}

/// One term of the bound.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Term {
    /// The time below which the run could not have come, in seconds.
    pub s: f64,
    /// Where that comes from.
    pub basis: Basis,
}

/// A distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dist {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// Requests in flight over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InFlight {
    /// The mean over time.
    pub mean: f64,
    /// The most at once.
    pub max: usize,
    /// The limit in force at the end.
    pub limit_final: usize,
}

/// Records in one save request.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Bulk {
    /// The mean.
    pub mean: f64,
    /// The most.
    pub max: usize,
}

/// What a run came to. Field names are those of the JSON object; numbers carry their unit in their name.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// The version of this object's shape.
    pub version: u32,
    /// The strategy that ran.
    pub strategy: Strategy,
    /// Items in the input: saved + dead + left.
    pub items: u64,
    /// Items saved.
    pub saved: u64,
    /// Dead letters.
    pub dead: u64,
    /// Attempts of items that were cut off after they were sent: each may have taken effect.
    pub in_doubt: u64,
    /// Items neither saved nor dead, because the run stopped early.
    pub left: u64,
    /// Attempts beyond each item's first, as far as they count against it.
    pub retried: u64,
    /// Requests refused with 429 or 503.
    pub rejected: u64,
    /// The same for each saved item.
    pub rejected_ratio: f64,
    /// Time from start to end.
    pub elapsed_s: f64,
    /// The time below which it could not have come.
    pub bound_s: f64,
    /// `bound_s ÷ elapsed_s`, not clamped.
    pub attainment: f64,
    /// The largest term of the bound.
    pub limited_by: Wall,
    /// The terms of the bound.
    pub terms: BTreeMap<Wall, Term>,
    /// The time that was predicted before the run, if it was.
    pub predicted_s: Option<f64>,
    /// How many times quicker than sequential, in a comparison.
    pub speedup: Option<f64>,
    /// What computing cost, on all threads together.
    pub compute_s: f64,
    /// `elapsed_s − compute_s ÷ jobs`.
    pub io_overhead_s: f64,
    /// One computation.
    pub compute_ms: Dist,
    /// From ready to be sent, to sent.
    pub slot_wait_ms: Dist,
    /// From sent to answered, for saves that succeeded.
    pub save_ms: Dist,
    /// The same for fetches.
    pub fetch_ms: Option<Dist>,
    /// Requests in flight.
    pub in_flight: InFlight,
    /// Records in one save request.
    pub bulk: Bulk,
    /// The longest the thread that serves I/O went without serving it.
    pub loop_stall_ms_max: f64,
    /// CPU time of the engine's threads ÷ `elapsed_s`.
    pub cores_busy: f64,
    /// The most memory the process ever held.
    pub rss_max_bytes: u64,
    /// How it ended.
    pub ending: Ending,
    /// What limited the run, in one sentence.
    pub sentence: String,
}
