//! Jobs with a bottleneck that is known, and what must be said of each.

mod alone;

use std::time::Duration;

use super::staged::{MS, Played, S, Staged};
use crate::bottleneck::Bottleneck;
use crate::cores::Machine;
use crate::diagnosis::failed_share;
use crate::fact::{Attempt, Fact, Step};
use crate::load::Load;
use crate::options::{ComputeClock, InFlightLimit, Options, Strategy};
use crate::quota::Quota;
use crate::score::{Known, Setting, score};
use crate::service::Declared;
use crate::summary::{Ending, Summary};
use crate::tally::Tally;
use alone::alone;

/// A bound is no bound where a run beats it by more than this.
const BEATEN: f64 = 1.05;

/// A figure that is checked too: its name, where it stands, and the least and the most that it may be.
type Figure = (&'static str, fn(&Summary) -> f64, f64, f64);

/// What is staged, and what must be said.
pub(super) struct Situation {
    pub(super) name: &'static str,
    job: Job,
    /// One of these limits.
    limits: &'static [Bottleneck],
    /// Each of these is in the sentence.
    says: &'static [&'static str],
    /// A figure that is known, its name, and how far it may be off.
    figure: Option<Figure>,
    /// Whether chance has a part in it.
    pub(super) has_chance: bool,
    /// Whether it is quick enough for every test run.
    pub(super) is_quick: bool,
}

enum Job {
    Played(Box<dyn Fn() -> Staged>),
    Told(fn() -> Summary),
}

/// What a run said of itself, and what is wrong with that.
pub(super) struct Heard {
    pub(super) sentence: String,
    pub(super) wrong: Option<String>,
}

impl Situation {
    /// Plays it.
    pub(super) fn play(&self, seed: u64) -> Heard {
        let summary = match &self.job {
            Job::Played(staged) => staged().play(seed),
            Job::Told(told) => told(),
        };
        let mut wrong = Vec::new();
        if !self.limits.contains(&summary.bottleneck) {
            wrong.push(format!(
                "limited by {}, not {:?}",
                summary.bottleneck.name(),
                self.limits
            ));
        }
        for words in self
            .says
            .iter()
            .filter(|words| !summary.sentence.contains(**words))
        {
            wrong.push(format!("does not say {words:?}"));
        }
        if let Some((name, figure, expected, off)) = self.figure {
            let figure = figure(&summary);
            if (figure / expected - 1.0).abs() > off {
                wrong.push(format!("{name} is {figure:.2}, not {expected}"));
            }
        }
        if summary.attainment > BEATEN {
            wrong.push(format!("{:.0} % of the limit", 100.0 * summary.attainment));
        }
        let limited: f64 = summary.limited_s.values().sum();
        if limited > 1.02 * summary.elapsed_s {
            wrong.push(format!(
                "{limited:.1} of {:.1} s are accounted for",
                summary.elapsed_s
            ));
        }
        Heard {
            wrong: (!wrong.is_empty()).then(|| {
                let seconds: Vec<_> = summary
                    .limited_s
                    .iter()
                    .map(|(by, s)| format!("{} {s:.2}", by.name()))
                    .collect();
                format!(
                    "{}; {:.2} s, of which {}; terms {:?}",
                    wrong.join("; "),
                    summary.elapsed_s,
                    seconds.join(", "),
                    summary.terms
                )
            }),
            sentence: summary.sentence,
        }
    }
}

fn played(
    name: &'static str,
    limits: &'static [Bottleneck],
    says: &'static [&'static str],
    change: impl Fn(&mut Staged) + 'static,
) -> Situation {
    let staged = move || {
        let mut staged = Staged::default();
        change(&mut staged);
        staged
    };
    let sample = staged();
    let services = sample.fetch.iter().chain([&sample.save]);
    let has_chance = services
        .into_iter()
        .any(|played| played.spread > 0.0 || played.fails > 0.0);
    Situation {
        name,
        job: Job::Played(Box::new(staged)),
        limits,
        says,
        figure: None,
        has_chance,
        is_quick: sample.items <= 3000,
    }
}

impl Situation {
    /// The same with a figure that must be near what is known.
    fn with(
        self,
        name: &'static str,
        figure: fn(&Summary) -> f64,
        expected: f64,
        off: f64,
    ) -> Situation {
        let figure = Some((name, figure, expected, off));
        Situation { figure, ..self }
    }

    /// The same of a run that comes near its limit.
    fn near(self) -> Situation {
        self.with(
            "the share of the limit",
            |summary| summary.attainment,
            0.95,
            0.1,
        )
    }

    /// The same of one that finds a quota of so many requests a second.
    fn finds(self, rate: f64) -> Situation {
        let found = |summary: &Summary| summary.quota.map_or(0.0, |quota| quota.per_second);
        self.with("the quota", found, rate, 0.1)
    }
}

fn told(
    name: &'static str,
    limits: &'static [Bottleneck],
    says: &'static [&'static str],
    told: fn() -> Summary,
) -> Situation {
    Situation {
        name,
        job: Job::Told(told),
        limits,
        says,
        figure: None,
        has_chance: false,
        is_quick: true,
    }
}

/// Latencies that vary as over a network.
const NOISE: f64 = 0.5;

fn fixed(staged: &mut Staged, limit: usize) {
    staged.options.in_flight = InFlightLimit::Fixed(limit);
}

fn full(capacity: usize, spread: f64) -> Played {
    Played {
        latency: 100 * MS,
        spread,
        capacity,
        ..Played::default()
    }
}

fn requests(rate: f64) -> Quota {
    Quota {
        requests: Some(rate),
        units: None,
    }
}

/// All of them.
pub(super) fn all() -> Vec<Situation> {
    let mut all = alone();
    all.extend(pairs());
    all.extend(strategies());
    all.extend(by_facts());
    all
}

/// Two that are close: either may be named, and the other as the next.
fn pairs() -> Vec<Situation> {
    use Bottleneck::*;
    vec![
        played("cpu and service", &[Cpu, Service], &["limited by"], |job| {
            (job.items, job.compute, job.save) = (10_000, 10 * MS, full(21, 0.0));
        }),
        played("cpu and own -c", &[Cpu, InFlight], &["next comes"], |job| {
            fixed(job, 20);
            (job.compute, job.save) = (10 * MS, full(1000, 0.0));
        }),
        played("cpu and own quota", &[Cpu, Quota], &["next comes"], |job| {
            (job.compute, job.options.save_quota) = (10 * MS, requests(205.0));
        }),
        played(
            "fetch and save",
            &[Fetch, InFlight],
            &["limited by"],
            |job| {
                fixed(job, 10);
                (job.fetch, job.save) = (Some(full(1000, 0.0)), full(1000, 0.0));
            },
        ),
        played("source and cpu", &[Source, Cpu], &["limited by"], |job| {
            (job.read, job.compute) = (7 * MS, 14 * MS);
        }),
        played(
            "own quota and own -c",
            &[Quota, InFlight],
            &["next comes"],
            |job| {
                fixed(job, 10);
                (job.save, job.options.save_quota) = (full(1000, 0.0), requests(98.0));
            },
        ),
    ]
}

fn strategies() -> Vec<Situation> {
    use Bottleneck::*;
    vec![
        played(
            "sequential",
            &[Turns],
            &["waiting for each answer in turn"],
            |job| {
                (job.options.strategy, job.items) = (Strategy::Sequential, 200);
                job.save = full(1000, 0.0);
            },
        ),
        played(
            "sequential with a fetch, noisy",
            &[Turns],
            &["waiting for each answer in turn"],
            |job| {
                (job.options.strategy, job.items) = (Strategy::Sequential, 200);
                (job.fetch, job.save) = (Some(full(1000, NOISE)), full(1000, NOISE));
            },
        ),
        played(
            "batched",
            &[Turns],
            &["computing and saving in turns"],
            |job| {
                (job.options.strategy, job.options.batch) = (Strategy::Batched, 50);
                fixed(job, 100);
                job.save = full(1000, 0.0);
            },
        ),
        played(
            "async with -c 10",
            &[InFlight],
            &["10 requests in flight"],
            |job| {
                job.options.strategy = Strategy::Async;
                fixed(job, 10);
                job.save = full(1000, 0.0);
            },
        ),
        played(
            "saves in bulks with -c 4",
            &[InFlight],
            &["4 requests in flight"],
            |job| {
                fixed(job, 4);
                job.save = full(1000, 0.0);
                job.save.bulk = 10;
            },
        ),
    ]
}

/// What depends on the machine, told by facts.
fn by_facts() -> Vec<Situation> {
    use Bottleneck::*;
    vec![
        told(
            "other programs take the cores",
            &[OtherPrograms],
            &["34 % of the limit", "1.1 of 2 cores"],
            || {
                // By CPU time 0.68 of two cores.
                computed(ComputeClock::Cpu, MS * 330, 0.7, 1.1)
            },
        ),
        told(
            "workers that wait",
            &[Workers],
            &["2 computations at a time, which wait", "raise --jobs"],
            || computed(ComputeClock::Elapsed, S, 0.02, 0.1),
        ),
        told(
            "workers that wait on a busy machine",
            &[Workers],
            &["raise --jobs"],
            || computed(ComputeClock::Elapsed, S, 0.02, 1.9),
        ),
        told(
            "workers that compute",
            &[Cpu],
            &["computing on 2 cores"],
            || computed(ComputeClock::Elapsed, S, 1.95, 0.0),
        ),
        told(
            "computing with others beside",
            &[Cpu],
            &["computing on 2 cores"],
            || computed(ComputeClock::Cpu, MS * 960, 1.95, 0.05),
        ),
    ]
}

/// A run of 100 s on two threads that compute for a second each time, which costs `cost`, and of which `cores` were busy,
/// beside `others` of other programs.
fn computed(clock: ComputeClock, cost: Duration, cores: f64, others: f64) -> Summary {
    let options = Options {
        jobs: 2,
        compute_clock: clock,
        ..Options::default()
    };
    let mut tally = Tally::new(&options, Some(200), (0, 0));
    tally.fold(&Fact::Read { items: 200 });
    for n in 0..200 {
        let at = S * (n / 2) as u32;
        tally.fold(&Fact::Computed {
            first: n,
            last: n,
            items: 1,
            at,
            took: S,
            cost,
        });
        let load = Load {
            to_compute: 5,
            ..Load::default()
        };
        let stall = Duration::ZERO;
        tally.fold(&Fact::Beat { at, stall, load });
        tally.fold(&Fact::Attempt(Attempt {
            step: Step::Save,
            at: at + S,
            took: MS,
            waited: Duration::ZERO,
            is_again: false,
            in_flight: 1,
            records: 1,
            first: n,
            done: std::iter::once(n).collect(),
            mark: None,
            in_doubt: 0,
            units: 0.0,
            verdict: None,
        }));
    }
    tally.fold(&Fact::ThreadEnded {
        cpu: Duration::from_secs_f64(100.0 * cores),
    });
    score(
        &tally,
        Setting {
            options: &options,
            elapsed: 101 * S,
            machine: Machine {
                cores: 2,
                others: Some(others),
            },
            ending: Ending::Complete,
            fetch: None,
            save: Known {
                limit: 100,
                limit_final: 100,
                learnt: None,
                connections_max: None,
                declared: Declared::default(),
            },
        },
    )
}

#[test]
fn what_a_run_says_of_itself_is_right() {
    let mut wrong = Vec::new();
    for situation in all().iter().filter(|situation| situation.is_quick) {
        if let Some(what) = situation.play(1).wrong {
            wrong.push(format!("{}: {what}", situation.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "takes a minute; `cargo xtask insight` does it"]
fn every_situation_is_told_rightly_with_every_seed() {
    let all = all();
    assert!(all.len() >= 40);
    let rows: Vec<_> = all.iter().map(super::table::row).collect();
    super::table::write_situations(&rows);
    let wrong: Vec<_> = rows.into_iter().filter_map(|row| row.wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
