//! What one compute thread keeps for itself to compute with, such as a process: asks it, and asks again.
//!
//! Whoever computes may break, which says little of the items it had: each is asked for again, alone. An item is to blame
//! when it has broken two that were fresh, alone, and when something else could be computed since. How often an item is asked
//! for, and when, is decided by `Retry`, `Trial` and `Health`; this waits and does it.

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
use crate::planted::planted;
use crate::record::Record;
use crate::retry::Retry;
use crate::service::Reply;
use crate::stop::Stop;

/// How often a wait looks whether the run has been stopped: soon for a person, seldom for a core.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The longest wait that a computation may ask for: as long as a service may.
const WAIT_ASKED_MAX: Duration = Duration::from_secs(3600);

/// Breaks of one item, alone and with somebody fresh, after which it is to blame: one may be an accident, such as a kill.
const BLAMED_AT: u16 = 2;

/// Computes many at once, and keeps what it likes between two calls.
pub(crate) type Kept<Q, R> = Box<dyn FnMut(&[Record<Q>]) -> Result<Reply<R>, Fault> + Send>;

/// Makes what one thread keeps. The handle says whether the run ends.
pub(crate) type Make<Q, R> = Arc<dyn Fn(&Stop) -> Kept<Q, R> + Send + Sync>;

/// What became of one item.
pub(crate) enum Outcome<R> {
    Done(R),
    Dead {
        attempts: u16,
        fault: Fault,
    },
    /// It broke whoever computed it, and nothing else has been computed since: dead if something will be.
    Accused {
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
    /// Whether what was asked last was asked for nothing before.
    was_fresh: bool,
    /// Whether the last call took as long as calls take: nothing had to be made for it, and nothing failed.
    was_smooth: bool,
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
    /// It says nothing of the item.
    AgainForFree,
    /// Whoever computed it broke: a matter for its trial.
    Broke,
}

/// Pure. `attempts` are those that count, this one included.
fn next(retry: &Retry, fault: &Fault, attempts: u16, since: Duration) -> Next {
    match fault.verdict() {
        // The end of the run, whatever the verdict.
        _ if fault.ends_run().is_some() => Next::GiveUp,
        Verdict::Permanent => Next::GiveUp,
        Verdict::InDoubt => Next::Broke,
        Verdict::Unreached => Next::AgainForFree,
        Verdict::Transient | Verdict::Overload if retry.allows(attempts, since) => Next::Again,
        Verdict::Transient | Verdict::Overload => Next::GiveUp,
    }
}

/// What is held against one item. Pure.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// When its first attempt began.
    began: Duration,
    /// Attempts that failed and count.
    attempts: u16,
    /// How often whoever computed it broke, alone with it and fresh.
    breaks: u16,
    /// What had been computed when that happened last.
    computed: u64,
}

impl Trial {
    fn new(began: Duration) -> Trial {
        Trial {
            began,
            attempts: 0,
            breaks: 0,
            computed: 0,
        }
    }

    /// Whoever computed it broke, when so much had been computed. One that had other items, now or before, may have broken
    /// because of those.
    fn broke(&mut self, was_alone: bool, was_fresh: bool, computed: u64) {
        if was_alone && (was_fresh || planted!(BlamedAtOnce)) {
            self.breaks += 1;
            self.computed = computed;
        }
    }

    fn is_blamed(&self) -> bool {
        self.breaks >= BLAMED_AT || planted!(BlamedAtOnce) && self.breaks > 0
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
            was_fresh: false,
            was_smooth: false,
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
            was_fresh: false,
            was_smooth: false,
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

    /// Whether the time that the last items took says what such items take.
    pub(crate) fn was_smooth(&self) -> bool {
        self.was_smooth
    }

    /// Holds a dead letter back until something else could be computed.
    pub(crate) fn accuse(&self, letter: Fact) {
        self.health.accuse(letter);
    }

    /// The dead letters that were held back, once something else could be computed.
    pub(crate) fn blamed(&self) -> Vec<Fact> {
        self.health.blamed()
    }

    /// Computes these, and says of each what became of it, in their order.
    pub(crate) fn compute(&mut self, records: &[Record<Q>], log: &mut Log) -> Vec<Outcome<R>> {
        let trial = Trial::new(self.clock.now());
        let was_alone = records.len() == 1;
        let outcomes = self.ask(records);
        // Others are asked for before the last of these is judged.
        let was_fresh = self.was_fresh;
        let is_answer = |outcome: &Result<R, Fault>| match outcome {
            Ok(_) => true,
            Err(fault) => fault.verdict() == Verdict::Permanent,
        };
        let are_answers = outcomes.as_ref().is_ok_and(|all| all.iter().all(is_answer));
        self.was_smooth = are_answers && !was_fresh;
        let mut judge = |record, fault| {
            let mut trial = trial;
            let is_judged = self.judge(record, fault, (was_alone, was_fresh), &mut trial, log);
            is_judged.unwrap_or_else(|| self.alone(record, trial, log))
        };
        match outcomes {
            Ok(outcomes) => records
                .iter()
                .zip(outcomes)
                .map(|(record, outcome)| match outcome {
                    Ok(result) => Outcome::Done(result),
                    Err(fault) => judge(record, fault),
                })
                .collect(),
            Err(fault) if was_alone || fault.ends_run().is_some() => records
                .iter()
                .map(|record| judge(record, fault.clone()))
                .collect(),
            // Whatever it was, it was none of them in particular.
            Err(_) => records
                .iter()
                .map(|record| self.alone(record, trial, log))
                .collect(),
        }
    }

    /// Computes one item until it is done, given up, or the run ends.
    fn alone(&mut self, record: &Record<Q>, mut trial: Trial, log: &mut Log) -> Outcome<R> {
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
            let how = (true, self.was_fresh);
            if let Some(outcome) = self.judge(record, fault, how, &mut trial, log) {
                return outcome;
            }
        }
    }

    /// What becomes of an item that failed; `None`: it is to be asked for again.
    fn judge(
        &mut self,
        record: &Record<Q>,
        fault: Fault,
        (was_alone, was_fresh): (bool, bool),
        trial: &mut Trial,
        log: &mut Log,
    ) -> Option<Outcome<R>> {
        let since = self.clock.now() - trial.began;
        match next(&self.retry, &fault, trial.attempts + 1, since) {
            Next::AgainForFree => None,
            Next::GiveUp => Some(Outcome::Dead {
                attempts: trial.attempts + 1,
                fault,
            }),
            Next::Again => {
                trial.attempts += 1;
                self.count(record, trial.attempts, fault, log);
                None
            }
            Next::Broke => {
                let (before, computed) = (trial.computed, self.health.computed());
                trial.broke(was_alone, was_fresh, computed);
                if !trial.is_blamed() {
                    return None;
                }
                let attempts = trial.attempts + trial.breaks;
                Some(match trial.breaks > 1 && computed > before {
                    true => Outcome::Dead { attempts, fault },
                    false => Outcome::Accused { attempts, fault },
                })
            }
        }
    }

    /// Tells of an attempt that counts, and waits until the next is due.
    fn count(&mut self, record: &Record<Q>, attempts: u16, fault: Fault, log: &mut Log) {
        let (step, index) = (Step::Compute, record.index);
        let asked = fault.wait_asked().map(|asked| asked.min(WAIT_ASKED_MAX));
        log.push(self.clock.now(), Fact::Retry { step, index, fault });
        self.wait(
            asked
                .unwrap_or_default()
                .max(self.retry.wait(attempts, fastrand::f64())),
        );
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
        self.was_fresh = self.kept.is_none();
        let kept = self.kept.get_or_insert_with(|| (self.make)(&self.stop));
        let reply = catch_unwind(AssertUnwindSafe(|| kept(records)))
            .unwrap_or_else(|panic| Err(Fault::in_doubt(Fault::panicked(&*panic).to_string())));
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

    /// Keeps in mind how whoever computes is. Of one that broke nobody knows in what state it is: another takes its place.
    fn note(&mut self, outcomes: &Result<Vec<Result<R, Fault>>, Fault>) {
        let faults = match outcomes {
            Err(fault) => slice::from_ref(fault),
            Ok(_) => &[],
        };
        let each = outcomes.iter().flatten();
        let mut faults = faults
            .iter()
            .chain(each.filter_map(|outcome| outcome.as_ref().err()));
        let broken =
            faults.find(|fault| matches!(fault.verdict(), Verdict::InDoubt | Verdict::Unreached));
        let Some(fault) = broken else {
            return self.health.is_well();
        };
        if outcomes.iter().flatten().any(Result::is_ok) {
            self.health.is_well();
        }
        self.health
            .broke(fault.verdict() == Verdict::Unreached, fault);
        if fault.verdict() == Verdict::InDoubt {
            self.kept = None;
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
