//! How the work is to be done, as far as that decides how long it takes.

use crate::limit::FIRST;
use crate::options::{InFlightLimit, Options, Strategy};

/// One way to do the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Who drives.
    pub strategy: Strategy,
    /// Compute threads of `Parallel`.
    pub jobs: usize,
    /// The most requests in flight, for each of fetch and save.
    pub in_flight: usize,
    /// From how many in flight the limit is searched; `None` of one that is set.
    pub search_from: Option<f64>,
    /// Items of a batch of `Batched`.
    pub batch: usize,
    /// Seconds that `Async` computes before it serves I/O; `None` is never.
    pub yield_every: Option<f64>,
    /// The most records in a save request that the user allows.
    pub bulk: Option<usize>,
    /// Save requests a second that the user allows.
    pub rate: Option<f64>,
}

impl Way {
    /// What these options come to with this strategy.
    pub fn of(options: &Options, strategy: Strategy) -> Way {
        Way {
            strategy,
            jobs: match strategy {
                Strategy::Parallel => options.jobs,
                _ => 1,
            },
            in_flight: options.in_flight_max(),
            search_from: (options.in_flight == InFlightLimit::Auto).then(|| {
                let learnt = options.learnt_save.map(|learnt| learnt.limit);
                learnt.unwrap_or(FIRST)
            }),
            batch: options.batch,
            yield_every: options.yield_every.map(|time| time.as_secs_f64()),
            bulk: options.bulk,
            rate: options.rate,
        }
    }
}
