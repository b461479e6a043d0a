//! Owns the records of one stage: those ready to be sent, those that wait for another try, and the count of
//! those in flight. Pure: an outcome and the time in, what to do out.

use std::time::Duration;

use super::backlog::Backlog;
use super::limits::{Limits, as_seen_by_the_limit, shows_that_it_is_there};
use super::settled::Settled;
use super::trail::clock_ms;
use crate::fact::{Fact, Step};
use crate::fault::{Fault, Verdict};
use crate::limit::{Changed, Gate, Sent};
use crate::options::{Options, Strategy};
use crate::outage::Outage;
use crate::payload::Showing;
use crate::planted::planted;
use crate::record::{Chunk, Record};
use crate::retry::{Budget, Retry};
use crate::service::Reply;

/// How long items that wait for others wait for more to come: what comes may wait for them.
pub(super) const ALONE_MAX: Duration = Duration::from_secs(3);

pub(crate) struct Dispatch<Q> {
    pub(super) step: Step,
    pub(super) backlog: Backlog<Q>,
    /// What may wait in it, in bytes; no request takes more, but for one record that is larger by itself.
    pub(super) bytes_max: usize,
    /// What may be ready in it, in records.
    pub(super) ready_max: usize,
    pub(super) in_flight_records: usize,
    /// Those among them that have not failed before.
    pub(super) in_flight_fresh: usize,
    /// Whether more may come by itself, before any of what is here is finished.
    pub(super) may_come: bool,
    /// Whether all has come.
    pub(super) is_all: bool,
    /// Whether no other may be sent before one of those that wait for others.
    pub(super) is_stuck: bool,
    /// Whether a request was not answered in time since the last success.
    pub(super) is_slow: bool,
    /// Connections that are open or being opened.
    pub(super) connections: usize,
    /// Whether it was told that no further connection can be had.
    pub(super) is_capped: bool,
    pub(super) gate: Gate,
    pub(super) outage: Outage,
    pub(super) retry: Retry,
    pub(super) budget: Budget,
    pub(super) random: fastrand::Rng,
    /// No success since then, though requests were answered with refusals only.
    pub(super) refused_since: Option<Duration>,
    /// The longest that the service has asked to be left alone since then.
    pub(super) asked_max: Duration,
    /// What the service said last when it failed; names the reason when the stage gives up.
    pub(super) last_fault: Option<Fault>,
    pub(super) outage_budget: Duration,
    /// What a dead letter shows of a record.
    pub(super) show: Showing<Q>,
    /// Whether what is finished is let go of in order.
    pub(super) keeps_order: bool,
    /// Whether one request is in flight at a time, though more may wait.
    pub(super) is_sequential: bool,
    /// Since when nothing has come, though nothing here could be sent or was in flight.
    pub(super) alone_since: Option<Duration>,
    /// When something came last.
    pub(super) offered_at: Duration,
    pub(super) stopped: bool,
}

impl<Q> Dispatch<Q> {
    pub(crate) fn new(
        step: Step,
        options: &Options,
        limits: Limits,
        size: fn(&Q) -> usize,
    ) -> Dispatch<Q> {
        Dispatch {
            step,
            // More than one connection may overtake each other whatever is sent first.
            backlog: Backlog::new(options.keep_order && limits.connections == 1, size),
            bytes_max: limits.bytes,
            ready_max: limits.ready,
            in_flight_records: 0,
            in_flight_fresh: 0,
            may_come: false,
            is_all: true,
            is_stuck: false,
            is_slow: false,
            connections: 0,
            is_capped: false,
            gate: Gate::new(limits.law(options, step), limits.bulk_size(options, step)),
            outage: Outage::new(options.outage_budget, options.first_contact),
            retry: Retry::new(options),
            budget: Budget::new(),
            random: fastrand::Rng::new(),
            refused_since: None,
            asked_max: Duration::ZERO,
            last_fault: None,
            outage_budget: options.outage_budget,
            show: Showing::NOTHING,
            keeps_order: options.keep_order,
            is_sequential: options.strategy == Strategy::Sequential,
            alone_since: None,
            offered_at: Duration::ZERO,
            stopped: false,
        }
    }

    /// The same, where an earlier run of the job has saved something, or has not.
    pub(crate) fn after(self, succeeded_before: bool) -> Dispatch<Q> {
        Dispatch {
            outage: self.outage.after(succeeded_before),
            ..self
        }
    }

    /// The same, whose dead letters show what their items were.
    pub(crate) fn showing(self, show: Showing<Q>) -> Dispatch<Q> {
        Dispatch { show, ..self }
    }

    /// Whether more may come before any of what is here is finished, whether all has come, and whether no other may be sent
    /// before one that waits for others. By default all has come.
    pub(crate) fn expect(&mut self, may_come: bool, is_all: bool, is_stuck: bool) {
        (self.may_come, self.is_all, self.is_stuck) = (may_come, is_all, is_stuck);
    }

    /// Takes over records to be sent.
    pub(crate) fn offer(&mut self, now: Duration, chunk: Chunk<Q>) {
        (self.alone_since, self.offered_at) = (None, now);
        self.backlog.offer(now, chunk);
    }

    /// Makes this record the next to be sent, if it is ready to be sent at all.
    pub(crate) fn bring_forward(&mut self, index: u64) -> bool {
        self.backlog.bring_forward(index)
    }

    /// The next bulk, if one may be sent now: what is ready, up to what one request may carry.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(Sent, Vec<Record<Q>>)> {
        if self.room(now) == 0 {
            return None;
        }
        // Bad items often stand together, and those that are slow cost most.
        let is_elsewhere = self.is_slow && self.gate.bulk_max() == 1;
        let (mut bulk, is_full_in_bytes) = if self.outage.is_away() || is_elsewhere {
            // Alone: among many there is a bad one too often.
            (self.backlog.take_probe(self.random.f64())?, false)
        } else {
            self.backlog.take(self.gate.bulk_max(), self.bytes_max)?
        };
        let sent_ms = clock_ms(now);
        for record in &mut bulk {
            if record.trail.first_sent_ms == 0 {
                record.trail.first_sent_ms = sent_ms;
            }
        }
        self.in_flight_records += bulk.len();
        let fresh = fresh(&bulk);
        self.in_flight_fresh += fresh;
        self.outage.sent(now, fresh > 0);
        let sent = self.gate.sent(now, bulk.len(), is_full_in_bytes);
        Some((sent, bulk))
    }

    /// How many requests may be sent now.
    fn room(&self, now: Duration) -> usize {
        if self.stopped {
            return 0;
        }
        let mut room = self.gate.room(now);
        if self.is_sequential {
            room = room.min(1_usize.saturating_sub(self.gate.in_flight()));
        }
        let probes = self.outage.allowance(now, self.backlog.fresh() > 0);
        probes.map_or(room, |probes| room.min(probes))
    }

    /// How many more requests could be sent now.
    pub(crate) fn sendable(&self, now: Duration) -> usize {
        match self.backlog.bulks(self.gate.bulk_max()) {
            0 => 0,
            bulks => bulks.min(self.room(now)),
        }
    }

    /// Moves records whose wait is over to the ready ones. Says why the run must stop, if it must.
    pub(crate) fn advance(&mut self, now: Duration) -> Option<String> {
        // A token is for a request, so it is good for as many records as one may carry.
        let mut paid = 0;
        self.gate.raise_cap(now);
        while self.backlog.next_at().is_some_and(|at| at <= now) {
            if paid == 0 {
                if !self.budget.take(now) {
                    break;
                }
                paid = self.gate.bulk_max();
            }
            paid -= 1;
            self.backlog.promote(now);
        }
        self.gave_up(now)
    }

    /// When something here changes by itself, if it will.
    pub(crate) fn wake_at(&self, now: Duration) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        let next = self.backlog.next_at();
        let waiting = next.map(|at| at.max(self.budget.ready_at(now)));
        let doubted = self.has_held().then(|| self.doubted_until());
        let alone = self.alone_since.map(|since| since + ALONE_MAX);
        let judged = doubted.into_iter().chain(alone).filter(|at| *at > now);
        let all = waiting.into_iter().chain(self.opens_at(now));
        all.chain(judged).min()
    }

    /// When more may be sent by itself, if that is later.
    fn opens_at(&self, now: Duration) -> Option<Duration> {
        let has_fresh = self.backlog.fresh() > 0;
        let gates = [self.gate.opens_at(now), self.outage.wake_at(now, has_fresh)];
        gates.into_iter().flatten().min()
    }

    /// Whether records are ready that only time keeps from being sent.
    pub(crate) fn is_held_back(&self, now: Duration) -> bool {
        !self.stopped
            && self.backlog.bulks(self.gate.bulk_max()) > 0
            && self.opens_at(now).is_some()
    }

    /// Whether more may be offered: what waits here is bounded in bytes.
    pub(crate) fn has_room(&self) -> bool {
        self.backlog.bytes() < self.bytes_max && self.ready_fresh() < self.ready_max
    }

    /// Those that have failed must not keep away those that can show whether the service is there.
    fn ready_fresh(&self) -> usize {
        self.backlog.ready().min(self.backlog.fresh())
    }

    /// Records that may still become ready.
    pub(crate) fn fitting(&self) -> usize {
        self.ready_max.saturating_sub(self.ready_fresh())
    }

    /// Whether nothing is ready, waiting or in flight; after a stop, whether nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.gate.in_flight() == 0
            && (self.stopped || self.backlog.is_empty() || planted!(DrainForgets))
    }

    /// The same where more may be offered before all is finished: those that wait for others need not be.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_fruitless = self.outage.is_told() && self.backlog.fresh() == 0;
        let waits_for_others = (is_fruitless || self.backlog.is_only_held()) && self.has_room();
        self.gate.in_flight() == 0 && (self.stopped || self.backlog.is_empty() || waits_for_others)
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What holds back what is ready, but for an outage.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn in_flight_records(&self) -> usize {
        self.in_flight_records
    }

    pub(crate) fn ready(&self) -> usize {
        self.backlog.ready()
    }

    /// Whether records wait for others to show something.
    pub(crate) fn has_held(&self) -> bool {
        self.backlog.held() > 0
    }

    /// So many connections are open or being opened.
    pub(crate) fn connected(&mut self, connections: usize) {
        self.connections = connections;
    }

    /// The request that carried these records was answered, or failed.
    pub(crate) fn settle<A>(
        &mut self,
        now: Duration,
        sent: Sent,
        bulk: Vec<Record<Q>>,
        outcome: Result<Reply<A>, Fault>,
    ) -> Settled<A> {
        let limited = self.limited(now, sent, &outcome);
        self.in_flight_records -= bulk.len();
        self.in_flight_fresh -= fresh(&bulk);
        if matches!(&outcome, Ok(Reply::All(_))) {
            self.outage.took(now.saturating_sub(sent.at));
        }
        let is_alone = bulk.len() == 1 && self.gate.in_flight() == 0 && self.backlog.is_empty();
        let mut settled = Settled::new(limited);
        let is_there = shows_that_it_is_there(&outcome, self.outage.is_out_of_reach(), is_alone);
        let streak = self.outage.streak();
        let ended = is_there
            .then(|| self.outage.is_there(now, sent.at))
            .flatten();
        if self.outage.streak() != streak {
            self.judge(now, &mut settled.facts);
        }
        if let Some(lasted) = ended {
            let step = self.step;
            settled.facts.push(Fact::OutageEnded { step, lasted });
        }
        match outcome {
            Ok(Reply::All(answers)) => {
                self.succeeded(now, sent.at, &mut settled.facts);
                let answered = bulk.into_iter().zip(answers);
                settled.done = answered.map(|(r, a)| Record::new(r.index, a)).collect();
            }
            Ok(Reply::Each(answers)) => self.each(now, sent.at, bulk, answers, &mut settled),
            Err(fault) => {
                settled.verdict = Some(fault.verdict());
                if fault.verdict() == Verdict::InDoubt {
                    settled.in_doubt = bulk.len();
                }
                self.all_failed(now, bulk, fault, &mut settled);
            }
        }
        if ended.is_some() {
            // Or an item that always fails at a service that comes and goes would never be given up.
            self.outage.is_decided();
        }
        settled.facts.extend(self.judge_alone(now));
        settled.unavailable = match settled.verdict {
            Some(Verdict::Overload) => self.refused_for_too_long(now),
            _ => self.gave_up(now),
        };
        settled
    }

    /// Tells the limit how a request ended; says what it makes of that.
    fn limited<A>(
        &mut self,
        now: Duration,
        sent: Sent,
        outcome: &Result<Reply<A>, Fault>,
    ) -> Option<Fact> {
        self.outage.answered(now, sent.at);
        let outcome = as_seen_by_the_limit(outcome);
        let is_more_ready = self.backlog.ready() > 0;
        let (step, at) = (self.step, now);
        Some(match self.gate.done(now, sent, outcome, is_more_ready)? {
            Changed::Limit(decision) => Fact::Limit { step, at, decision },
            Changed::Bulk(records) => Fact::Bulk { step, at, records },
        })
    }

    fn each<A>(
        &mut self,
        now: Duration,
        sent_at: Duration,
        mut bulk: Vec<Record<Q>>,
        answers: Vec<Result<A, Fault>>,
        settled: &mut Settled<A>,
    ) {
        let successes = answers.iter().filter(|a| a.is_ok()).count();
        if successes > 0 {
            self.succeeded(now, sent_at, &mut settled.facts);
        }
        let mut is_fresh = bulk.iter().all(|record| !record.trail.has_failed);
        if planted!(BulkShifted) {
            bulk.rotate_left(1);
        }
        for (record, answer) in bulk.into_iter().zip(answers) {
            match answer {
                Ok(answer) => settled.done.push(Record::new(record.index, answer)),
                Err(fault) => {
                    if successes == 0 {
                        settled.verdict.get_or_insert(fault.verdict());
                    }
                    settled.in_doubt += usize::from(fault.verdict() == Verdict::InDoubt);
                    self.failed(now, record, fault, is_fresh, settled);
                    // One request is one witness.
                    is_fresh = false;
                }
            }
        }
    }

    fn succeeded(&mut self, now: Duration, sent_at: Duration, facts: &mut Vec<Fact>) {
        self.budget.succeeded();
        (self.refused_since, self.asked_max) = (None, Duration::ZERO);
        let streak = self.outage.streak();
        if let Some(lasted) = self.outage.succeeded(now, sent_at) {
            let step = self.step;
            facts.push(Fact::OutageEnded { step, lasted });
        }
        if self.outage.streak() != streak {
            self.judge(now, facts);
        }
    }

    fn all_failed<A>(
        &mut self,
        now: Duration,
        bulk: Vec<Record<Q>>,
        fault: Fault,
        settled: &mut Settled<A>,
    ) {
        let is_about_items = match fault.verdict() {
            Verdict::Permanent => true,
            Verdict::Transient => fault.is_answered() && fault.ends_run().is_none(),
            _ => false,
        };
        if is_about_items && bulk.len() > 1 {
            if fault.is_too_large() {
                let (step, at) = (self.step, now);
                let records = self.gate.too_large(bulk.len());
                settled.facts.push(Fact::Bulk { step, at, records });
            }
            self.halve(bulk);
            return;
        }
        let mut is_fresh = bulk.iter().all(|record| !record.trail.has_failed);
        let facts = &mut settled.facts;
        let is_cut = fault.verdict() == Verdict::InDoubt && bulk.len() > 1;
        if is_cut && self.is_own(now, &fault, bulk.len(), is_fresh, facts) {
            // One of them may have done it, and would take the others along.
            self.last_fault = Some(fault);
            self.halve(bulk);
            return;
        }
        for record in bulk {
            self.failed(now, record, fault.clone(), is_fresh, settled);
            // One request is one witness.
            is_fresh = false;
        }
    }

    /// One of them is bad, or there are too many: halves them until it is alone.
    fn halve(&mut self, mut bulk: Vec<Record<Q>>) {
        let second = bulk.split_off(bulk.len() / 2);
        self.backlog.half(bulk);
        if !planted!(HalfForgotten) {
            self.backlog.half(second);
        }
    }

    /// Why the stage must stop, if the service has stayed away for longer than allowed.
    fn gave_up(&self, now: Duration) -> Option<String> {
        self.failed_for(self.outage.over_budget(now)?)
    }

    /// The same if it answers, but only to refuse, and for longer than it asked to be left alone.
    fn refused_for_too_long(&self, now: Duration) -> Option<String> {
        let refused = now.saturating_sub(self.refused_since?);
        let allowed = self.outage_budget + self.asked_max;
        (refused >= allowed).then(|| self.failed_for(refused))?
    }

    fn failed_for(&self, lasted: Duration) -> Option<String> {
        let (step, fault) = (self.step.name(), self.last_fault.as_ref()?);
        Some(format!("{step} failed for {lasted:.0?}: {fault}"))
    }
}

/// Records that have not failed before.
fn fresh<Q>(bulk: &[Record<Q>]) -> usize {
    bulk.iter()
        .filter(|record| !record.trail.has_failed)
        .count()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::options::InFlightLimit;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dispatch(in_flight: usize, bulk: usize, rate: Option<f64>) -> Dispatch<u64> {
        dispatch_on(usize::MAX, in_flight, bulk, rate)
    }

    /// In order, if there is one connection.
    fn dispatch_on(
        connections: usize,
        in_flight: usize,
        bulk: usize,
        rate: Option<f64>,
    ) -> Dispatch<u64> {
        let limits = Limits {
            connections,
            bulk,
            bytes: 1 << 20,
            ready: usize::MAX,
            wall: Duration::ZERO,
        };
        let patient = Options {
            first_contact: 1_000_000 * SECOND,
            outage_budget: 1_000_000 * SECOND,
            save_quota: crate::quota::Quota {
                requests: rate,
                ..crate::quota::Quota::default()
            },
            keep_order: connections == 1,
            in_flight: InFlightLimit::Fixed(in_flight),
            ..Options::default()
        };
        let mut dispatch = Dispatch::new(Step::Save, &patient, limits, |_| 0);
        dispatch.random = fastrand::Rng::with_seed(7);
        dispatch
    }

    fn offer(dispatch: &mut Dispatch<u64>, items: u64) {
        let records = (0..items).map(|n| Record::new(n, n)).collect();
        dispatch.offer(Duration::ZERO, Chunk::new(records, |_| 0));
    }

    /// The item that a fact tells dead.
    fn dead(fact: &Fact) -> Option<u64> {
        match fact {
            Fact::Dead { index, .. } => Some(*index),
            _ => None,
        }
    }

    /// One of the ways in which a request can end.
    fn outcome(kind: u8, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        let all = || bulk.iter().map(|r| r.value).collect();
        match kind {
            0 => Err(Fault::transient("500")),
            1 => Err(Fault::in_doubt("cut")),
            2 => Err(Fault::overload("429").retry_after(2 * SECOND)),
            3 => Err(Fault::overload("503")),
            4 => Err(Fault::unreached("refused")),
            5 => Err(Fault::permanent("413")),
            6 => Ok(Reply::Each(
                bulk.iter()
                    .map(|r| match r.value % 3 {
                        0 => Err(Fault::transient("busy")),
                        1 => Err(Fault::permanent("constraint")),
                        _ => Ok(r.value),
                    })
                    .collect(),
            )),
            _ => Ok(Reply::All(all())),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever happens to requests: every item ends once, done or dead, and the limit holds.
        #[test]
        fn nothing_is_lost_or_invented(
            items in 0u64..60,
            limit in 1usize..8,
            bulk_max in 1usize..9,
            rate in prop::option::of(1u8..50),
            kinds in prop::collection::vec(0u8..12, 0..200),
        ) {
            let mut dispatch = dispatch(limit, bulk_max, rate.map(f64::from));
            offer(&mut dispatch, items);
            let mut kinds = kinds.into_iter();
            let (mut now, mut flying, mut ended) = (Duration::ZERO, VecDeque::new(), Vec::new());
            while !dispatch.is_idle() {
                ended.extend(dispatch.judge_alone(now).iter().filter_map(dead));
                prop_assert_eq!(dispatch.advance(now), None);
                while let Some((sent, bulk)) = dispatch.take(now) {
                    prop_assert!(bulk.len() <= bulk_max);
                    flying.push_back((sent, bulk));
                }
                let is_ready = dispatch.backlog.bulks(bulk_max) > 0;
                if is_ready && flying.len() < limit {
                    prop_assert!(dispatch.is_held_back(now), "or nobody would look again");
                }
                prop_assert!(flying.len() <= limit);
                prop_assert_eq!(dispatch.gate.in_flight(), flying.len());
                let Some((sent, bulk)) = flying.pop_front() else {
                    let due = dispatch.wake_at(now).expect("something is waited for");
                    prop_assert!(due > now, "time must go on");
                    now = due;
                    continue;
                };
                now += Duration::from_millis(10);
                let outcome = outcome(kinds.next().unwrap_or(11), &bulk);
                let settled = dispatch.settle(now, sent, bulk, outcome);
                ended.extend(settled.done.iter().map(|record| record.value));
                ended.extend(settled.facts.iter().filter_map(dead));
            }
            ended.sort_unstable();
            prop_assert_eq!(ended, (0..items).collect::<Vec<_>>());
            prop_assert_eq!(dispatch.backlog.bytes(), 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever happens to whole requests: one connection saves in the order of the items, each once.
        #[test]
        fn one_connection_saves_in_order(
            items in 0u64..60,
            bulk_max in 1usize..9,
            bad in prop::collection::btree_set(0u64..60, 0..9),
            kinds in prop::collection::vec(0u8..8, 0..200),
        ) {
            let mut dispatch = dispatch_on(1, 5, bulk_max, None);
            offer(&mut dispatch, items);
            let (mut kinds, mut now, mut saved) = (kinds.into_iter(), Duration::ZERO, Vec::new());
            while !dispatch.is_idle() {
                dispatch.judge_alone(now);
                prop_assert_eq!(dispatch.advance(now), None);
                let Some((sent, bulk)) = dispatch.take(now) else {
                    now = dispatch.wake_at(now).expect("something is waited for");
                    continue;
                };
                prop_assert!(dispatch.take(now).is_none(), "one at a time");
                now += Duration::from_millis(10);
                let is_bad = bulk.iter().any(|record| bad.contains(&record.index));
                let outcome = match kinds.next().unwrap_or(7) {
                    kind @ 0..5 => outcome(kind, &bulk),
                    _ if is_bad => outcome(5, &bulk),
                    _ => outcome(11, &bulk),
                };
                let settled = dispatch.settle(now, sent, bulk, outcome);
                saved.extend(settled.done.iter().map(|record| record.index));
            }
            prop_assert!(saved.is_sorted(), "{saved:?}");
            // More may be dead: those that failed too often.
            prop_assert!(saved.iter().all(|index| !bad.contains(index)));
        }
    }

    /// What came of so many items in so many seconds, of which those from the first that is good on can be saved after a time: how
    /// many died, how many were saved, and how many outages began.
    fn outcomes(items: u64, good_from: u64, good_after: Duration, seconds: u32) -> [usize; 3] {
        let mut dispatch = dispatch(2, 1, None);
        offer(&mut dispatch, items);
        let (mut now, mut facts, mut saved) = (Duration::ZERO, Vec::new(), 0);
        while now < seconds * SECOND && !dispatch.is_idle() {
            now += Duration::from_millis(10);
            assert_eq!(dispatch.advance(now), None);
            facts.extend(dispatch.judge_alone(now));
            while let Some((sent, bulk)) = dispatch.take(now) {
                let is_good = bulk[0].value >= good_from && now >= good_after;
                let outcome = if is_good {
                    Ok(Reply::one(()))
                } else {
                    Err(Fault::transient("500"))
                };
                let settled = dispatch.settle(now, sent, bulk, outcome);
                saved += settled.done.len();
                facts.extend(settled.facts);
            }
        }
        let dead = facts.iter().filter(|f| matches!(f, Fact::Dead { .. }));
        let began = facts
            .iter()
            .filter(|f| matches!(f, Fact::OutageBegan { .. }));
        [dead.count(), saved, began.count()]
    }

    #[test]
    fn an_item_does_not_die_of_what_may_be_an_outage() {
        assert_eq!(outcomes(100, 0, 20 * SECOND, 40), [0, 100, 1]);
        assert_eq!(outcomes(100, 0, 600 * SECOND, 500), [0, 0, 1]);
    }

    #[test]
    fn bad_items_die_soon_and_the_others_are_saved() {
        assert_eq!(outcomes(2, 2, Duration::ZERO, 5), [2, 0, 0]);
        assert_eq!(outcomes(100, 3, Duration::ZERO, 5), [3, 97, 0]);
        assert_eq!(outcomes(1000, 300, Duration::ZERO, 20), [300, 700, 0]);
        assert_eq!(outcomes(20, 20, Duration::ZERO, 15), [20, 0, 0]);
    }

    #[test]
    fn an_item_that_the_service_finds_bad_shows_that_it_is_there() {
        let mut dispatch = dispatch(1, 1, None);
        offer(&mut dispatch, 3);
        let (mut now, mut outcomes) = (Duration::ZERO, vec![]);
        let answers = ["refused", "400", "", ""];
        for answer in answers {
            let (sent, bulk) = loop {
                assert_eq!(dispatch.advance(now), None);
                match dispatch.take(now) {
                    Some(taken) => break taken,
                    None => now += SECOND / 10,
                }
            };
            let outcome = match answer {
                "refused" => Err(Fault::unreached(answer)),
                "400" => Err(Fault::permanent(answer)),
                _ => Ok(Reply::one(())),
            };
            let settled = dispatch.settle(now, sent, bulk, outcome);
            outcomes.push((now.as_secs(), settled.facts.len()));
        }
        // The outage began; it ended and the item is dead; the others are sent at once.
        assert_eq!(outcomes, [(0, 1), (1, 2), (1, 0), (1, 0)]);
    }

    #[test]
    fn a_bad_item_that_is_alone_with_an_outage_dies_when_the_service_is_back() {
        let mut dispatch = dispatch(1, 1, None);
        offer(&mut dispatch, 1);
        let (mut now, mut facts, mut sends) = (Duration::ZERO, Vec::new(), 0);
        while !dispatch.is_idle() {
            now += SECOND / 10;
            assert!(now < 100 * SECOND, "one bad item is no outage");
            assert_eq!(dispatch.advance(now), None);
            facts.extend(dispatch.judge_alone(now));
            if let Some((sent, bulk)) = dispatch.take(now) {
                sends += 1;
                let fault = match sends {
                    // It comes and goes.
                    1 | 2 | 4 | 6 => Fault::unreached("refused"),
                    _ => Fault::transient("500"),
                };
                let failed: Result<Reply<()>, _> = Err(fault);
                facts.extend(dispatch.settle(now, sent, bulk, failed).facts);
            }
        }
        assert_eq!(sends, 4 + 6, "four that did not count, and six that did");
        let is_dead = |fact: &Fact| matches!(fact, Fact::Dead { attempts: 6, .. });
        assert!(facts.iter().any(is_dead), "{facts:?}");
    }

    #[test]
    fn a_connection_that_cannot_be_had_is_told_once_and_pauses_nobody() {
        let mut dispatch = dispatch(8, 1, None);
        offer(&mut dispatch, 20);
        let now = SECOND;
        dispatch.connected(2);
        let mut facts = Vec::new();
        for _ in 0..6 {
            let (sent, bulk) = dispatch.take(now).expect("nobody is paused");
            let failed: Result<Reply<()>, _> = Err(Fault::no_more_connections("too many"));
            facts.extend(dispatch.settle(now, sent, bulk, failed).facts);
        }
        assert!(matches!(
            facts[..],
            [Fact::NoMoreConnections { connections: 2, .. }]
        ));
        let taken = std::iter::from_fn(|| dispatch.take(now)).count();
        assert_eq!((taken, dispatch.ready()), (2, 18));
        // Others may have gone by then.
        let later = now + 30 * SECOND;
        dispatch.advance(later);
        assert!(dispatch.take(later).is_some());
    }

    #[test]
    fn a_run_that_is_refused_for_too_long_stops() {
        let mut dispatch = dispatch(1, 1, None);
        offer(&mut dispatch, 1);
        let mut now = Duration::ZERO;
        let why = loop {
            now += 1000 * SECOND;
            assert!(now < 2_000_000 * SECOND);
            assert_eq!(dispatch.advance(now), None);
            if let Some((sent, bulk)) = dispatch.take(now) {
                let refused = Fault::overload("answered 503").retry_after(SECOND);
                let refused: Result<Reply<()>, _> = Err(refused);
                if let Some(why) = dispatch.settle(now, sent, bulk, refused).unavailable {
                    break why;
                }
            }
        };
        assert!(why.contains("answered 503"), "{why}");
        assert!(now > 1_000_000 * SECOND);
    }
}
