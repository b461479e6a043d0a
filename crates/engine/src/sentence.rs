//! What limited a run, in one sentence that a person can act on. Pure.

use crate::bound::Wall;
use crate::options::Strategy;
use crate::service::Declared;
use crate::summary::{Ending, Summary};

/// Below this share of the limit the wall alone does not explain the time, and the sentence says what does.
const NEAR: f64 = 0.8;

/// The sentence of a summary whose numbers are complete.
pub(crate) fn sentence(summary: &Summary, jobs: usize, declared: Declared) -> String {
    if let Ending::Unavailable(why) | Ending::Unreadable(why) = &summary.ending {
        return format!("stopped: {why}");
    }
    let share = format!("{:.0} % of the limit", summary.attainment * 100.0);
    if summary.saved == 0 {
        return match summary.dead {
            0 => "nothing was saved".to_owned(),
            1 => "nothing was saved: the only item became a dead letter".to_owned(),
            dead => format!("nothing was saved: all {dead} items became dead letters"),
        };
    }
    if let Some(overload) = overload(summary, declared) {
        return format!("{share}; {overload}");
    }
    let wall = wall(summary, jobs, declared);
    match waste(summary) {
        Some(waste) => format!("{share}; {waste}; the wall is {wall}"),
        None => format!("{share}; limited by {wall}"),
    }
}

/// More in flight than the service can handle, and slower for it.
fn overload(summary: &Summary, declared: Declared) -> Option<String> {
    if summary.attainment >= NEAR {
        return None;
    }
    let flying = summary.in_flight;
    if summary.rejected_ratio > 0.1 {
        return Some(format!(
            "overload: the service refused {:.1} requests for each item saved, with up to {} in flight; \
             fewer would be quicker",
            summary.rejected_ratio, flying.max
        ));
    }
    let (capacity, latency) = (declared.capacity?, declared.latency?);
    let slower = summary.save_ms.mean / (latency.as_secs_f64() * 1e3);
    (flying.mean > 1.2 * capacity as f64 && slower > 1.5).then(|| {
        format!(
            "overload: {} in flight at a service that handles {capacity} made answers {slower:.1} times \
             slower; try {capacity}",
            flying.max
        )
    })
}

/// What kept the run from its wall, where that is known.
fn waste(summary: &Summary) -> Option<String> {
    if summary.attainment >= NEAR {
        return None;
    }
    if summary.outage_s > 0.2 * summary.elapsed_s {
        return Some(format!(
            "the service was away for {:.0} s",
            summary.outage_s
        ));
    }
    match summary.strategy {
        Strategy::Sequential => Some("it waits for each answer".to_owned()),
        Strategy::Batched => Some("computing and saving take turns".to_owned()),
        Strategy::Async if summary.limited_by == Wall::Cpu => {
            Some("one thread computes and serves".to_owned())
        }
        _ if summary.retried > summary.saved / 10 => {
            Some("failed attempts cost the rest".to_owned())
        }
        Strategy::Parallel if io_thread_share(summary) > NEAR => {
            Some("sending and receiving kept the I/O thread busy".to_owned())
        }
        Strategy::Async | Strategy::Parallel => None,
    }
}

/// How busy the thread that serves I/O was: what the engine's threads used beyond computing.
fn io_thread_share(summary: &Summary) -> f64 {
    summary.cores_busy - summary.compute_s / summary.elapsed_s
}

fn wall(summary: &Summary, jobs: usize, declared: Declared) -> String {
    let limit = summary.in_flight.limit_final;
    match summary.limited_by {
        Wall::Cpu => {
            let cores = if jobs == 1 {
                "one core".to_owned()
            } else {
                format!("{jobs} cores")
            };
            format!("computing on {cores}; more cores would help, more in flight would not")
        }
        Wall::Service => {
            let service = match (declared.capacity, declared.latency) {
                (Some(capacity), Some(latency)) => {
                    format!("the service ({capacity} at a time × {latency:.0?})")
                }
                _ => "the service".to_owned(),
            };
            format!("{service}; more cores will not help")
        }
        Wall::Rate => "the rate that was set; nothing else would help".to_owned(),
        Wall::Ceiling => format!(
            "the limit of {limit} in flight; a higher one would help if the service can take it"
        ),
        Wall::Source => "reading the input; nothing behind it would help".to_owned(),
        Wall::Ends => {
            "what cannot overlap: the first computation and the last save; the job is short"
                .to_owned()
        }
    }
}
