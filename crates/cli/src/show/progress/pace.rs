//! Where a run stands and what holds it up now: pure, from facts; how much longer it takes, computing and I/O apart.
//!
//! The engine's summary says what limited a whole run. This says what limits it now, from the last stretch of it only.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use inflight::limit::Reason;
use inflight::{ComputeClock, Counts, Fact, Options, Step, Strategy};

use super::in_flight::Limit;
use crate::terminal::quantity;

/// Stretches that are remembered; when there are more, every other one is forgotten.
const PAST_MAX: usize = 64;

/// How much of a run so far is "now": long enough to be steady, short enough to follow a change.
const RECENT_SHARE: f64 = 0.5;

/// "Now" is never shorter: a save takes that long.
const RECENT_MIN: Duration = Duration::from_secs(1);

/// Answers one after the other after which what was done tells more than what slots could do: before, most of it was waiting
/// for the first.
const SETTLED: f64 = 5.0;

/// A resource that is used this much is what limits.
const BUSY: f64 = 0.85;

/// A run on its way.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    strategy: Strategy,
    /// Threads that compute.
    threads: usize,
    batch: usize,
    rate: Option<f64>,
    /// Whether the service has a quota that this run, or one before it, has come to know.
    has_quota: bool,
    outage_budget: Duration,
    first_contact: Duration,
    pub(crate) limit: Limit,
    /// That of fetches.
    fetch_limit: Limit,
    /// Whether the time that computing takes says nothing of cores: it may wait.
    may_wait: bool,
    /// Whether more are in flight than a decision allows, because they were sent before it.
    is_above: bool,
    /// Items that earlier runs of the same journal had finished; nothing before the first tick.
    before: Option<u64>,
    sums: Sums,
    past: VecDeque<Sums>,
    ready: usize,
}

/// What has been done up to some time.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    at: Duration,
    finished: u64,
    rejected: u64,
    computed: u64,
    computing: Duration,
    cost: Duration,
    save: Requests,
    fetch: Requests,
    reading_ended: bool,
}

/// Requests that were answered.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    count: u64,
    records: u64,
    busy: Duration,
}

/// What holds a run up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Holdup {
    /// Nothing can be said yet.
    Start,
    /// The service is away, for so long; the run stops when it has been away for that long.
    Outage { away: Duration, budget: Duration },
    /// The service refused so many requests a second.
    Refusals(f64),
    /// Every slot is busy, and results wait. An answer takes so long.
    Slots(Limit, Duration),
    /// The rate that was set.
    Rate(f64),
    /// A quota of the service, which is kept by sending so many requests a second.
    Quota(f64),
    /// So many cores of so many threads.
    Cores(f64, usize),
    /// All of so many threads wait for what computes.
    Computing(usize),
    /// So many fetches in flight. An answer takes so long.
    Fetching(f64, Duration),
    /// Nothing has happened of late, and so many answers are awaited.
    Answers(usize),
    /// The strategy waits for each answer, or for those of a batch.
    Turns(Strategy),
    /// Nothing is left to compute; so many answers are awaited.
    Last(usize),
    /// Nothing to do: the source is slow.
    Source,
}

impl Pace {
    /// The pace of a run with these options.
    pub(crate) fn of(options: &Options) -> Pace {
        Pace {
            strategy: options.strategy,
            threads: options.compute_threads(),
            batch: options.batch,
            rate: options.save_quota.requests,
            has_quota: options
                .learnt_save
                .is_some_and(|learnt| learnt.rate.is_some()),
            outage_budget: options.outage_budget,
            first_contact: options.first_contact,
            limit: Limit::of(options),
            fetch_limit: Limit::of(options),
            may_wait: options.compute_clock == ComputeClock::Elapsed,
            is_above: false,
            before: None,
            sums: Sums::default(),
            past: VecDeque::new(),
            ready: 0,
        }
    }

    /// Something happened.
    pub(crate) fn fold(&mut self, fact: &Fact) {
        let sums = &mut self.sums;
        match fact {
            Fact::Computed {
                items, took, cost, ..
            } => {
                sums.computed += u64::from(*items);
                sums.computing += *took;
                sums.cost += *cost;
            }
            Fact::Attempt(attempt) => {
                let requests = match attempt.step {
                    Step::Fetch => &mut sums.fetch,
                    _ => &mut sums.save,
                };
                requests.count += 1;
                requests.records += attempt.records as u64;
                requests.busy += attempt.took;
            }
            Fact::Limit {
                step: Step::Fetch,
                decision,
                ..
            } => self.fetch_limit.now = (decision.to.round() as usize).max(1),
            Fact::Limit {
                step: Step::Save,
                decision,
                ..
            } => {
                self.limit.now = (decision.to.round() as usize).max(1);
                self.is_above = true;
                self.has_quota |= matches!(decision.reason, Reason::Quota { .. });
            }
            Fact::InputEnded { .. } => sums.reading_ended = true,
            Fact::Beat { ready, .. } => self.ready = *ready,
            _ => {}
        }
    }

    /// What is finished before anything has been done.
    pub(crate) fn begin(&mut self, counts: &Counts) {
        self.before.get_or_insert(counts.saved + counts.dead);
    }

    /// A stretch is over.
    pub(crate) fn tick(&mut self, counts: &Counts) {
        self.begin(counts);
        self.sums.at = counts.elapsed;
        self.sums.finished = counts.saved + counts.dead - self.before();
        self.sums.rejected = counts.rejected;
        self.is_above &= counts.in_flight > self.limit.now;
        if self.limit.ceiling.is_some() && !self.is_above {
            // Not each doubling is a decision.
            self.limit.now = self.limit.now.max(counts.in_flight);
        }
        if self.past.len() == PAST_MAX {
            let mut place = 0;
            self.past.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        self.past.push_back(self.sums);
    }

    /// Cores that computed, of late.
    pub(crate) fn cores(&self) -> f64 {
        let recent = self.recent();
        let cores = recent.cost.as_secs_f64() / recent.at.as_secs_f64().max(1e-9);
        // What ends now may have begun before.
        cores.min(self.threads as f64)
    }

    /// Items finished a second, of late.
    pub(crate) fn rate(&self) -> f64 {
        let recent = self.recent();
        recent.finished as f64 / recent.at.as_secs_f64().max(1e-9)
    }

    /// What holds the run up now.
    pub(crate) fn holdup(&self, counts: &Counts) -> Holdup {
        let recent = self.recent();
        let span_s = recent.at.as_secs_f64();
        if let Some(since) = counts.outage_since {
            return Holdup::Outage {
                away: counts.elapsed.saturating_sub(since),
                budget: match counts.saved {
                    0 => self.first_contact,
                    _ => self.outage_budget,
                },
            };
        }
        let has_begun = self.sums.computed + self.sums.finished > 0;
        if span_s < 0.2 || !has_begun {
            return Holdup::Start;
        }
        if recent.computed + recent.finished == 0 && counts.in_flight > 0 {
            return match self.left_to_compute(counts) {
                Some(0) => Holdup::Last(counts.in_flight),
                _ => Holdup::Answers(counts.in_flight),
            };
        }
        let refused = recent.rejected as f64 / span_s;
        if recent.rejected * 10 > recent.finished && recent.rejected > 0 {
            return Holdup::Refusals(refused);
        }
        let left = self.left_to_compute(counts);
        if self.strategy == Strategy::Sequential || self.strategy == Strategy::Batched {
            return match recent.computing.as_secs_f64() > BUSY * span_s {
                true => Holdup::Cores(self.cores(), 1),
                false => Holdup::Turns(self.strategy),
            };
        }
        if self.rate.is_some_and(|rate| self.rate() > BUSY * rate) {
            return Holdup::Rate(self.rate.unwrap_or_default());
        }
        let fetching = recent.fetch.busy.as_secs_f64() / span_s;
        let saving = recent.save.busy.as_secs_f64() / span_s;
        if saving > BUSY * self.limit.now as f64 {
            return Holdup::Slots(self.limit, recent.save.latency());
        }
        let computing = recent.computing.as_secs_f64() / span_s;
        if computing > BUSY * self.threads as f64 {
            return self.computing();
        }
        let is_fetching = fetching > saving && fetching > computing;
        if fetching > BUSY * self.fetch_limit.now as f64 || is_fetching && self.sums.reading_ended {
            return Holdup::Fetching(fetching, recent.fetch.latency());
        }
        let has_room = counts.in_flight < self.limit.now;
        if self.has_quota && has_room && self.ready > counts.in_flight {
            return Holdup::Quota(recent.save.count as f64 / span_s);
        }
        match left {
            Some(0) => Holdup::Last(counts.in_flight),
            _ if self.ready > self.limit.now => Holdup::Slots(self.limit, recent.save.latency()),
            _ if self.sums.reading_ended => self.computing(),
            _ => Holdup::Source,
        }
    }

    fn computing(&self) -> Holdup {
        match self.may_wait && self.threads > 1 {
            true => Holdup::Computing(self.threads),
            false => Holdup::Cores(self.cores(), self.threads),
        }
    }

    /// How much longer the run takes, if it goes on like this; nothing where that cannot be said.
    ///
    /// What is left to compute and what is left to save and fetch are worked out apart: they overlap or take turns as the
    /// strategy has it.
    pub(crate) fn left(&self, counts: &Counts) -> Option<Duration> {
        let total = counts.total?;
        let recent = self.recent();
        if counts.outage_since.is_some() || recent.computed + recent.finished == 0 {
            return None;
        }
        let finished = counts.saved + counts.dead;
        let saves = total.saturating_sub(finished) as f64;
        let computations = self.left_to_compute(counts)? as f64;
        let fetches = total.saturating_sub(self.before() + self.sums.fetch.records) as f64;
        let limit = self.limit.now as f64;
        let save_s = recent.save.latency().as_secs_f64();
        let compute_s = recent.computing.as_secs_f64() / recent.computed.max(1) as f64;
        let requests = saves / recent.save.bulk();
        let left_s = match self.strategy {
            Strategy::Sequential => {
                computations * compute_s
                    + requests * save_s
                    + if recent.fetch.count > 0 {
                        fetches * recent.fetch.latency().as_secs_f64()
                    } else {
                        0.0
                    }
            }
            Strategy::Batched => {
                let of_batch = self.batch as f64;
                let rounds = (of_batch / recent.save.bulk() / limit).ceil();
                let fetching = match recent.fetch.count {
                    0 => 0.0,
                    _ => recent.fetch.latency().as_secs_f64() * (of_batch / limit).ceil(),
                };
                computations * compute_s + (saves / of_batch).ceil() * (rounds * save_s + fetching)
            }
            Strategy::Async | Strategy::Parallel => {
                let holdup = self.holdup(counts);
                let span_s = recent.at.as_secs_f64();
                let is_io = matches!(
                    holdup,
                    Holdup::Slots(..)
                        | Holdup::Refusals(_)
                        | Holdup::Rate(_)
                        | Holdup::Quota(_)
                        | Holdup::Fetching(..)
                );
                // What limits goes on as it went; what does not could go faster than it did.
                let cpu = match recent.computed > 0 && !is_io && computations > 0.0 {
                    true => computations * span_s / recent.computed as f64,
                    false => computations * compute_s / self.threads as f64,
                };
                // Where slots are what limits, what they can do is known better than what they did, which begins with a wait;
                // unless their number changes, and with it how long an answer takes.
                let as_it_went = match holdup {
                    Holdup::Refusals(_) if recent.finished == 0 => return None,
                    Holdup::Refusals(_) | Holdup::Quota(_) => true,
                    Holdup::Slots(limit, _) => limit.ceiling.is_some() && span_s > SETTLED * save_s,
                    _ => false,
                };
                let io = match as_it_went && recent.finished > 0 {
                    true => saves * span_s / recent.finished as f64,
                    false => requests * save_s / limit,
                };
                let fetch = match recent.fetch.count {
                    0 => 0.0,
                    _ => fetches * recent.fetch.latency().as_secs_f64() / limit,
                };
                let rate = self.rate.map_or(0.0, |rate| requests / rate);
                // The last one computed is still to be saved.
                (cpu + save_s.min(1.0 + cpu)).max(io).max(fetch).max(rate)
            }
        };
        Duration::try_from_secs_f64(left_s).ok()
    }

    fn before(&self) -> u64 {
        self.before.unwrap_or_default()
    }

    fn left_to_compute(&self, counts: &Counts) -> Option<u64> {
        let total = counts.total?;
        Some(total.saturating_sub(self.before() + self.sums.computed))
    }

    /// What was done of late.
    fn recent(&self) -> Sums {
        let now = self.sums.at;
        let span = RECENT_MIN.max(now.mul_f64(RECENT_SHARE));
        let from = now.saturating_sub(span);
        let before = self.past.iter().rev().find(|sums| sums.at <= from);
        self.sums.since(&before.copied().unwrap_or_default())
    }
}

impl Sums {
    fn since(&self, before: &Sums) -> Sums {
        Sums {
            at: self.at.saturating_sub(before.at),
            finished: self.finished.saturating_sub(before.finished),
            rejected: self.rejected.saturating_sub(before.rejected),
            computed: self.computed - before.computed,
            computing: self.computing - before.computing,
            cost: self.cost - before.cost,
            save: self.save.since(&before.save),
            fetch: self.fetch.since(&before.fetch),
            reading_ended: self.reading_ended,
        }
    }
}

impl Requests {
    fn since(&self, before: &Requests) -> Requests {
        Requests {
            count: self.count - before.count,
            records: self.records - before.records,
            busy: self.busy - before.busy,
        }
    }

    fn latency(&self) -> Duration {
        self.busy.div_f64(self.count.max(1) as f64)
    }

    /// Records in one request; one until something is known.
    fn bulk(&self) -> f64 {
        (self.records as f64 / self.count.max(1) as f64).max(1.0)
    }
}

/// One sentence.
impl fmt::Display for Holdup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |time: Duration| quantity::milliseconds(time.as_secs_f64() * 1e3);
        match self {
            Holdup::Start => write!(f, "starting"),
            Holdup::Outage { away, budget } => write!(
                f,
                "waiting for the service, away for {} s; stops after {}; nothing is lost",
                away.as_secs(),
                quantity::about(budget.as_secs_f64())
            ),
            Holdup::Refusals(rate) => write!(
                f,
                "limited by the service: it refuses {rate:.1} requests a second and is obeyed"
            ),
            Holdup::Slots(limit, latency) => write!(
                f,
                "limited by the service: all {} in flight await answers of {}",
                limit.now,
                short(*latency)
            ),
            Holdup::Rate(rate) => write!(f, "limited by the rate that was set, {rate:.0}/s"),
            Holdup::Quota(rate) => write!(
                f,
                "limited by the service's quota, kept by sending {}",
                quantity::rate((rate * 1e6) as u64, 1e6)
            ),
            Holdup::Cores(_, 1) => write!(f, "limited by computing on one thread"),
            Holdup::Computing(threads) => write!(
                f,
                "limited by computing: {} at a time; if they wait, raise --jobs",
                quantity::count(*threads as u64, "item")
            ),
            Holdup::Fetching(in_flight, latency) => write!(
                f,
                "limited by fetching: {in_flight:.1} in flight await answers of {}",
                short(*latency)
            ),
            Holdup::Answers(answers) => {
                write!(
                    f,
                    "waiting for {}",
                    quantity::count(*answers as u64, "answer")
                )
            }
            Holdup::Cores(cores, threads) => {
                write!(
                    f,
                    "limited by computing: {cores:.1} of {threads} cores busy"
                )
            }
            Holdup::Turns(Strategy::Sequential) => {
                write!(f, "limited by waiting for each answer in turn")
            }
            Holdup::Turns(_) => write!(f, "limited by computing and saving in turns"),
            Holdup::Last(0) => write!(f, "waiting for items that are tried again"),
            Holdup::Last(answers) => {
                write!(
                    f,
                    "waiting for the last {}",
                    quantity::count(*answers as u64, "answer")
                )
            }
            Holdup::Source => write!(f, "limited by reading the input"),
        }
    }
}

#[cfg(test)]
mod tests {
    use inflight::limit::{Decision, Learnt};
    use inflight::{Attempt, InFlightLimit};

    use super::*;

    /// A run in virtual time: what happens when.
    struct Simulated {
        options: Options,
        facts: Vec<(Duration, Fact)>,
        random: u64,
    }

    /// Times to compute and to save an item, in milliseconds, give or take a fifth.
    #[derive(Clone, Copy)]
    struct Job {
        items: u64,
        compute_ms: f64,
        save_ms: f64,
    }

    impl Simulated {
        /// A run of this job.
        fn run(job: Job, options: Options) -> Simulated {
            let mut run = Simulated {
                facts: Vec::new(),
                random: 1,
                options: Options { jobs: 2, ..options },
            };
            let batch = match run.options.strategy {
                Strategy::Sequential => 1,
                Strategy::Batched => run.options.batch as u64,
                Strategy::Async | Strategy::Parallel => job.items,
            };
            let mut at = Duration::ZERO;
            for first in (0..job.items).step_by(batch as usize) {
                at = run.batch(first..(first + batch).min(job.items), job, at);
            }
            run.facts.sort_by_key(|(at, _)| *at);
            run
        }

        /// Computes these items from then on, and saves each as soon as the strategy does; says when all is over.
        fn batch(&mut self, items: std::ops::Range<u64>, job: Job, from: Duration) -> Duration {
            let mut threads = vec![from; self.options.compute_threads()];
            let mut ready = Vec::new();
            for index in items {
                let took = self.about(job.compute_ms);
                let thread = threads.iter_mut().min().unwrap();
                let computed = Fact::Computed {
                    first: index,
                    last: index,
                    items: 1,
                    at: *thread,
                    took,
                    cost: took,
                };
                *thread += took;
                self.facts.push((*thread, computed));
                ready.push((*thread, index));
            }
            let computed = *threads.iter().max().unwrap();
            let gap = self
                .options
                .save_quota
                .requests
                .map_or(0.0, |rate| 1.0 / rate);
            let mut slots = vec![from; self.options.in_flight_max()];
            let (mut next_send, mut over) = (from, computed);
            for (ready, index) in ready {
                let slot = slots.iter_mut().min().unwrap();
                let waits_for_all = self.options.strategy == Strategy::Batched;
                let ready = if waits_for_all { computed } else { ready };
                let sent = ready.max(*slot).max(next_send);
                next_send = sent + Duration::from_secs_f64(gap);
                let took = self.about(job.save_ms);
                let mut answered = sent + took;
                if self.options.strategy == Strategy::Async && answered < computed {
                    // The thread computes, and looks up after each item.
                    let looks = self.facts.iter().map(|(at, _)| *at);
                    answered = looks.filter(|at| *at >= answered).min().unwrap_or(answered);
                }
                *slot = answered;
                over = over.max(answered);
                let done = std::iter::once(index).collect();
                let attempt = Attempt {
                    step: Step::Save,
                    at: sent,
                    took: answered - sent,
                    waited: sent - ready,
                    is_again: false,
                    in_flight: 1,
                    records: 1,
                    first: index,
                    done,
                    in_doubt: 0,
                    mark: None,
                    verdict: None,
                };
                self.facts.push((answered, Fact::Attempt(attempt)));
            }
            over
        }

        fn about(&mut self, ms: f64) -> Duration {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let share = (self.random >> 40) as f64 / (1_u64 << 24) as f64;
            Duration::from_secs_f64(ms * (0.8 + 0.4 * share) / 1e3)
        }

        fn in_flight(&self, now: Duration) -> usize {
            let later = self.facts.iter().filter(|(at, _)| *at > now);
            later
                .filter(|(_, fact)| matches!(fact, Fact::Attempt(attempt) if attempt.at <= now))
                .count()
        }

        /// Every 100 ms: the time, and how much longer it was said to take.
        fn said(&self, total: u64) -> Vec<(Duration, Duration)> {
            let tick = Duration::from_millis(100);
            let (mut pace, mut due, mut said) = (Pace::of(&self.options), tick, Vec::new());
            let mut computed = 0;
            let mut counts = Counts {
                total: Some(total),
                ..Counts::default()
            };
            pace.begin(&counts);
            for (at, fact) in &self.facts {
                counts.elapsed = *at;
                counts.saved += u64::from(matches!(fact, Fact::Attempt(_)));
                computed += usize::from(matches!(fact, Fact::Computed { .. }));
                pace.fold(fact);
                if *at >= due {
                    due = *at + tick;
                    counts.in_flight = self.in_flight(*at);
                    pace.fold(&Fact::Beat {
                        at: *at,
                        stall: Duration::ZERO,
                        in_flight: counts.in_flight,
                        ready: computed - counts.in_flight - counts.saved as usize,
                    });
                    pace.tick(&counts);
                    said.extend(pace.left(&counts).map(|left| (*at, left)));
                }
            }
            said
        }
    }

    /// From a fifth of the run on, what is said is right to 15 % of what is left and a fiftieth of the whole.
    #[track_caller]
    fn check(items: u64, compute_ms: f64, save_ms: f64, options: Options) {
        check_as(items, compute_ms, save_ms, options.clone(), options);
    }

    /// The same of a run that knows other options than those it has: a limit that it finds, a quota that it keeps.
    #[track_caller]
    fn check_as(items: u64, compute_ms: f64, save_ms: f64, options: Options, known: Options) {
        let job = Job {
            items,
            compute_ms,
            save_ms,
        };
        let strategy = options.strategy;
        let mut run = Simulated::run(job, options);
        run.options = Options { jobs: 2, ..known };
        let whole_s = run.facts.last().unwrap().0.as_secs_f64();
        let said = run.said(items);
        let mut checked = 0;
        for (at, left) in said {
            let (at_s, left_s) = (at.as_secs_f64(), left.as_secs_f64());
            if at_s < 0.2 * whole_s {
                continue;
            }
            checked += 1;
            let truth_s = whole_s - at_s;
            assert!(
                (left_s - truth_s).abs() <= 0.15 * truth_s + 0.02 * whole_s,
                "{strategy:?}: at {at_s:.2} of {whole_s:.2} s: {left_s:.2} s to go"
            );
        }
        assert!(checked > 10, "{strategy:?}: {checked}");
    }

    fn with(strategy: Strategy) -> Options {
        Options {
            strategy,
            ..Options::default()
        }
    }

    #[test]
    fn a_job_that_computing_limits_ends_when_it_was_said() {
        check(1_000, 10.0, 100.0, with(Strategy::Parallel));
        check(500, 10.0, 100.0, with(Strategy::Async));
        check(100, 40.0, 20.0, with(Strategy::Sequential));
        let batch = 50;
        check(
            500,
            10.0,
            100.0,
            Options {
                batch,
                ..with(Strategy::Batched)
            },
        );
    }

    #[test]
    fn a_job_that_the_service_limits_ends_when_it_was_said() {
        let in_flight = InFlightLimit::Fixed(10);
        for strategy in [Strategy::Parallel, Strategy::Async] {
            let options = Options {
                in_flight,
                ..with(strategy)
            };
            check(500, 1.0, 100.0, options);
        }
        check(100, 1.0, 60.0, with(Strategy::Sequential));
        let found = Options {
            in_flight: InFlightLimit::Auto,
            max_in_flight: 10,
            ..with(Strategy::Parallel)
        };
        check(500, 1.0, 100.0, found);
        let rate = Some(100.0);
        check(
            500,
            1.0,
            20.0,
            Options {
                save_quota: inflight::Quota {
                    requests: rate,
                    ..Default::default()
                },
                ..with(Strategy::Parallel)
            },
        );
        // A quota that an earlier run has found is kept as if it had been set.
        let learnt = Learnt {
            limit: 64.0,
            latency: Duration::from_millis(20),
            goodput: None,
            rate,
            is_rising: false,
            bulk: None,
            records: 1.0,
        };
        let remembers = Options {
            in_flight: InFlightLimit::Auto,
            learnt_save: Some(learnt),
            ..with(Strategy::Parallel)
        };
        let paced = Options {
            save_quota: inflight::Quota {
                requests: rate,
                ..Default::default()
            },
            ..with(Strategy::Parallel)
        };
        check_as(500, 1.0, 20.0, paced, remembers);
    }

    #[test]
    fn what_was_sent_before_the_limit_was_lowered_does_not_raise_it() {
        let mut pace = Pace::of(&Options {
            in_flight: InFlightLimit::Auto,
            ..Options::default()
        });
        let after = |pace: &mut Pace, in_flight| {
            pace.tick(&Counts {
                in_flight,
                ..Counts::default()
            });
            pace.limit.now
        };
        assert_eq!(after(&mut pace, 19), 19, "doubling is no decision");
        pace.fold(&Fact::Limit {
            step: Step::Save,
            at: Duration::ZERO,
            decision: Decision {
                from: 19.0,
                to: 10.0,
                reason: Reason::Refused,
            },
        });
        assert_eq!(after(&mut pace, 18), 10, "they are still on their way");
        assert_eq!(after(&mut pace, 9), 10);
        assert_eq!(after(&mut pace, 12), 12, "these were allowed since");
    }

    #[test]
    fn a_job_of_both_ends_when_it_was_said() {
        let in_flight = InFlightLimit::Fixed(25);
        check(
            1_000,
            8.0,
            100.0,
            Options {
                in_flight,
                ..with(Strategy::Parallel)
            },
        );
        check(100, 30.0, 30.0, with(Strategy::Sequential));
        let (in_flight, batch) = (InFlightLimit::Fixed(10), 20);
        let options = Options {
            in_flight,
            batch,
            ..with(Strategy::Batched)
        };
        check(400, 5.0, 50.0, options);
    }

    #[test]
    fn what_is_awaited_at_the_end_is_no_start_and_fetching_is_no_computing() {
        let mut pace = Pace::of(&Options::default());
        let mut counts = Counts {
            total: Some(240),
            ..Counts::default()
        };
        pace.begin(&counts);
        let computed = |items: u32| Fact::Computed {
            first: 0,
            last: 0,
            items,
            at: Duration::ZERO,
            took: Duration::from_millis(10),
            cost: Duration::from_millis(10),
        };
        pace.fold(&computed(240));
        (counts.saved, counts.elapsed) = (239, Duration::from_secs(2));
        pace.tick(&counts);
        (counts.elapsed, counts.in_flight) = (Duration::from_secs(20), 1);
        for second in 3..40 {
            counts.elapsed = Duration::from_secs(second);
            pace.tick(&counts);
        }
        assert_eq!(
            pace.holdup(&counts).to_string(),
            "waiting for the last 1 answer"
        );

        let mut pace = Pace::of(&Options::default());
        counts.saved = 0;
        pace.begin(&counts);
        pace.fold(&Fact::InputEnded {
            left: Some(0),
            reading: Duration::ZERO,
        });
        pace.fold(&computed(8));
        for _ in 0..8 {
            pace.fold(&Fact::Attempt(Attempt {
                step: Step::Fetch,
                at: Duration::ZERO,
                took: Duration::from_secs(1),
                waited: Duration::ZERO,
                is_again: false,
                in_flight: 8,
                records: 1,
                first: 0,
                done: std::iter::once(0).collect(),
                in_doubt: 0,
                mark: None,
                verdict: None,
            }));
        }
        (counts.saved, counts.elapsed) = (8, Duration::from_secs(1));
        pace.tick(&counts);
        assert_eq!(
            pace.holdup(&counts).to_string(),
            "limited by fetching: 8.0 in flight await answers of 1.00 s"
        );
    }
}
