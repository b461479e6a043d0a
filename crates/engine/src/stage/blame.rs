//! What becomes of a record that failed: dead, again, or nobody's fault, because the service is away or asks for less. Pure.
//!
//! An item is not judged by itself. Its last attempt is made when another item has succeeded since it failed, and if that fails
//! too, it is dead when another succeeds. One that was not answered in time waits for another before each attempt. So whatever was away, and for however short a time, kills nothing. Where no other item can
//! be tried, it is judged alone, after a moment of doubt.

use std::time::Duration;

use super::backlog::Held;
use super::dispatch::{ALONE_MAX, Dispatch};
use super::settled::Settled;
use super::trail::{clock_ms, forgive};
use crate::fact::Fact;
use crate::fault::{Fault, Verdict};
use crate::limit::PAUSE_MAX;
use crate::outage::{FEW, Failure, Rest, Taken};
use crate::payload::Shown;
use crate::planted::planted;
use crate::record::Record;
use crate::stop::Reason;

/// Refusals of one item after which its wait grows no longer: by then it is at its cap.
const OVERLOADS_MAX: u16 = 12;
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
                let is_own = self.is_own(now, &fault, 1, is_fresh, facts);
                if is_own {
                    self.count_failure(now, record, fault, facts);
                } else {
                    self.not_to_blame(now, record, true, facts);
                }
            }
        }
    }

    /// Whether a request that failed, of which so many records are not in the backlog, tells of them and not of the service.
    pub(super) fn is_own(
        &mut self,
        now: Duration,
        fault: &Fault,
        records: usize,
        is_fresh: bool,
        facts: &mut Vec<Fact>,
    ) -> bool {
        let failure = Failure {
            is_fresh,
            rest: self.rest(now, records),
            is_answered: fault.is_answered(),
            in_flight: self.gate.in_flight(),
        };
        self.is_slow |= fault.is_timeout();
        match self.outage.failed(now, failure) {
            Taken::Items => true,
            Taken::Outage => {
                self.outage_began(now, fault.clone(), facts);
                false
            }
            Taken::StillAway => false,
            Taken::NoOutage(lasted) => {
                let step = self.step;
                facts.push(Fact::OutageEnded { step, lasted });
                true
            }
        }
    }

    /// What else there is to be tried, where so many records are in hand.
    fn rest(&self, now: Duration, in_hand: usize) -> Rest {
        let others = in_hand + self.in_flight_records;
        // The first is for the sake of speed: it is known at once.
        let is_few = self.is_all
            && (self.backlog.len() + others <= FEW
                || self.backlog.unknown(self.outage.streak()) + others <= FEW);
        match is_few {
            true => Rest::Few,
            false if self.backlog.fresh() + self.in_flight_fresh > 0 => Rest::Fresh,
            // What is to come may wait for these.
            false if self.may_come && now < self.offered_at + ALONE_MAX => Rest::Fresh,
            false if self.is_all => Rest::Stale,
            false => Rest::Stuck,
        }
    }

    /// Until when it is doubted that items are bad about which no other can show anything. Those that failed before and after a
    /// success of another are.
    pub(super) fn doubted_until(&self) -> Duration {
        let unknown = self.backlog.unknown(self.outage.streak());
        self.outage.doubted_until(unknown)
    }

    /// Another item has shown that the service was there since: those that have waited for that have their last attempt, and
    /// those that had it are dead.
    pub(super) fn judge(&mut self, now: Duration, facts: &mut Vec<Fact>) {
        self.is_slow = false;
        for held in self.backlog.let_go() {
            match held.fault {
                Some(fault) => facts.push(self.dead(&held.record, fault)),
                None => self
                    .backlog
                    .again_last_at(held.not_before.max(now), held.record),
            }
        }
    }

    /// Judges the items that are left by themselves, if no other can be tried: few of them are bad, and so are many that were
    /// answered; many that were not are an outage.
    pub(crate) fn judge_alone(&mut self, now: Duration) -> Vec<Fact> {
        let mut facts = Vec::new();
        let is_alone = self.is_stuck && self.backlog.held() > 0 || self.backlog.is_only_held();
        if !is_alone || self.gate.in_flight() > 0 || self.stopped || self.outage.is_told() {
            return facts;
        }
        let since = *self.alone_since.get_or_insert(now);
        if self.may_come && !self.is_stuck && now < since + ALONE_MAX {
            return facts;
        }
        if let Some(fault) = self.last_fault.clone()
            && self.outage.is_alone(now, self.rest(now, 0))
        {
            self.outage_began(now, fault, &mut facts);
            return facts;
        }
        let is_over = now >= self.doubted_until();
        for held in self.backlog.let_go() {
            match held.fault {
                Some(fault) => facts.push(self.dead(&held.record, fault)),
                None if is_over => self
                    .backlog
                    .again_last_at(held.not_before.max(now), held.record),
                None => self.backlog.hold(held),
            }
        }
        facts
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
                self.backlog.again_at(now + wait, record);
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
        let not_before = now + backoff.max(asked);
        let (step, index) = (self.step, record.index);
        let (is_last, is_slow) = (self.retry.is_last(trail.attempts), fault.is_timeout());
        let is_judged = self.outage.is_ruled_out() || planted!(JudgedByItself);
        if !self.retry.allows(trail.attempts, since_first) {
            // Where the order is kept others wait for it, and can be let go of now.
            if is_judged || self.keeps_order {
                facts.push(self.dead(&record, fault));
                return;
            }
            let fault = Some(fault);
            self.backlog.hold(Held {
                record,
                fault,
                not_before,
            });
            return;
        }
        facts.push(Fact::Retry { step, index, fault });
        // What hangs takes long to fail again, and others are there.
        if (is_last || is_slow) && !is_judged {
            let fault = None;
            self.backlog.hold(Held {
                record,
                fault,
                not_before,
            });
        } else {
            self.backlog.again_at(not_before, record);
        }
    }

    fn outage_began(&mut self, now: Duration, fault: Fault, facts: &mut Vec<Fact>) {
        let (step, streak) = (self.step, self.outage.streak());
        let at = now;
        facts.push(Fact::OutageBegan { step, at, fault });
        self.backlog
            .for_each_trail(|trail| forgive(trail, step, streak, facts));
        for held in self.backlog.let_go() {
            self.backlog.again_last(now, held.record);
        }
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
