//! Enforces how many may be in flight and when the next may be sent; decides neither.

use std::time::Duration;

use crate::limit::{BulkSize, Decision, Learnt, Limit, Outcome, Sent};
use crate::outage::Outage;

/// What stands between a ready record and its being sent.
#[derive(Debug)]
pub(super) struct Gate {
    limit: Limit,
    bulk: BulkSize,
    /// Whether the last request was full in bytes before it was full in records.
    is_full_in_bytes: bool,
    pub(super) outage: Outage,
}

/// What the end of a request has changed.
pub(super) enum Changed {
    Limit(Decision),
    /// So many records in a request are enough.
    Bulk(usize),
}

impl Gate {
    pub(super) fn new(limit: Limit, bulk: BulkSize, outage: Outage) -> Gate {
        Gate {
            limit,
            bulk,
            is_full_in_bytes: false,
            outage,
        }
    }

    /// The most records in one request, now.
    pub(super) fn bulk_max(&self) -> usize {
        self.bulk.size()
    }

    /// A request was refused because it was too large. Says what is allowed from now on.
    pub(super) fn too_large(&mut self, records: usize) -> usize {
        self.bulk.too_large(records);
        self.bulk.size()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.limit()
    }

    /// The limit that was set or found, and what the next run may begin with.
    pub(super) fn found(&self) -> (usize, Option<Learnt>) {
        let bulk = self.bulk.found();
        let learnt = self.limit.learnt().map(|learnt| Learnt { bulk, ..learnt });
        (self.limit.found().round() as usize, learnt)
    }

    /// How many requests may be sent now, with so many in flight.
    pub(super) fn room(&self, now: Duration, in_flight: usize) -> usize {
        let room = self.limit.room(now, in_flight);
        let room = match self.bulk.is_searched() {
            true => room.min(1_usize.saturating_sub(in_flight)),
            false => room,
        };
        self.outage
            .allowance(now)
            .map_or(room, |most| room.min(most))
    }

    /// A request is sent now, and so many are in flight with it. It may be full in bytes before it is full in records.
    pub(super) fn sent(&mut self, at: Duration, in_flight: usize, is_full_in_bytes: bool) {
        self.is_full_in_bytes = is_full_in_bytes;
        self.limit.sent(Sent {
            allowed: at,
            at,
            in_flight,
        });
        self.outage.sent(at);
    }

    /// Something is ready, and the limit keeps it back.
    pub(super) fn blocked(&mut self, now: Duration) {
        // Not the limit, but the search for the size of bulks.
        if !self.bulk.is_searched() {
            self.limit.blocked(now);
        }
    }

    /// A request with so many records ended. Says what changes by that, if anything does.
    pub(super) fn done(
        &mut self,
        now: Duration,
        sent: Sent,
        records: usize,
        outcome: Outcome,
    ) -> Option<Changed> {
        self.outage.answered(now, sent.at);
        if self.bulk.is_searched() && outcome == Outcome::Succeeded {
            if self.is_full_in_bytes {
                return Some(Changed::Bulk(self.bulk.full_in_bytes()));
            }
            // The limit learns nothing of requests that are larger each time.
            let latency = now.saturating_sub(sent.at).as_secs_f64();
            return self.bulk.answered(records, latency).map(Changed::Bulk);
        }
        self.limit.done(now, sent, outcome).map(Changed::Limit)
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
