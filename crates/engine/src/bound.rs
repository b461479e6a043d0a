//! The time below which a run could not have come: pure, from what was measured and declared.
//!
//! `bound = max(cpu, fetch, service, quota, in-flight) + ends`, where the ends are what cannot overlap the largest of
//! them. Latencies enter unloaded: with loaded ones and the in-flight that was observed, any run would look perfect (in a
//! closed loop, throughput *is* in-flight ÷ latency).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bottleneck::Bottleneck;
use crate::fact::Step;
use crate::service::Declared;

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

/// The quota that allows least, of all that a run has to keep to.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QuotaTerm {
    /// Whose requests it is about.
    pub step: Step,
    /// What it allows in a second.
    pub per_second: f64,
    /// Whether units are counted, such as tokens, and not requests.
    pub is_units: bool,
    /// The time below which the run could not have come, in seconds.
    pub s: f64,
    /// Whether it was set, or found where the service refused.
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
    /// Time spent in reading the input.
    pub(crate) reading: Duration,
}

/// The requests of one stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct StageCosts {
    /// Requests that succeeded.
    pub(crate) requests: u64,
    /// Units of a quota that they have cost.
    pub(crate) units: f64,
    /// How long one takes when the service is not loaded, measured.
    pub(crate) unloaded: Duration,
    pub(crate) declared: Declared,
    /// Requests a second that the service was found to give at best.
    pub(crate) goodput: Option<f64>,
    /// Requests a second that the user allows.
    pub(crate) rate: Option<f64>,
    /// Units a second that the user allows.
    pub(crate) units_rate: Option<f64>,
    /// Requests a second that the service was found to allow.
    pub(crate) rate_learned: Option<f64>,
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

    fn quotas(&self, step: Step) -> impl Iterator<Item = QuotaTerm> {
        // What a service declares has its quota in it, as it has its capacity.
        let is_declared = self.declared.goodput.is_some();
        let found = self
            .rate_learned
            .filter(|_| !is_declared && self.rate.is_none());
        let requests = self.requests as f64;
        let quotas = [
            (requests, self.rate, false, Basis::Declared),
            (requests, found, false, Basis::Learned),
            (self.units, self.units_rate, true, Basis::Declared),
        ];
        quotas
            .into_iter()
            .filter_map(move |(count, rate, is_units, basis)| {
                let per_second = rate?;
                Some(QuotaTerm {
                    step,
                    per_second,
                    is_units,
                    s: count / per_second,
                    basis,
                })
            })
    }
}

/// Every term that applies.
pub(crate) fn terms(costs: &Costs) -> BTreeMap<Bottleneck, Term> {
    let mut terms = BTreeMap::new();
    let measured = |s| Term {
        s,
        basis: Basis::Measured,
    };
    terms.insert(
        Bottleneck::Cpu,
        measured(costs.compute.as_secs_f64() / costs.jobs as f64),
    );
    terms.insert(Bottleneck::Source, measured(costs.reading.as_secs_f64()));
    if let Some(fetch) = &costs.fetch {
        let at_once = fetch.at_once(fetch.limit);
        let service = fetch.service().filter(|service| service.s > at_once.s);
        terms.insert(Bottleneck::Fetch, service.unwrap_or(at_once));
    }
    terms.insert(Bottleneck::InFlight, costs.save.at_once(costs.save.limit));
    if let Some(service) = costs.save.service() {
        let key = match costs.save.connections_max {
            Some(1) => Bottleneck::Output,
            _ => Bottleneck::Service,
        };
        terms.insert(key, service);
    }
    if let Some(QuotaTerm { s, basis, .. }) = quota(costs) {
        terms.insert(Bottleneck::Quota, Term { s, basis });
    }
    let ends = ends(costs, largest(&terms));
    terms.insert(Bottleneck::Ends, ends);
    terms
}

/// The quota that allows least, if there is any.
pub(crate) fn quota(costs: &Costs) -> Option<QuotaTerm> {
    let fetch = costs
        .fetch
        .iter()
        .flat_map(|fetch| fetch.quotas(Step::Fetch));
    let all = fetch.chain(costs.save.quotas(Step::Save));
    all.max_by(|one, other| one.s.total_cmp(&other.s))
}

/// What cannot overlap the largest term: the first item's fetch and compute and the last item's save, without the
/// one that it is made of and counts already.
fn ends(costs: &Costs, largest: Bottleneck) -> Term {
    let fetch = costs.fetch.as_ref().map_or(0.0, |fetch| fetch.latency().0);
    let (save, basis) = costs.save.latency();
    let is_of_fetches = || quota(costs).is_some_and(|quota| quota.step == Step::Fetch);
    let (fetch, save, basis) = match largest {
        Bottleneck::Fetch => (0.0, save, basis),
        Bottleneck::Quota if is_of_fetches() => (0.0, save, basis),
        Bottleneck::Service | Bottleneck::Output | Bottleneck::Quota | Bottleneck::InFlight => {
            (fetch, 0.0, Basis::Measured)
        }
        _ => (fetch, save, basis),
    };
    Term {
        s: fetch + costs.compute_one.as_secs_f64() + save,
        basis,
    }
}

/// The bound that these terms make, in seconds. Reading is not in it: a run is measured against a slow input, not excused
/// by it.
pub(crate) fn bound_s(terms: &BTreeMap<Bottleneck, Term>) -> f64 {
    let of = |bottleneck| terms.get(&bottleneck).map_or(0.0, |term: &Term| term.s);
    let overlapping = terms.keys().copied();
    let overlapping =
        overlapping.filter(|key| !matches!(key, Bottleneck::Source | Bottleneck::Ends));
    overlapping.map(of).fold(0.0, f64::max) + of(Bottleneck::Ends)
}

/// The largest term. Of equal ones the service's wins over the user's own limit: a limit that just fits is not to blame.
pub(crate) fn largest(terms: &BTreeMap<Bottleneck, Term>) -> Bottleneck {
    let mut largest = Bottleneck::Ends;
    for (bottleneck, term) in terms {
        let most = terms.get(&largest).map_or(0.0, |most| most.s);
        let is_own_limit = largest == Bottleneck::InFlight;
        if term.s > most || is_own_limit && term.s == most && *bottleneck == Bottleneck::Output {
            largest = *bottleneck;
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
                limit: 100,
                ..StageCosts::default()
            },
            reading: Duration::ZERO,
        }
    }

    #[track_caller]
    fn check(costs: &Costs, bound: f64, expected: Bottleneck) {
        let terms = terms(costs);
        assert!((bound_s(&terms) - bound).abs() < 1e-9, "{terms:?}");
        assert_eq!(largest(&terms), expected);
    }

    #[test]
    fn the_largest_term_and_the_ends() {
        check(&costs(9600, 600, None), 4.8 + 0.116, Bottleneck::Cpu);
        check(&costs(960, 6000, None), 6.0 + 0.016, Bottleneck::InFlight);
        check(&costs(960, 600, Some(1)), 60.0 + 0.016, Bottleneck::Service);
        check(&costs(90, 10, None), 0.1 + 0.016, Bottleneck::InFlight);
        check(&costs(0, 1, None), 0.1 + 0.016, Bottleneck::InFlight);
    }

    #[test]
    fn a_limit_that_just_fits_the_service_is_not_to_blame() {
        check(&costs(9, 6000, Some(100)), 6.016, Bottleneck::Service);
    }

    #[test]
    fn a_rate_limits_and_so_does_a_slow_fetch() {
        let mut slow = costs(960, 600, None);
        slow.save.rate = Some(50.0);
        check(&slow, 12.0 + 0.016, Bottleneck::Quota);
        slow.fetch = Some(StageCosts {
            limit: 1,
            rate: None,
            ..slow.save.clone()
        });
        check(&slow, 60.0 + 0.116, Bottleneck::Fetch);
        if let Some(fetch) = &mut slow.fetch {
            fetch.unloaded = 1000 * MS;
        }
        check(&slow, 600.0 + 0.116, Bottleneck::Fetch);
    }

    #[test]
    fn what_was_learned_counts_where_nothing_was_declared() {
        let mut learned = costs(960, 6000, None);
        learned.save.goodput = Some(500.0);
        check(&learned, 12.016, Bottleneck::Service);
        assert_eq!(terms(&learned)[&Bottleneck::Service].basis, Basis::Learned);
        learned.save.declared.goodput = Some(1000.0);
        assert_eq!(terms(&learned)[&Bottleneck::Service].basis, Basis::Declared);
        learned.save.rate_learned = Some(100.0);
        assert_eq!(terms(&learned).get(&Bottleneck::Quota), None);
        learned.save.declared.goodput = None;
        check(&learned, 60.016, Bottleneck::Quota);
    }

    #[test]
    fn a_sink_with_one_writer_limits_and_not_the_number_in_flight() {
        let mut one_writer = costs(960, 60, None);
        one_writer.save.connections_max = Some(1);
        check(&one_writer, 6.016, Bottleneck::Output);
    }
}
