//! The forecast of one strategy: its time with an interval, the right number in flight, what limits it, and what would
//! change it.

use std::collections::BTreeMap;

use super::formula::{in_flight, time};
use super::plain::{Corner, Plain};
use super::way::Way;
use super::work::Work;
use crate::bottleneck::Bottleneck;
use crate::options::Strategy;

/// By how much a formula is off where all that goes into it is exact: scheduling, connecting, starting threads.
const MODEL_OFF: f64 = 0.03;

/// What one strategy will come to.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// The strategy.
    pub strategy: Strategy,
    /// The time it will most likely take, in seconds.
    pub predicted_s: f64,
    /// The least, if everything that is not known for sure is as good as it may be.
    pub low_s: f64,
    /// The most, if all of that is as bad as it may be.
    pub high_s: f64,
    /// The smallest number of requests in flight that is enough.
    pub in_flight: usize,
    /// What limits it.
    pub bottleneck: Bottleneck,
    /// What the time is made of, in seconds: where steps take turns (`sequential`, `batched`) the parts add up, else the
    /// longest is the time.
    pub terms: BTreeMap<Bottleneck, f64>,
    /// What would change it.
    pub changes: Vec<Change>,
}

/// One thing that could be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    /// What.
    pub what: What,
    /// The time it would take then, in seconds.
    pub predicted_s: f64,
    /// The same against the time it takes now: −0.41 is 41 % less.
    pub by: f64,
}

/// What could be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Twice the cores, and as many compute threads on them.
    TwiceTheCores,
    /// A computation that takes half as long.
    HalfTheComputing,
    /// A service that handles twice as many at once, or allows twice the quota.
    TwiceTheCapacity,
    /// A service that answers in half the time.
    HalfTheLatency,
    /// Twice the limit of requests in flight.
    TwiceInFlight,
}

impl What {
    const ALL: [What; 5] = [
        What::TwiceTheCores,
        What::HalfTheComputing,
        What::TwiceTheCapacity,
        What::HalfTheLatency,
        What::TwiceInFlight,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            What::TwiceTheCores => "twice the cores",
            What::HalfTheComputing => "half the computing",
            What::TwiceTheCapacity => "twice the service's capacity",
            What::HalfTheLatency => "half the latency",
            What::TwiceInFlight => "twice in flight",
        }
    }

    fn applied(self, mut way: Way, mut work: Plain) -> (Way, Plain) {
        match self {
            What::TwiceTheCores if way.strategy == Strategy::Parallel => way.jobs *= 2,
            // The others have one thread, whatever there is.
            What::TwiceTheCores => {}
            What::HalfTheComputing => {
                work.compute /= 2.0;
                work.beside /= 2.0;
            }
            What::TwiceTheCapacity => {
                for stage in work.fetch.iter_mut().chain([&mut work.save]) {
                    stage.capacity *= 2.0;
                    stage.quota *= 2.0;
                }
            }
            What::HalfTheLatency => {
                for stage in work.fetch.iter_mut().chain([&mut work.save]) {
                    stage.latency /= 2.0;
                    stage.held /= 2.0;
                    stage.per_record /= 2.0;
                }
            }
            What::TwiceInFlight => way.in_flight *= 2,
        }
        (way, work)
    }
}

/// What the work will come to, done this way.
///
/// ```
/// use inflight::forecast::{Figure, Traffic, Way, Work, forecast};
/// use inflight::{Options, Strategy};
///
/// let work = Work {
///     items: 600,
///     compute: Figure::declared(0.016),
///     compute_beside: Figure::declared(0.016),
///     fetch: None,
///     save: Traffic::taking(Figure::declared(0.1)),
/// };
/// let seconds = |strategy| forecast(&Way::of(&Options { jobs: 2, ..Options::default() }, strategy), &work).predicted_s;
/// assert!((seconds(Strategy::Sequential) - 600.0 * 0.116).abs() < 0.01);
/// assert!((seconds(Strategy::Parallel) - (300.0 * 0.016 + 0.1)).abs() < 0.01);
/// ```
pub fn forecast(way: &Way, work: &Work) -> Forecast {
    let likely = Plain::of(work, Corner::Likely);
    let now = time(way, &likely);
    let at = |corner| time(way, &Plain::of(work, corner)).s;
    let changes = What::ALL.map(|what| {
        let (way, work) = what.applied(way.clone(), likely.clone());
        let predicted_s = time(&way, &work).s;
        let by = match now.s > 0.0 {
            true => predicted_s / now.s - 1.0,
            false => 0.0,
        };
        Change {
            what,
            predicted_s,
            by,
        }
    });
    Forecast {
        strategy: way.strategy,
        predicted_s: now.s,
        low_s: at(Corner::Best) / (1.0 + MODEL_OFF),
        high_s: at(Corner::Worst) * (1.0 + MODEL_OFF),
        in_flight: in_flight(way, &likely),
        bottleneck: now.bottleneck,
        terms: now.terms,
        changes: changes.into(),
    }
}
