//! Faults and dead letters by reason: how many of each. Holds nothing of any item.

use std::collections::BTreeMap;

use inflight::{Fault, Step, Verdict};
use serde::{Deserialize, Serialize};

/// Reasons that are told apart; what comes after that is counted as one. No service has so many ways to fail.
const REASONS_MAX: usize = 64;

/// What one of them was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    /// The step that failed.
    pub(crate) step: String,
    /// Why, in words that are the same for every item.
    pub(crate) why: String,
    /// What that means for an item.
    pub(crate) verdict: String,
    /// Failures after which the item was tried again.
    pub(crate) retried: u64,
    /// Items that became dead letters for it.
    pub(crate) dead: u64,
    /// Requests that the service refused for now; they count against no item.
    pub(crate) refused: u64,
}

/// The faults of a run on its way.
#[derive(Debug, Default)]
pub(crate) struct Reasons(BTreeMap<(&'static str, String, &'static str), Counts>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    retried: u64,
    dead: u64,
    refused: u64,
}

impl Reasons {
    pub(crate) fn retried(&mut self, step: Step, fault: &Fault) {
        self.of(step, fault.reason(), fault.verdict()).retried += 1;
    }

    pub(crate) fn dead(&mut self, step: Step, fault: &Fault) {
        self.of(step, fault.reason(), fault.verdict()).dead += 1;
    }

    pub(crate) fn refused(&mut self, step: Step) {
        let verdict = Verdict::Overload;
        self.of(step, verdict.words(), verdict).refused += 1;
    }

    /// The most frequent first.
    pub(crate) fn finish(self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .0
            .into_iter()
            .map(|((step, why, verdict), counts)| Reason {
                step: step.to_owned(),
                why,
                verdict: verdict.to_owned(),
                retried: counts.retried,
                dead: counts.dead,
                refused: counts.refused,
            })
            .collect();
        reasons.sort_by_key(|r| std::cmp::Reverse(r.dead + r.retried + r.refused));
        reasons
    }

    fn of(&mut self, step: Step, why: &str, verdict: Verdict) -> &mut Counts {
        let key = (step.name(), why.to_owned(), verdict.words());
        let is_new = self.0.len() >= REASONS_MAX && !self.0.contains_key(&key);
        let key = match is_new {
            true => (step.name(), "other reasons".to_owned(), ""),
            false => key,
        };
        self.0.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_items_share_is_counted_together() {
        let mut reasons = Reasons::default();
        for item in 0..3 {
            let fault = Fault::permanent(format!("no room for {item}")).counted_as("no room");
            reasons.dead(Step::Save, &fault);
        }
        reasons.refused(Step::Save);
        reasons.retried(Step::Fetch, &Fault::transient("odd"));
        let reasons = reasons.finish();
        assert_eq!((reasons[0].why.as_str(), reasons[0].dead), ("no room", 3));
        assert_eq!(reasons.len(), 3);
        assert!(reasons.iter().any(|reason| reason.refused == 1));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut reasons = Reasons::default();
        for item in 0..1_000 {
            let fault = Fault::permanent("x").counted_as(format!("{item}"));
            reasons.dead(Step::Save, &fault);
        }
        let reasons = reasons.finish();
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!(reasons.iter().map(|reason| reason.dead).sum::<u64>(), 1_000);
    }
}
