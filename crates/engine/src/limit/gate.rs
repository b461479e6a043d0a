//! Counts what is in flight, and says how many more may be sent, with how many records in each, and when.

use std::time::Duration;

use super::bulk::BulkSize;
use super::decision::Decision;
use super::front::{Limit, LimitSettings};
use super::learnt::Learnt;
use super::outcome::{Outcome, Sent};
use crate::load::Held;
use crate::planted::planted;
use crate::quota::Usage;

/// How long fewer requests are sent than the limit allows because no further connection could be had: long enough for a
/// server to lose other clients, short enough not to slow down an hour's job.
const CAP_LASTS: Duration = Duration::from_secs(30);
/// Requests over which the mean number of their records is taken.
const MEAN_OVER: f64 = 32.0;

/// What stands between a ready record and its being sent: the limit, the pace and the size of bulks, as they are set or
/// find themselves. Times are from the start of the run.
///
/// ```
/// use std::time::Duration;
/// use inflight::Quota;
/// use inflight::limit::{BulkSize, Changed, Gate, LimitSettings, Outcome};
///
/// let settings = LimitSettings { fixed: None, ceiling: 100, quota: Quota::default(), wall: Duration::ZERO, learnt: None, seed: 1 };
/// let mut gate = Gate::new(settings, BulkSize::fixed(1));
/// assert_eq!(gate.room(Duration::ZERO), 8);
/// let sent: Vec<_> = (0..8).map(|_| gate.sent(Duration::ZERO, 1, false)).collect();
/// assert_eq!(gate.room(Duration::ZERO), 0);
/// // More is ready, so it is the limit that keeps it back, and the limit may rise.
/// gate.done(Duration::from_millis(100), sent[0], Outcome::Succeeded, true);
/// assert_eq!((gate.limit(), gate.room(Duration::from_millis(100))), (9, 2));
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    limit: Limit,
    bulk: BulkSize,
    in_flight: usize,
    /// How many connections can be had, where those are fewer than the limit; until then.
    cap: Option<(usize, Duration)>,
    /// Whether the last request was full in bytes before it was full in records.
    is_full_in_bytes: bool,
    /// Running mean of the records in the requests whose latencies the limit was told.
    records: Option<f64>,
}

/// What the end of a request has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Changed {
    /// How many may be in flight, or how fast they may be sent.
    Limit(Decision),
    /// So many records in a request are enough.
    Bulk(usize),
}

impl Gate {
    /// A gate that has let nothing through yet.
    pub fn new(settings: LimitSettings, bulk: BulkSize) -> Gate {
        Gate {
            records: settings.learnt.map(|learnt| learnt.records),
            limit: Limit::new(settings),
            bulk,
            in_flight: 0,
            cap: None,
            is_full_in_bytes: false,
        }
    }

    /// How many requests may be in flight now, at least 1.
    pub fn limit(&self) -> usize {
        let limit = self.limit.limit();
        self.cap.map_or(limit, |(most, _)| limit.min(most))
    }

    /// No more than so many connections, at least one, can be had now: no more requests are sent, whatever the limit is. After 30 s
    /// twice as many are tried.
    pub(crate) fn cap(&mut self, now: Duration, connections: usize) {
        self.cap = Some((connections.max(1), now + CAP_LASTS));
    }

    /// Raises what [`Gate::cap`] has lowered, if it is time.
    pub(crate) fn raise_cap(&mut self, now: Duration) {
        if let Some((most, until)) = self.cap
            && now >= until
        {
            self.cap = (most * 2 < self.limit.limit()).then_some((most * 2, now + CAP_LASTS));
        }
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The most records that a request may carry now.
    pub fn bulk_max(&self) -> usize {
        self.bulk.size()
    }

    /// How many requests may be sent now.
    pub fn room(&self, now: Duration) -> usize {
        let room = self.limit.room(now, self.in_flight);
        let room = room.min(self.limit().saturating_sub(self.in_flight));
        match self.bulk.is_searched() {
            true => room.min(1_usize.saturating_sub(self.in_flight)),
            false => room,
        }
    }

    /// What keeps another request from being sent now, if anything does.
    pub(crate) fn held(&self, now: Duration) -> Option<Held> {
        match self.limit.held(now, self.in_flight) {
            None if self.in_flight >= self.limit() => Some(Held::Limit),
            None | Some(Held::Limit) if self.bulk.is_searched() && self.in_flight > 0 => {
                Some(Held::Search)
            }
            held => held,
        }
    }

    /// When there will be room by itself, if that is later: what is asked for between requests, or by the service.
    pub fn opens_at(&self, now: Duration) -> Option<Duration> {
        Some(self.limit.send_at()).filter(|at| *at > now)
    }

    /// Whether nothing is sent now because the service asked for it.
    pub fn is_paused(&self, now: Duration) -> bool {
        self.limit.is_paused(now)
    }

    /// A request with so many records is sent now. It may be full in bytes before it is full in records.
    pub fn sent(&mut self, now: Duration, records: usize, is_full_in_bytes: bool) -> Sent {
        self.in_flight += 1;
        self.is_full_in_bytes = is_full_in_bytes;
        let (number, reserved) = self.limit.sent(now, self.in_flight);
        Sent {
            allowed: now,
            at: now,
            in_flight: self.in_flight,
            records,
            reserved,
            number,
            usage: Usage::default(),
        }
    }

    /// A request ended, while more was ready to be sent, or was not. Says what changes by that, if anything does.
    pub fn done(
        &mut self,
        now: Duration,
        sent: Sent,
        outcome: Outcome,
        is_more_ready: bool,
    ) -> Option<Changed> {
        self.limit.usage(now, sent, outcome);
        let is_bound = is_more_ready && self.in_flight >= self.limit.limit();
        self.in_flight -= usize::from(!planted!(SlotLeaked) || outcome == Outcome::Succeeded);
        let is_answer = outcome == Outcome::Succeeded;
        if self.bulk.is_searched() {
            if is_answer {
                // Latencies of requests that are larger each time say nothing of a limit.
                self.limit.answered();
                return self.bulk_answered(now, sent).map(Changed::Bulk);
            }
        } else if is_bound {
            self.limit.blocked(now);
        }
        if is_answer {
            let records = sent.records as f64;
            let mean = self.records.get_or_insert(records);
            *mean += (records - *mean) / MEAN_OVER;
        }
        self.limit.done(now, sent, outcome).map(Changed::Limit)
    }

    fn bulk_answered(&mut self, now: Duration, sent: Sent) -> Option<usize> {
        if self.is_full_in_bytes {
            return Some(self.bulk.full_in_bytes());
        }
        let latency = now.saturating_sub(sent.at).as_secs_f64();
        self.bulk.answered(sent.records, latency)
    }

    /// A request with so many records was refused because it was too large (413). Says what is allowed from now on.
    pub fn too_large(&mut self, records: usize) -> usize {
        self.bulk.too_large(records);
        self.bulk.size()
    }

    /// The limit that was set or found.
    pub fn found(&self) -> f64 {
        self.limit.found()
    }

    /// What the next run may begin with; `None` before the first answer, and of a limit that was set.
    pub fn learnt(&self) -> Option<Learnt> {
        let (bulk, records) = (self.bulk.found(), self.records.unwrap_or(1.0));
        let learnt = self.limit.learnt()?;
        Some(Learnt {
            bulk,
            records,
            ..learnt
        })
    }
}
