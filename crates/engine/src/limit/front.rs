//! The limit, set or found, with the pace and the pauses: how many, how fast, and since when not at all.

use std::time::Duration;

use super::auto::Auto;
use super::decision::{Decision, Reason};
use super::learnt::Learnt;
use super::outcome::{Outcome, Sent};
use super::pace::Pace;
use super::told::Told;
use super::units::Units;
use crate::load::Held;
use crate::quota::Quota;

/// The longest the service may ask to be left alone: what is longer is taken for garbage.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Everything waits when more than this share of the last answers were refusals; else only what was refused.
const REFUSED_SHARE: f64 = 0.5;
/// Answers over which that share is taken.
const SHARE_OVER: f64 = 8.0;
/// How much longer than asked it waits, at most: those who were refused together must not come back together.
const JITTER: f64 = 0.1;

/// What a limit begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitSettings {
    /// A limit that does not change, at least 1; `None` finds it.
    pub fixed: Option<usize>,
    /// The highest limit that may be found, at least 1.
    pub ceiling: usize,
    /// What the service allows over time, as far as that is known.
    pub quota: Quota,
    /// What the clock on the wall showed at the start of the run (any epoch that all clients share).
    pub wall: Duration,
    /// What an earlier run learnt.
    pub learnt: Option<Learnt>,
    /// Where chance begins.
    pub seed: u64,
}

/// How many requests may be in flight, and when the next may be sent. Times are from the start of the run.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    law: Law,
    pace: Pace,
    units: Option<Units>,
    told: Told,
    pause_until: Duration,
    refused_share: f64,
    /// Requests sent up to then tell nothing new of a quota.
    slowed_at: Option<Duration>,
    random: fastrand::Rng,
}

#[derive(Clone, Debug)]
enum Law {
    Fixed(usize),
    Auto(Box<Auto>),
}

impl Limit {
    /// A limit that has seen nothing yet.
    pub(super) fn new(settings: LimitSettings) -> Limit {
        let mut pace = Pace::new(settings.quota.requests);
        let law = match settings.fixed {
            Some(limit) => Law::Fixed(limit.max(1)),
            None => {
                if let Some(rate) = settings.learnt.and_then(|learnt| learnt.rate) {
                    pace.remember(rate);
                }
                let wall = settings.wall.as_secs_f64();
                Law::Auto(Box::new(Auto::new(settings.ceiling, wall, settings.learnt)))
            }
        };
        Limit {
            law,
            pace,
            units: settings.quota.units.map(Units::new),
            told: Told::default(),
            pause_until: Duration::ZERO,
            refused_share: 0.0,
            slowed_at: None,
            random: fastrand::Rng::with_seed(settings.seed),
        }
    }

    /// How many may be in flight now, at least 1.
    pub(super) fn limit(&self) -> usize {
        match &self.law {
            Law::Fixed(limit) => *limit,
            Law::Auto(auto) => auto.whole(),
        }
    }

    /// The limit that was set or found: what steps are taken from.
    pub(super) fn found(&self) -> f64 {
        match &self.law {
            Law::Fixed(limit) => *limit as f64,
            Law::Auto(auto) => auto.limit(),
        }
    }

    /// The first moment at which another may be sent.
    pub(super) fn send_at(&self) -> Duration {
        let next = self.requests_at().max(self.units_at());
        self.pause_until.max(duration(next))
    }

    /// The same by what is known of requests over time alone.
    fn requests_at(&self) -> f64 {
        self.pace.next().max(self.told.next().0)
    }

    /// The same by what is known of units.
    fn units_at(&self) -> f64 {
        let units = self.units.as_ref().map_or(0.0, Units::next);
        units.max(self.told.next().1)
    }

    /// How many may be sent now, with so many in flight.
    pub(super) fn room(&self, now: Duration, in_flight: usize) -> usize {
        if now < self.send_at() {
            return 0;
        }
        let most = self.units.as_ref().and_then(Units::in_flight_max);
        let limit = most.map_or(self.limit(), |most| most.min(self.limit()));
        let room = limit.saturating_sub(in_flight);
        // What is sent one after the other is looked at again after each.
        let has_rate = self.pace.rate(now.as_secs_f64()).is_some();
        if has_rate || self.units.is_some() || self.told.is_heard() {
            return room.min(1);
        }
        room
    }

    /// What keeps another from being sent now, with so many in flight, if anything does.
    pub(super) fn held(&self, now: Duration, in_flight: usize) -> Option<Held> {
        let has_quota = self.told.is_heard() || self.pace.rate(now.as_secs_f64()).is_some();
        let is_searching = match &self.law {
            Law::Fixed(_) => false,
            Law::Auto(auto) => auto.is_searching(),
        };
        match self.limit() {
            _ if now < self.pause_until && !has_quota => Some(Held::Pause),
            _ if now < duration(self.requests_at()).max(self.pause_until) => Some(Held::Quota),
            _ if now < duration(self.units_at()) => Some(Held::Units),
            limit if in_flight >= limit && is_searching => Some(Held::Search),
            limit if in_flight >= limit => Some(Held::Limit),
            // No cost is known yet, so few are sent.
            _ if self.room(now, in_flight) == 0 => Some(Held::Units),
            _ => None,
        }
    }

    /// A request is sent now, and so many are in flight with it. Gives its number, and how many units of the quota are reserved for it.
    pub(super) fn sent(&mut self, now: Duration, in_flight: usize) -> (u64, f64) {
        let now_s = now.as_secs_f64();
        self.pace.sent(now_s);
        if let Law::Auto(auto) = &mut self.law {
            auto.sent(in_flight);
        }
        let units = self.units.as_mut();
        let reserved = units.map_or(0.0, |units| units.sent(now_s));
        (self.told.sent(now_s), reserved)
    }

    /// A request ended. What it has cost is taken of the quota of units in place of what was reserved for it; one that was
    /// refused cost nothing, and of one that failed nobody knows.
    pub(super) fn usage(&mut self, now: Duration, sent: Sent, outcome: Outcome) {
        let now_s = now.as_secs_f64();
        self.told.heard(now_s, &sent);
        let Some(units) = &mut self.units else {
            return;
        };
        match (outcome, sent.usage.cost) {
            (_, Some(cost)) => units.cost(now_s, sent.reserved, cost),
            (Outcome::Refused { .. }, None) => units.refused(now_s, sent.reserved),
            _ => {}
        }
    }

    /// Something is ready to be sent, and the limit keeps it back. Only then may the limit rise.
    pub(super) fn blocked(&mut self, now: Duration) {
        if let Law::Auto(auto) = &mut self.law {
            auto.blocked(now.as_secs_f64());
        }
    }

    /// A request was answered whose latency says nothing of the limit: all that is learnt is that the service is there,
    /// and did not refuse.
    pub(super) fn answered(&mut self) {
        self.taken();
        if let Law::Auto(auto) = &mut self.law {
            auto.answered();
        }
    }

    fn taken(&mut self) {
        self.refused_share -= self.refused_share / SHARE_OVER;
        self.pace.taken();
    }

    /// A request ended. Says how the limit changes, if it does.
    pub(super) fn done(&mut self, now: Duration, sent: Sent, outcome: Outcome) -> Option<Decision> {
        let now_s = now.as_secs_f64();
        match outcome {
            Outcome::Refused { by_quota, wait } => {
                self.refused_share += (1.0 - self.refused_share) / SHARE_OVER;
                return self.refused(now, sent, by_quota, wait.map(|wait| wait.min(PAUSE_MAX)));
            }
            Outcome::Succeeded => self.taken(),
            Outcome::TimedOut | Outcome::Failed => {
                self.refused_share -= self.refused_share / SHARE_OVER;
            }
        }
        match (&mut self.law, outcome) {
            (Law::Auto(auto), Outcome::Succeeded) => auto.succeeded(now_s, &sent),
            (Law::Auto(auto), Outcome::TimedOut) => {
                auto.timed_out(now_s, sent.allowed.as_secs_f64())
            }
            _ => None,
        }
    }

    /// Nothing is sent for so long, because the service asked for it.
    fn pause(&mut self, now: Duration, wait: Duration) {
        self.pause_until = self.pause_until.max(now + wait);
    }

    /// Whether nothing is sent now because the service asked for it.
    pub(super) fn is_paused(&self, now: Duration) -> bool {
        now < self.pause_until
    }

    /// What the next run may begin with; `None` before the first answer, and of a limit that was set.
    pub(super) fn learnt(&self) -> Option<Learnt> {
        let Law::Auto(auto) = &self.law else {
            return None;
        };
        Some(Learnt {
            rate: self.pace.quota(),
            ..auto.learnt()?
        })
    }

    fn refused(
        &mut self,
        now: Duration,
        sent: Sent,
        by_quota: bool,
        wait: Option<Duration>,
    ) -> Option<Decision> {
        let Law::Auto(auto) = &mut self.law else {
            // Whoever sets a limit is obeyed in that, and the service in this.
            if let Some(wait) = wait {
                self.pause(now, wait);
            }
            return None;
        };
        let (now_s, sent_s) = (now.as_secs_f64(), sent.at.as_secs_f64());
        let mut decision = None;
        if by_quota {
            if self.slowed_at.is_none_or(|at| sent.allowed > at) {
                self.slowed_at = Some(now);
                auto.over_quota();
                let known = auto.latency();
                let sending = known.map(|latency| sent.in_flight as f64 / latency);
                let latency = known.unwrap_or_else(|| (now_s - sent_s).max(1e-3));
                let resume = now_s + wait.unwrap_or_default().as_secs_f64();
                let per_second = self.pace.refused(now_s, resume, sending, latency);
                let (from, to) = (auto.limit(), auto.limit());
                let reason = Reason::Quota { per_second };
                decision = Some(Decision { from, to, reason });
            }
        } else {
            decision = auto.refused(now_s, sent.allowed.as_secs_f64(), sent.in_flight as f64);
        }
        if let Some(wait) = wait
            && (by_quota || self.refused_share > REFUSED_SHARE)
        {
            let jitter = 1.0 + JITTER * self.random.f64();
            self.pause(now, wait.mul_f64(jitter));
        }
        decision
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn settings() -> LimitSettings {
        LimitSettings {
            fixed: None,
            ceiling: 1000,
            quota: Quota::default(),
            wall: Duration::ZERO,
            learnt: None,
            seed: 1,
        }
    }

    fn requests(requests: Option<f64>) -> Quota {
        Quota {
            requests,
            units: None,
        }
    }

    fn outcome(kind: u8) -> Outcome {
        let refused = |by_quota, wait| Outcome::Refused { by_quota, wait };
        match kind {
            0 => refused(true, Some(1000 * MS)),
            1 => refused(false, Some(1000 * MS)),
            2 => refused(false, None),
            3 => Outcome::TimedOut,
            4 => Outcome::Failed,
            _ => Outcome::Succeeded,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever a service does: never more in flight than the limit at the send, nothing before its time, never above
        /// the ceiling, never below one; and without anything held back the limit does not rise.
        #[test]
        fn the_limit_holds(
            ceiling in 1usize..60,
            rate in prop::option::of(1.0f64..500.0),
            learnt in prop::option::of(1.0f64..100.0),
            tells_blocked in any::<bool>(),
            answers in prop::collection::vec((1u64..400, 0u8..40), 1..400),
        ) {
            let learnt = learnt.map(|limit| Learnt {
                limit,
                latency: 50 * MS,
                goodput: None,
                rate: None,
                is_rising: false,
                bulk: None,
                records: 1.0,
            });
            let mut limit = Limit::new(LimitSettings { ceiling, quota: requests(rate), learnt, ..settings() });
            let first = limit.found();
            let (mut now, mut flying) = (Duration::ZERO, VecDeque::new());
            for (took, kind) in answers {
                while limit.room(now, flying.len()) > 0 {
                    prop_assert!(now >= limit.send_at());
                    let in_flight = flying.len() + 1;
                    let (number, reserved) = limit.sent(now, in_flight);
                    flying.push_back(Sent { in_flight, reserved, number, ..Sent::first(now) });
                    prop_assert!(flying.len() <= limit.limit());
                    prop_assert!((1..=ceiling).contains(&limit.limit()));
                }
                if tells_blocked && now >= limit.send_at() {
                    limit.blocked(now);
                }
                now += Duration::from_millis(took);
                match flying.pop_front() {
                    Some(sent) => {
                        limit.done(now, sent, outcome(kind));
                    }
                    None => now = now.max(limit.send_at()),
                }
                prop_assert!(limit.limit() >= 1 && limit.limit() <= ceiling);
                prop_assert!(tells_blocked || limit.found() <= first + 1e-9);
            }
        }
    }

    #[test]
    fn a_rate_spaces_sends_and_allows_no_more_than_a_late_timer_after_a_gap() {
        let mut limit = Limit::new(LimitSettings {
            fixed: Some(10),
            quota: requests(Some(100.0)),
            ..settings()
        });
        limit.sent(MS, 1);
        assert_eq!((limit.room(5 * MS, 0), limit.send_at()), (0, 10 * MS));
        let mut at_once = 0;
        while limit.room(1000 * MS, 0) > 0 {
            limit.sent(1000 * MS, 1);
            at_once += 1;
        }
        assert_eq!(at_once, 3, "two more than one, for 20 ms");
        assert_eq!((limit.room(1009 * MS, 0), limit.room(1010 * MS, 0)), (0, 1));
    }

    #[test]
    fn a_pause_holds_everything_back_but_no_longer_than_an_hour() {
        let mut limit = Limit::new(settings());
        let sent = Sent::first(Duration::ZERO);
        let refused = Outcome::Refused {
            by_quota: true,
            wait: Some(Duration::from_secs(1_000_000_000)),
        };
        limit.done(MS, sent, refused);
        assert_eq!(limit.room(3_599_000 * MS, 0), 0);
        assert!(limit.room(3_961_000 * MS, 0) > 0);
    }

    #[test]
    fn a_few_refused_by_a_full_queue_hold_up_nobody_else() {
        let mut limit = Limit::new(settings());
        let sent = Sent {
            in_flight: 8,
            ..Sent::first(MS)
        };
        for _ in 0..20 {
            limit.done(100 * MS, sent, Outcome::Succeeded);
        }
        let decision = limit.done(100 * MS, sent, outcome(1)).unwrap();
        assert_eq!(decision.reason, Reason::Refused);
        assert!(limit.room(101 * MS, 0) > 0);
        assert_eq!(
            limit.done(100 * MS, sent, outcome(1)),
            None,
            "one reaction for all that were on their way"
        );
        limit.done(102 * MS, sent, outcome(0));
        assert_eq!(limit.room(1000 * MS, 0), 0, "a quota holds up all");
    }
}
