//! What a run came to: made of the tally of its facts, and the object that `--json` writes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bound::{self, Costs, StageCosts};
use crate::options::{Options, Strategy};
use crate::sentence::sentence;
use crate::service::Declared;
use crate::tally::{Requests, Tally};

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
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
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
    /// The largest term.
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

/// What the summary needs to know beside the facts.
pub(crate) struct Setting<'a> {
    pub(crate) options: &'a Options,
    pub(crate) elapsed: Duration,
    pub(crate) ending: Ending,
    /// The limit and what is known of the service; of the fetch, if there is one, and of the save.
    pub(crate) fetch: Option<(usize, Declared)>,
    pub(crate) save: (usize, Declared),
}

impl Summary {
    pub(crate) fn new(tally: &Tally, setting: Setting<'_>) -> Summary {
        let (counts, options) = (tally.counts(), setting.options);
        let jobs = options.compute_threads();
        let elapsed_s = setting.elapsed.as_secs_f64();
        let compute_s = tally.compute_cost.as_secs_f64();
        let terms = bound::terms(&costs(tally, &setting));
        let finished = counts.saved + counts.dead;
        let left = (counts.read + tally.input_left.unwrap_or(0)).saturating_sub(finished);
        let mut summary = Summary {
            version: 1,
            strategy: options.strategy,
            items: finished + left,
            saved: counts.saved,
            dead: counts.dead,
            in_doubt: counts.in_doubt,
            left,
            retried: counts.retried,
            rejected: counts.rejected,
            rejected_ratio: counts.rejected as f64 / counts.saved.max(1) as f64,
            elapsed_s,
            bound_s: 0.0,
            attainment: 0.0,
            limited_by: Wall::Ends,
            terms: BTreeMap::new(),
            predicted_s: None,
            speedup: None,
            compute_s,
            io_overhead_s: elapsed_s - compute_s / jobs as f64,
            compute_ms: tally.compute.dist(),
            slot_wait_ms: tally.slot_wait.dist(),
            save_ms: tally.save.times.dist(),
            fetch_ms: setting.fetch.map(|_| tally.fetch.times.dist()),
            in_flight: InFlight {
                mean: tally.save.busy.as_secs_f64() / elapsed_s,
                max: tally.save.in_flight_max,
                limit_final: setting.save.0,
            },
            bulk: Bulk {
                mean: tally.save.records as f64 / tally.save.succeeded.max(1) as f64,
                max: tally.save.records_max,
            },
            loop_stall_ms_max: tally.stall_max.as_secs_f64() * 1e3,
            cores_busy: tally.threads_cpu.as_secs_f64() / elapsed_s,
            rss_max_bytes: rss_max_bytes(),
            ending: setting.ending,
            sentence: String::new(),
        };
        summary.measure_against(terms, jobs, setting.save.1);
        summary
    }

    fn measure_against(&mut self, terms: BTreeMap<Wall, Term>, jobs: usize, declared: Declared) {
        self.bound_s = bound::bound_s(&terms);
        self.attainment = self.bound_s / self.elapsed_s;
        self.limited_by = bound::limited_by(&terms);
        self.terms = terms;
        self.sentence = sentence(self, jobs, declared);
    }
}

/// Measures runs of the same work against one bound: what they could have come to on `cores`.
///
/// It is taken from the run that computed on the most threads, where what a computation costs beside others
/// was seen, and scaled to all cores. Speedups are set against the sequential run, if there is one.
pub fn compare(runs: &mut [Summary], cores: usize, declared: Declared) {
    let widest = runs
        .iter()
        .max_by_key(|run| run.strategy == Strategy::Parallel);
    let Some(widest) = widest else { return };
    let mut terms = widest.terms.clone();
    if let Some(cpu) = terms.get_mut(&Wall::Cpu) {
        cpu.s = widest.compute_s / cores as f64;
    }
    let sequential_s = runs
        .iter()
        .find(|run| run.strategy == Strategy::Sequential)
        .map(|run| run.elapsed_s);
    for run in runs {
        run.speedup = sequential_s.map(|sequential_s| sequential_s / run.elapsed_s);
        run.measure_against(terms.clone(), cores, declared);
    }
}

fn costs(tally: &Tally, setting: &Setting<'_>) -> Costs {
    let stage = |requests: &Requests, (limit, declared): (usize, Declared)| StageCosts {
        requests: requests.succeeded,
        unloaded: requests.unloaded(),
        declared,
        limit,
    };
    Costs {
        compute: tally.compute_cost,
        jobs: setting.options.compute_threads(),
        compute_one: tally.compute.median(),
        fetch: setting.fetch.map(|known| stage(&tally.fetch, known)),
        save: stage(&tally.save, setting.save),
        rate: setting.options.rate,
        reading: tally.reading,
    }
}

fn rss_max_bytes() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().unsigned_abs() * unit)
}
