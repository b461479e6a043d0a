//! A closed form for each strategy: how long the work takes that way, and what that time is made of.
//!
//! Where steps take turns their times add up; where they overlap the longest counts (the operational bounds of a closed
//! system), and what cannot overlap it comes on top: `docs/forecast.md` has the formulas as such.

use std::collections::BTreeMap;

use super::plain::Plain;
use super::stream::Stream;
use super::way::Way;
use crate::bottleneck::Bottleneck;
use crate::options::Strategy;

/// How long it takes, and what of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Time {
    pub(super) s: f64,
    pub(super) bottleneck: Bottleneck,
    /// The parts: where steps take turns they add up, else the longest is the time.
    pub(super) terms: BTreeMap<Bottleneck, f64>,
}

/// How long the work takes this way.
pub(super) fn time(way: &Way, work: &Plain) -> Time {
    if work.items < 1.0 {
        return Time::longest(vec![(Bottleneck::Ends, 0.0)], 0.0);
    }
    match way.strategy {
        Strategy::Sequential => sequential(way, work),
        Strategy::Batched => batched(way, work),
        Strategy::Async => one_thread(way, work),
        Strategy::Parallel => parallel(way, work),
    }
}

/// `n · (fetch + compute + save)`.
fn sequential(way: &Way, work: &Plain) -> Time {
    let waiting = work.fetch_one() + work.save.taking(1.0) + work.handling(1.0);
    let apart = (1.0 / save_rate(way, work)).max(1.0 / fetch_rate(work));
    let each = (waiting + work.compute).max(apart);
    Time::sum(vec![
        (Bottleneck::Cpu, work.items * work.compute),
        (Bottleneck::Turns, work.items * waiting),
        (
            Bottleneck::Quota,
            work.items * (each - waiting - work.compute),
        ),
    ])
}

/// `⌈n ÷ b⌉ · (fetch(b) + b · compute + save(b))`, the last batch being what is left.
fn batched(way: &Way, work: &Plain) -> Time {
    let batch = (way.batch as f64).min(work.items);
    let full = (work.items / batch).floor();
    let last = work.items - full * batch;
    let save = save(way, work);
    let together = |items: f64| save.together(items, bulk_max(way, work).min(items));
    let one = |items: f64| work.save.taking(bulk_max(way, work).min(items));
    let apart = 1.0 / way.rate.unwrap_or(f64::INFINITY);
    let paced = |items: f64| ((items / bulk_max(way, work)).ceil() - 1.0) * apart + one(items);
    let saved = |items: f64| together(items).max(paced(items));
    let fetched = |items| fetch(way, work).map_or(0.0, |fetch| fetch.together(items, 1.0));
    let waiting = |items: f64| match items > 0.0 {
        true => fetched(items) + saved(items),
        false => 0.0,
    };
    let batches = full + f64::from(last > 0.0);
    // The first request of a batch has been kept from the last one before it by all that came between.
    let between = one(batch) + fetched(batch) + batch * work.compute;
    let behind = (batches - 1.0) * (apart - between).max(0.0);
    let all = full * waiting(batch) + waiting(last) + behind;
    // The same, were nothing narrow.
    let free = batches * (work.fetch_one() + work.save.taking(1.0));
    let narrow = match behind > 0.0 || paced(batch) > together(batch) {
        true => Bottleneck::Quota,
        false => narrower(save),
    };
    Time::sum(vec![
        (Bottleneck::Cpu, work.items * work.compute),
        (Bottleneck::Turns, all.min(free)),
        (narrow, (all - free).max(0.0)),
    ])
}

/// `async`: `max(n · (compute + handling), service, ceiling, rate) + ends`, on one thread.
fn one_thread(way: &Way, work: &Plain) -> Time {
    let bulk = filled(way, work);
    let item = work.compute + work.handling(bulk);
    let (first, last) = (work.fetch_one(), work.save.taking(1.0));
    if work.save.blocks {
        // Nothing overlaps what holds up the thread.
        let terms = vec![
            (Bottleneck::Cpu, work.items * item),
            (Bottleneck::Turns, first + work.items * last),
        ];
        return Time::sum(terms);
    }
    let save = save(way, work);
    let Some(every) = way.yield_every else {
        // No request is served before all is computed.
        let together = save.together(work.items, bulk_max(way, work));
        let terms = vec![
            (Bottleneck::Cpu, work.items * work.compute),
            (Bottleneck::Turns, first + together),
        ];
        return Time::sum(terms);
    };
    let turn = item.max(every);
    let mut terms = vec![(Bottleneck::Cpu, first + work.items * item + last)];
    let late =
        |stage: Stream<'_>, bulk| stage.noticed_late(work.items / bulk, turn, work.items * item);
    if let Some(fetch) = fetch(way, work) {
        let s = first + item + late(fetch, 1.0) + fetch.one_by_one(work.items, 1.0, item);
        terms.push((Bottleneck::Fetch, s));
    }
    let s = first + item + late(save, bulk) + save.one_by_one(work.items, bulk, item);
    terms.push((narrower(save), s));
    terms.extend(paced(way, work, item));
    Time::longest(terms, first + item + last)
}

/// `max(n · compute ÷ cores, service, ceiling, rate, handling) + ends`.
fn parallel(way: &Way, work: &Plain) -> Time {
    let jobs = way.jobs.max(1) as f64;
    let apart = work.beside / jobs;
    let (first, last) = (work.fetch_one(), work.save.taking(1.0));
    let computing = (work.items / jobs).ceil() * work.beside;
    let bulk = bulk_max(way, work);
    let handling = work.items * work.handling(bulk);
    let save = save(way, work);
    let mut terms = vec![
        (Bottleneck::Cpu, first + computing + handling / jobs + last),
        (Bottleneck::Io, first + work.beside + handling + last),
    ];
    let request = work.save.taking(bulk);
    // No more is looked for than what becomes ready while one is answered.
    let needed = (request / (apart * bulk).max(1e-9)).min(work.items / bulk);
    let ends =
        first + work.beside + searched(way.save_search_from, save.at_once().min(needed), last);
    terms.push((
        narrower(save),
        ends + save.one_by_one(work.items, bulk, apart),
    ));
    if let Some(fetch) = fetch(way, work) {
        let at_once = fetch.at_once().min(work.items);
        let ends = work.beside + last + searched(way.fetch_search_from, at_once, first);
        terms.push((
            Bottleneck::Fetch,
            ends + fetch.one_by_one(work.items, 1.0, 0.0),
        ));
    }
    terms.extend(paced(way, work, work.beside));
    if let Some(from) = way.save_search_from {
        // Doubling from so many, each round trip: that is the most there can be.
        let rounds = (work.items / bulk / from + 1.0).log2().ceil();
        terms.push((Bottleneck::Search, first + work.beside + rounds * request));
    }
    Time::longest(terms, first + work.beside + last)
}

/// Seconds lost to a limit that is still rising to as many as are served at once.
fn searched(from: Option<f64>, at_once: f64, latency: f64) -> f64 {
    let Some(from) = from.filter(|_| at_once.is_finite()) else {
        return 0.0;
    };
    let at_once = at_once.max(from);
    latency * ((at_once / from).log2() - (at_once - from) / at_once)
}

/// What keeps more saves from being served at once.
fn narrower(save: Stream<'_>) -> Bottleneck {
    match save.is_service_narrower() {
        true if save.of.connections <= 1.0 => Bottleneck::Output,
        true => Bottleneck::Service,
        false => Bottleneck::InFlight,
    }
}

/// What the quotas of both stages and the user's rate allow.
fn paced(way: &Way, work: &Plain, item: f64) -> impl Iterator<Item = (Bottleneck, f64)> {
    let ends = work.fetch_one() + item + work.save.taking(1.0);
    let saves = (work.items / bulk_max(way, work)).ceil();
    let stages = [
        (work.items, fetch_rate(work)),
        (saves, save_rate(way, work)),
    ];
    stages
        .into_iter()
        .filter(|(_, rate)| rate.is_finite())
        .map(move |(requests, rate)| (Bottleneck::Quota, ends + (requests - 1.0).max(0.0) / rate))
}

/// Saves a second that may start, at most.
fn save_rate(way: &Way, work: &Plain) -> f64 {
    way.rate.unwrap_or(f64::INFINITY).min(work.save.quota)
}

/// Fetches a second that may start, at most.
fn fetch_rate(work: &Plain) -> f64 {
    let fetch = work.fetch.as_ref();
    fetch.map_or(f64::INFINITY, |fetch| fetch.quota)
}

/// Records that become ready while all requests that may be in flight are, for each of them: so many share the next.
fn filled(way: &Way, work: &Plain) -> f64 {
    let most = bulk_max(way, work);
    let apart = (work.compute + work.handling(most)).max(1e-9);
    let ready = work.save.taking(1.0) / (apart * save(way, work).at_once());
    ready.clamp(1.0, most)
}

fn bulk_max(way: &Way, work: &Plain) -> f64 {
    let asked = way.bulk.map_or(f64::INFINITY, |bulk| bulk as f64);
    work.save.bulk.min(asked).min(work.items).max(1.0)
}

fn save<'a>(way: &Way, work: &'a Plain) -> Stream<'a> {
    Stream {
        of: &work.save,
        in_flight: way.in_flight as f64,
    }
}

fn fetch<'a>(way: &Way, work: &'a Plain) -> Option<Stream<'a>> {
    let of = work.fetch.as_ref()?;
    let in_flight = way.in_flight as f64;
    Some(Stream { of, in_flight })
}

/// The smallest number in flight that is enough for the work this way, at least 1.
pub(super) fn in_flight(way: &Way, work: &Plain) -> usize {
    let save = save(way, work);
    // Bandwidth × delay: those on their way are in flight too.
    let inside = save.of.capacity * save.of.latency / save.of.held.max(1e-9);
    let narrowest = save.in_flight.min(save.of.connections).min(inside);
    let most = narrowest.min(work.items).max(1.0);
    let bulk = bulk_max(way, work);
    let apart = match way.strategy {
        Strategy::Sequential => return 1,
        Strategy::Batched => {
            let requests = (way.batch as f64 / bulk).ceil();
            return requests.min(most).ceil() as usize;
        }
        Strategy::Async => work.compute + work.handling(bulk),
        Strategy::Parallel => (work.beside / way.jobs.max(1) as f64).max(work.handling(bulk)),
    };
    // Little's law: as many as arrive while one is answered.
    let ready = apart.max(1.0 / fetch_rate(work)) * bulk;
    let apart = ready.max(1.0 / save_rate(way, work));
    let needed = work.save.taking(bulk) / apart.max(1e-9);
    needed.min(most).ceil().max(1.0) as usize
}

impl Time {
    /// One after the other.
    fn sum(terms: Vec<(Bottleneck, f64)>) -> Time {
        let s = terms.iter().map(|(_, s)| s).sum();
        Time::of(s, terms)
    }

    /// Beside each other; `ends` is in each of them.
    fn longest(terms: Vec<(Bottleneck, f64)>, ends: f64) -> Time {
        let s = terms.iter().map(|(_, s)| *s).fold(0.0, f64::max);
        let mut time = Time::of(s, terms);
        if ends > s / 2.0 {
            time.bottleneck = Bottleneck::Ends;
        }
        time.terms.insert(Bottleneck::Ends, ends);
        time
    }

    fn of(s: f64, parts: Vec<(Bottleneck, f64)>) -> Time {
        let mut terms = BTreeMap::new();
        for (bottleneck, part) in parts {
            let entry = terms.entry(bottleneck).or_insert(part);
            *entry = part.max(*entry);
        }
        // Of those that are about equal the first: a limit that just fits is not to blame.
        let most = terms.values().copied().fold(0.0, f64::max);
        let first = terms.iter().find(|(_, part)| **part > 0.99 * most);
        Time {
            s,
            bottleneck: first.map_or(Bottleneck::Ends, |(bottleneck, _)| *bottleneck),
            terms,
        }
    }
}
