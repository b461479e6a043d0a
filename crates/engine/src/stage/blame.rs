//! What becomes of a record that failed: dead, again, or nobody's fault, because the service is away or asks for less. Pure.

use std::time::Duration;

use super::dispatch::Dispatch;
use super::settled::Settled;
use super::trail::{clock_ms, forgive};
use crate::fact::Fact;
use crate::fault::{Fault, Verdict};
use crate::limit::PAUSE_MAX;
use crate::outage::{Failure, Taken};
use crate::payload::Shown;
use crate::planted::planted;
use crate::record::Record;
use crate::stop::Reason;

/// Refusals of one item after which its wait grows no longer: by then it is at its cap.
const OVERLOADS_MAX: u16 = 12;
/// How long an item waits, that has no attempts left, for others to show whether it is the item or the service.
const UNDECIDED: Duration = Duration::from_secs(1);
/// How much longer a refused item may wait for each one that is left.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

impl<Q> Dispatch<Q> {
    /// An item failed in a request that none of its items had failed before, or not.
    pub(super) fn failed<A>(
        &mut self,
        now: Duration,
        record: Record<Q>,
        fault: Fault,
        is_fresh: bool,
        settled: &mut Settled<A>,
    ) {
        if let Some(reason) = Reason::of(&fault) {
            // Neither an attempt nor an outage: the item waits here for a run that finds room.
            self.backlog.again_now(now, record);
            settled.ends_run.get_or_insert(reason);
            return;
        }
        let facts = &mut settled.facts;
        if fault.verdict() != Verdict::Permanent {
            self.last_fault = Some(fault.clone());
        }
        match fault.verdict() {
            Verdict::Permanent => facts.push(self.dead(&record, fault)),
            Verdict::Overload => self.refused(now, record, &fault),
            Verdict::Unreached if fault.is_no_more_connections() && self.connections > 0 => {
                // The service is there: those who are connected do the work.
                self.backlog.again_now(now, record);
                self.gate.cap(now, self.connections);
                if !std::mem::replace(&mut self.is_capped, true) {
                    let (step, at, connections) = (self.step, now, self.connections);
                    facts.push(Fact::NoMoreConnections {
                        step,
                        at,
                        connections,
                        fault,
                    });
                }
            }
            Verdict::Unreached => {
                if self.outage.unreached(now, self.gate.in_flight()) {
                    self.outage_began(now, fault, facts);
                }
                self.not_to_blame(now, record, false, facts);
            }
            Verdict::Transient | Verdict::InDoubt => {
                let failure = Failure {
                    is_fresh,
                    is_fresh_left: self.backlog.fresh() > 0,
                    is_answered: fault.is_answered(),
                    in_flight: self.gate.in_flight(),
                };
                match self.outage.failed(now, failure) {
                    Taken::Items => self.count_failure(now, record, fault, facts),
                    Taken::Outage => {
                        self.outage_began(now, fault, facts);
                        self.not_to_blame(now, record, true, facts);
                    }
                    Taken::StillAway => self.not_to_blame(now, record, true, facts),
                    Taken::NoOutage(lasted) => {
                        let step = self.step;
                        facts.push(Fact::OutageEnded { step, lasted });
                        self.count_failure(now, record, fault, facts);
                    }
                }
            }
        }
    }

    /// The service is away: neither this attempt counts, nor those that led here.
    fn not_to_blame(
        &mut self,
        now: Duration,
        mut record: Record<Q>,
        has_failed: bool,
        facts: &mut Vec<Fact>,
    ) {
        let streak = self.outage.streak();
        forgive(&mut record.trail, self.step, streak, facts);
        if has_failed && !record.trail.has_failed {
            (record.trail.has_failed, record.trail.streak) = (true, streak);
        }
        // Behind the others, so that not every probe carries the same record: that one may be bad itself.
        self.backlog.again_last(now, record);
    }

    /// The service asked for less: everything waits as told, or only this; the item is not to blame.
    fn refused(&mut self, now: Duration, mut record: Record<Q>, fault: &Fault) {
        self.refused_since.get_or_insert(now);
        record.trail.attempts += u16::from(planted!(RefusalCounted));
        record.trail.overloads = (record.trail.overloads + 1).min(OVERLOADS_MAX);
        // A wait that is over already (a date in the past) says nothing of when to come back.
        match fault.wait_asked().filter(|wait| !wait.is_zero()) {
            Some(wait) => {
                let wait = wait.min(PAUSE_MAX);
                self.asked_max = self.asked_max.max(wait);
                match self.gate.is_paused(now) {
                    true => self.backlog.again_now(now, record),
                    false => self.backlog.again_at(now + wait, record),
                }
            }
            None => {
                let wait = self.retry.wait(record.trail.overloads, self.random.f64());
                // Those that are left come back at about one a second: the last need not wait as if many did.
                let most = AGAIN_EVERY.saturating_mul(1 + self.backlog.len() as u32);
                self.backlog.again_at(now + wait.min(most), record);
            }
        }
    }

    fn count_failure(
        &mut self,
        now: Duration,
        mut record: Record<Q>,
        fault: Fault,
        facts: &mut Vec<Fact>,
    ) {
        let streak = self.outage.streak();
        let trail = &mut record.trail;
        if trail.streak != streak {
            trail.streak = streak;
            trail.attempts_in_streak = 0;
        }
        trail.has_failed = true;
        trail.attempts += 1;
        trail.attempts_in_streak += 1;
        let since_first = clock_ms(now).wrapping_sub(trail.first_sent_ms);
        let since_first = Duration::from_millis(since_first.into());
        let backoff = self.retry.wait(trail.attempts, self.random.f64());
        let asked = fault
            .wait_asked()
            .map_or(Duration::ZERO, |wait| wait.min(PAUSE_MAX));
        let again_at = now + backoff.max(asked);
        let (step, index) = (self.step, record.index);
        if self.retry.allows(trail.attempts, since_first) {
            facts.push(Fact::Retry { step, index, fault });
            self.backlog.again_at(again_at, record);
        } else if trail.attempts == trail.attempts_in_streak && self.backlog.fresh() > 0 {
            // Nothing has succeeded since it failed first, so it may be the service. A fresh item will show whether it is.
            trail.attempts -= 1;
            trail.attempts_in_streak -= 1;
            let again_at = again_at.max(now + UNDECIDED);
            self.backlog.again_last_at(again_at, record);
        } else {
            facts.push(self.dead(&record, fault));
        }
    }

    fn outage_began(&mut self, now: Duration, fault: Fault, facts: &mut Vec<Fact>) {
        let (step, streak) = (self.step, self.outage.streak());
        let at = now;
        facts.push(Fact::OutageBegan { step, at, fault });
        self.backlog
            .for_each_trail(|trail| forgive(trail, step, streak, facts));
    }

    fn dead(&self, record: &Record<Q>, fault: Fault) -> Fact {
        let Shown { key, payload } = self.show.of(&record.value);
        Fact::Dead {
            index: record.index,
            step: self.step,
            attempts: record.trail.attempts.max(1),
            fault,
            key,
            payload,
        }
    }
}
