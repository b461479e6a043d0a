//! What limited a run as a whole: pure, from the figures of its summary.
//!
//! The moments of a run say what it waited for (`progress`), and the terms of its bound what it can't have been quicker
//! than. Near its bound a run was limited by the largest term; else by what it waited for longest, unless a figure says
//! why it did.

use std::collections::BTreeMap;

use crate::bottleneck::Bottleneck;
use crate::bound::largest;
use crate::options::Strategy;
use crate::summary::Summary;

/// From this share of the bound on, its largest term explains the time.
const NEAR: f64 = 0.9;
/// Below this share the time went elsewhere, and the sentence says where.
pub(crate) const FAR: f64 = 0.8;
/// This share of the time is worth naming.
const NOTABLE: f64 = 0.2;
/// This share of the attempts, too.
const FAILED: f64 = 0.1;
/// What computations take beyond what they cost is no accident from this share on.
const LATE: f64 = 0.15;
/// The machine has nothing left when so much of its cores is used.
const FULL: f64 = 0.85;
/// So much of a thread that serves I/O is all of it.
const BUSY: f64 = 0.8;

/// What limited the run of a summary whose other figures are complete.
pub(crate) fn bottleneck(summary: &Summary) -> Bottleneck {
    let largest = largest(&summary.terms);
    let longest = longest(&summary.limited_s).unwrap_or(largest);
    if summary.attainment >= NEAR {
        let term = |bottleneck| summary.terms.get(&bottleneck).map_or(0.0, |term| term.s);
        return match term(longest) >= NEAR * term(largest) {
            true => refined(longest, summary),
            false => refined(largest, summary),
        };
    }
    if summary.attainment < FAR
        && let Some(cause) = cause(summary)
    {
        return cause;
    }
    refined(longest, summary)
}

/// What took the time, where a figure by itself says so.
fn cause(summary: &Summary) -> Option<Bottleneck> {
    let notable = |s: f64| s > NOTABLE * summary.elapsed_s;
    if notable(summary.outage_s) {
        return Some(Bottleneck::Outage);
    }
    if straggled(summary).is_some() {
        return Some(Bottleneck::Straggler);
    }
    if notable(summary.retry_tail_s) {
        return Some(Bottleneck::Failures);
    }
    let takes_turns = matches!(summary.strategy, Strategy::Sequential | Strategy::Batched);
    (!takes_turns && failed_share(summary) > FAILED).then_some(Bottleneck::Failures)
}

/// What limited it longest.
fn longest(limited_s: &BTreeMap<Bottleneck, f64>) -> Option<Bottleneck> {
    let longest = limited_s
        .iter()
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    longest.map(|(bottleneck, _)| *bottleneck)
}

/// The same with a closer look.
fn refined(bottleneck: Bottleneck, summary: &Summary) -> Bottleneck {
    let term = |bottleneck| summary.terms.get(&bottleneck).map_or(0.0, |term| term.s);
    match bottleneck {
        Bottleneck::Cpu => computing(summary),
        // A limit that just fits the service is not to blame.
        Bottleneck::InFlight if term(Bottleneck::Service) >= NEAR * term(Bottleneck::InFlight) => {
            Bottleneck::Service
        }
        Bottleneck::InFlight | Bottleneck::Service | Bottleneck::Search | Bottleneck::Ends
            if summary.attainment < FAR && io_thread_share(summary) > BUSY =>
        {
            Bottleneck::Io
        }
        // The first computation was what it waited for.
        Bottleneck::Start if summary.compute_ms.p50 / 1e3 > 0.5 * start_s(summary) => {
            computing(summary)
        }
        other => other,
    }
}

/// Whether computing was that, or those who compute waited.
fn computing(summary: &Summary) -> Bottleneck {
    let elapsed_s = summary.elapsed_s;
    let threads = summary.compute_elapsed_s / elapsed_s;
    let cores = (summary.compute_s / elapsed_s).min(summary.cores_busy);
    let late = threads - cores;
    if late < LATE * threads {
        return Bottleneck::Cpu;
    }
    let others = summary.other_cores.unwrap_or(0.0);
    let is_full = summary.cores_busy + others > FULL * summary.cores as f64;
    // By CPU time a thread that was not run is told from one that waits; a worker must show by what it used that it computes.
    let computes = summary.compute_s < summary.compute_elapsed_s || cores > NOTABLE * threads;
    if computes && others > 0.5 * late && is_full {
        return Bottleneck::OtherPrograms;
    }
    match cores < 0.5 * threads {
        true => Bottleneck::Workers,
        false => Bottleneck::Cpu,
    }
}

pub(crate) fn start_s(summary: &Summary) -> f64 {
    let start = summary.limited_s.get(&Bottleneck::Start);
    start.copied().unwrap_or(0.0)
}

/// How busy the thread that serves I/O was: what the engine's threads used beyond computing.
fn io_thread_share(summary: &Summary) -> f64 {
    match summary.strategy {
        Strategy::Parallel => summary.cores_busy - summary.compute_s / summary.elapsed_s,
        _ => 0.0,
    }
}

/// The share of all attempts that failed and counted.
pub(crate) fn failed_share(summary: &Summary) -> f64 {
    let finished = summary.saved - summary.saved_before + summary.dead - summary.dead_before;
    summary.retried as f64 / (summary.retried + finished).max(1) as f64
}

/// What the one item did that was all that was left for a good part of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Straggled {
    /// Its request was far slower than others.
    Request,
    /// Its computation was.
    Computation,
}

/// What one item did that was all that was left for a good part of the run, if there was one.
pub(crate) fn straggled(summary: &Summary) -> Option<Straggled> {
    let straggler = summary.straggler;
    let alone_s = straggler.alone_s;
    if alone_s < NOTABLE * summary.elapsed_s {
        return None;
    }
    if straggler.request_s > straggler.timeout_s.max(0.5 * alone_s) {
        return Some(Straggled::Request);
    }
    let computation_s = summary.compute_ms.max / 1e3;
    let usual_s = 10.0 * summary.compute_ms.p50 / 1e3;
    (computation_s > usual_s.max(0.5 * alone_s)).then_some(Straggled::Computation)
}
