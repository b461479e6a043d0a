//! What a seed stands for: a job, how its services behave, which of its items are bad, and when the machine stops.

use std::time::Duration;

use crate::options::{InFlightLimit, Options, Strategy};

pub(super) const MS: Duration = Duration::from_millis(1);

/// All that is decided before the first life begins.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) items: u64,
    pub(super) has_fetch: bool,
    /// What an item, what was fetched and a result hold, in bytes: so few fit into a queue that it is full at times.
    pub(super) is_large: bool,
    /// Records that one save request takes.
    pub(super) bulk_max: usize,
    /// Where the results go.
    pub(super) sink: Sink,
    /// Whether the answers of a service that stores are kept in a file.
    pub(super) keeps_answers: bool,
    pub(super) source: Reading,
    /// Whether items are known by keys, and the input is another in each life.
    pub(super) keys: Option<Keys>,
    /// Whether items of one value go one after the other.
    pub(super) order: Option<Order>,
    pub(super) fetch: Weather,
    pub(super) save: Weather,
    /// What is bad about an item, one by one.
    pub(super) fates: Vec<Fate>,
    /// A bad record fails its bulk as a whole.
    pub(super) fails_as_a_whole: bool,
    /// Answers that may be ahead of the journal: fewer than in earnest, so that small jobs come up against it.
    pub(super) unrecorded_max: u64,
    /// The recorder looks for facts at least this often.
    pub(super) lag_max: Duration,
    /// What a worker of `parallel` takes for an item.
    pub(super) compute: Duration,
    /// Whether each thread keeps something to compute with, which may break: the share of computations at which it does so by
    /// accident, at most once for an item.
    pub(super) accidents: Option<f64>,
    /// How each life but the last ends, if nothing else ends it before.
    pub(super) ends: Vec<End>,
}

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    /// A service that stores what comes, as often as it comes.
    Append,
    /// A file that is cut at the mark in the journal before a run goes on.
    File,
}

/// How the source reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) knows_length: bool,
    pub(super) has_places: bool,
    /// Items in one read, at most.
    pub(super) at_once: usize,
}

/// How items are known by keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Different,
    /// All of them begin with the same bits.
    Alike,
}

/// How items of one value go one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// How many values there are.
    pub(super) values: u64,
    /// Whether a dead item halts its value.
    pub(super) halts: bool,
}

/// What is bad about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    Unreadable,
    /// The service that fetches says 404.
    NotFound,
    /// Computing fails, or panics.
    Uncomputable,
    ComputePanics,
    /// It breaks whoever computes it.
    Breaks,
    /// The service that saves says 400.
    Refused,
    /// The client that saves panics.
    SavePanics,
    /// The service that saves says 500, always.
    Poison,
}

/// How a service behaves: shares of requests, and times.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    pub(super) latency: Duration,
    pub(super) fails: f64,
    pub(super) refuses: f64,
    /// Refuses, and says how long to stay away.
    pub(super) refuses_until: f64,
    pub(super) cuts_before: f64,
    pub(super) cuts_after: f64,
    pub(super) stalls_before: f64,
    pub(super) stalls_after: f64,
    pub(super) miscounts: f64,
    pub(super) takes_some: f64,
    /// Of connections that are opened.
    pub(super) refuses_connections: f64,
    /// Connections that are dead when they are used again.
    pub(super) closes_idle: f64,
    /// In every life: from when, and for how long nobody is there.
    pub(super) away: Option<(Duration, Duration)>,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The program is killed.
    Crash(Moment),
    /// The machine loses its power.
    PowerLoss(Moment),
    /// It is told to stop, once.
    Drain(Duration),
    /// Twice.
    Abort(Duration),
    /// A call fails.
    Fails(Fails),
    /// By itself.
    None,
}

/// Which call fails, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    /// This one of a disk, and all that follow.
    Disk(Disk, u64),
    /// This read.
    Read(u64),
    /// This save is cut after it took effect; that ends no life.
    Save(u64),
}

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    Journal,
    Letters,
    Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Duration),
    /// In the middle of what the machine does to the world, counted from 1.
    Effect(u64),
}

/// All faults of the last life are over by then.
pub(super) const CALM_AT: Duration = Duration::from_secs(4);

impl Scenario {
    /// The scenario of a seed.
    pub(super) fn of(seed: u64, strategy: Strategy) -> Scenario {
        let mut random = fastrand::Rng::with_seed(seed);
        let sink = match random.u8(0..6) {
            0 => Sink::File,
            _ => Sink::Append,
        };
        let items = match random.u8(0..10) {
            0 => random.u64(0..3),
            1 => random.u64(100..300),
            _ => random.u64(3..80),
        };
        let has_fetch = random.bool();
        Scenario {
            seed,
            options: options(strategy, &mut random),
            items,
            has_fetch,
            is_large: random.bool(),
            bulk_max: random.usize(1..=8),
            sink,
            keeps_answers: random.bool(),
            source: Reading {
                knows_length: random.bool(),
                has_places: random.bool(),
                at_once: random.usize(1..20),
            },
            fetch: Weather::random(&mut random),
            save: match sink {
                Sink::Append => Weather::random(&mut random),
                Sink::File => Weather::calm(&mut random),
            },
            fates: fates(items, has_fetch, sink, &mut random),
            keys: None,
            order: None,
            accidents: None,
            fails_as_a_whole: random.bool(),
            unrecorded_max: random.u64(1..20),
            lag_max: MS * [4, 10, 40][random.usize(0..3)],
            compute: MS.mul_f64(4.0 * random.f64()),
            ends: ends(&mut random),
        }
        .with_workers()
        .with_keys()
        .with_order()
    }

    /// Lets items of one value go one after the other, in one of six scenarios.
    fn with_order(mut self) -> Scenario {
        let is_ordered = match self.seed % 16 {
            3 => true,
            1 | 5 | 9 | 13 => (self.seed / 16).is_multiple_of(2),
            _ => false,
        };
        if is_ordered {
            let mut random = fastrand::Rng::with_seed(self.seed ^ 0x0DE2);
            let halts = self.keys == Some(Keys::Alike);
            let values = random.u64(1..=8);
            // What goes too early is seen when a crash comes between it and the write of the journal.
            self.lag_max = 4 * MS;
            let crash = |_| End::Crash(Moment::Effect(random.u64(5..150)));
            self.ends.extend((0..4).map(crash));
            self.order = Some(Order { values, halts });
            self.options.keep_order = false;
            self.options.order_bytes = 64 << 10;
        }
        self
    }

    /// Knows items by keys, in one of eight scenarios.
    fn with_keys(mut self) -> Scenario {
        self.keys = match self.seed % 16 {
            5 => Some(Keys::Different),
            13 => Some(Keys::Alike),
            _ => None,
        };
        self
    }

    /// Lets something that may break compute, in one of sixteen scenarios. Draws from a source of its own, so that the rest of a
    /// seed stays what it was.
    fn with_workers(mut self) -> Scenario {
        if self.seed % 16 != 1 {
            return self;
        }
        let mut random = fastrand::Rng::with_seed(self.seed ^ 0x5EED);
        self.accidents = Some([0.0, 0.02, 0.2][random.usize(0..3)]);
        // So few that others can be computed between them, for that is what blames them.
        let breaking = match self.items {
            0..10 => 0,
            _ => random.usize(0..4),
        };
        for _ in 0..breaking {
            let fate = &mut self.fates[random.usize(0..self.items as usize)];
            if *fate == Fate::Good {
                *fate = Fate::Breaks;
            }
        }
        self
    }

    /// A job without faults, but for one item that computing panics at, and one that the service refuses.
    pub(super) fn plain(seed: u64, strategy: Strategy, items: u64) -> Scenario {
        let mut scenario = Scenario::of(seed, strategy);
        scenario.items = items;
        (scenario.sink, scenario.has_fetch) = (Sink::Append, seed % 2 == 1);
        scenario.fetch = Weather::default();
        scenario.save = Weather {
            latency: 2 * MS,
            ..Weather::default()
        };
        (scenario.accidents, scenario.keys, scenario.order) = (None, None, None);
        scenario.fates = vec![Fate::Good; items as usize];
        scenario.fates[items as usize / 3] = Fate::ComputePanics;
        scenario.fates[items as usize / 2] = Fate::Refused;
        scenario.options.first_contact = Options::default().first_contact;
        scenario.ends.clear();
        scenario
    }

    /// Whether a service that is away at first ends a run soon.
    pub(super) fn is_impatient(&self) -> bool {
        self.options.first_contact < Duration::from_secs(1)
    }

    /// Whether results, or answers, are kept in a file.
    pub(super) fn has_file(&self) -> bool {
        self.sink == Sink::File || self.keeps_answers
    }

    /// Requests that may be in flight at the sink.
    pub(super) fn saves_max(&self) -> usize {
        match self.sink {
            Sink::Append => self.options.in_flight_max(),
            Sink::File => 1,
        }
    }

    /// Records that may be in flight at the sink.
    pub(super) fn saving_max(&self) -> u64 {
        let bulk = self.options.bulk.unwrap_or(usize::MAX).min(self.bulk_max);
        (bulk * self.saves_max()) as u64
    }
}

fn options(strategy: Strategy, random: &mut fastrand::Rng) -> Options {
    Options {
        strategy,
        jobs: random.usize(1..=3),
        in_flight: match random.u8(0..6) {
            0 => InFlightLimit::Auto,
            _ => InFlightLimit::Fixed(random.usize(1..=8)),
        },
        max_in_flight: random.usize(1..=20),
        batch: random.usize(1..=12),
        bulk: random.bool().then(|| random.usize(1..=8)),
        yield_every: [Some(Duration::ZERO), Some(MS), None][random.usize(0..3)],
        save_quota: crate::Quota {
            requests: (random.u8(0..5) == 0).then(|| 50.0 + 500.0 * random.f64()),
            ..crate::Quota::default()
        },
        retries: random.u16(1..=4),
        backoff: MS * random.u32(2..40),
        backoff_max: 300 * MS,
        connect_timeout: 80 * MS,
        timeout: 120 * MS,
        drain: 300 * MS,
        first_contact: match random.u8(0..5) {
            0 => 500 * MS,
            _ => Options::default().first_contact,
        },
        queue_bytes: 64 << 10,
        keep_order: random.u8(0..4) == 0,
        ..Options::default()
    }
}

fn fates(items: u64, has_fetch: bool, sink: Sink, random: &mut fastrand::Rng) -> Vec<Fate> {
    let share = [0.0, 0.0, 0.02, 0.15][random.usize(0..4)];
    let mut kinds = vec![Fate::Unreadable, Fate::Uncomputable, Fate::ComputePanics];
    if has_fetch {
        kinds.push(Fate::NotFound);
    }
    if sink == Sink::Append {
        kinds.extend([Fate::Refused, Fate::SavePanics]);
    }
    let mut fates: Vec<Fate> = (0..items)
        .map(|_| match random.f64() < share {
            true => kinds[random.usize(0..kinds.len())],
            false => Fate::Good,
        })
        .collect();
    if items > 0 && sink == Sink::Append && random.u8(0..4) == 0 {
        for _ in 0..random.u64(1..=items.div_ceil(4)) {
            fates[random.usize(0..items as usize)] = Fate::Poison;
        }
    }
    fates
}

fn ends(random: &mut fastrand::Rng) -> Vec<End> {
    let lives = random.usize(0..6);
    (0..lives)
        .map(|_| {
            // Early ones hit a beginning, late ones an end.
            let at = MS.mul_f64(2000.0 * random.f64() * random.f64());
            let moment = match random.bool() {
                true => Moment::At(at),
                false => Moment::Effect(random.u64(1..300)),
            };
            match random.u8(0..14) {
                12 | 13 => End::None,
                0 => End::Drain(at),
                1 => End::Abort(at),
                2 => End::Fails(Fails::Disk(Disk::Journal, random.u64(1..40))),
                3 => End::Fails(Fails::Disk(Disk::Letters, random.u64(1..5))),
                4..=7 => End::PowerLoss(moment),
                _ => End::Crash(moment),
            }
        })
        .collect()
}

impl Weather {
    fn calm(random: &mut fastrand::Rng) -> Weather {
        Weather {
            latency: MS * random.u32(0..16).saturating_sub(3),
            ..Weather::default()
        }
    }

    fn random(random: &mut fastrand::Rng) -> Weather {
        let mut share = || match random.u8(0..4) {
            0 => 0.12 * random.f64(),
            _ => 0.0,
        };
        let mut weather = Weather {
            fails: share(),
            refuses: share(),
            refuses_until: share(),
            cuts_before: share(),
            cuts_after: share(),
            stalls_before: share() / 2.0,
            stalls_after: share() / 2.0,
            miscounts: share(),
            takes_some: 2.0 * share(),
            refuses_connections: share() / 4.0,
            closes_idle: share(),
            ..Weather::calm(&mut fastrand::Rng::with_seed(0))
        };
        weather.latency = Weather::calm(random).latency;
        if random.u8(0..4) == 0 {
            // As often as not it is away from the beginning.
            let from = MS * random.u32(0..600).saturating_sub(300);
            weather.away = Some((from, MS * random.u32(50..2500)));
        }
        weather
    }
}
