//! A job of which everything is known, played by the real engine in simulated time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::conclusion::{Took, conclude};
use crate::cores::Machine;
use crate::driver::Driver;
use crate::fault::Fault;
use crate::job::{Job, JobOf, Types};
use crate::journal::{Command, open_simulated};
use crate::log;
use crate::options::{ComputeClock, InFlightLimit, Options};
use crate::quota::Usage;
use crate::record::Record;
use crate::run::{conduct, prepare};
use crate::service::{Connection, NoFetch, Reply, Service};
use crate::source::Source;
use crate::stop::Stop;
use crate::summary::Summary;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const S: Duration = Duration::from_secs(1);

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub(super) options: Options,
    pub(super) items: u64,
    /// How long it takes to read an item.
    pub(super) read: Duration,
    /// How long it takes to compute one, in the mean: anything up to twice that.
    pub(super) compute: Duration,
    pub(super) fetch: Option<Played>,
    pub(super) save: Played,
    /// How long the journal takes for what it has, if there is one.
    pub(super) journal: Option<Duration>,
}

/// A service.
#[derive(Clone, Debug)]
pub(super) struct Played {
    pub(super) latency: Duration,
    /// Standard deviation of ln(latency).
    pub(super) spread: f64,
    /// What a further record of a request takes.
    pub(super) per_record: Duration,
    pub(super) bulk: usize,
    /// Requests that are handled at once; others wait.
    pub(super) capacity: usize,
    pub(super) connections: usize,
    /// Requests a second, and how many may come at once; what is more is refused with the wait.
    pub(super) quota: Option<(f64, f64)>,
    /// Units that a request costs.
    pub(super) cost: Option<f64>,
    /// The share of requests that fails.
    pub(super) fails: f64,
    /// From when to when nobody is there.
    pub(super) away: Option<(Duration, Duration)>,
    /// How many requests until one is refused, and for how long nothing may be sent then.
    pub(super) pauses: Option<(u64, Duration)>,
    /// A request that takes long: which, and how long.
    pub(super) slow: Option<(u64, Duration)>,
    /// How long it takes to open a connection.
    pub(super) connect: Duration,
}

impl Default for Played {
    fn default() -> Played {
        Played {
            latency: 10 * MS,
            spread: 0.0,
            per_record: Duration::ZERO,
            bulk: 1,
            capacity: 1_000_000,
            connections: usize::MAX,
            quota: None,
            cost: None,
            fails: 0.0,
            away: None,
            pauses: None,
            slow: None,
            connect: MS,
        }
    }
}

impl Default for Staged {
    fn default() -> Staged {
        Staged {
            options: Options {
                jobs: 2,
                in_flight: InFlightLimit::Auto,
                compute_clock: ComputeClock::Elapsed,
                ..Options::default()
            },
            items: 2000,
            read: Duration::ZERO,
            compute: Duration::ZERO,
            fetch: None,
            save: Played::default(),
            journal: None,
        }
    }
}

impl Staged {
    /// Plays it, always the same for a seed.
    pub(super) fn play(&self, seed: u64) -> Summary {
        // All that the engine draws, it draws from here.
        fastrand::seed(seed);
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime needs no more than memory");
        runtime.block_on(async {
            // What comes slowly is there one by one.
            let at_once = if self.read.is_zero() { usize::MAX } else { 1 };
            let numbers = Numbers {
                left: 0..self.items,
                at_once,
            };
            let job = Job::new(numbers).item_bytes(|_| 100);
            match &self.fetch {
                None => {
                    let job = job.compute(|n: u64| n).save_to(Server::new(&self.save));
                    self.go::<Job<u64, u64, NoFetch, u64, Server>>(job).await
                }
                Some(fetch) => {
                    let job = job.fetch_from(Server::new(fetch)).fetched_bytes(|_| 100);
                    let job = job.compute(|n: u64| n).save_to(Server::new(&self.save));
                    self.go::<Job<u64, u64, Server, u64, Server>>(job).await
                }
            }
        })
    }

    async fn go<W: Types>(&self, job: JobOf<W>) -> Summary {
        let stop = Stop::new();
        let mut job = job.stopped_by(&stop);
        if self.journal.is_some() {
            let journal = open_simulated(&Arc::default(), &Arc::default(), &Arc::default());
            let journal = journal.and_then(|opened| opened.start(&[], Command::default()));
            job = job.recorded_in(journal.expect("an empty disk holds no other journal"));
        }
        let (log, facts) = log::simulated_channel();
        let driver = Driver::Simulated {
            compute: self.compute,
            read: self.read,
            is_told: true,
        };
        let (start, mut recording) =
            prepare::<W>(job, &self.options, driver).expect("the options are good");
        let (clock, own_stop) = (start.clock, start.stop.clone());
        let work = async {
            let local = LocalSet::new();
            let outcome = local.run_until(conduct::<W>(start, log.another())).await;
            drop(local);
            log.end();
            (outcome, clock.now())
        };
        let lag = self.journal.unwrap_or(5 * MS);
        let ((outcome, elapsed), ()) = tokio::join!(work, recording.follow(facts, || lag));
        // What computes is busy, and nothing else.
        recording.tally.threads_cpu = recording.tally.compute_cost;
        let machine = Machine {
            cores: 2,
            others: None,
        };
        let took = Took { elapsed, machine };
        conclude(recording, outcome, &self.options, took, &own_stop)
            .expect("every item is accounted for")
    }
}

struct Numbers {
    left: std::ops::Range<u64>,
    at_once: usize,
}

impl Source for Numbers {
    type Item = u64;

    fn read(&mut self, max: usize, items: &mut Vec<Result<u64, Fault>>) -> Result<(), Fault> {
        items.extend(self.left.by_ref().take(max.min(self.at_once)).map(Ok));
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left.end - self.left.start)
    }
}

/// A service: clones are the same one.
#[derive(Clone)]
struct Server(Arc<Inside>);

struct Inside {
    played: Played,
    places: Semaphore,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    /// Requests that came.
    came: u64,
    /// What is left of the quota, and as of when.
    tokens: f64,
    counted: Instant,
    /// Nothing may be sent before.
    paused: Option<Instant>,
    random: fastrand::Rng,
}

/// A connection to it.
struct Line(Server);

impl Server {
    fn new(played: &Played) -> Server {
        let now = Instant::now();
        Server(Arc::new(Inside {
            places: Semaphore::new(played.capacity),
            began: now,
            state: Mutex::new(State {
                came: 0,
                tokens: played.quota.map_or(0.0, |(_, burst)| burst),
                counted: now,
                paused: None,
                random: fastrand::Rng::with_seed(fastrand::u64(..)),
            }),
            played: played.clone(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panic under it")
    }

    fn is_away(&self) -> bool {
        let now = self.0.began.elapsed();
        self.0
            .played
            .away
            .is_some_and(|(from, until)| (from..until).contains(&now))
    }

    /// Whether the request is refused, and for how long.
    fn refuses(&self) -> Option<Fault> {
        let (now, played) = (Instant::now(), &self.0.played);
        let state = &mut *self.state();
        if let Some((every, lasting)) = played.pauses {
            let is_paused = state.paused.is_some_and(|until| now < until);
            if state.came.is_multiple_of(every) && !is_paused {
                state.paused = Some(now + lasting);
            }
            if let Some(until) = state.paused.filter(|until| now < *until) {
                return Some(Fault::overload("503").retry_after(until - now));
            }
        }
        let (rate, burst) = played.quota?;
        let earned = (now - state.counted).as_secs_f64() * rate;
        (state.tokens, state.counted) = ((state.tokens + earned).min(burst), now);
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return None;
        }
        // In whole seconds, as over HTTP.
        let wait = Duration::from_secs_f64(((1.0 - state.tokens) / rate).ceil().max(1.0));
        Some(Fault::overload("429").by_quota().retry_after(wait))
    }

    /// How long the next request takes, and whether it fails.
    fn draws(&self, records: usize) -> (Duration, bool) {
        let played = &self.0.played;
        let state = &mut *self.state();
        state.came += 1;
        // Twelve of them are about normal.
        let normal = (0..12).map(|_| state.random.f64()).sum::<f64>() - 6.0;
        let factor = (played.spread * normal - played.spread * played.spread / 2.0).exp();
        let latency = match played.slow {
            Some((which, lasting)) if which == state.came => lasting,
            _ => played.latency.mul_f64(factor),
        };
        let more = played.per_record * (records - 1) as u32;
        (latency + more, state.random.f64() < played.fails)
    }
}

impl Service<u64> for Server {
    type Answer = u64;
    type Connection = Line;

    async fn connect(&self) -> Result<Line, Fault> {
        sleep(self.0.played.connect).await;
        match self.is_away() {
            true => Err(Fault::unreached("nobody is there")),
            false => Ok(Line(self.clone())),
        }
    }

    fn bulk_max(&self) -> usize {
        self.0.played.bulk
    }

    fn connections_max(&self) -> usize {
        self.0.played.connections
    }
}

impl Connection<u64> for Line {
    type Answer = u64;

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        let server = &self.0;
        if server.is_away() {
            return Err(Fault::unreached("nobody is there"));
        }
        let (latency, fails) = server.draws(bulk.len());
        if let Some(refusal) = server.refuses() {
            sleep(MS).await;
            return Err(refusal);
        }
        let _place = server.0.places.acquire().await.expect("nobody closes it");
        sleep(latency).await;
        match fails {
            true => Err(Fault::transient("500").answered()),
            false => Ok(Reply::All(bulk.iter().map(|record| record.value).collect())),
        }
    }

    fn usage(&self) -> Usage {
        Usage {
            cost: self.0.0.played.cost,
            ..Usage::default()
        }
    }
}
