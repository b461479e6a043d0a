//! One job with one trouble, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::cases::{Away, Bad, Case, ITEMS, LATENCY};
use crate::conclusion::{Took, conclude};
use crate::cores::Machine;
use crate::driver::Driver;
use crate::fact::{Fact, Step};
use crate::fault::{Fault, Verdict};
use crate::job::Job;
use crate::log;
use crate::observer::Observer;
use crate::record::Record;
use crate::run::{conduct, prepare};
use crate::service::{Connection, NoFetch, Reply, Service};
use crate::stop::Stop;
use crate::summary::Ending;
use crate::tally::Counts;

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub(super) struct Came {
    pub(super) saved: u64,
    /// Bad items that died.
    pub(super) guilty: u64,
    /// Good ones.
    pub(super) innocent: u64,
    /// The longest time in which no item was finished and no attempt counted, but for the outage itself.
    pub(super) stall: Duration,
    /// Why the run stopped before its end, if it did.
    pub(super) stopped: Option<String>,
    pub(super) took: Duration,
}

/// Plays a case, always the same.
pub(super) fn play(case: &Case) -> Came {
    // All that the engine draws, it draws from here.
    fastrand::seed(7);
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs no more than memory");
    runtime.block_on(go(case))
}

async fn go(case: &Case) -> Came {
    let service = Troubled(Arc::new(Inside {
        case: *case,
        sent: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        away: Mutex::new(None),
    }));
    let seen = Arc::new(Mutex::new(Seen {
        came: Came::default(),
        finished_at: Instant::now(),
        counted_at: Instant::now(),
    }));
    let options = case.options();
    let stop = Stop::new();
    let watch = Watch {
        service: service.clone(),
        seen: Arc::clone(&seen),
    };
    let job = Job::new(0..ITEMS)
        .compute(|n: u64| n)
        .save_to(service)
        .observed_by(watch)
        .stopped_by(&stop);
    let (log, facts) = log::simulated_channel();
    let driver = Driver::Simulated {
        compute: Duration::ZERO,
        read: Duration::ZERO,
        is_told: false,
    };
    let (start, mut recording) =
        prepare::<Job<u64, u64, NoFetch, u64, Troubled>>(job, &options, driver)
            .expect("the options are good");
    let (clock, own_stop) = (start.clock, start.stop.clone());
    let work = async {
        let local = LocalSet::new();
        let work = conduct::<Job<u64, u64, NoFetch, u64, Troubled>>(start, log.another());
        let outcome = local.run_until(work).await;
        drop(local);
        log.end();
        (outcome, clock.now())
    };
    let lag = || Duration::from_millis(20);
    let ((outcome, elapsed), ()) = tokio::join!(work, recording.follow(facts, lag));
    let machine = Machine {
        cores: 1,
        others: None,
    };
    let took = Took { elapsed, machine };
    let summary = conclude(recording, outcome, &options, took, &own_stop)
        .expect("every item is accounted for");
    let mut came = seen.lock().expect("no panic under it").came.clone();
    came.took = elapsed;
    came.stopped = match summary.ending {
        Ending::Complete => None,
        Ending::Unavailable(why) => Some(why),
        other => Some(format!("{other:?}")),
    };
    came
}

/// A service with a trouble: clones are the same one.
#[derive(Clone)]
struct Troubled(Arc<Inside>);

struct Inside {
    case: Case,
    /// Items that came for the first time, near enough: requests that were answered, and those that failed for an item.
    sent: AtomicU64,
    /// Items that were saved or died.
    finished: AtomicU64,
    /// When the outage began, once it has.
    away: Mutex<Option<Instant>>,
}

impl Troubled {
    /// In which way the service is away now, if it is.
    fn away(&self) -> Option<Away> {
        let (how, lasts, left) = self.0.case.outage()?;
        let mut began = self.0.away.lock().expect("no panic under it");
        let sent = self.0.sent.load(Ordering::Relaxed);
        if began.is_none() && ITEMS - sent.min(ITEMS) <= left {
            *began = Some(Instant::now());
        }
        (*began)
            .filter(|began| began.elapsed() < lasts)
            .map(|_| how)
    }

    /// When the outage was, or is.
    fn window(&self) -> Option<(Instant, Instant)> {
        let (_, lasts, _) = self.0.case.outage()?;
        let began = *self.0.away.lock().expect("no panic under it");
        began.map(|began| (began, began + lasts))
    }
}

impl Service<u64> for Troubled {
    type Answer = u64;
    type Connection = Troubled;

    async fn connect(&self) -> Result<Troubled, Fault> {
        sleep(Duration::from_millis(1)).await;
        match self.away() {
            Some(Away::Refuses) => Err(Fault::unreached("connection refused")),
            _ => Ok(self.clone()),
        }
    }
}

impl Connection<u64> for Troubled {
    type Answer = u64;

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        let item = bulk[0].index;
        if let Some(away) = self.away() {
            sleep(Duration::from_millis(2)).await;
            match away {
                Away::Refuses => return Err(Fault::unreached("closed meanwhile")),
                Away::Busy => return Err(Fault::overload("answered 503")),
                Away::Fails => return Err(Fault::transient("answered 500").answered()),
                Away::Cuts => return Err(Fault::in_doubt("cut")),
                Away::Hangs => std::future::pending().await,
            }
        }
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        if let Some(bad) = self.0.case.is_bad(item) {
            sleep(Duration::from_millis(5)).await;
            match bad {
                Bad::Answered => return Err(Fault::transient("answered 500").answered()),
                Bad::Cut => return Err(Fault::in_doubt("cut")),
                Bad::Hangs => std::future::pending().await,
            }
        }
        sleep(LATENCY).await;
        Ok(Reply::one(item))
    }
}

/// What was seen of the run.
struct Seen {
    came: Came,
    /// When an item was finished last, and when an attempt counted.
    finished_at: Instant,
    counted_at: Instant,
}

struct Watch {
    service: Troubled,
    seen: Arc<Mutex<Seen>>,
}

impl Observer for Watch {
    fn observe(&mut self, fact: &Fact, counts: &Counts) {
        let now = Instant::now();
        let seen = &mut *self.seen.lock().expect("no panic under it");
        let finished = match fact {
            Fact::Attempt(attempt) if attempt.step == Step::Save => {
                seen.came.saved += attempt.done.len();
                attempt.done.len()
            }
            Fact::Dead { index, .. } => {
                match self.service.0.case.is_bad(*index) {
                    Some(_) => seen.came.guilty += 1,
                    None => seen.came.innocent += 1,
                }
                1
            }
            _ => return,
        };
        // An attempt counts, unless the service is taken to be away, or asked for less.
        let counts = match fact {
            Fact::Attempt(attempt) => {
                let is_own = [Verdict::Transient, Verdict::InDoubt].map(Some);
                counts.outage_since.is_none() && is_own.contains(&attempt.verdict)
            }
            _ => false,
        };
        if finished == 0 && !counts {
            return;
        }
        let before = seen.finished_at.max(seen.counted_at);
        let stall = match self.service.window() {
            // Before it, and after it.
            Some((from, until)) => {
                let first = now.min(from).saturating_duration_since(before);
                first.max(now.saturating_duration_since(before.max(until)))
            }
            None => now - before,
        };
        seen.came.stall = seen.came.stall.max(stall);
        seen.counted_at = now;
        if finished > 0 {
            seen.finished_at = now;
            self.service
                .0
                .finished
                .fetch_add(finished, Ordering::Relaxed);
        }
    }
}
