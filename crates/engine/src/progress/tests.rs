//! What is said of a run's end, held against runs that are played in virtual time.

use std::time::Duration;

use crate::fact::{Attempt, Fact, Step};
use crate::limit::Learnt;
use crate::load::{Load, StageLoad};
use crate::options::{InFlightLimit, Options, Strategy};
use crate::tally::Tally;

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
                units: 0.0,
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
        let mut tally = Tally::new(&self.options, Some(total), (0, 0));
        let (mut due, mut said) = (tick, Vec::new());
        for (at, fact) in &self.facts {
            while *at >= due {
                let save = StageLoad {
                    in_flight: self.in_flight(due),
                    ..StageLoad::default()
                };
                let load = Load {
                    save,
                    ..Load::default()
                };
                let stall = Duration::ZERO;
                let at = due;
                tally.fold(&Fact::Beat { at, stall, load });
                said.extend(tally.counts().pace.left.map(|left| (due, left)));
                due += tick;
            }
            tally.fold(fact);
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
            save_quota: crate::quota::Quota {
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
        save_quota: crate::quota::Quota {
            requests: rate,
            ..Default::default()
        },
        ..with(Strategy::Parallel)
    };
    check_as(500, 1.0, 20.0, paced, remembers);
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
