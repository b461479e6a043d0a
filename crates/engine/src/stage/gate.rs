//! Enforces how many may be in flight and when the next may be sent; decides neither.

use std::time::Duration;

use crate::limit::{Decision, Learnt, Limit, Outcome, Sent};
use crate::outage::Outage;

/// What stands between a ready record and its being sent.
#[derive(Debug)]
pub(super) struct Gate {
    limit: Limit,
    pub(super) outage: Outage,
}

impl Gate {
    pub(super) fn new(limit: Limit, outage: Outage) -> Gate {
        Gate { limit, outage }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.limit()
    }

    /// The limit that was set or found, and what the next run may begin with.
    pub(super) fn found(&self) -> (usize, Option<Learnt>) {
        (self.limit.found().round() as usize, self.limit.learnt())
    }

    /// How many requests may be sent now, with so many in flight.
    pub(super) fn room(&self, now: Duration, in_flight: usize) -> usize {
        let room = self.limit.room(now, in_flight);
        self.outage
            .allowance(now)
            .map_or(room, |most| room.min(most))
    }

    /// A request is sent now, and so many are in flight with it.
    pub(super) fn sent(&mut self, at: Duration, in_flight: usize) {
        self.limit.sent(Sent {
            allowed: at,
            at,
            in_flight,
        });
        self.outage.sent(at);
    }

    /// Something is ready, and the limit keeps it back.
    pub(super) fn blocked(&mut self, now: Duration) {
        self.limit.blocked(now);
    }

    /// A request ended. Says how the limit changes, if it does.
    pub(super) fn done(&mut self, now: Duration, sent: Sent, outcome: Outcome) -> Option<Decision> {
        self.outage.answered(now, sent.at);
        self.limit.done(now, sent, outcome)
    }

    /// Whether nothing is sent now because the service asked for it.
    pub(super) fn is_paused(&self, now: Duration) -> bool {
        self.limit.is_paused(now)
    }

    /// When something here will change by itself, if it will.
    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        let opens_at = Some(self.limit.send_at()).filter(|at| *at > now);
        opens_at.into_iter().chain(self.outage.wake_at(now)).min()
    }
}
