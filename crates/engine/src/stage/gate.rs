//! Enforces how many may be in flight and when the next may be sent; decides neither.

use std::time::Duration;

use crate::outage::Outage;

/// The longest the service may ask to be left alone: what is longer is taken for garbage.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// How late a timer may wake: tokio's ticks are a millisecond long.
const LATENESS: Duration = Duration::from_millis(1);

/// What stands between a ready record and its being sent.
#[derive(Debug)]
pub(super) struct Gate {
    limit: usize,
    /// Time between two sends that the rate asks for.
    gap: Duration,
    next_send: Duration,
    pause_until: Duration,
    pub(super) outage: Outage,
}

impl Gate {
    pub(super) fn new(limit: usize, rate: Option<f64>, outage: Outage) -> Gate {
        Gate {
            limit,
            gap: rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            next_send: Duration::ZERO,
            pause_until: Duration::ZERO,
            outage,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// How many requests may be sent now, with so many in flight.
    pub(super) fn room(&self, now: Duration, in_flight: usize) -> usize {
        if now < self.opens_at() {
            return 0;
        }
        let room = self.limit.saturating_sub(in_flight);
        let room = if self.gap.is_zero() {
            room
        } else {
            room.min(1)
        };
        self.outage
            .allowance(now)
            .map_or(room, |most| room.min(most))
    }

    /// A request is sent now.
    pub(super) fn sent(&mut self, now: Duration) {
        if !self.gap.is_zero() {
            // A timer that woke late is made up for; a time without work is not.
            self.next_send = self.next_send.max(now.saturating_sub(LATENESS)) + self.gap;
        }
        self.outage.sent(now);
    }

    /// The service asked to be left alone that long.
    /// Says how long it will be, at most an hour.
    pub(super) fn pause(&mut self, now: Duration, wait: Duration) -> Duration {
        let wait = wait.min(PAUSE_MAX);
        self.pause_until = self.pause_until.max(now + wait);
        wait
    }

    /// When something here will change by itself, if it will.
    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        let opens_at = Some(self.opens_at()).filter(|at| *at > now);
        opens_at.into_iter().chain(self.outage.wake_at(now)).min()
    }

    fn opens_at(&self) -> Duration {
        self.pause_until.max(self.next_send)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn gate(limit: usize, rate: Option<f64>) -> Gate {
        Gate::new(limit, rate, Outage::new(900_000 * MS, 8_000 * MS))
    }

    #[test]
    fn the_limit_holds() {
        assert_eq!(gate(10, None).room(MS, 7), 3);
        assert_eq!(gate(10, None).room(MS, 12), 0);
    }

    #[test]
    fn a_rate_spaces_sends_and_allows_no_burst_after_a_gap() {
        let mut gate = gate(10, Some(100.0));
        gate.sent(MS);
        assert_eq!(gate.room(5 * MS, 0), 0);
        assert_eq!(gate.wake_at(5 * MS), Some(10 * MS));
        gate.sent(1000 * MS);
        assert_eq!(gate.room(1008 * MS, 0), 0);
        assert_eq!(gate.room(1009 * MS, 0), 1);
    }

    #[test]
    fn a_pause_holds_everything_back_but_no_longer_than_an_hour() {
        let mut gate = gate(10, None);
        gate.pause(MS, Duration::from_secs(1_000_000_000));
        assert_eq!(gate.room(3_599_000 * MS, 0), 0);
        assert_eq!(gate.room(3_600_001 * MS, 0), 10);
    }
}
