//! Where a run stands and what holds it up now: pure, from facts; how much longer it takes, computing and I/O apart.
//!
//! The engine's summary says what limited a whole run. This says what limits it now, from the last stretch of it only.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use inflight::{Counts, Fact, InFlightLimit, Options, Step, Strategy};

use crate::quantity;

/// Stretches that are remembered; when there are more, every other one is forgotten.
const PAST_MAX: usize = 64;

/// How much of a run so far is "now": long enough to be steady, short enough to follow a change.
const RECENT_SHARE: f64 = 0.5;

/// "Now" is never shorter: a save takes that long.
const RECENT_MIN: Duration = Duration::from_secs(1);

/// A resource that is used this much is what limits.
const BUSY: f64 = 0.85;

/// How many requests may be in flight, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) now: usize,
    /// The user's bound, where the limit itself is found and not given.
    pub(crate) ceiling: Option<usize>,
}

impl Limit {
    /// The one that a run begins with.
    fn of(options: &Options) -> Limit {
        match options.in_flight {
            InFlightLimit::Fixed(now) => Limit { now, ceiling: None },
            // The first decision says what it is; until then it is at least what is in flight.
            InFlightLimit::Auto => Limit {
                now: 1,
                ceiling: Some(options.max_in_flight),
            },
        }
    }
}

/// `100`, or `40 auto, ceiling 200`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ceiling {
            None => self.now.fmt(f),
            Some(ceiling) => write!(f, "{} auto, ceiling {ceiling}", self.now),
        }
    }
}

/// A run on its way.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    strategy: Strategy,
    /// Threads that compute.
    threads: usize,
    batch: usize,
    rate: Option<f64>,
    outage_budget: Duration,
    first_contact: Duration,
    pub(crate) limit: Limit,
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
    /// So many cores of so many threads.
    Cores(f64, usize),
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
            rate: options.rate,
            outage_budget: options.outage_budget,
            first_contact: options.first_contact,
            limit: Limit::of(options),
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
                step: Step::Save,
                decision,
                ..
            } => self.limit.now = (decision.to.round() as usize).max(1),
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
        if self.limit.ceiling.is_some() {
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
        recent.cost.as_secs_f64() / recent.at.as_secs_f64().max(1e-9)
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
        if span_s < 0.2 || recent.computed + recent.finished == 0 {
            return Holdup::Start;
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
        let busy_slots = recent.save.busy.max(recent.fetch.busy).as_secs_f64() / span_s;
        if busy_slots > BUSY * self.limit.now as f64 {
            let requests = match recent.fetch.busy > recent.save.busy {
                true => recent.fetch,
                false => recent.save,
            };
            return Holdup::Slots(self.limit, requests.latency());
        }
        if recent.computing.as_secs_f64() > BUSY * span_s * self.threads as f64 {
            return Holdup::Cores(self.cores(), self.threads);
        }
        match left {
            Some(0) => Holdup::Last(counts.in_flight),
            _ if self.ready > self.limit.now => Holdup::Slots(self.limit, recent.save.latency()),
            _ if self.sums.reading_ended => Holdup::Cores(self.cores(), self.threads),
            _ => Holdup::Source,
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
                    Holdup::Slots(..) | Holdup::Refusals(_) | Holdup::Rate(_)
                );
                // What limits goes on as it went; what does not could go faster than it did.
                let cpu = match recent.computed > 0 && !is_io && computations > 0.0 {
                    true => computations * span_s / recent.computed as f64,
                    false => computations * compute_s / self.threads as f64,
                };
                // Where slots are what limits, what they can do is known better than what they did: that begins with a wait.
                let is_refused = matches!(holdup, Holdup::Refusals(_));
                let io = match is_refused && recent.finished > 0 {
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
            Holdup::Cores(_, 1) => write!(f, "limited by computing on one thread"),
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
    use std::sync::{Arc, Mutex};

    use inflight::{ComputeClock, Job, Summary};

    use super::*;

    /// What was said during a run of how much longer it would take: the time, and that.
    type Said = Vec<(f64, f64)>;

    /// Runs items that take this long to compute and to save, and listens.
    fn run(items: u64, compute_ms: u64, save_ms: u64, options: Options) -> (Summary, Said) {
        let options = Options {
            jobs: 2,
            compute_clock: ComputeClock::Elapsed,
            ..options
        };
        let said = Arc::new(Mutex::new(Said::new()));
        let (mut pace, says, mut due) = (Pace::of(&options), Arc::clone(&said), Duration::ZERO);
        let summary = Job::new(0..items)
            .compute(move |item: u64| {
                std::thread::sleep(Duration::from_millis(compute_ms));
                item
            })
            .save(move |_: &u64| async move {
                tokio::time::sleep(Duration::from_millis(save_ms)).await;
                Ok::<(), inflight::Fault>(())
            })
            .observed_by(move |fact: &Fact, counts: &Counts| {
                pace.fold(fact);
                if counts.elapsed >= due {
                    due = counts.elapsed + Duration::from_millis(50);
                    pace.tick(counts);
                    if let Some(left) = pace.left(counts) {
                        let now_s = counts.elapsed.as_secs_f64();
                        says.lock().unwrap().push((now_s, left.as_secs_f64()));
                    }
                }
            })
            .run(&options)
            .unwrap();
        let said = said.lock().unwrap().clone();
        (summary, said)
    }

    /// From a fifth of the run on, what was said is right to 15 % of what was left, and a twentieth of the whole.
    #[track_caller]
    fn check(name: &str, (summary, said): (Summary, Said)) {
        let whole_s = summary.elapsed_s;
        let late: Vec<_> = said
            .iter()
            .filter(|(at_s, _)| *at_s > 0.2 * whole_s)
            .collect();
        assert!(late.len() > 10, "{name}: {said:?}");
        for (at_s, left_s) in late {
            let truth_s = whole_s - at_s;
            let off_s = (left_s - truth_s).abs();
            assert!(
                off_s <= 0.15 * truth_s + 0.05 * whole_s,
                "{name}: at {at_s:.2} of {whole_s:.2} s: {left_s:.2} s to go"
            );
        }
    }

    #[test]
    fn a_job_that_computing_limits_ends_when_it_was_said() {
        check("parallel", run(400, 10, 20, Options::default()));
        let strategy = Strategy::Async;
        check(
            "async",
            run(
                200,
                10,
                20,
                Options {
                    strategy,
                    ..Options::default()
                },
            ),
        );
    }

    #[test]
    fn a_job_that_the_service_limits_ends_when_it_was_said() {
        let in_flight = 10;
        check(
            "parallel",
            run(
                200,
                1,
                100,
                Options {
                    in_flight,
                    ..Options::default()
                },
            ),
        );
        check(
            "rate",
            run(
                200,
                1,
                10,
                Options {
                    rate: Some(100.0),
                    ..Options::default()
                },
            ),
        );
    }

    #[test]
    fn a_job_of_both_ends_when_it_was_said() {
        let in_flight = 25;
        check(
            "parallel",
            run(
                500,
                8,
                100,
                Options {
                    in_flight,
                    ..Options::default()
                },
            ),
        );
        let strategy = Strategy::Sequential;
        check(
            "sequential",
            run(
                60,
                15,
                20,
                Options {
                    strategy,
                    ..Options::default()
                },
            ),
        );
        let (strategy, batch) = (Strategy::Batched, 20);
        check(
            "batched",
            run(
                200,
                5,
                50,
                Options {
                    strategy,
                    batch,
                    ..Options::default()
                },
            ),
        );
    }
}
