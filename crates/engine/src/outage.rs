//! Is the service away, or are items bad? Pure: outcomes and times in, one of three states out.
//!
//! An outage is a statement about the service, so it needs evidence from *fresh* items: those that have not failed before.
//! It begins when no connection can be made, or when eight fresh requests in a row have failed and nothing has succeeded for a
//! second, or for twice as long as an answer takes. Then fresh items are the probes, eight a second for a minute. An outage ends
//! when a probe succeeds. Where every item that is left has failed, nothing fresh can show whether the service is back: few items
//! are bad, and so are many that were answered; many that were not are an outage. [`blame`](crate::stage) says what becomes of
//! the items.

use std::time::Duration;

use crate::planted::planted;

/// How long nothing may have succeeded before failures of several items are an outage.
const SILENCE: Duration = Duration::from_secs(1);
/// The same in answers of usual length: where they take long, there is not one a second.
const SILENT_ANSWERS: u32 = 2;
/// Answers over which the usual length is taken.
const LATENCY_OVER: u32 = 8;
/// Fresh requests that must have failed since the last success: where every second item is bad, one run of 256 is that long.
const WITNESSES: u32 = 8;
/// So many items that are left, and have failed since the last success, are bad rather than an outage: a bad stretch at the end of
/// an input is more likely than an outage that begins just then. Half of what `--halt` looks back on.
pub(crate) const FEW: usize = 50;
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);
/// How often a service is probed with fresh items that can be reached, and for how long: what fails may be a stretch of bad items,
/// and there is a good one behind it. Eight requests a second hurt no service.
const SAMPLE_EVERY: Duration = Duration::from_millis(125);
const SAMPLE_FOR: Duration = Duration::from_secs(60);
/// How long the last attempt of an item waits after the first failure where no other item can be tried: so long for each that is
/// left, at most [`DOUBT_MAX`]. An outage that is shorter costs nothing then.
const DOUBT_EACH: Duration = Duration::from_secs(1);
const DOUBT_MAX: Duration = Duration::from_secs(10);
/// The same where more than [`FEW`] are left: that all of them are bad is less likely.
const DOUBT_MANY: Duration = Duration::from_secs(60);

/// Whether the service is there.
#[derive(Debug)]
pub(crate) struct Outage {
    budget: Duration,
    first_contact: Duration,
    ever_succeeded: bool,
    /// Whether an earlier run of the job has saved something.
    succeeded_before: bool,
    /// How long an answer takes, once there was one.
    latency: Option<Duration>,
    /// The first failure since the last success of a request that was sent after the failure before: only that shows anything.
    first_failure: Option<Duration>,
    /// The first failure since the last success of any.
    silent_since: Option<Duration>,
    /// Fresh requests that failed since the last success.
    witnesses: u32,
    /// Whether each failure since the last success was a whole answer of the service.
    is_answered: bool,
    streak: u32,
    away: Option<Away>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    began: Duration,
    /// When it was noticed.
    noted: Duration,
    next_probe: Duration,
    wait: Duration,
    /// When the last probe was sent, if it has not been answered.
    probe_sent: Option<Duration>,
    /// Since when it can be reached, though requests fail; `None` while nobody can connect.
    reached: Option<Duration>,
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
    /// What else there is to be tried.
    pub(crate) rest: Rest,
    /// Whether the service itself answered, if only to say that it failed.
    pub(crate) is_answered: bool,
    /// Other requests in flight.
    pub(crate) in_flight: usize,
}

/// What there is to be tried beside an item that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Fresh items, or some may come.
    Fresh,
    /// Few items are left, this one included, of which nobody knows that they are bad; and none will come. Fresh ones may be
    /// among them.
    Few,
    /// None is fresh, and none can come before one of these has ended.
    Stuck,
    /// Many are left, none is fresh, and none will come.
    Stale,
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
            latency: None,
            first_failure: None,
            silent_since: None,
            witnesses: 0,
            is_answered: true,
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

    /// Whether it was said that the service is away.
    pub(crate) fn is_told(&self) -> bool {
        self.away.is_some_and(|away| away.is_told)
    }

    /// Whether failures are each item's own, whatever happens.
    pub(crate) fn is_ruled_out(&self) -> bool {
        self.budget.is_zero()
    }

    /// Until when the last attempts of items wait, where so many items are left and no other can be tried.
    pub(crate) fn doubted_until(&self, left: usize) -> Duration {
        let each = DOUBT_EACH.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        let doubt = match left {
            _ if planted!(NoDoubt) => Duration::ZERO,
            ..=FEW => each.min(DOUBT_MAX),
            _ => DOUBT_MANY,
        };
        self.first_failure.unwrap_or_default() + doubt
    }

    /// How many requests may be sent now: `None` means as many as the limit allows. A probe is best a fresh item.
    pub(crate) fn allowance(&self, now: Duration, has_fresh: bool) -> Option<usize> {
        let away = self.away.as_ref()?;
        let is_free = away.is_sampling(now, has_fresh) || away.probe_sent.is_none();
        Some(usize::from(is_free && now >= away.next_probe))
    }

    /// When the next probe becomes due, or the budget is spent.
    pub(crate) fn wake_at(&self, now: Duration, has_fresh: bool) -> Option<Duration> {
        let away = self.away.as_ref()?;
        let end = away.ends_at(self);
        let is_free = away.is_sampling(now, has_fresh) || away.probe_sent.is_none();
        // What is over already, and changes nothing, must not wake anybody again and again.
        let end = Some(end).filter(|end| *end > now);
        let probe = Some(away.next_probe).filter(|probe| is_free && *probe > now);
        probe.into_iter().chain(end).min()
    }

    /// A request was sent.
    pub(crate) fn sent(&mut self, now: Duration, is_fresh: bool) {
        if let Some(away) = &mut self.away {
            away.probe_sent = Some(now);
            if away.is_sampling(now, is_fresh) {
                away.next_probe = now + SAMPLE_EVERY;
            }
        }
    }

    /// An item was saved by a request that was sent then. Says how long the service had been away, if it was.
    pub(crate) fn succeeded(&mut self, now: Duration, sent_at: Duration) -> Option<Duration> {
        self.ever_succeeded = true;
        self.is_there(now, sent_at)
    }

    /// The service is there, though it may have saved nothing: it found an item bad, or failed at the only item there is to ask
    /// it with. Says how long it had been away, if it was.
    pub(crate) fn is_there(&mut self, now: Duration, sent_at: Duration) -> Option<Duration> {
        if self.first_failure.is_some_and(|at| at <= sent_at) {
            self.first_failure = None;
            self.streak += 1;
        }
        self.silent_since = None;
        (self.witnesses, self.is_answered) = (0, true);
        let away = self.away.take()?;
        let lasted = now.saturating_sub(away.began);
        away.is_told.then_some(lasted)
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
        self.first_failure.get_or_insert(now);
        let silent_since = *self.silent_since.get_or_insert(now);
        self.witnesses += u32::from(failure.is_fresh);
        self.is_answered &= failure.is_answered;
        let is_told = now.saturating_sub(silent_since) >= self.silence();
        if self.away.is_some() {
            return self.failed_again(now, failure, is_told);
        }
        // A run that goes on where another had success may have nothing but bad items left, each of which is answered.
        let is_known = failure.is_answered && self.succeeded_before && !self.ever_succeeded;
        let is_last = [Rest::Few, Rest::Stale].contains(&failure.rest);
        let is_own = is_known || is_last || self.is_ruled_out();
        let usual = self.latency.unwrap_or_default() * SILENT_ANSWERS;
        let is_soon = now.saturating_sub(silent_since) < usual;
        if self.witnesses < WITNESSES || is_own || is_soon {
            return Taken::Items;
        }
        self.away = Some(Away {
            began: silent_since,
            noted: now,
            next_probe: now,
            wait: SAMPLE_EVERY,
            probe_sent: None,
            reached: Some(now),
            is_told,
            older: failure.in_flight,
        });
        if is_told { Taken::Outage } else { Taken::Items }
    }

    fn failed_again(&mut self, now: Duration, failure: Failure, is_told: bool) -> Taken {
        let Some(away) = &mut self.away else {
            return Taken::Items;
        };
        if away.reached.is_none() {
            away.reached = Some(now);
            (away.wait, away.next_probe) = (SAMPLE_EVERY, now + SAMPLE_EVERY);
        }
        let nobody_can_tell = match failure.rest {
            Rest::Fresh => false,
            Rest::Few => true,
            // Nobody may have connected at first; but too few requests have failed since.
            Rest::Stuck => self.is_answered || self.witnesses < WITNESSES,
            Rest::Stale => self.is_answered,
        };
        if nobody_can_tell && !planted!(StaleProbes) {
            let lasted = now.saturating_sub(away.began);
            let was_told = away.is_told;
            self.away = None;
            self.streak += u32::from(was_told);
            self.witnesses = 0;
            return if was_told {
                Taken::NoOutage(lasted)
            } else {
                Taken::Items
            };
        }
        match (away.is_told, is_told) {
            (true, _) => Taken::StillAway,
            (false, false) => Taken::Items,
            (false, true) => {
                away.is_told = true;
                Taken::Outage
            }
        }
    }

    /// Items have failed until none is left that may be tried before something is known of the service. Says whether that begins
    /// an outage.
    pub(crate) fn is_alone(&mut self, now: Duration, rest: Rest) -> bool {
        let is_outage = rest == Rest::Stale && !self.is_answered && !self.is_ruled_out();
        self.away = is_outage.then_some(Away {
            began: self.first_failure.unwrap_or(now),
            noted: now,
            next_probe: now + PROBE_FIRST,
            wait: PROBE_FIRST,
            probe_sent: None,
            reached: Some(now),
            is_told: true,
            older: 0,
        });
        is_outage
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
            noted: now,
            next_probe: now + PROBE_FIRST,
            wait: PROBE_FIRST,
            probe_sent: None,
            reached: None,
            is_told: true,
            older: in_flight,
        });
        true
    }

    /// A request that was sent then was answered, or failed. If it was the last probe, another follows; an answer
    /// to what was sent before the outage says nothing about the probe.
    pub(crate) fn answered(&mut self, now: Duration, sent_at: Duration) {
        let Some(away) = &mut self.away else {
            return;
        };
        if sent_at <= away.noted {
            away.older = away.older.saturating_sub(1);
        }
        if away.probe_sent.is_none_or(|probe| sent_at < probe) {
            return;
        }
        away.probe_sent = None;
        away.wait = match away.is_sampling(now, true) {
            true => SAMPLE_EVERY,
            false => (away.wait * 2).clamp(PROBE_FIRST, PROBE_MAX),
        };
        away.next_probe = now + away.wait;
    }

    /// A request was answered with success after so long.
    pub(crate) fn took(&mut self, latency: Duration) {
        let usual = self.latency.unwrap_or(latency);
        self.latency = Some((usual * (LATENCY_OVER - 1) + latency) / LATENCY_OVER);
    }

    /// How long the service has been away, if that is longer than the run may wait. Before the first success
    /// that is much shorter.
    pub(crate) fn over_budget(&self, now: Duration) -> Option<Duration> {
        let away = self.away.as_ref()?;
        let lasted = now.saturating_sub(away.began);
        // What is slow may be the first success.
        let may_succeed = !self.ever_succeeded && away.older > 0 && away.reached.is_some();
        let is_over = now >= away.ends_at(self);
        (away.is_told && is_over && !may_succeed).then_some(lasted)
    }

    /// How long nothing must have succeeded.
    fn silence(&self) -> Duration {
        let usual = self.latency.unwrap_or_default() * SILENT_ANSWERS;
        SILENCE.max(usual)
    }
}

impl Away {
    /// When the budget is spent. Before the first success it counts from when probes went out: slow failures may have gone before.
    fn ends_at(&self, outage: &Outage) -> Duration {
        match outage.ever_succeeded {
            true => self.began + outage.budget,
            false => self.noted + outage.first_contact,
        }
    }

    /// Whether probes go out one after the other without waiting for answers.
    fn is_sampling(&self, now: Duration, has_fresh: bool) -> bool {
        let since = self.reached.map(|reached| now.saturating_sub(reached));
        has_fresh && since.is_some_and(|since| since < SAMPLE_FOR)
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
        outage.succeeded(s(0), s(0));
        assert!(outage.unreached(s(10), 0));
        assert_eq!(outage.allowance(s(10), true), Some(0));
        assert_eq!(outage.allowance(s(11), true), Some(1));
        outage.sent(s(11), true);
        assert_eq!(outage.allowance(s(11), true), Some(0));
        outage.answered(s(11), s(9));
        assert_eq!(
            outage.allowance(s(100), true),
            Some(0),
            "an older answer is not the probe's"
        );
        outage.answered(s(11), s(11));
        assert!(!outage.unreached(s(11), 0));
        assert_eq!(
            outage.wake_at(s(11), true),
            Some(s(13)),
            "twice the first wait"
        );
        assert_eq!(outage.succeeded(s(13), s(13)), Some(s(3)));
        assert_eq!(outage.allowance(s(13), true), None);
    }

    /// A fresh item that the service answered with a failure, with others left.
    const FRESH: Failure = Failure {
        is_fresh: true,
        rest: Rest::Fresh,
        is_answered: true,
        in_flight: 0,
    };
    /// The same of one that failed before, where nothing else is left.
    const STALE: Failure = Failure {
        is_fresh: false,
        rest: Rest::Stale,
        ..FRESH
    };

    #[test]
    fn items_that_always_fail_are_no_outage_where_nothing_else_is_left() {
        let mut outage = outage();
        outage.succeeded(s(0), s(0));
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
        outage.succeeded(s(0), s(0));
        assert_eq!(outage.is_there(s(1), s(1)), None);
        assert!(outage.unreached(s(10), 0));
        assert_eq!(outage.is_there(s(12), s(12)), Some(s(2)));
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
            assert_eq!(outage.succeeded(s(second), s(second)), None);
        }
    }

    /// In an outage since the sixth second.
    fn away() -> Outage {
        let mut outage = outage();
        outage.succeeded(s(5), s(5));
        for _ in 0..20 {
            assert_eq!(outage.failed(s(5), FRESH), Taken::Items);
        }
        assert_eq!(outage.allowance(s(5), true), Some(1));
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

    /// When probes go out in the first ten minutes.
    fn probes(has_fresh: bool) -> Vec<Duration> {
        let mut outage = away();
        let (mut now, mut probes) = (s(6), Vec::new());
        while now < s(600) {
            if outage.allowance(now, has_fresh) == Some(0) {
                now = outage.wake_at(now, has_fresh).unwrap();
                assert_eq!(outage.allowance(now, has_fresh), Some(1));
            }
            probes.push(now);
            outage.sent(now, has_fresh);
            outage.answered(now, now);
            assert_eq!(outage.failed(now, FRESH), Taken::StillAway);
        }
        probes
    }

    #[test]
    fn fresh_items_are_probes_eight_times_a_second_for_a_minute() {
        let probes = probes(true);
        let until = |at| probes.iter().filter(|probe| **probe <= at).count();
        assert_eq!((until(s(11)), until(s(65)), until(s(90))), (41, 473, 477));
    }

    #[test]
    fn a_probe_that_hangs_keeps_no_fresh_one_back() {
        let mut outage = away();
        for probe in 0..8 {
            let at = s(6) + probe * SAMPLE_EVERY;
            assert_eq!(outage.allowance(at, true), Some(1));
            outage.sent(at, true);
            assert_eq!(outage.allowance(at, true), Some(0));
        }
        assert_eq!(outage.allowance(s(100), true), Some(0), "later one by one");
    }

    #[test]
    fn where_no_fresh_item_is_left_few_are_bad_and_so_are_many_that_were_answered() {
        let ends = |rest, is_answered| {
            let failure = Failure {
                rest,
                is_answered,
                ..STALE
            };
            away().failed(s(8), failure) == Taken::NoOutage(s(3))
        };
        assert!(ends(Rest::Few, false));
        assert!(ends(Rest::Stale, true));
        assert!(!ends(Rest::Stale, false));
        assert!(!ends(Rest::Fresh, true));
    }

    #[test]
    fn few_items_at_the_end_are_no_outage() {
        let mut outage = outage();
        outage.succeeded(s(0), s(0));
        let last = Failure {
            rest: Rest::Few,
            is_answered: false,
            ..FRESH
        };
        for second in 0..50 {
            assert_eq!(outage.failed(s(second), last), Taken::Items);
        }
        assert_eq!(outage.doubted_until(3), s(3));
        assert_eq!(outage.doubted_until(30), s(10));
        assert_eq!(outage.doubted_until(51), s(60));
    }

    #[test]
    fn many_that_failed_and_were_not_answered_are_an_outage() {
        let alone = |is_answered, rest| {
            let mut outage = outage();
            let failure = Failure {
                is_answered,
                rest: Rest::Stale,
                ..FRESH
            };
            (0..60).for_each(|_| assert_eq!(outage.failed(s(1), failure), Taken::Items));
            outage.is_alone(s(2), rest)
        };
        assert!(alone(false, Rest::Stale));
        assert!(!alone(true, Rest::Stale));
        assert!(!alone(false, Rest::Few));
    }

    #[test]
    fn a_service_of_which_every_answer_takes_long_is_given_longer() {
        let mut outage = outage();
        outage.took(s(20));
        outage.succeeded(s(0), s(0));
        for second in 1..41 {
            assert_eq!(outage.failed(s(second), FRESH), Taken::Items);
            assert!(!outage.is_away());
        }
        assert_eq!(outage.failed(s(41), FRESH), Taken::Outage);
    }

    #[test]
    fn without_a_budget_each_failure_is_the_items_own() {
        let mut outage = Outage::new(Duration::ZERO, Duration::ZERO);
        for second in 0..100 {
            assert_eq!(outage.failed(s(second), FRESH), Taken::Items);
        }
        assert!(outage.is_ruled_out());
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
