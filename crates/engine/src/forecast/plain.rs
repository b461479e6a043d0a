//! The work as plain numbers: as it is most likely, or at one end of what is known.

use super::figure::Figure;
use super::work::{Traffic, Work};

/// Which numbers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Corner {
    /// Everything as good as it may be.
    Best,
    Likely,
    /// Everything as bad as it may be.
    Worst,
}

impl Corner {
    /// A cost: less is better.
    fn cost(self, figure: Figure) -> f64 {
        match self {
            Corner::Best => figure.low(),
            Corner::Likely => figure.value,
            Corner::Worst => figure.high(),
        }
    }

    /// An allowance: more is better.
    fn allowance(self, figure: Option<Figure>) -> f64 {
        figure.map_or(f64::INFINITY, |figure| match self {
            Corner::Best => figure.high(),
            Corner::Likely => figure.value,
            Corner::Worst => figure.low(),
        })
    }
}

/// [`Work`] in numbers.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) items: f64,
    pub(super) compute: f64,
    pub(super) beside: f64,
    pub(super) fetch: Option<Requests>,
    pub(super) save: Requests,
}

/// [`Traffic`] in numbers; what is not bounded is infinite.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    pub(super) latency: f64,
    /// How long a place of the service is held.
    pub(super) held: f64,
    pub(super) per_record: f64,
    pub(super) bulk: f64,
    pub(super) spread: f64,
    pub(super) capacity: f64,
    pub(super) crowding: f64,
    pub(super) quota: f64,
    pub(super) handling: f64,
    pub(super) connections: f64,
    pub(super) blocks: bool,
}

impl Plain {
    pub(super) fn of(work: &Work, corner: Corner) -> Plain {
        Plain {
            items: work.items as f64,
            compute: corner.cost(work.compute),
            beside: corner.cost(work.compute_beside),
            fetch: work.fetch.as_ref().map(|fetch| Requests::of(fetch, corner)),
            save: Requests::of(&work.save, corner),
        }
    }

    /// What a request that fetches takes; nothing, if nothing is fetched.
    pub(super) fn fetch_one(&self) -> f64 {
        self.fetch.as_ref().map_or(0.0, |fetch| fetch.taking(1.0))
    }

    /// CPU time that the requests of one item cost the thread that serves I/O, if so many share one that saves.
    pub(super) fn handling(&self, bulk: f64) -> f64 {
        let fetch = self.fetch.as_ref().map_or(0.0, |fetch| fetch.handling);
        fetch + self.save.handling / bulk
    }
}

impl Requests {
    fn of(traffic: &Traffic, corner: Corner) -> Requests {
        Requests {
            latency: corner.cost(traffic.latency),
            held: corner.cost(traffic.held.unwrap_or(traffic.latency)),
            per_record: corner.cost(traffic.per_record),
            bulk: traffic.bulk.max(1) as f64,
            spread: traffic.spread,
            capacity: match (corner, traffic.capacity, traffic.proven) {
                (Corner::Worst, None, Some(proven)) => proven.max(1) as f64,
                _ => corner.allowance(traffic.capacity).max(1.0),
            },
            crowding: traffic.crowding.min(0.0),
            quota: corner.allowance(traffic.quota),
            handling: corner.cost(traffic.handling),
            connections: traffic
                .connections
                .map_or(f64::INFINITY, |most| most as f64),
            blocks: traffic.blocks,
        }
    }

    /// How long a request with so many records takes.
    pub(super) fn taking(&self, records: f64) -> f64 {
        self.latency + self.more(records)
    }

    /// How long it holds its place.
    pub(super) fn holding(&self, records: f64) -> f64 {
        self.held + self.more(records)
    }

    fn more(&self, records: f64) -> f64 {
        self.per_record * (records - 1.0).max(0.0)
    }
}
