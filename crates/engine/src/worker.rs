//! What one compute thread keeps for itself to compute with, such as a process: asks it, and asks again.
//!
//! Whoever computes may break, which says nothing of the items it had beside the one it broke at: those are asked
//! for again one by one. How often, and when, is decided by `Retry` and `Health`; this waits and does it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::fact::{Fact, Step};
use crate::fault::{Fault, Verdict};
use crate::health::Health;
use crate::log::Log;
use crate::options::Options;
use crate::record::Record;
use crate::retry::Retry;
use crate::service::Reply;
use crate::stop::Stop;

/// How often a wait looks whether the run has been stopped: soon for a person, seldom for a core.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Computes many at once, and keeps what it likes between two calls.
pub(crate) type Kept<Q, R> = Box<dyn FnMut(&[Record<Q>]) -> Result<Reply<R>, Fault> + Send>;

/// Makes what one thread keeps.
pub(crate) type Make<Q, R> = Arc<dyn Fn() -> Kept<Q, R> + Send + Sync>;

/// What became of one item.
pub(crate) enum Outcome<R> {
    Done(R),
    Dead {
        attempts: u16,
        fault: Fault,
    },
    /// Not computed, because the run ends.
    Left,
}

/// One thread's. Made when its first items are there; dropped with the thread that used it.
pub(crate) struct Worker<Q, R> {
    make: Make<Q, R>,
    kept: Option<Kept<Q, R>>,
    retry: Retry,
    health: Health,
    stop: Stop,
    clock: Clock,
    /// Time spent in waits since it was last asked for.
    waited: Duration,
}

/// What to do about an item that failed.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GiveUp,
    /// The attempt counts.
    Again,
    /// It was not the item's fault, or nobody knows that it was.
    AgainForFree,
}

/// Pure. `attempts` are those that count, this one included.
fn next(retry: &Retry, fault: &Fault, was_alone: bool, attempts: u16, since: Duration) -> Next {
    match fault.verdict() {
        // The end of the run, whatever the verdict.
        _ if fault.ends_run().is_some() => Next::GiveUp,
        Verdict::Permanent => Next::GiveUp,
        Verdict::InDoubt if was_alone => Next::GiveUp,
        Verdict::InDoubt | Verdict::Unreached => Next::AgainForFree,
        Verdict::Transient | Verdict::Overload if retry.allows(attempts, since) => Next::Again,
        Verdict::Transient | Verdict::Overload => Next::GiveUp,
    }
}

impl<Q, R> Worker<Q, R> {
    pub(crate) fn new(
        make: Make<Q, R>,
        options: &Options,
        health: Health,
        stop: Stop,
        clock: Clock,
    ) -> Worker<Q, R> {
        Worker {
            make,
            kept: None,
            retry: Retry::new(options),
            health,
            stop,
            clock,
            waited: Duration::ZERO,
        }
    }

    /// Another thread's.
    pub(crate) fn another(&self) -> Worker<Q, R> {
        Worker {
            make: Arc::clone(&self.make),
            kept: None,
            retry: self.retry,
            health: self.health.clone(),
            stop: self.stop.clone(),
            clock: self.clock,
            waited: Duration::ZERO,
        }
    }

    /// Whether nobody can compute any more.
    pub(crate) fn is_over(&self) -> bool {
        self.health.is_over()
    }

    /// Time spent in waits since this was last asked.
    pub(crate) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// Computes these, and says of each what became of it, in their order.
    pub(crate) fn compute(&mut self, records: &[Record<Q>], log: &mut Log) -> Vec<Outcome<R>> {
        let was_alone = records.len() == 1;
        let began = self.clock.now();
        match self.ask(records) {
            Ok(outcomes) => records
                .iter()
                .zip(outcomes)
                .map(|(record, outcome)| match outcome {
                    Ok(result) => Outcome::Done(result),
                    Err(fault) => self.after(record, fault, was_alone, began, log),
                })
                .collect(),
            Err(fault) => records
                .iter()
                .map(|record| match was_alone {
                    true => self.after(record, fault.clone(), was_alone, began, log),
                    false => self.alone(record, 0, began, log),
                })
                .collect(),
        }
    }

    /// What becomes of an item whose first attempt failed.
    fn after(
        &mut self,
        record: &Record<Q>,
        fault: Fault,
        was_alone: bool,
        began: Duration,
        log: &mut Log,
    ) -> Outcome<R> {
        match next(&self.retry, &fault, was_alone, 1, self.clock.now() - began) {
            Next::GiveUp => Outcome::Dead { attempts: 1, fault },
            Next::AgainForFree => self.alone(record, 0, began, log),
            Next::Again => {
                self.count(record, 1, fault, log);
                self.alone(record, 1, began, log)
            }
        }
    }

    /// Computes one item until it is done, dead, or the run ends.
    fn alone(
        &mut self,
        record: &Record<Q>,
        mut attempts: u16,
        began: Duration,
        log: &mut Log,
    ) -> Outcome<R> {
        loop {
            if self.must_end() {
                return Outcome::Left;
            }
            let outcome = self.ask(slice::from_ref(record));
            let fault = match outcome.map(|mut outcomes| outcomes.pop()) {
                Ok(Some(Ok(result))) => return Outcome::Done(result),
                Ok(Some(Err(fault))) | Err(fault) => fault,
                Ok(None) => return Outcome::Left,
            };
            let since = self.clock.now() - began;
            match next(&self.retry, &fault, true, attempts + 1, since) {
                Next::AgainForFree => {}
                Next::GiveUp => {
                    attempts += 1;
                    return Outcome::Dead { attempts, fault };
                }
                Next::Again => {
                    attempts += 1;
                    self.count(record, attempts, fault, log);
                }
            }
        }
    }

    /// Tells of an attempt that counts, and waits until the next is due.
    fn count(&mut self, record: &Record<Q>, attempts: u16, fault: Fault, log: &mut Log) {
        let (step, index) = (Step::Compute, record.index);
        log.push(self.clock.now(), Fact::Retry { step, index, fault });
        self.wait(self.retry.wait(attempts, fastrand::f64()));
    }

    /// Asks once; no answer when the run ends. One outcome for each record, or why there is none.
    fn ask(&mut self, records: &[Record<Q>]) -> Result<Vec<Result<R, Fault>>, Fault> {
        self.wait(self.health.wait());
        if self.must_end() {
            return Ok(records
                .iter()
                .map(|_| Err(Fault::unreached("the run ends")))
                .collect());
        }
        let kept = self.kept.get_or_insert_with(|| (self.make)());
        let reply = catch_unwind(AssertUnwindSafe(|| kept(records))).unwrap_or_else(|panic| {
            // Nobody knows in what state it is.
            self.kept = None;
            Err(Fault::in_doubt(Fault::panicked(&*panic).to_string()))
        });
        let outcomes = reply.map(Reply::into_outcomes).and_then(|outcomes| {
            match outcomes.len() == records.len() {
                true => Ok(outcomes),
                false => Err(Fault::in_doubt(format!(
                    "{} items were computed, but there are {} outcomes",
                    records.len(),
                    outcomes.len()
                ))),
            }
        });
        self.note(&outcomes);
        outcomes
    }

    /// Keeps in mind how whoever computes is.
    fn note(&self, outcomes: &Result<Vec<Result<R, Fault>>, Fault>) {
        let is_broken =
            |fault: &&Fault| matches!(fault.verdict(), Verdict::InDoubt | Verdict::Unreached);
        let broken = match outcomes {
            Err(fault) => Some(fault).filter(is_broken),
            Ok(outcomes) => {
                let mut faults = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
                faults.find(is_broken)
            }
        };
        match broken {
            None => self.health.is_well(),
            Some(fault) => {
                if outcomes.iter().flatten().any(Result::is_ok) {
                    self.health.is_well();
                }
                self.health.broke(fault);
            }
        }
    }

    fn must_end(&self) -> bool {
        self.health.is_over() || self.stop.is_wanted()
    }

    fn wait(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.must_end() {
            let step = left.min(LOOK_EVERY);
            thread::sleep(step);
            left -= step;
            self.waited += step;
        }
    }
}
