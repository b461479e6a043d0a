//! One worker: what it has to save, the limit it keeps to, and when its own CPU lets it serve I/O.

use std::collections::VecDeque;
use std::time::Duration;

use inflight::Quota;
use inflight::limit::{BulkSize, Changed, Decision, Gate, Learnt, LimitSettings, Outcome, Sent};
use inflight_lab::{Bulks, Busy, ClientLimit, Clients, Length};

use super::requests::Id;

/// As many as it can send.
const UNLIMITED: u64 = u64::MAX / 2;
/// Items that may be ready: what computes waits when the service is slower.
const READY_MAX: u64 = 1 << 20;

/// One worker.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) gate: Gate,
    /// Items to be sent.
    pub(super) ready: u64,
    /// Items that are not ready yet.
    pub(super) to_come: u64,
    pub(super) saved: u64,
    /// Requests in the order of sending, for their deadlines: those that have ended are passed over.
    pub(super) sent: VecDeque<(Duration, Id)>,
    /// When it will be woken, if it will.
    pub(super) wake_at: Option<Duration>,
    /// Items that come together, and how often.
    production: Option<(u64, Duration)>,
    stall: Option<Busy>,
    /// Where in its period it begins.
    shift: Duration,
}

impl Client {
    pub(super) fn new(
        number: usize,
        clients: &Clients,
        bulks: Bulks,
        length: Length,
        settings: LimitSettings,
    ) -> Client {
        let production = match clients.produce {
            Some(rate) => Some((1, Duration::from_secs_f64(1.0 / rate))),
            None if clients.compute.is_zero() => None,
            None => Some((clients.cores as u64, clients.compute)),
        };
        let all = match length {
            Length::Lasting(_) => UNLIMITED,
            Length::Items(items) => items,
        };
        let known = settings.learnt.and_then(|learnt| learnt.bulk);
        let bulk = match bulks.size {
            ClientLimit::Fixed(size) => BulkSize::fixed(size.min(bulks.max)),
            // As in a run: beside a limit that is set there is nothing that smaller requests would make room for.
            ClientLimit::Auto if settings.fixed.is_some() => BulkSize::fixed(bulks.max),
            ClientLimit::Auto => BulkSize::auto(bulks.max, known),
        };
        Client {
            gate: Gate::new(settings, bulk),
            ready: if production.is_some() { 0 } else { all },
            to_come: if production.is_some() { all } else { 0 },
            saved: 0,
            sent: VecDeque::new(),
            wake_at: None,
            production,
            stall: clients.stall,
            shift: clients.stall.map_or(Duration::ZERO, |stall| {
                stall.of.mul_f64(number as f64 / clients.count as f64)
            }),
        }
    }

    /// Sends a request with what is ready, if one may be sent now.
    pub(super) fn send(&mut self, now: Duration) -> Option<Sent> {
        if self.ready == 0 || self.gate.room(now) == 0 {
            return None;
        }
        let records = self.ready.min(self.gate.bulk_max() as u64);
        self.ready -= records;
        Some(self.gate.sent(now, records as usize, false))
    }

    /// A request ended. Says how the limit changes, if it does.
    pub(super) fn ended(&mut self, now: Duration, sent: Sent, told: Outcome) -> Option<Decision> {
        let changed = self.gate.done(now, sent, told, self.ready > 0);
        match told {
            Outcome::Succeeded => self.saved += sent.records as u64,
            _ => self.ready += sent.records as u64,
        }
        match changed? {
            Changed::Limit(decision) => Some(decision),
            Changed::Bulk(_) => None,
        }
    }

    /// When the next items come, counted from now.
    pub(super) fn next_items(&self) -> Option<Duration> {
        let (_, every) = self.production?;
        (self.to_come > 0).then_some(every)
    }

    /// Items are ready.
    pub(super) fn produced(&mut self) {
        let Some((together, _)) = self.production else {
            return;
        };
        if self.ready < READY_MAX {
            let items = together.min(self.to_come);
            self.to_come -= items;
            self.ready += items;
        }
    }

    /// When its thread that serves I/O runs again; now, unless its CPU is busy.
    pub(super) fn serves_at(&self, now: Duration) -> Duration {
        let Some(Busy { busy, of }) = self.stall else {
            return now;
        };
        let passed = Duration::from_nanos(((now + self.shift).as_nanos() % of.as_nanos()) as u64);
        if passed < busy {
            now + (busy - passed)
        } else {
            now
        }
    }
}

/// What the limit of this client begins with.
pub(super) fn settings(
    clients: &Clients,
    wall: Duration,
    learnt: Option<Learnt>,
    seed: u64,
) -> LimitSettings {
    LimitSettings {
        fixed: match clients.limit {
            ClientLimit::Auto => None,
            ClientLimit::Fixed(limit) => Some(limit),
        },
        ceiling: clients.in_flight_max,
        quota: Quota {
            requests: clients.rate,
            units: None,
        },
        wall,
        learnt,
        seed,
    }
}
