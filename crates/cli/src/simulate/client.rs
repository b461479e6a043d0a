//! One worker: what it has to save, the limit it keeps to, and when its own CPU lets it serve I/O.

use std::collections::VecDeque;
use std::time::Duration;

use inflight::limit::{BulkSize, Decision, Learnt, Limit, LimitSettings, Outcome};
use inflight_lab::{Bulks, Busy, ClientLimit, Clients, Length};

use super::requests::{Id, Request};

/// As many as it can send.
const UNLIMITED: u64 = u64::MAX / 2;
/// Items that may be ready: what computes waits when the service is slower.
const READY_MAX: u64 = 1 << 20;

/// One worker.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) limit: Limit,
    /// How many records go into a request.
    pub(super) bulk: BulkSize,
    /// Items to be sent.
    pub(super) ready: u64,
    /// Items that are not ready yet.
    pub(super) to_come: u64,
    pub(super) in_flight: usize,
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
        Client {
            limit: Limit::new(settings),
            bulk: match bulks.size {
                ClientLimit::Auto => BulkSize::search(bulks.max),
                ClientLimit::Fixed(size) => BulkSize::fixed(size.min(bulks.max)),
            },
            ready: if production.is_some() { 0 } else { all },
            to_come: if production.is_some() { all } else { 0 },
            in_flight: 0,
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

    /// How many requests may be sent now.
    pub(super) fn room(&self, now: Duration) -> usize {
        let room = self.limit.room(now, self.in_flight);
        match self.bulk.is_searched() {
            true => room.min(1_usize.saturating_sub(self.in_flight)),
            false => room,
        }
    }

    /// A request with so many records ended. Says how the limit changes, if it does.
    pub(super) fn told(
        &mut self,
        now: Duration,
        request: &Request,
        told: Outcome,
    ) -> Option<Decision> {
        if self.bulk.is_searched() && told == Outcome::Succeeded {
            let latency = (now - request.sent.at).as_secs_f64();
            self.bulk.answered(request.records as usize, latency);
            return None;
        }
        self.limit.done(now, request.sent, told)
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
        rate: clients.rate,
        wall,
        learnt,
        seed,
    }
}
