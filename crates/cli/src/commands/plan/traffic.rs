//! What is known of the services of a job: what was seen, what they declare, what earlier runs have learnt, or what is
//! assumed, in this order; capacity and quota as declared, if they are.

use inflight::forecast::{Figure, Requests, Traffic};
use inflight::{Options, Service};

use super::ladder::Probed;
use inflight_connectors::Abilities;

use crate::job::opened::Opened;
use crate::job::target::Place;

/// What a request over a network is taken to last when nobody knows: a service in the same country, and its database.
const LATENCY_S: f64 = 0.1;
/// The same of a local file or database, which writes into memory first: SQLite takes half of it, a file a tenth.
const LOCAL_S: f64 = 1e-4;
/// CPU time that a request over a network costs the thread that serves I/O, if it was not measured: as on a machine of today.
const HANDLING_S: f64 = 6e-5;

/// The requests that save.
pub(super) fn of_save(
    opened: &Opened<'_>,
    able: Abilities,
    options: &Options,
    probed: Option<&Probed>,
) -> Traffic {
    let learnt = options.learnt_save;
    let place = &opened.save;
    let (is_local, is_null) = (able.is_local, able.is_nothing);
    // What is wrong with a sink is said by whoever saves there.
    let sink = opened.sink(options.strategy, 0).ok();
    let connections = sink.as_ref().map(Service::<_>::connections_max);
    let bulk = sink.as_ref().map_or(1, Service::<_>::bulk_max);
    let assumed = match (is_null, is_local) {
        (true, _) => Figure::declared(0.0),
        (false, true) => Figure::assumed(LOCAL_S),
        (false, false) => Figure::assumed(LATENCY_S),
    };
    // Each of requests with so many records.
    let one = |latency| (latency, 1.0);
    let remembered = learnt.map(|learnt| {
        let latency = learnt.latency.as_secs_f64();
        (Figure::learned(latency), learnt.records)
    });
    let (latency, records) = probed
        .and_then(|probed| probed.ladder.latency().map(one))
        .or(declared_latency(place).map(one))
        .or(remembered)
        .unwrap_or(one(assumed));
    let (latency, per_record) = match probed {
        Some(probed) if records == 1.0 => (latency, probed.per_record),
        _ if bulk == 1 || is_null => (latency, Figure::NOTHING),
        _ => Traffic::parts(latency, records, assumed.value),
    };
    let found = learnt.and_then(|learnt| {
        let at_once = learnt.goodput? * learnt.latency.as_secs_f64();
        Some(Figure::learned(at_once.max(1.0)))
    });
    let handled = match is_local || is_null {
        true => Figure::NOTHING,
        false => Figure::assumed(HANDLING_S),
    };
    Traffic {
        per_record,
        bulk: options.bulk.unwrap_or(usize::MAX).min(bulk).max(1),
        spread: probed.map_or(0.0, |probed| probed.ladder.spread()),
        capacity: declared_capacity(place)
            .or_else(|| probed?.ladder.capacity())
            .or(found),
        held: declared_held(place),
        proven: probed.and_then(|probed| probed.ladder.rungs().last().map(|rung| rung.in_flight)),
        crowding: probed.map_or(0.0, |probed| probed.ladder.crowding()),
        quota: declared_quota(place).or(learnt.and_then(|learnt| learnt.rate.map(Figure::learned))),
        handling: probed.and_then(|probed| probed.handling).unwrap_or(handled),
        connections: connections.filter(|most| *most < usize::MAX),
        blocks: is_local,
        ..Traffic::taking(latency)
    }
}

/// The requests that fetch.
pub(super) fn of_fetch(place: &Place, seen: &Requests) -> Traffic {
    let latency = seen.latency.figure().or(declared_latency(place));
    Traffic {
        capacity: declared_capacity(place),
        held: declared_held(place),
        proven: Some(seen.in_flight_max),
        quota: declared_quota(place),
        handling: Figure::assumed(HANDLING_S),
        ..Traffic::taking(latency.unwrap_or(Figure::assumed(LATENCY_S)))
    }
}

fn declared_latency(place: &Place) -> Option<Figure> {
    let latency = place.declared.latency?;
    Some(Figure::declared(latency.as_secs_f64()))
}

fn declared_capacity(place: &Place) -> Option<Figure> {
    place
        .declared
        .capacity
        .map(|capacity| Figure::declared(capacity as f64))
}

/// How long a request holds its place, where that follows from what the service gives at best.
fn declared_held(place: &Place) -> Option<Figure> {
    let (capacity, goodput) = place.declared.capacity.zip(place.declared.goodput)?;
    declared_quota(place)
        .is_none()
        .then(|| Figure::declared(capacity as f64 / goodput))
}

/// The quota, where the service's goodput is bounded by one and not by how many it handles at once.
fn declared_quota(place: &Place) -> Option<Figure> {
    let (goodput, latency) = (place.declared.goodput?, place.declared.latency);
    let served = place
        .declared
        .capacity
        .zip(latency)
        .map_or(f64::INFINITY, |(capacity, latency)| {
            capacity as f64 / latency.as_secs_f64()
        });
    (goodput < 0.99 * served).then(|| Figure::declared(goodput))
}
