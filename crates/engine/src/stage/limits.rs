//! What bounds a stage, how the laws of its limit and of its bulks are made, and what an outcome tells of the service. Pure.

use std::time::Duration;

use crate::fact::Step;
use crate::fault::{Fault, Verdict};
use crate::limit::{BulkSize, Learnt, LimitSettings, Outcome};
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
    /// What bounds how many requests may be in flight.
    pub(super) fn law(&self, options: &Options, step: Step) -> LimitSettings {
        LimitSettings {
            fixed: match options.in_flight {
                InFlightLimit::Fixed(limit) => {
                    Some(limit.min(self.connections) + usize::from(planted!(LimitExceeded)))
                }
                InFlightLimit::Auto => None,
            },
            ceiling: options.max_in_flight.min(self.connections),
            quota: match step {
                Step::Fetch => options.fetch_quota,
                _ => options.save_quota,
            },
            wall: self.wall,
            learnt: learnt(options, step),
            seed: fastrand::u64(..),
        }
    }
}

impl Limits {
    /// The law of how many records may be in a request: what one may carry, or, with a limit that is found at a service that takes
    /// several requests at once, as many as make a request's own cost small. One that takes one at a time is filled with
    /// what is ready: there is nothing that smaller requests would make room for.
    pub(super) fn bulk_size(&self, options: &Options, step: Step) -> BulkSize {
        let is_set = options.bulk.is_some() && step == Step::Save;
        let is_one_by_one = self.connections == 1 || options.in_flight != InFlightLimit::Auto;
        if is_set || is_one_by_one {
            return BulkSize::fixed(self.bulk);
        }
        let known = learnt(options, step).and_then(|learnt| learnt.bulk);
        BulkSize::auto(self.bulk, known)
    }
}

/// What an earlier run learnt of the service of this step.
fn learnt(options: &Options, step: Step) -> Option<Learnt> {
    match step {
        Step::Fetch => options.learnt_fetch,
        _ => options.learnt_save,
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
        Verdict::Overload if fault.is_not_by_load() => Outcome::Failed,
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

/// Whether the service is there, though it may have saved nothing: it found a record bad, or it failed at the only one there
/// was to ask it with, or where nobody could connect before and it answers now.
pub(super) fn shows_that_it_is_there<A>(
    outcome: &Result<Reply<A>, Fault>,
    was_out_of_reach: bool,
    is_alone: bool,
) -> bool {
    let shows = |fault: &Fault| match fault.verdict() {
        Verdict::Permanent => true,
        Verdict::Transient => was_out_of_reach && (is_alone || fault.is_answered()),
        Verdict::Overload | Verdict::InDoubt | Verdict::Unreached => false,
    };
    match outcome {
        Ok(Reply::Each(answers)) => answers.iter().filter_map(|a| a.as_ref().err()).any(shows),
        Ok(Reply::All(_)) => false,
        Err(fault) => shows(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_service_refuses_says_nothing_of_how_much_it_can_take() {
        let seen = |fault| as_seen_by_the_limit::<()>(&Err(fault));
        let busy = Outcome::Refused {
            by_quota: false,
            wait: None,
        };
        assert_eq!(seen(Fault::overload("503")), busy);
        assert_eq!(seen(Fault::overload("401").not_by_load()), Outcome::Failed);
    }
}
