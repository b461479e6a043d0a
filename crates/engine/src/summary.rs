//! What a run came to: plain data, and the object that `--json` writes.

use std::collections::BTreeMap;

use crate::bottleneck::Bottleneck;
use crate::bound::{QuotaTerm, Term};
use crate::fact::Step;
use crate::limit::Learnt;
use crate::options::Strategy;
use crate::times::Dist;

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
    /// It reached a bound that was set: dead letters, time; says which.
    Halted(String),
    /// The journal, or a file of results, could not be written; says which and why.
    Storage(String),
    /// Computations did not come back; says how many.
    Hung(String),
}

/// Requests in flight over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InFlight {
    /// The mean over time.
    pub mean: f64,
    /// The most at once.
    pub max: usize,
    /// The limit at the end, as it was set or found.
    pub limit_final: usize,
    /// The most that the limit could have been: what was set, or the ceiling of a limit that finds itself.
    pub ceiling: usize,
}

/// What a run came to at its end, when a single item was all that was left.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Straggler {
    /// How long nothing but that item was to be done.
    pub alone_s: f64,
    /// The longest of its requests.
    pub request_s: f64,
    /// Which step that was of.
    pub step: Step,
    /// A deadline of requests that would have cut it short: ten times what nine of ten requests take, in whole seconds.
    pub timeout_s: f64,
    /// Requests that were answered after more than that, of all of this step.
    pub longer: u64,
}

impl Default for Straggler {
    fn default() -> Straggler {
        Straggler {
            alone_s: 0.0,
            request_s: 0.0,
            step: Step::Save,
            timeout_s: 1.0,
            longer: 0,
        }
    }
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
    /// Items of the input that were left out because the sink had their keys already: none of those above.
    #[serde(default)]
    pub skipped: u64,
    /// Of the saved items, those that earlier runs of the same journal had saved.
    #[serde(default)]
    pub saved_before: u64,
    /// Of the dead letters, those of earlier runs.
    #[serde(default)]
    pub dead_before: u64,
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
    /// What limited it.
    pub bottleneck: Bottleneck,
    /// Seconds of the run by what limited it in them.
    pub limited_s: BTreeMap<Bottleneck, f64>,
    /// The terms of the bound.
    pub terms: BTreeMap<Bottleneck, Term>,
    /// The quota that allowed least, if there was any.
    pub quota: Option<QuotaTerm>,
    /// The time that the run was predicted to take, as of the last time before half of it; `None` if that could not be said
    /// within 20 %, nobody knew how many items there are, or the run was over within a second.
    pub predicted_s: Option<f64>,
    /// How long it had run by then.
    pub predicted_after_s: Option<f64>,
    /// How many times quicker than sequential, in a comparison.
    pub speedup: Option<f64>,
    /// What computing cost, on all threads together, by the clock of the job.
    pub compute_s: f64,
    /// The time that passed in computations, on all threads together: more than they cost where they wait, for a core or for
    /// something else.
    pub compute_elapsed_s: f64,
    /// `elapsed_s − compute_s ÷ jobs`.
    pub io_overhead_s: f64,
    /// How long the services were away, together.
    pub outage_s: f64,
    /// How long the run went on, at its end, for items that had failed before and nothing else.
    pub retry_tail_s: f64,
    /// The item that was finished last.
    pub straggler: Straggler,
    /// One computation.
    pub compute_ms: Dist,
    /// From ready to be sent, to sent.
    pub slot_wait_ms: Dist,
    /// From sent to answered, for saves that succeeded.
    pub save_ms: Dist,
    /// One save when the service is not loaded, in milliseconds: declared, or the smallest mean of 32 in a row.
    pub unloaded_ms: f64,
    /// The same for fetches, as `save_ms`.
    pub fetch_ms: Option<Dist>,
    /// Fetches in flight, in a job that fetches.
    pub fetch_in_flight: Option<InFlight>,
    /// Saves in flight.
    pub in_flight: InFlight,
    /// What the run learnt of the service that saves go to, where it had to find the limit.
    #[serde(default)]
    pub learnt: Option<Learnt>,
    /// The same of the service that fetches come from.
    #[serde(default)]
    pub learnt_fetch: Option<Learnt>,
    /// Records in one save request.
    pub bulk: Bulk,
    /// The longest the thread that serves I/O went without serving it.
    pub loop_stall_ms_max: f64,
    /// CPU time of the threads and processes that read, compute and serve I/O ÷ `elapsed_s`. Not of the one that records,
    /// nor of threads that a sink or a source has for itself.
    pub cores_busy: f64,
    /// Cores that this program may use.
    pub cores: usize,
    /// Cores that other programs used, in the mean; `None` where the system does not say.
    pub other_cores: Option<f64>,
    /// The most memory the process ever held.
    pub rss_max_bytes: u64,
    /// How it ended.
    pub ending: Ending,
    /// What limited the run, in one sentence.
    pub sentence: String,
}
