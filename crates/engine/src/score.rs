//! Makes the summary of a run from the tally of its facts, and measures runs against each other. Pure but
//! for the memory of the process, which it asks the system.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bottleneck::Bottleneck;
use crate::bound::{self, Costs, StageCosts, Term};
use crate::cores::Machine;
use crate::diagnosis::bottleneck;
use crate::fact::Step;
use crate::limit::Learnt;
use crate::memory;
use crate::options::{Options, Strategy};
use crate::sentence::sentence;
use crate::service::Declared;
use crate::summary::{Bulk, Ending, InFlight, Straggler, Summary};
use crate::tally::{Requests, Tally};

/// What the summary needs to know beside the facts.
pub(crate) struct Setting<'a> {
    pub(crate) options: &'a Options,
    pub(crate) elapsed: Duration,
    pub(crate) machine: Machine,
    pub(crate) ending: Ending,
    pub(crate) fetch: Option<Known>,
    pub(crate) save: Known,
}

/// What is known of a stage's service, and the limit that was in force at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The most that the user allows.
    pub(crate) limit: usize,
    /// What was set, or found.
    pub(crate) limit_final: usize,
    /// What the next run may begin with.
    pub(crate) learnt: Option<Learnt>,
    /// The service's own, if it is lower.
    pub(crate) connections_max: Option<usize>,
    pub(crate) declared: Declared,
}

/// So many times what was learnt, and it is refuted.
const REFUTED: f64 = 1.1;

/// Makes the summary of a run.
pub(crate) fn score(tally: &Tally, setting: Setting<'_>) -> Summary {
    let options = setting.options;
    let jobs = options.compute_threads();
    let costs = costs(tally, &setting);
    let terms = bound::terms(&costs);
    let mut summary = counted(tally, options.strategy, setting.ending);
    let elapsed_s = setting.elapsed.as_secs_f64();
    summary.elapsed_s = elapsed_s;
    let first_attempts_until = tally.first_attempts_until.min(setting.elapsed);
    summary.retry_tail_s = match tally.counts().retried {
        0 => 0.0,
        _ => (setting.elapsed - first_attempts_until).as_secs_f64(),
    };
    summary.straggler = tally.straggler(setting.elapsed);
    summary.outage_s = tally.away(setting.elapsed).as_secs_f64();
    summary.unloaded_ms = costs.save.latency().0 * 1e3;
    summary.io_overhead_s = elapsed_s - summary.compute_s / jobs as f64;
    summary.cores_busy = tally.threads_cpu.as_secs_f64() / elapsed_s;
    summary.cores = setting.machine.cores;
    summary.other_cores = setting.machine.others;
    summary.fetch_ms = setting.fetch.map(|_| tally.fetch.times.dist());
    let in_flight = |requests: &Requests, known: Known| InFlight {
        mean: requests.busy.as_secs_f64() / elapsed_s,
        max: requests.in_flight_max,
        limit_final: known.limit_final,
        ceiling: known.limit,
    };
    summary.in_flight = in_flight(&tally.save, setting.save);
    summary.fetch_in_flight = setting.fetch.map(|known| in_flight(&tally.fetch, known));
    let forecast = tally.progress.forecast(elapsed_s);
    summary.predicted_s = forecast.map(|forecast| forecast.whole_s);
    summary.predicted_after_s = forecast.map(|forecast| forecast.at_s);
    summary.limited_s = tally.progress.limited().each().collect();
    summary.quota = bound::quota(&costs);
    summary.learnt = setting.save.learnt;
    summary.learnt_fetch = setting.fetch.and_then(|known| known.learnt);
    measure_against(&mut summary, terms, jobs, setting.save.declared);
    summary
}

/// As much of a summary as the facts alone tell.
fn counted(tally: &Tally, strategy: Strategy, ending: Ending) -> Summary {
    let counts = tally.counts();
    let left = (counts.read + tally.input_left.unwrap_or(0)).saturating_sub(tally.finished());
    Summary {
        version: 2,
        strategy,
        items: counts.saved + counts.dead + left,
        saved: counts.saved,
        dead: counts.dead,
        in_doubt: counts.in_doubt,
        left,
        skipped: counts.skipped,
        saved_before: tally.before.0,
        dead_before: tally.before.1,
        retried: counts.retried,
        rejected: counts.rejected,
        rejected_ratio: counts.rejected as f64 / (counts.saved - tally.before.0).max(1) as f64,
        elapsed_s: 0.0,
        bound_s: 0.0,
        attainment: 0.0,
        bottleneck: Bottleneck::Ends,
        limited_s: BTreeMap::new(),
        terms: BTreeMap::new(),
        quota: None,
        predicted_s: None,
        predicted_after_s: None,
        speedup: None,
        compute_s: tally.compute_cost.as_secs_f64(),
        compute_elapsed_s: tally.computing.as_secs_f64(),
        io_overhead_s: 0.0,
        outage_s: 0.0,
        unloaded_ms: 0.0,
        retry_tail_s: 0.0,
        straggler: Straggler::default(),
        compute_ms: tally.compute.dist(),
        slot_wait_ms: tally.slot_wait.dist(),
        save_ms: tally.save.times.dist(),
        fetch_ms: None,
        fetch_in_flight: None,
        in_flight: InFlight::default(),
        learnt: None,
        learnt_fetch: None,
        bulk: Bulk {
            mean: tally.save.records as f64 / tally.save.succeeded.max(1) as f64,
            max: tally.save.records_max,
        },
        loop_stall_ms_max: tally.stall_max.as_secs_f64() * 1e3,
        cores_busy: 0.0,
        cores: 1,
        other_cores: None,
        rss_max_bytes: memory::peak_bytes(),
        ending,
        sentence: String::new(),
    }
}

fn measure_against(
    summary: &mut Summary,
    terms: BTreeMap<Bottleneck, Term>,
    jobs: usize,
    declared: Declared,
) {
    summary.bound_s = bound::bound_s(&terms);
    summary.attainment = summary.bound_s / summary.elapsed_s;
    summary.terms = terms;
    summary.bottleneck = bottleneck(summary);
    summary.sentence = sentence(summary, jobs, declared);
}

/// Measures runs of the same work against one bound: what they could have come to on `cores`.
///
/// It is taken from the run that computed on the most threads, where what a computation costs beside others
/// was seen, and its computing is scaled to all cores. Speedups are set against the sequential run, if there is one.
pub fn compare(runs: &mut [Summary], cores: usize, declared: Declared) {
    let widest = runs
        .iter()
        .max_by_key(|run| run.strategy == Strategy::Parallel);
    let Some(widest) = widest else { return };
    let mut terms = widest.terms.clone();
    if let Some(cpu) = terms.get_mut(&Bottleneck::Cpu) {
        cpu.s = widest.compute_s / cores as f64;
    }
    let sequential_s = runs
        .iter()
        .find(|run| run.strategy == Strategy::Sequential)
        .map(|run| run.elapsed_s);
    for run in runs {
        run.speedup = sequential_s.map(|sequential_s| sequential_s / run.elapsed_s);
        measure_against(run, terms.clone(), cores, declared);
    }
}

fn costs(tally: &Tally, setting: &Setting<'_>) -> Costs {
    let elapsed_s = setting.elapsed.as_secs_f64();
    // What a service gave over the whole run is no more than it gives; if it is much more than was learnt, that is not true any
    // more.
    let learnt = |figure: Option<f64>, requests: u64| {
        let (figure, seen) = (figure?, requests as f64 / elapsed_s);
        (seen <= REFUTED * figure).then_some(figure.max(seen))
    };
    let goodput =
        |requests: &Requests, known: Known| learnt(known.learnt?.goodput, requests.succeeded);
    let options = setting.options;
    let stage = |step, requests: &Requests, known: Known| {
        let quota = match step {
            Step::Fetch => options.fetch_quota,
            _ => options.save_quota,
        };
        let rate_learned = known.learnt.and_then(|learnt| learnt.rate);
        StageCosts {
            requests: requests.succeeded,
            units: requests.units,
            unloaded: requests.unloaded(),
            declared: known.declared,
            goodput: goodput(requests, known),
            rate: quota.requests,
            units_rate: quota.units,
            rate_learned: learnt(rate_learned, requests.succeeded),
            limit: known.limit,
            connections_max: known.connections_max,
        }
    };
    Costs {
        compute: tally.compute_cost,
        jobs: options.compute_threads(),
        compute_one: tally.compute.median(),
        fetch: setting
            .fetch
            .map(|known| stage(Step::Fetch, &tally.fetch, known)),
        save: stage(Step::Save, &tally.save, setting.save),
        reading: tally.reading,
    }
}
