//! What a run makes of its own first moments: a forecast of itself, to be held against what it comes to.
//!
//! It looks at the first tenth of the items, or the first second, and at what was known before: what the service declares,
//! and what earlier runs have learnt of it.

use super::figure::Figure;
use super::outlook::forecast;
use super::sample::{Requests, Sample};
use super::way::Way;
use super::work::{Traffic, Work};
use crate::bound::Basis;
use crate::fact::{Fact, Step};
use crate::options::{InFlightLimit, Options, Strategy};
use crate::score::Known;

/// A tenth of the items is enough, computed, or saved where nothing was known of the service before,
const SHARE: u64 = 10;
/// and so is what a second brings.
const MOMENTS_S: f64 = 1.0;
/// Answers from which a rate is believed, over so many latencies.
const ANSWERED_MIN: u64 = 32;
const LATENCIES_MIN: f64 = 4.0;
/// Answers that take so many times as long as the first are those of a service that is full.
const CROWDED: f64 = 1.5;
/// The standard error by which two means of so few differ, in standard deviations of one answer.
const MEANS_SE: f64 = 0.44;

/// The first moments of a run. Facts are folded until enough was seen, and cost nothing after that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early {
    /// Items that this run has to do, where that is known.
    items: Option<u64>,
    sample: Sample,
    /// When enough was computed, and what was seen by then.
    computed: Option<Seen>,
    /// The same once enough was saved.
    saved: Option<Seen>,
}

/// What had been seen at a moment.
#[derive(Clone, Debug)]
struct Seen {
    at_s: f64,
    sample: Sample,
}

/// The time that a run was predicted to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prediction {
    pub(crate) s: f64,
    /// After so much of it.
    pub(crate) after_s: f64,
    /// Where what is known of the service comes from.
    pub(crate) basis: Basis,
}

impl Early {
    /// Of a run with so many items to do, where that is known.
    pub(crate) fn new(items: Option<u64>) -> Early {
        Early {
            items,
            ..Early::default()
        }
    }

    pub(crate) fn fold(&mut self, fact: &Fact) {
        if self.saved.is_some() || self.items.is_none() {
            return;
        }
        let at_s = match fact {
            Fact::Computed { at, took, .. } => (*at + *took).as_secs_f64(),
            Fact::Attempt(attempt) => (attempt.at + attempt.took).as_secs_f64(),
            Fact::Beat { at, .. } => at.as_secs_f64(),
            _ => return,
        };
        self.sample.add(fact);
        let (computed, saved) = (self.sample.computed.count, self.sample.save.records);
        let enough = self.items.map_or(u64::MAX, |items| items.div_ceil(SHARE));
        let is_enough = computed >= enough || (computed > 0 && at_s >= MOMENTS_S);
        let seen = || Seen {
            at_s,
            sample: self.sample.clone(),
        };
        if self.computed.is_none() && is_enough {
            self.computed = Some(seen());
        }
        let is_long = saved > 0 && at_s >= MOMENTS_S;
        if self.computed.is_some() && (saved >= enough || is_long) {
            self.saved = Some(seen());
        }
    }

    /// What the run will come to; `None` if too little was seen or known.
    pub(crate) fn prediction(
        &self,
        options: &Options,
        fetch: Option<Known>,
        save: Known,
    ) -> Option<Prediction> {
        let is_known = before(&save, Step::Save, options).is_some();
        // Where the service is known nobody need wait for its answers.
        let seen = match is_known {
            true => self.computed.as_ref()?,
            false => self.saved.as_ref()?,
        };
        let sample = &seen.sample;
        let compute = sample.computed.figure()?;
        let save = traffic(&sample.save, &save, Step::Save, options)?;
        let basis = save.latency.basis;
        let fetch = match fetch {
            Some(known) => Some(traffic(&sample.fetch, &known, Step::Fetch, options)?),
            None => None,
        };
        let work = Work {
            items: self.items?,
            compute,
            compute_beside: compute,
            fetch,
            save,
        };
        let way = Way::of(options, options.strategy);
        Some(Prediction {
            s: forecast(&way, &work).predicted_s,
            after_s: seen.at_s,
            basis,
        })
    }
}

/// What was known of a service before the run.
struct Before {
    latency: Figure,
    /// Of requests with so many records.
    records: f64,
    /// How many it handles at once.
    capacity: Option<Figure>,
}

fn before(known: &Known, step: Step, options: &Options) -> Option<Before> {
    let at_once = |goodput: f64, latency: f64| (goodput * latency).max(1.0);
    if let Some(latency) = known.declared.latency {
        let latency = latency.as_secs_f64();
        let goodput = known
            .declared
            .goodput
            .map(|goodput| at_once(goodput, latency));
        let capacity = known.declared.capacity.map(|capacity| capacity as f64);
        let capacity = capacity.or(goodput).map(Figure::declared);
        return Some(Before {
            latency: Figure::declared(latency),
            records: 1.0,
            capacity,
        });
    }
    let learnt = match step {
        Step::Fetch => options.learnt_fetch,
        _ => options.learnt_save,
    }?;
    let latency = learnt.latency.as_secs_f64();
    let capacity = learnt
        .goodput
        .map(|goodput| Figure::learned(at_once(goodput, latency)));
    Some(Before {
        latency: Figure::learned(latency),
        records: learnt.records,
        capacity,
    })
}

fn traffic(seen: &Requests, known: &Known, step: Step, options: &Options) -> Option<Traffic> {
    let before = before(known, step, options);
    let capacity = before.as_ref().and_then(|before| before.capacity);
    let at_once = capacity.map_or(f64::INFINITY, |capacity| capacity.value);
    // An answer that waited, for its turn or for a computation, does not tell what the service takes.
    let is_telling = seen.in_flight_max as f64 <= at_once
        && matches!(options.strategy, Strategy::Sequential | Strategy::Batched);
    let measured = seen
        .latency
        .figure()
        .filter(|_| is_telling || before.is_none());
    let (latency, records) = match (measured, before) {
        (Some(measured), _) => (measured, seen.records_each()),
        (None, Some(before)) => (before.latency, before.records),
        (None, None) => return None,
    };
    let (latency, per_record) = match known.bulk {
        1 => (latency, Figure::NOTHING),
        _ => Traffic::parts(latency, records, seen.per_record(), 0.0),
    };
    let shown = capacity_shown(seen, options);
    let held = known.declared.capacity.zip(known.declared.goodput);
    let held = held.map(|(capacity, goodput)| Figure::declared(capacity as f64 / goodput));
    // A quota, which is a goodput as well, makes of this more than a request ever takes.
    let (held, by_quota) = match held.is_some_and(|held| held.value > latency.value) {
        true => (None, known.declared.goodput.map(Figure::declared)),
        false => (held, None),
    };
    let learnt = options.learnt_save.filter(|_| step == Step::Save);
    Some(Traffic {
        held,
        per_record,
        bulk: known.bulk,
        spread: seen.spread_if_many(),
        capacity: capacity.or(shown),
        connections: known.connections_max,
        quota: by_quota.or(learnt.and_then(|learnt| learnt.rate).map(Figure::learned)),
        ..Traffic::taking(latency)
    })
}

/// How many the service handles at once, if answers come as quickly as they will: a limit that was set is in flight already,
/// or one that finds itself has made them slower.
fn capacity_shown(seen: &Requests, options: &Options) -> Option<Figure> {
    let least = seen.least()?;
    let is_full = seen.answered() >= ANSWERED_MIN
        && match options.in_flight {
            InFlightLimit::Fixed(limit) => seen.in_flight_max >= limit,
            InFlightLimit::Auto => seen.slower() > CROWDED * (MEANS_SE * seen.spread()).exp(),
        };
    let is_long = seen.lasted_s() >= LATENCIES_MIN * least;
    let per_second = seen.per_second().filter(|_| is_full && is_long)?;
    let mean = seen.latency.mean;
    // By Little's law these are all that are in flight; what they wait beyond the quickest is waiting for a place.
    Some(Figure::measured((per_second * mean).max(1.0), 0.0))
}

impl Requests {
    /// The spread, once there are enough to tell.
    fn spread_if_many(&self) -> f64 {
        match self.answered() >= ANSWERED_MIN {
            true => self.spread(),
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::forecast::sample::tests::{computed, saved};
    use crate::limit::Learnt;
    use crate::service::Declared;

    const MS: Duration = Duration::from_millis(1);

    fn known(latency: Option<Duration>, capacity: Option<usize>) -> Known {
        Known {
            limit: 100,
            limit_final: 100,
            learnt: None,
            connections_max: None,
            bulk: 1,
            declared: Declared {
                latency,
                capacity,
                goodput: None,
            },
        }
    }

    fn options(strategy: Strategy) -> Options {
        Options {
            strategy,
            jobs: 2,
            ..Options::default()
        }
    }

    /// A run that has computed eight of eighty items in 10 ms each.
    fn begun() -> Early {
        let mut early = Early::new(Some(80));
        (0..8).for_each(|n| early.fold(&computed(1, 10 * n, 10)));
        early
    }

    #[track_caller]
    fn check(prediction: Option<Prediction>, expected: f64, basis: Basis) {
        let prediction = prediction.unwrap();
        assert!(
            (prediction.s - expected).abs() < 0.02 * expected,
            "{prediction:?}"
        );
        assert_eq!(prediction.basis, basis);
    }

    #[test]
    fn a_declared_service_need_not_have_answered() {
        let of = |strategy| {
            let known = known(Some(100 * MS), Some(100));
            begun().prediction(&options(strategy), None, known)
        };
        check(of(Strategy::Sequential), 80.0 * 0.11, Basis::Declared);
        check(of(Strategy::Parallel), 0.4 + 0.1, Basis::Declared);
    }

    #[test]
    fn a_declared_quota_counts_beside_a_capacity() {
        let mut known = known(Some(100 * MS), Some(100));
        known.declared.goodput = Some(10.0);
        let prediction = begun().prediction(&options(Strategy::Parallel), None, known);
        check(prediction, 8.0, Basis::Declared);
    }

    #[test]
    fn one_of_which_nothing_is_known_must_have_answered() {
        let mut early = begun();
        let parallel = options(Strategy::Parallel);
        assert_eq!(early.prediction(&parallel, None, known(None, None)), None);
        (0..8).for_each(|n| early.fold(&saved(10 + n, 200, 1)));
        let prediction = early.prediction(&parallel, None, known(None, None));
        check(prediction, 0.4 + 0.2, Basis::Measured);
        let auto = Options {
            in_flight: InFlightLimit::Auto,
            ..parallel.clone()
        };
        // Ten at once, whatever is in flight.
        let mut crowded = Early::new(Some(800));
        (0..80).for_each(|n| crowded.fold(&computed(1, n, 1)));
        (0..80).for_each(|n| crowded.fold(&saved(0, 100 * (n / 10 + 1), 80)));
        let prediction = crowded.prediction(&auto, None, known(None, None));
        let s = prediction.unwrap().s;
        assert!((8.0..10.0).contains(&s), "{s}");
        let learnt = Some(Learnt {
            limit: 5.0,
            latency: 100 * MS,
            goodput: Some(50.0),
            rate: None,
            is_rising: false,
            bulk: None,
            records: 1.0,
        });
        let remembers = Options {
            learnt_save: learnt,
            ..parallel
        };
        let prediction = begun().prediction(&remembers, None, known(None, None));
        check(prediction, 1.6 + 0.05, Basis::Learned);
    }

    #[test]
    fn what_comes_later_changes_nothing() {
        let mut early = begun();
        (0..8).for_each(|n| early.fold(&saved(10 + n, 200, 1)));
        let first = early.prediction(&options(Strategy::Parallel), None, known(None, None));
        early.fold(&saved(10, 9000, 1));
        early.fold(&computed(1, 9000, 9000));
        let then = early.prediction(&options(Strategy::Parallel), None, known(None, None));
        assert_eq!(first, then);
        let mut endless = Early::new(None);
        endless.fold(&computed(1, 0, 10));
        (0..8).for_each(|n| endless.fold(&saved(10 + n, 200, 1)));
        assert_eq!(
            endless.prediction(&options(Strategy::Parallel), None, known(None, None)),
            None
        );
    }
}
