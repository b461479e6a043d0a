//! What came of one request: whose items are finished, whose not, and what else is to be told. Plain data.

use crate::fact::Fact;
use crate::fault::Verdict;
use crate::record::Record;
use crate::stop::Reason;

/// What came of one request.
pub(crate) struct Settled<A> {
    /// The items it finished, with their answers.
    pub(crate) done: Vec<Record<A>>,
    /// Records of which nobody knows whether they took effect.
    pub(crate) in_doubt: usize,
    /// How the request as a whole failed, if none of its records was taken.
    pub(crate) verdict: Option<Verdict>,
    /// What else is to be told.
    pub(crate) facts: Vec<Fact>,
    /// Why the run has to stop, if it has to: the service stays away,
    pub(crate) unavailable: Option<String>,
    /// or nothing can be saved here any more.
    pub(crate) ends_run: Option<Reason>,
}

impl<A> Settled<A> {
    /// Nothing came of it yet but this.
    pub(super) fn new(fact: Option<Fact>) -> Settled<A> {
        Settled {
            done: Vec::new(),
            in_doubt: 0,
            verdict: None,
            facts: fact.into_iter().collect(),
            unavailable: None,
            ends_run: None,
        }
    }
}
