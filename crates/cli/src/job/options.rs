//! What the flags make of the engine's options.

use inflight::{ComputeClock, InFlightLimit, Options, Strategy};

use crate::error::{Error, Result};
use crate::flags::pace::PaceArgs;
use crate::flags::strategy::StrategyArgs;
use crate::flags::value::{OrAuto, OrNever, QuotaOf, together};

/// The limit of a run for which none was given.
pub(crate) fn limit_unsaid(strategy: Strategy) -> InFlightLimit {
    match strategy {
        Strategy::Parallel => InFlightLimit::Auto,
        // The others wait by their nature, so that they would seldom see what their limit does.
        _ => Options::default().in_flight,
    }
}

/// What the flags make of the options of a run.
pub(crate) fn options(
    pace: &PaceArgs,
    driving: &StrategyArgs,
    strategy: Strategy,
    compute_clock: ComputeClock,
    unsaid: InFlightLimit,
) -> Result<Options> {
    let defaults = Options::default();
    let at_most = |limit| match (limit, pace.max_in_flight) {
        (InFlightLimit::Fixed(limit), Some(most)) => InFlightLimit::Fixed(limit.min(most)),
        (limit, _) => limit,
    };
    let options = Options {
        strategy,
        jobs: match pace.jobs {
            OrAuto::Auto => defaults.jobs,
            OrAuto::Count(jobs) => jobs,
        },
        in_flight: match pace.in_flight {
            Some(OrAuto::Count(limit)) => at_most(InFlightLimit::Fixed(limit)),
            Some(OrAuto::Auto) => InFlightLimit::Auto,
            None => at_most(unsaid),
        },
        max_in_flight: pace.max_in_flight.unwrap_or(defaults.max_in_flight),
        batch: driving.batch,
        bulk: match pace.bulk {
            OrAuto::Auto => None,
            OrAuto::Count(bulk) => Some(bulk),
        },
        compute_batch: match pace.worker_batch {
            OrAuto::Auto => None,
            OrAuto::Count(items) => Some(items),
        },
        yield_every: match driving.yield_every {
            OrNever::Every(time) => Some(time),
            OrNever::Never => None,
        },
        fetch_quota: together(pace.fetch_quotas.iter().copied()),
        save_quota: together(
            (pace.save_quotas.iter().copied()).chain(pace.rate.map(QuotaOf::Requests)),
        ),
        halt: pace.halt.bound(),
        deadline: pace.deadline,
        retries: pace.retries,
        connect_timeout: pace.connect_timeout,
        timeout: pace.timeout,
        compute_timeout: pace.compute_timeout,
        outage_budget: pace.max_outage,
        first_contact: defaults.first_contact.min(pace.max_outage),
        compute_clock,
        ..defaults
    };
    options.check().map_err(Error::usage)?;
    Ok(options)
}
