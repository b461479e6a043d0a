//! Is the service away, or are items bad? Pure: outcomes and times in, one of three states out.
//!
//! An outage is a statement about the service, so it needs evidence from *fresh* items: those that have not failed before.
//! It begins when no connection can be made, or when eight fresh requests in a row have failed; it is told of and forgiven when
//! nothing has succeeded for a second. One probe at a time goes out, with a fresh item as long as there is one: a bad item says
//! nothing. Where the service can be reached, about forty such probes are sent in the first five seconds, later and elsewhere one after
//! 1 s and twice as long each time up to 30 s. It ends when a probe succeeds. Where only items are left that have failed before, nothing can show
//! that the service is back: after three seconds the pause ends as well, and they are tried until their attempts are used up.

use std::time::Duration;

use crate::planted::planted;

/// How long nothing may have succeeded before failures of several items are an outage.
const SILENCE: Duration = Duration::from_secs(1);
/// Fresh requests that must have failed since the last success: where every second item is bad, one run of 256 is that long.
const WITNESSES: u32 = 8;
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);
/// How often, and for how long at first, a service is probed that can be reached: what fails then may be a stretch of bad items, and
/// there is a good one behind it.
const SAMPLE_EVERY: Duration = Duration::from_millis(125);
const SAMPLE_FOR: Duration = Duration::from_secs(5);
/// How long to wait for a fresh item: computations may bring one.
const UNSEEN: Duration = Duration::from_secs(3);

/// Whether the service is there.
#[derive(Debug)]
pub(crate) struct Outage {
    budget: Duration,
    first_contact: Duration,
    ever_succeeded: bool,
    /// Whether an earlier run of the job has saved something.
    succeeded_before: bool,
    /// The first failure since the last success.
    first_failure: Option<Duration>,
    /// Fresh requests that failed since the last success.
    witnesses: u32,
    streak: u32,
    away: Option<Away>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    began: Duration,
    next_probe: Duration,
    wait: Duration,
    /// When the probe was sent that has not been answered.
    probe_sent: Option<Duration>,
    /// Since when it can be reached, though requests fail; `None` while nobody can connect.
    reached: Option<Duration>,
    /// When there was a fresh item last.
    fresh_at: Duration,
    /// Whether anybody was told; else it may be a few bad items beside each other.
    is_told: bool,
    /// Requests that were in flight when it began, and still are: one of them may succeed.
    older: usize,
}

/// A request that failed, and might have been taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// Whether none of its items had failed before.
    pub(crate) is_fresh: bool,
    /// Whether other items are there that have not.
    pub(crate) is_fresh_left: bool,
    /// Whether the service itself answered, if only to say that it failed.
    pub(crate) is_answered: bool,
    /// Other requests in flight.
    pub(crate) in_flight: usize,
}

/// What a failure is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The item's own, as far as anybody knows.
    Items,
    /// The first sign of an outage.
    Outage,
    /// One more sign of it.
    StillAway,
    /// The item's own; and what was taken for an outage, so long, was none, or nobody can know.
    NoOutage(Duration),
}

impl Outage {
    pub(crate) fn new(budget: Duration, first_contact: Duration) -> Outage {
        Outage {
            budget,
            first_contact,
            ever_succeeded: false,
            succeeded_before: false,
            first_failure: None,
            witnesses: 0,
            streak: 1,
            away: None,
        }
    }

    /// An earlier run of the job has saved something, or has not.
    pub(crate) fn after(mut self, succeeded_before: bool) -> Outage {
        self.succeeded_before = succeeded_before;
        self
    }

    /// Names the failures since the last success.
    pub(crate) fn streak(&self) -> u32 {
        self.streak
    }

    /// Whether there is an outage now, or something like it.
    pub(crate) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// How many requests may be sent now: `None` means as many as the limit allows.
    pub(crate) fn allowance(&self, now: Duration) -> Option<usize> {
        let away = self.away.as_ref()?;
        Some(usize::from(
            away.probe_sent.is_none() && now >= away.next_probe,
        ))
    }

    /// When the next probe becomes due, or the budget is spent.
    pub(crate) fn wake_at(&self, now: Duration) -> Option<Duration> {
        let away = self.away.as_ref()?;
        let end = away.began + self.budget_now();
        let probe_is_due_later = away.probe_sent.is_none() && away.next_probe > now;
        Some(if probe_is_due_later {
            away.next_probe.min(end.max(now))
        } else {
            end
        })
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, now: Duration) {
        if let Some(away) = &mut self.away {
            away.probe_sent = Some(now);
        }
    }

    /// An item was saved. Says how long the service had been away, if it was.
    pub(crate) fn succeeded(&mut self, now: Duration) -> Option<Duration> {
        self.ever_succeeded = true;
        if self.first_failure.is_some() {
            self.streak += 1;
        }
        self.witnesses = 0;
        self.first_failure = None;
        let away = self.away.take().filter(|away| away.is_told)?;
        Some(now.saturating_sub(away.began))
    }

    /// The service is there, though it saved nothing: it found an item bad, or failed at the only item there is to ask it
    /// with. Says how long it had been away, if it was.
    pub(crate) fn is_there(&mut self, now: Duration) -> Option<Duration> {
        let away = self.away.take()?;
        self.first_failure = None;
        self.witnesses = 0;
        self.streak += 1;
        Some(away).filter(|away| away.is_told)?;
        Some(now.saturating_sub(away.began))
    }

    /// Whether nobody can connect.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        self.away.is_some_and(|away| away.reached.is_none())
    }

    /// What failed until now was no outage, and is forgiven nobody.
    pub(crate) fn is_decided(&mut self) {
        self.streak += 1;
    }

    /// A request failed by a 5xx or a broken connection.
    pub(crate) fn failed(&mut self, now: Duration, failure: Failure) -> Taken {
        if let Some(away) = &mut self.away {
            if away.reached.is_none() {
                away.reached = Some(now);
                (away.fresh_at, away.wait) = (now, SAMPLE_EVERY);
                away.next_probe = now + SAMPLE_EVERY;
            }
            if failure.is_fresh || failure.is_fresh_left {
                away.fresh_at = now;
            }
            if !away.is_told {
                away.is_told = now.saturating_sub(away.began) >= SILENCE;
                return if away.is_told {
                    Taken::Outage
                } else {
                    Taken::Items
                };
            }
            if now.saturating_sub(away.fresh_at) < UNSEEN || planted!(StaleProbes) {
                return Taken::StillAway;
            }
            let lasted = now.saturating_sub(away.began);
            self.away = None;
            (self.first_failure, self.witnesses) = (Some(now), 0);
            self.streak += 1;
            return Taken::NoOutage(lasted);
        }
        let silent_since = *self.first_failure.get_or_insert(now);
        self.witnesses += u32::from(failure.is_fresh);
        // A run that goes on where another had success may have nothing but bad items left, each of which is answered.
        let is_known = failure.is_answered && self.succeeded_before && !self.ever_succeeded;
        if self.witnesses < WITNESSES || is_known {
            return Taken::Items;
        }
        let is_told = now.saturating_sub(silent_since) >= SILENCE;
        self.away = Some(Away {
            began: silent_since,
            next_probe: now,
            wait: SAMPLE_EVERY,
            probe_sent: None,
            reached: Some(now),
            fresh_at: now,
            is_told,
            older: failure.in_flight,
        });
        if is_told { Taken::Outage } else { Taken::Items }
    }

    /// No connection could be made, with so many other requests in flight. Says whether that begins an outage.
    pub(crate) fn unreached(&mut self, now: Duration, in_flight: usize) -> bool {
        self.first_failure.get_or_insert(now);
        if let Some(away) = &mut self.away {
            away.reached = None;
            return !std::mem::replace(&mut away.is_told, true);
        }
        self.away = Some(Away {
            began: now,
            next_probe: now + PROBE_FIRST,
            wait: PROBE_FIRST,
            probe_sent: None,
            reached: None,
            fresh_at: now,
            is_told: true,
            older: in_flight,
        });
        true
    }

    /// A request that was sent then was answered, or failed. If it was the probe, another follows; an answer
    /// to what was sent before the outage says nothing about the probe.
    pub(crate) fn answered(&mut self, now: Duration, sent_at: Duration) {
        let Some(away) = &mut self.away else {
            return;
        };
        if away.probe_sent.is_none_or(|probe| sent_at < probe) {
            away.older = away.older.saturating_sub(1);
            return;
        }
        away.probe_sent = None;
        let is_sampling = |reached| now.saturating_sub(reached) < SAMPLE_FOR;
        away.wait = match away.reached {
            Some(reached) if is_sampling(reached) => SAMPLE_EVERY,
            _ => (away.wait * 2).clamp(PROBE_FIRST, PROBE_MAX),
        };
        away.next_probe = now + away.wait;
    }

    /// How long the service has been away, if that is longer than the run may wait. Before the first success
    /// that is much shorter.
    pub(crate) fn over_budget(&self, now: Duration) -> Option<Duration> {
        let away = self.away.as_ref()?;
        let lasted = now.saturating_sub(away.began);
        // What is slow may be the first success.
        let may_succeed = !self.ever_succeeded && away.older > 0 && away.reached.is_some();
        (away.is_told && lasted >= self.budget_now() && !may_succeed).then_some(lasted)
    }

    fn budget_now(&self) -> Duration {
        if self.ever_succeeded {
            self.budget
        } else {
            self.first_contact
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn outage() -> Outage {
        Outage::new(s(900), s(8))
    }

    #[test]
    fn refused_connections_are_an_outage_at_once_and_probes_go_out_one_by_one() {
        let mut outage = outage();
        outage.succeeded(s(0));
        assert!(outage.unreached(s(10), 0));
        assert_eq!(outage.allowance(s(10)), Some(0));
        assert_eq!(outage.allowance(s(11)), Some(1));
        outage.sent(s(11));
        assert_eq!(outage.allowance(s(11)), Some(0));
        outage.answered(s(11), s(9));
        assert_eq!(
            outage.allowance(s(100)),
            Some(0),
            "an older answer is not the probe's"
        );
        outage.answered(s(11), s(11));
        assert!(!outage.unreached(s(11), 0));
        assert_eq!(outage.wake_at(s(11)), Some(s(13)), "twice the first wait");
        assert_eq!(outage.succeeded(s(13)), Some(s(3)));
        assert_eq!(outage.allowance(s(13)), None);
    }

    /// A fresh item that the service answered with a failure, with others left.
    const FRESH: Failure = Failure {
        is_fresh: true,
        is_fresh_left: true,
        is_answered: true,
        in_flight: 0,
    };
    /// The same of one that failed before, where nothing else is left.
    const STALE: Failure = Failure {
        is_fresh: false,
        is_fresh_left: false,
        ..FRESH
    };

    #[test]
    fn items_that_always_fail_are_no_outage_where_nothing_else_is_left() {
        let mut outage = outage();
        outage.succeeded(s(0));
        for _ in 0..7 {
            assert_eq!(outage.failed(s(1), FRESH), Taken::Items);
        }
        for second in 2..100 {
            assert_eq!(outage.failed(s(second), STALE), Taken::Items);
        }
    }

    #[test]
    fn an_outage_ends_with_an_answer_and_may_begin_again() {
        let mut outage = outage();
        outage.succeeded(s(0));
        assert_eq!(outage.is_there(s(1)), None);
        assert!(outage.unreached(s(10), 0));
        assert_eq!(outage.is_there(s(12)), Some(s(2)));
        assert!(!outage.is_away());
        assert_eq!(outage.failed(s(12), FRESH), Taken::Items);
        assert!(outage.unreached(s(12), 0));
    }

    #[test]
    fn failures_beside_successes_are_no_outage() {
        let mut outage = outage();
        for second in 0..100 {
            for _ in 0..10 {
                assert_eq!(outage.failed(s(second), FRESH), Taken::Items);
            }
            assert_eq!(outage.succeeded(s(second)), None);
        }
    }

    /// In an outage since the sixth second.
    fn away() -> Outage {
        let mut outage = outage();
        outage.succeeded(s(5));
        for _ in 0..20 {
            assert_eq!(outage.failed(s(5), FRESH), Taken::Items);
        }
        assert_eq!(outage.allowance(s(5)), Some(1));
        assert_eq!(outage.failed(s(6), FRESH), Taken::Outage);
        outage
    }

    #[test]
    fn eight_fresh_items_failing_for_a_second_are_an_outage() {
        let outage = away();
        assert!(outage.is_away());
        assert!(outage.over_budget(s(904)).is_none());
        assert!(outage.over_budget(s(905)).is_some());
    }

    #[test]
    fn a_service_that_can_be_reached_is_probed_often_at_first() {
        let mut outage = away();
        let (mut now, mut probes) = (s(6), Vec::new());
        while now < s(600) {
            if outage.allowance(now) == Some(0) {
                now = outage.wake_at(now).unwrap();
                assert_eq!(outage.allowance(now), Some(1));
            }
            probes.push(now);
            outage.sent(now);
            outage.answered(now, now);
            assert_eq!(outage.failed(now, FRESH), Taken::StillAway);
        }
        let until = |at| probes.iter().filter(|probe| **probe <= at).count();
        assert_eq!((until(s(11)), until(s(12)), until(s(905))), (34, 34, 57));
    }

    #[test]
    fn where_no_fresh_item_is_left_the_pause_ends() {
        let mut outage = away();
        assert_eq!(outage.failed(s(8), STALE), Taken::StillAway);
        assert_eq!(outage.failed(s(9), STALE), Taken::NoOutage(s(4)));
        assert!(!outage.is_away());
    }

    #[test]
    fn a_run_that_goes_on_with_what_is_answered_badly_is_in_no_outage() {
        let after = |is_answered| {
            let mut outage = outage().after(true);
            let failure = Failure {
                is_answered,
                ..FRESH
            };
            (0..20)
                .map(|second| outage.failed(s(second), failure))
                .any(|taken| taken == Taken::Outage)
        };
        assert!(!after(true));
        assert!(after(false));
    }

    #[test]
    fn slow_answers_are_waited_for_before_the_first_success() {
        let mut outage = outage();
        let failure = Failure {
            in_flight: 1,
            ..FRESH
        };
        for _ in 0..9 {
            assert_eq!(outage.failed(s(0), failure), Taken::Items);
        }
        assert_eq!(outage.failed(s(1), failure), Taken::Outage);
        assert_eq!(outage.over_budget(s(30)), None);
        outage.answered(s(30), s(0));
        assert_eq!(outage.over_budget(s(30)), Some(s(30)));
    }

    #[test]
    fn before_the_first_success_the_budget_is_short() {
        let mut outage = outage();
        assert!(outage.unreached(s(0), 0));
        assert!(outage.over_budget(s(7)).is_none());
        assert!(outage.over_budget(s(8)).is_some());
    }
}
