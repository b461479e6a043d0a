//! The plan as one object: what `--json` writes, and the table is made of.

use inflight::forecast::{Figure, Forecast, Rung, Top, Traffic, Work};
use serde::Serialize;

use super::sampling::Sampling;
use crate::job::work;
use crate::keep::recording::Workload;

/// What `plan --json` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// The version of this object's shape.
    pub(crate) version: u32,
    pub(crate) items: u64,
    /// Cores that could compute at once.
    pub(crate) cores: usize,
    pub(crate) workload: Workload,
    pub(crate) sampled: Sampled,
    pub(crate) compute: Compute,
    pub(crate) fetch: Option<Service>,
    pub(crate) save: Service,
    /// One for each, from the slowest way to work to the quickest.
    pub(crate) strategies: Vec<Forecast>,
    /// The strategy that is predicted to take least.
    pub(crate) quickest: Option<inflight::Strategy>,
}

/// How large the sample was.
#[derive(Debug, Serialize)]
pub(crate) struct Sampled {
    /// Items that were computed.
    pub(crate) items: u64,
    /// Saves that were answered.
    pub(crate) saves: u64,
    pub(crate) elapsed_s: f64,
    /// Each step of the ladder of saves, and why there was no next.
    pub(crate) rungs: Vec<Rung>,
    pub(crate) top: Option<Top>,
}

/// What computing costs.
#[derive(Debug, Serialize)]
pub(crate) struct Compute {
    /// Milliseconds of one item, on one thread.
    pub(crate) alone_ms: Figure,
    /// The same while all threads compute.
    pub(crate) beside_ms: Figure,
}

/// What is known of a service.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    /// Milliseconds from sent to answered, of a service that is not crowded.
    pub(crate) latency_ms: Figure,
    /// Standard deviation of ln(latency).
    pub(crate) spread: f64,
    /// How many it handles at once; `null` is any number, as far as is known.
    pub(crate) capacity: Option<Figure>,
    /// Requests a second that it allows.
    pub(crate) quota_per_s: Option<Figure>,
    /// Milliseconds of each further record of a request.
    pub(crate) per_record_ms: Figure,
    /// The most records of a request.
    pub(crate) bulk_max: usize,
}

impl Plan {
    pub(super) fn new(
        job: &work::Work,
        cores: usize,
        work: &Work,
        sampling: &Sampling<'_>,
        strategies: Vec<Forecast>,
    ) -> Plan {
        let (items, saves, elapsed_s) = sampling.size();
        let ladder = sampling.ladder();
        let quickest = strategies
            .iter()
            .min_by(|one, other| one.predicted_s.total_cmp(&other.predicted_s));
        Plan {
            version: 2,
            items: work.items,
            cores,
            workload: Workload {
                items: work.items,
                compute: job.computation.to_string(),
                sink: job.save_shown.clone(),
            },
            sampled: Sampled {
                items,
                saves,
                elapsed_s,
                rungs: ladder.map_or_else(Vec::new, |ladder| ladder.rungs().to_vec()),
                top: ladder.and_then(|ladder| ladder.top()),
            },
            compute: Compute {
                alone_ms: milliseconds(work.compute),
                beside_ms: milliseconds(work.compute_beside),
            },
            fetch: work.fetch.as_ref().map(Service::of),
            save: Service::of(&work.save),
            quickest: quickest.map(|forecast| forecast.strategy),
            strategies,
        }
    }
}

impl Service {
    fn of(traffic: &Traffic) -> Service {
        let connections = traffic
            .connections
            .map(|most| Figure::declared(most as f64));
        Service {
            latency_ms: milliseconds(traffic.latency),
            spread: traffic.spread,
            capacity: traffic.capacity.or(connections),
            quota_per_s: traffic.quota,
            per_record_ms: milliseconds(traffic.per_record),
            bulk_max: traffic.bulk,
        }
    }
}

fn milliseconds(seconds: Figure) -> Figure {
    Figure {
        value: seconds.value * 1e3,
        ..seconds
    }
}
