//! A service of known behaviour that holds the oracle: what was sent, what was kept, how many at once.

#![expect(
    clippy::print_stderr,
    reason = "a test says what went wrong by failing"
)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inflight::{
    Connection, Fault, Job, Options, Record, Reply, Service, Strategy, Summary, Verdict,
};

/// How the service behaves. Shares of attempts are drawn from a generator with a fixed seed.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) latency: Duration,
    pub(crate) bulk_max: usize,
    /// This item fails with this verdict, always.
    pub(crate) always_fails: Option<(u64, Verdict)>,
    /// Its whole bulk fails with it.
    pub(crate) whole_bulk_fails: bool,
    pub(crate) fails: f64,
    /// Kept, and then cut before the answer.
    pub(crate) in_doubt: f64,
    pub(crate) refuses: f64,
    pub(crate) miscounts_once: bool,
    pub(crate) unreachable: bool,
    /// Once it has kept so many items, cuts requests and refuses connections for so long.
    pub(crate) away: Option<(u64, Duration)>,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            latency: Duration::ZERO,
            bulk_max: 1,
            always_fails: None,
            whole_bulk_fails: false,
            fails: 0.0,
            in_doubt: 0.0,
            refuses: 0.0,
            miscounts_once: false,
            unreachable: false,
            away: None,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    model: Model,
    kept: Mutex<HashSet<u64>>,
    sent: AtomicUsize,
    in_flight: AtomicUsize,
    in_flight_max: AtomicUsize,
    turned_away: AtomicUsize,
    miscounted: AtomicUsize,
    began: Mutex<Option<Instant>>,
    random: Mutex<fastrand::Rng>,
}

impl Model {
    pub(crate) fn shared(self) -> Shared {
        Shared(Arc::new(Inner {
            model: self,
            kept: Mutex::default(),
            sent: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            in_flight_max: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            miscounted: AtomicUsize::new(0),
            began: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(7)),
        }))
    }
}

impl Shared {
    /// Items kept, each counted once.
    pub(crate) fn distinct(&self) -> u64 {
        self.0.kept.lock().unwrap().len() as u64
    }

    /// Items kept, counted as often as they came.
    pub(crate) fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::SeqCst) as u64
    }

    pub(crate) fn in_flight_max(&self) -> usize {
        self.0.in_flight_max.load(Ordering::SeqCst)
    }

    pub(crate) fn was_away(&self) -> bool {
        self.0.turned_away.load(Ordering::SeqCst) > 0
    }

    fn is_away(&self) -> bool {
        let Some((after, lasts)) = self.0.model.away else {
            return false;
        };
        let away = self.sent() >= after
            && self
                .0
                .began
                .lock()
                .unwrap()
                .get_or_insert_with(Instant::now)
                .elapsed()
                < lasts;
        if away {
            self.0.turned_away.fetch_add(1, Ordering::SeqCst);
        }
        away
    }

    fn keep(&self, bulk: &[Record<u64>]) {
        self.0.sent.fetch_add(bulk.len(), Ordering::SeqCst);
        let mut kept = self.0.kept.lock().unwrap();
        for record in bulk {
            assert_eq!(
                record.index, record.value,
                "payload and index belong together"
            );
            kept.insert(record.value);
        }
    }

    fn answer(&self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        let model = &self.0.model;
        if self.is_away() {
            return Err(Fault::in_doubt("cut off"));
        }
        let draw = self.0.random.lock().unwrap().f64();
        if draw < model.refuses {
            return Err(Fault::overload("429"));
        }
        if draw < model.fails {
            return Err(Fault::transient("500"));
        }
        let bad = model
            .always_fails
            .filter(|(item, _)| bulk.iter().any(|r| r.index == *item));
        if let Some((item, verdict)) = bad {
            let fault = Fault::new(verdict, "bad item");
            if model.whole_bulk_fails || bulk.len() == 1 {
                return Err(fault);
            }
            bulk.iter()
                .filter(|r| r.index != item)
                .for_each(|r| self.keep(std::slice::from_ref(r)));
            let outcome = |r: &Record<u64>| {
                if r.index == item {
                    Err(fault.clone())
                } else {
                    Ok(())
                }
            };
            return Ok(Reply::Each(bulk.iter().map(outcome).collect()));
        }
        self.keep(bulk);
        if draw < model.fails + model.in_doubt {
            return Err(Fault::in_doubt("cut before the answer"));
        }
        if model.miscounts_once && self.0.miscounted.fetch_add(1, Ordering::SeqCst) == 0 {
            return Ok(Reply::done(bulk.len() - 1));
        }
        Ok(Reply::done(bulk.len()))
    }
}

impl Service<u64> for Shared {
    type Answer = ();
    type Connection = Shared;

    async fn connect(&self) -> Result<Shared, Fault> {
        if self.0.model.unreachable || self.is_away() {
            return Err(Fault::unreached("nobody there"));
        }
        Ok(self.clone())
    }

    fn bulk_max(&self) -> usize {
        self.0.model.bulk_max
    }
}

impl Connection<u64> for Shared {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        let now = self.0.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.in_flight_max.fetch_max(now, Ordering::SeqCst);
        if !self.0.model.latency.is_zero() {
            tokio::time::sleep(self.0.model.latency).await;
        }
        let answer = self.answer(bulk);
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

/// Runs the items through the service, all four ways, and looks at what came of it.
pub(crate) fn check(name: &str, model: Model, items: u64, look: impl Fn(&Summary, &Shared)) {
    for strategy in Strategy::ALL {
        let service = model.clone().shared();
        let options = Options {
            strategy,
            backoff: Duration::from_millis(2),
            first_contact: Duration::from_secs(1),
            ..Options::default()
        };
        let summary = Job::new(0..items)
            .compute(|n| n)
            .save_to(service.clone())
            .run(&options)
            .unwrap();
        let found =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&summary, &service)));
        assert_eq!(summary.items, items, "{name}, {}", strategy.name());
        if let Err(panic) = found {
            eprintln!("{name}, {}: {summary:#?}", strategy.name());
            std::panic::resume_unwind(panic);
        }
    }
}
