//! What the facts of a run add up to: counts, sums and distributions. Pure, and of constant size.

use std::time::Duration;

use crate::fact::{Attempt, Fact, Step};
use crate::fault::Verdict;
use crate::load::Load;
use crate::options::Options;
use crate::progress::{Pace, Progress};
use crate::summary::Straggler;
use crate::times::Times;

/// The counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Items in the input, where that is known.
    pub total: Option<u64>,
    /// Items read by this run.
    pub read: u64,
    /// Items left out because their keys are done already; they are none of the others.
    pub skipped: u64,
    /// Items saved, by this run and those before it in the same journal.
    pub saved: u64,
    /// Dead letters, likewise.
    pub dead: u64,
    /// What each step has to do.
    pub load: Load,
    /// How the run goes now.
    pub pace: Pace,
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

/// The sums of a run so far.
pub(crate) struct Tally {
    counts: Counts,
    /// Items that runs before this one had saved, and given up.
    pub(crate) before: (u64, u64),
    pub(crate) input_left: Option<u64>,
    /// When the last attempt was over that was its items' first.
    pub(crate) first_attempts_until: Duration,
    /// What was done last.
    pub(crate) last: Last,
    /// How the run goes.
    pub(crate) progress: Progress,
    outages: Outages,
    /// How long the services were away, in outages that have ended.
    away: Duration,
    /// Time spent in reading the input.
    pub(crate) reading: Duration,
    /// Time that passed in computations, and what they cost by the clock of the job.
    pub(crate) computing: Duration,
    pub(crate) compute_cost: Duration,
    pub(crate) computed: u64,
    pub(crate) compute: Times,
    pub(crate) slot_wait: Times,
    pub(crate) fetch: Requests,
    pub(crate) save: Requests,
    pub(crate) stall_max: Duration,
    pub(crate) threads_cpu: Duration,
}

/// The requests of one stage.
pub(crate) struct Requests {
    /// From sent to answered, of those that succeeded.
    pub(crate) times: Times,
    pub(crate) succeeded: u64,
    pub(crate) records: u64,
    pub(crate) records_max: usize,
    /// Time in flight of all of them, failed ones too: over the elapsed time that is their mean number.
    pub(crate) busy: Duration,
    pub(crate) in_flight_max: usize,
    /// Units of a quota that they have cost.
    pub(crate) units: f64,
    unloaded: Unloaded,
}

/// Requests whose mean is taken at once, to find how quick the service is when it is not loaded: enough for
/// a heavy tail to average out, few enough to catch a quiet moment.
const WINDOW: u32 = 32;

/// The latency of a service that is not loaded: the smallest mean of 32 requests, taken 32 by 32.
#[derive(Default)]
struct Unloaded {
    sum: Duration,
    count: u32,
    least: Option<Duration>,
}

impl Tally {
    /// Of a run with these options over so many items, where that is known, of which so many were saved and given up before it.
    pub(crate) fn new(options: &Options, total: Option<u64>, before: (u64, u64)) -> Tally {
        Tally {
            counts: Counts {
                total,
                saved: before.0,
                dead: before.1,
                ..Counts::default()
            },
            before,
            input_left: None,
            first_attempts_until: Duration::ZERO,
            last: Last::default(),
            progress: Progress::new(options),
            outages: Outages::default(),
            away: Duration::ZERO,
            reading: Duration::ZERO,
            computing: Duration::ZERO,
            compute_cost: Duration::ZERO,
            computed: 0,
            compute: Times::new(),
            slot_wait: Times::new(),
            fetch: Requests::new(),
            save: Requests::new(),
            stall_max: Duration::ZERO,
            threads_cpu: Duration::ZERO,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Items that this run has finished.
    pub(crate) fn finished(&self) -> u64 {
        let counts = &self.counts;
        counts.saved + counts.dead - self.before.0 - self.before.1
    }

    /// How long the services were away, as of then.
    pub(crate) fn away(&self, now: Duration) -> Duration {
        let lasting = self.outages.since().map(|since| now.saturating_sub(since));
        self.away + lasting.unwrap_or_default()
    }

    pub(crate) fn fold(&mut self, fact: &Fact) {
        self.add(fact);
        let before = self.before.0 + self.before.1;
        self.progress.fold(fact, &self.counts, before);
        if let Fact::Beat { .. } = fact {
            self.counts.pace = self.progress.pace(&self.counts, before);
        }
    }

    fn add(&mut self, fact: &Fact) {
        let counts = &mut self.counts;
        match fact {
            Fact::Read { items } => counts.read += items,
            Fact::Skipped { items } => {
                counts.skipped += items;
                counts.total = counts.total.map(|total| total.saturating_sub(*items));
            }
            Fact::ReadTo { .. }
            | Fact::Limit { .. }
            | Fact::Bulk { .. }
            | Fact::Accused { .. }
            | Fact::NoMoreConnections { .. } => {}
            Fact::InputEnded { left, reading } => {
                self.input_left = *left;
                self.reading = *reading;
            }
            Fact::Computed {
                items, took, cost, ..
            } => {
                self.computed += u64::from(*items);
                self.computing += *took;
                self.compute_cost += *cost;
                self.compute.add(*took, *items);
            }
            Fact::Attempt(attempt) => self.attempt(attempt),
            Fact::Retry { .. } => counts.retried += 1,
            Fact::Dead { .. } => counts.dead += 1,
            Fact::OutageBegan { step, at, .. } => {
                *self.outages.of(*step) = Some(*at);
                counts.outage_since = self.outages.since();
            }
            Fact::OutageEnded { step, lasted } => {
                *self.outages.of(*step) = None;
                counts.outage_since = self.outages.since();
                self.away += *lasted;
            }
            Fact::Forgiven { attempts, .. } => {
                counts.retried = counts.retried.saturating_sub(u64::from(*attempts));
            }
            Fact::Beat { at, stall, load } => {
                counts.elapsed = *at;
                counts.load = *load;
                self.stall_max = self.stall_max.max(*stall);
            }
            Fact::Abandoned { items } => counts.in_doubt += items,
            Fact::ThreadEnded { cpu } => self.threads_cpu += *cpu,
        }
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let counts = &mut self.counts;
        let ended = attempt.at + attempt.took;
        counts.elapsed = counts.elapsed.max(ended);
        self.last
            .attempt(attempt.first, attempt.step, ended, attempt.took);
        if !attempt.is_again {
            self.first_attempts_until = self.first_attempts_until.max(ended);
        }
        if attempt.verdict == Some(Verdict::Overload) {
            counts.rejected += 1;
        }
        if attempt.step == Step::Save {
            counts.in_doubt += attempt.in_doubt as u64;
        }
        let requests = match attempt.step {
            Step::Fetch => &mut self.fetch,
            _ => {
                counts.saved += attempt.done.len();
                self.slot_wait.add(attempt.waited, 1);
                &mut self.save
            }
        };
        requests.add(attempt);
    }
}

/// The item whose request was answered last, and since when no other was.
#[derive(Default)]
pub(crate) struct Last {
    index: Option<u64>,
    /// When the last request of another item was over.
    others_until: Duration,
    /// When the last one of this item was over.
    until: Duration,
    /// The longest of its requests in a row, and of which step that was.
    request: Duration,
    is_fetch: bool,
}

impl Last {
    fn attempt(&mut self, index: u64, step: Step, ended: Duration, took: Duration) {
        if self.index != Some(index) {
            *self = Last {
                index: Some(index),
                others_until: self.until.max(self.others_until),
                ..Last::default()
            };
        }
        self.until = self.until.max(ended);
        if took >= self.request {
            (self.request, self.is_fetch) = (took, step == Step::Fetch);
        }
    }
}

impl Tally {
    /// What the item that was finished last came to, in a run that took so long.
    pub(crate) fn straggler(&self, elapsed: Duration) -> Straggler {
        let (step, times) = match self.last.is_fetch {
            true => (Step::Fetch, &self.fetch.times),
            false => (Step::Save, &self.save.times),
        };
        // What nearly all requests take, and time for a bad day.
        let timeout_s = (10.0 * times.dist().p90 / 1e3).ceil().max(1.0);
        Straggler {
            alone_s: elapsed.saturating_sub(self.last.others_until).as_secs_f64(),
            request_s: self.last.request.as_secs_f64(),
            step,
            timeout_s,
            longer: times.longer_than(Duration::from_secs_f64(timeout_s)),
        }
    }
}

/// Since when the service of each step has been away.
#[derive(Default)]
struct Outages {
    fetch: Option<Duration>,
    save: Option<Duration>,
}

impl Outages {
    fn of(&mut self, step: Step) -> &mut Option<Duration> {
        match step {
            Step::Fetch => &mut self.fetch,
            Step::Read | Step::Compute | Step::Save => &mut self.save,
        }
    }

    fn since(&self) -> Option<Duration> {
        self.fetch.into_iter().chain(self.save).min()
    }
}

impl Requests {
    fn new() -> Requests {
        Requests {
            times: Times::new(),
            succeeded: 0,
            records: 0,
            records_max: 0,
            busy: Duration::ZERO,
            in_flight_max: 0,
            units: 0.0,
            unloaded: Unloaded::default(),
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        self.busy += attempt.took;
        self.units += attempt.units;
        self.in_flight_max = self.in_flight_max.max(attempt.in_flight);
        if attempt.verdict.is_none() {
            self.succeeded += 1;
            self.records += attempt.records as u64;
            self.records_max = self.records_max.max(attempt.records);
            self.times.add(attempt.took, 1);
            self.unloaded.add(attempt.took);
        }
    }

    /// How long a request takes when the service is not loaded, as far as this run saw it.
    pub(crate) fn unloaded(&self) -> Duration {
        match self.in_flight_max {
            // Nothing else was in flight to load it.
            0 | 1 => self.times.mean(),
            _ => self.unloaded.least.unwrap_or_else(|| self.times.mean()),
        }
    }
}

impl Unloaded {
    fn add(&mut self, took: Duration) {
        self.sum += took;
        self.count += 1;
        if self.count == WINDOW {
            let mean = self.sum / WINDOW;
            self.least = Some(self.least.map_or(mean, |least| least.min(mean)));
            (self.sum, self.count) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_item_is_known_with_its_longest_request() {
        let s = Duration::from_secs;
        let mut tally = Tally::new(&Options::default(), None, (0, 0));
        for index in 0..10 {
            tally.last.attempt(index, Step::Save, s(1 + index), s(1));
        }
        // One hangs until its deadline, and is quick then.
        tally.last.attempt(3, Step::Fetch, s(35), s(25));
        tally.last.attempt(3, Step::Save, s(36), s(1));
        let straggler = tally.straggler(s(36));
        assert_eq!((straggler.alone_s, straggler.request_s), (26.0, 25.0));
        assert_eq!(straggler.step, Step::Fetch);
    }
}
