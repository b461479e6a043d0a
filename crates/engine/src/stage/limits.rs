//! What bounds a stage, and how the law of its limit is made and told. Pure.

use std::time::Duration;

use crate::fact::Step;
use crate::fault::{Fault, Verdict};
use crate::limit::{Limit, LimitSettings, Outcome};
use crate::options::{InFlightLimit, Options};
use crate::planted::planted;
use crate::service::Reply;

/// How many requests, how many records in each, how many bytes may wait and how many
/// records be ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most requests the service has at once, by its nature.
    pub(crate) connections: usize,
    pub(crate) bulk: usize,
    pub(crate) bytes: usize,
    pub(crate) ready: usize,
    /// What the clock on the wall showed when the run's clock began.
    pub(crate) wall: Duration,
}

impl Limits {
    /// The law of how many requests may be in flight.
    pub(super) fn law(&self, options: &Options, rate: Option<f64>, step: Step) -> Limit {
        let learnt = match step {
            Step::Fetch => options.learnt_fetch,
            _ => options.learnt_save,
        };
        Limit::new(LimitSettings {
            fixed: match options.in_flight {
                InFlightLimit::Fixed(limit) => {
                    Some(limit.min(self.connections) + usize::from(planted!(LimitExceeded)))
                }
                InFlightLimit::Auto => None,
            },
            ceiling: options.max_in_flight.min(self.connections),
            rate,
            wall: self.wall,
            learnt,
            seed: fastrand::u64(..),
        })
    }
}

/// How a request ended, as far as that tells how many should be in flight.
pub(super) fn as_seen_by_the_limit<A>(outcome: &Result<Reply<A>, Fault>) -> Outcome {
    let fault = match outcome {
        Ok(Reply::All(_)) => return Outcome::Succeeded,
        Ok(Reply::Each(answers)) => {
            let faults = answers.iter().filter_map(|answer| answer.as_ref().err());
            let mut refusals = faults.filter(|fault| fault.verdict() == Verdict::Overload);
            match refusals.next() {
                Some(refusal) => refusal,
                None if answers.iter().any(Result::is_ok) => return Outcome::Succeeded,
                None => return Outcome::Failed,
            }
        }
        Err(fault) => fault,
    };
    match fault.verdict() {
        Verdict::Overload => Outcome::Refused {
            by_quota: fault.is_by_quota(),
            wait: fault
                .wait_asked()
                .filter(|wait| !wait.is_zero() && !planted!(PauseIgnored)),
        },
        _ if fault.is_timeout() => Outcome::TimedOut,
        _ => Outcome::Failed,
    }
}
