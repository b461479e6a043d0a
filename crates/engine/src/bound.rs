//! The time below which a run could not have come: pure, from what was measured and declared.
//!
//! `bound = max(cpu, service, rate, ceiling) + ends`, where the ends are what cannot overlap the largest of
//! them. Latencies enter unloaded: with loaded ones and the
//! in-flight that was observed, any run would look perfect (in a closed loop, throughput *is* in-flight ÷
//! latency).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::service::Declared;

/// What limited a run: the largest term of its bound.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Wall {
    /// The cores.
    Cpu,
    /// The best goodput of the service.
    Service,
    /// The quota of requests a second.
    Rate,
    /// The user's own limit of requests in flight.
    Ceiling,
    /// Reading the input.
    Source,
    /// What cannot overlap: the first item's fetch and compute, the last item's save.
    Ends,
}

/// Where a term of the bound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The service or the user said so.
    Declared,
    /// Measured in this run.
    Measured,
    /// Found in this run, or remembered from an earlier one: more in flight, or sent more quickly, would have brought no more.
    Learned,
    /// Nobody knows: a figure to reckon with.
    Assumed,
}

/// One term of the bound.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Term {
    /// The time below which the run could not have come, in seconds.
    pub s: f64,
    /// Where that comes from.
    pub basis: Basis,
}

/// What the bound of one run is made of.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// What computing cost, on all threads together.
    pub(crate) compute: Duration,
    /// Threads that could compute.
    pub(crate) jobs: usize,
    /// One computation, typically.
    pub(crate) compute_one: Duration,
    pub(crate) fetch: Option<StageCosts>,
    pub(crate) save: StageCosts,
    /// Saves a second that the user allows.
    pub(crate) rate: Option<f64>,
    /// The same that the service was found to allow.
    pub(crate) rate_learned: Option<f64>,
    /// Time spent in reading the input.
    pub(crate) reading: Duration,
}

/// The requests of one stage.
#[derive(Clone, Debug)]
pub(crate) struct StageCosts {
    /// Requests that succeeded.
    pub(crate) requests: u64,
    /// How long one takes when the service is not loaded, measured.
    pub(crate) unloaded: Duration,
    pub(crate) declared: Declared,
    /// Requests a second that the service was found to give at best.
    pub(crate) goodput: Option<f64>,
    /// The most requests in flight that the user allows.
    pub(crate) limit: usize,
    /// The most requests the service has at once, by its nature, if that is fewer.
    pub(crate) connections_max: Option<usize>,
}

impl StageCosts {
    pub(crate) fn latency(&self) -> (f64, Basis) {
        match self.declared.latency {
            Some(latency) => (latency.as_secs_f64(), Basis::Declared),
            None => (self.unloaded.as_secs_f64(), Basis::Measured),
        }
    }

    /// So many at once, each for as long as it takes when the service is not loaded.
    fn at_once(&self, in_flight: usize) -> Term {
        let (latency, basis) = self.latency();
        let s = self.at_least_one(self.requests as f64 * latency / in_flight as f64);
        Term { s, basis }
    }

    /// However many at once: none is quicker than one.
    fn at_least_one(&self, s: f64) -> f64 {
        match self.requests {
            0 => 0.0,
            _ => s.max(self.latency().0),
        }
    }

    fn service(&self) -> Option<Term> {
        let with = |goodput: Option<f64>, basis| {
            let s = self.requests as f64 / goodput?;
            let s = self.at_least_one(s);
            Some(Term { s, basis })
        };
        let declared = with(self.declared.goodput, Basis::Declared);
        let known = declared.or_else(|| with(self.goodput, Basis::Learned));
        known.or_else(|| Some(self.at_once(self.connections_max?)))
    }
}

/// Every term that applies.
pub(crate) fn terms(costs: &Costs) -> BTreeMap<Wall, Term> {
    let mut terms = BTreeMap::new();
    let measured = |s| Term {
        s,
        basis: Basis::Measured,
    };
    terms.insert(
        Wall::Cpu,
        measured(costs.compute.as_secs_f64() / costs.jobs as f64),
    );
    terms.insert(Wall::Source, measured(costs.reading.as_secs_f64()));
    for stage in costs.fetch.iter().chain([&costs.save]) {
        larger(&mut terms, Wall::Ceiling, stage.at_once(stage.limit));
        if let Some(service) = stage.service() {
            larger(&mut terms, Wall::Service, service);
        }
    }
    let set = costs.rate.map(|rate| (rate, Basis::Declared));
    // What a service declares has its quota in it, as it has its capacity.
    let is_declared = costs.save.declared.goodput.is_some();
    let learned = costs.rate_learned.filter(|_| !is_declared);
    let found = learned.map(|rate| (rate, Basis::Learned));
    if let Some((rate, basis)) = set.or(found) {
        let s = costs.save.requests as f64 / rate;
        terms.insert(Wall::Rate, Term { s, basis });
    }
    let ends = ends(costs, limited_by(&terms));
    terms.insert(Wall::Ends, ends);
    terms
}

/// What cannot overlap the wall: the first item's fetch and compute and the last item's save, without the
/// one that the wall is made of and counts already.
fn ends(costs: &Costs, wall: Wall) -> Term {
    let fetch = costs.fetch.as_ref().map_or(0.0, |fetch| fetch.latency().0);
    let (save, basis) = costs.save.latency();
    let (fetch, save, basis) = match wall {
        Wall::Cpu | Wall::Source | Wall::Ends => (fetch, save, basis),
        wall if costs.is_of_fetches(wall) => (0.0, save, basis),
        Wall::Service | Wall::Rate | Wall::Ceiling => (fetch, 0.0, Basis::Measured),
    };
    Term {
        s: fetch + costs.compute_one.as_secs_f64() + save,
        basis,
    }
}

impl Costs {
    /// Whether a wall that both stages may be is that of the fetches.
    fn is_of_fetches(&self, wall: Wall) -> bool {
        let term = |stage: &StageCosts| match wall {
            Wall::Ceiling => Some(stage.at_once(stage.limit)),
            Wall::Service => stage.service(),
            _ => None,
        };
        let s = |stage| term(stage).map_or(0.0, |term| term.s);
        self.fetch
            .as_ref()
            .is_some_and(|fetch| s(fetch) > s(&self.save))
    }
}

fn larger(terms: &mut BTreeMap<Wall, Term>, wall: Wall, term: Term) {
    let entry = terms.entry(wall).or_insert(term);
    if term.s > entry.s {
        *entry = term;
    }
}

/// The bound that these terms make, in seconds. Reading is not in it: a slow input is a wall that a run is
/// measured against, not excused by.
pub(crate) fn bound_s(terms: &BTreeMap<Wall, Term>) -> f64 {
    let of = |wall| terms.get(&wall).map_or(0.0, |term| term.s);
    let overlapping = [Wall::Cpu, Wall::Service, Wall::Rate, Wall::Ceiling];
    overlapping.map(of).into_iter().fold(0.0, f64::max) + of(Wall::Ends)
}

/// The largest term. Of equal ones the service's wins over the user's ceiling: a limit that just fits is
/// not to blame.
pub(crate) fn limited_by(terms: &BTreeMap<Wall, Term>) -> Wall {
    let mut largest = Wall::Ends;
    for (wall, term) in terms {
        if term.s > terms.get(&largest).map_or(0.0, |most| most.s) {
            largest = *wall;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn costs(compute_ms: u32, requests: u64, capacity: Option<usize>) -> Costs {
        Costs {
            compute: MS * compute_ms,
            jobs: 2,
            compute_one: 16 * MS,
            fetch: None,
            save: StageCosts {
                requests,
                unloaded: 100 * MS,
                declared: Declared {
                    latency: None,
                    capacity,
                    goodput: capacity.map(|capacity| capacity as f64 / 0.1),
                },
                goodput: None,
                limit: 100,
                connections_max: None,
            },
            rate: None,
            rate_learned: None,
            reading: Duration::ZERO,
        }
    }

    #[track_caller]
    fn check(costs: &Costs, bound: f64, wall: Wall) {
        let terms = terms(costs);
        assert!((bound_s(&terms) - bound).abs() < 1e-9, "{terms:?}");
        assert_eq!(limited_by(&terms), wall);
    }

    #[test]
    fn the_largest_term_and_the_ends() {
        check(&costs(9600, 600, None), 4.8 + 0.116, Wall::Cpu);
        check(&costs(960, 6000, None), 6.0 + 0.016, Wall::Ceiling);
        check(&costs(960, 600, Some(1)), 60.0 + 0.016, Wall::Service);
        check(&costs(90, 10, None), 0.1 + 0.016, Wall::Ceiling);
        check(&costs(0, 1, None), 0.1 + 0.016, Wall::Ceiling);
    }

    #[test]
    fn a_limit_that_just_fits_the_service_is_not_to_blame() {
        check(&costs(9, 6000, Some(100)), 6.016, Wall::Service);
    }

    #[test]
    fn a_rate_is_a_wall_and_so_is_a_slow_fetch() {
        let mut slow = costs(960, 600, None);
        slow.rate = Some(50.0);
        check(&slow, 12.0 + 0.016, Wall::Rate);
        slow.fetch = Some(StageCosts {
            limit: 1,
            ..slow.save.clone()
        });
        check(&slow, 60.0 + 0.116, Wall::Ceiling);
        if let Some(fetch) = &mut slow.fetch {
            fetch.unloaded = 1000 * MS;
        }
        check(&slow, 600.0 + 0.116, Wall::Ceiling);
    }

    #[test]
    fn what_was_learned_counts_where_nothing_was_declared() {
        let mut learned = costs(960, 6000, None);
        learned.save.goodput = Some(500.0);
        check(&learned, 12.016, Wall::Service);
        assert_eq!(terms(&learned)[&Wall::Service].basis, Basis::Learned);
        learned.save.declared.goodput = Some(1000.0);
        assert_eq!(terms(&learned)[&Wall::Service].basis, Basis::Declared);
        learned.rate_learned = Some(100.0);
        assert_eq!(terms(&learned).get(&Wall::Rate), None);
        learned.save.declared.goodput = None;
        check(&learned, 60.016, Wall::Rate);
    }

    #[test]
    fn a_service_with_one_writer_is_the_wall_and_not_the_limit() {
        let mut one_writer = costs(960, 60, None);
        one_writer.save.connections_max = Some(1);
        check(&one_writer, 6.016, Wall::Service);
    }
}
