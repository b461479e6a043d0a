//! How the work is to be done, as far as that decides how long it takes.

use crate::limit::{FIRST, Learnt};
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
    /// From how many in flight the limit of saves is searched; `None` of one that is set.
    pub save_search_from: Option<f64>,
    /// The same of fetches.
    pub fetch_search_from: Option<f64>,
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
            save_search_from: search_from(options, options.learnt_save),
            fetch_search_from: search_from(options, options.learnt_fetch),
            batch: options.batch,
            yield_every: options.yield_every.map(|time| time.as_secs_f64()),
            bulk: options.bulk,
            rate: options.save_quota.requests,
        }
    }
}

/// A run begins with what an earlier one found; a limit that still rose there is no less than the first of all.
fn search_from(options: &Options, learnt: Option<Learnt>) -> Option<f64> {
    (options.in_flight == InFlightLimit::Auto).then(|| match learnt {
        Some(learnt) if !learnt.is_rising => learnt.limit,
        rising => rising.map_or(FIRST, |learnt| learnt.limit.max(FIRST)),
    })
}
