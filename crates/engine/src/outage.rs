//! Is the service away, or is an item bad? Pure: outcomes and times in, one of three states out.
//!
//! An outage begins when no connection can be made, or when nothing has succeeded for a second and the last
//! answers to several different items all failed. Then one probe at a time goes out, after 1 s and twice as
//! long each time up to 30 s, until one succeeds or the budget is spent.

use std::time::Duration;

/// How long nothing may have succeeded before failures of several items are an outage.
const SILENCE: Duration = Duration::from_secs(1);
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);
/// The most different items that must have failed.
const WITNESSES: usize = 8;

/// Whether the service is there.
#[derive(Debug)]
pub(crate) struct Outage {
    budget: Duration,
    first_contact: Duration,
    ever_succeeded: bool,
    /// The first failure since the last success.
    first_failure: Option<Duration>,
    /// Different items that failed since the last success, as far as they matter.
    failed: Vec<u64>,
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
}

impl Outage {
    pub(crate) fn new(budget: Duration, first_contact: Duration) -> Outage {
        Outage {
            budget,
            first_contact,
            ever_succeeded: false,
            first_failure: None,
            failed: Vec::new(),
            streak: 1,
            away: None,
        }
    }

    /// Names the failures since the last success.
    pub(crate) fn streak(&self) -> u32 {
        self.streak
    }

    /// Whether failures are being looked at that may turn out to be an outage, so that no item should be
    /// given up yet; until when, at most.
    pub(crate) fn undecided_until(&self, now: Duration) -> Option<Duration> {
        let decided = self.first_failure? + SILENCE;
        (self.failed.len() >= 2 && now < decided).then_some(decided)
    }

    /// Whether there is an outage now.
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
            away.next_probe.min(end)
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
        if !self.failed.is_empty() {
            self.failed.clear();
            self.streak += 1;
        }
        self.first_failure = None;
        self.away.take().map(|away| now.saturating_sub(away.began))
    }

    /// The service is there, though it saved nothing: it found an item bad, or failed at the only item there is to ask it
    /// with. Says how long it had been away, if it was.
    pub(crate) fn is_there(&mut self, now: Duration) -> Option<Duration> {
        let away = self.away.take()?;
        self.first_failure = None;
        self.failed.clear();
        self.streak += 1;
        Some(now.saturating_sub(away.began))
    }

    /// What failed until now was no outage, and is forgiven nobody.
    pub(crate) fn is_decided(&mut self) {
        self.streak += 1;
    }

    /// An item failed by a 5xx or a broken connection, with this many items ready or in flight beside it.
    /// Says whether that begins an outage.
    pub(crate) fn failed(&mut self, now: Duration, index: u64, others: usize) -> bool {
        let silent_since = *self.first_failure.get_or_insert(now);
        if self.failed.len() < WITNESSES && !self.failed.contains(&index) {
            self.failed.push(index);
        }
        let enough = (others + 1).clamp(2, WITNESSES);
        let silent = now.saturating_sub(silent_since) >= SILENCE;
        silent && self.failed.len() >= enough && self.begin(now, silent_since)
    }

    /// No connection could be made. Says whether that begins an outage.
    pub(crate) fn unreached(&mut self, now: Duration) -> bool {
        self.first_failure.get_or_insert(now);
        self.begin(now, now)
    }

    /// A request that was sent then was answered, or failed. If it was the probe, another follows; an answer
    /// to what was sent before the outage says nothing about the probe.
    pub(crate) fn answered(&mut self, now: Duration, sent_at: Duration) {
        if let Some(away) = &mut self.away
            && away.probe_sent.is_some_and(|probe| sent_at >= probe)
        {
            away.probe_sent = None;
            away.wait = (away.wait * 2).min(PROBE_MAX);
            away.next_probe = now + away.wait;
        }
    }

    /// How long the service has been away, if that is longer than the run may wait. Before the first success
    /// that is much shorter.
    pub(crate) fn over_budget(&self, now: Duration) -> Option<Duration> {
        let lasted = now.saturating_sub(self.away.as_ref()?.began);
        (lasted >= self.budget_now()).then_some(lasted)
    }

    fn budget_now(&self) -> Duration {
        if self.ever_succeeded {
            self.budget
        } else {
            self.first_contact
        }
    }

    fn begin(&mut self, now: Duration, began: Duration) -> bool {
        if self.away.is_some() {
            return false;
        }
        self.away = Some(Away {
            began,
            next_probe: now + PROBE_FIRST,
            wait: PROBE_FIRST,
            probe_sent: None,
        });
        true
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
        assert!(outage.unreached(s(10)));
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
        assert!(!outage.unreached(s(11)));
        assert_eq!(outage.wake_at(s(11)), Some(s(13)), "twice the first wait");
        assert_eq!(outage.succeeded(s(13)), Some(s(3)));
        assert_eq!(outage.allowance(s(13)), None);
    }

    #[test]
    fn a_lone_last_item_that_always_fails_is_no_outage() {
        let mut outage = outage();
        outage.succeeded(s(0));
        for second in 1..100 {
            assert!(!outage.failed(s(second), 7, 0));
        }
    }

    #[test]
    fn an_outage_ends_with_an_answer_and_may_begin_again() {
        let mut outage = outage();
        outage.succeeded(s(0));
        assert_eq!(outage.is_there(s(1)), None);
        assert!(outage.unreached(s(10)));
        assert_eq!(outage.is_there(s(12)), Some(s(2)));
        assert!(!outage.is_away() && !outage.failed(s(12), 7, 0));
        assert!(outage.unreached(s(12)));
    }

    #[test]
    fn failures_beside_successes_are_no_outage() {
        let mut outage = outage();
        for second in 0..100 {
            for item in 0..10 {
                assert!(!outage.failed(s(second), item, 50));
            }
            outage.succeeded(s(second));
        }
    }

    #[test]
    fn eight_items_failing_for_a_second_are_an_outage() {
        let mut outage = outage();
        outage.succeeded(s(5));
        for item in 0..20 {
            assert!(!outage.failed(s(5), item, 50));
        }
        assert_eq!(outage.undecided_until(s(5)), Some(s(6)));
        assert!(outage.failed(s(6), 3, 50));
        assert!(outage.is_away());
        assert!(outage.over_budget(s(904)).is_none());
        assert!(outage.over_budget(s(905)).is_some());
    }

    #[test]
    fn before_the_first_success_the_budget_is_short() {
        let mut outage = outage();
        assert!(outage.unreached(s(0)));
        assert!(outage.over_budget(s(7)).is_none());
        assert!(outage.over_budget(s(8)).is_some());
    }
}
