//! How many dead letters are too many. Pure.

use crate::fault::Fault;
use crate::tally::Counts;

/// A share of an input is judged when so many items of it are finished: of the first three, one is a third.
const JUDGED_FROM: u64 = 100;

/// The bound on dead letters at which a run stops, so that a mistake does not go through the whole input.
///
/// ```
/// use inflight::{Halt, Options};
///
/// let options = Options { halt: Some(Halt::Share(0.03)), ..Options::default() };
/// assert!(options.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Halt {
    /// So many dead letters of one run, at least 1.
    Count(u64),
    /// More than this share of the finished items, those of runs before in the same journal included, between 0 and 1; judged from the hundredth item on, or at the end.
    Share(f64),
    /// More than half of the last hundred items that this run finished, judged from the twentieth on: the job itself is wrong, not
    /// its items.
    Most,
}

/// How the last items of a run ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recent {
    /// A bit for each item, the last one lowest: whether it failed.
    failed: u128,
    /// Items that finished, at most [`RECENT`].
    finished: u64,
}

/// Items that are looked back on: enough that chance decides nothing, few enough that a mistake costs little.
const RECENT: u64 = 100;
/// So many must be finished before they are judged: of an input that is smaller, all is tried.
const RECENT_FROM: u64 = 20;

impl Recent {
    /// So many items were saved.
    pub(crate) fn saved(&mut self, items: u64) {
        let shift = u32::try_from(items).ok();
        self.failed = shift
            .and_then(|by| self.failed.checked_shl(by))
            .unwrap_or(0);
        self.finished = (self.finished + items).min(RECENT);
    }

    /// An item failed.
    pub(crate) fn failed(&mut self) {
        self.failed = self.failed << 1 | 1;
        self.finished = (self.finished + 1).min(RECENT);
    }

    /// How many of the last ones failed, if those are most.
    fn most(&self) -> Option<u64> {
        let window = (1 << self.finished) - 1;
        let failed = u64::from((self.failed & window).count_ones());
        (self.finished >= RECENT_FROM && 2 * failed > self.finished).then_some(failed)
    }
}

impl Halt {
    /// Why the run should stop, if it should; so many were given up before it, and the last item failed for this reason.
    pub(crate) fn reached(
        self,
        counts: &Counts,
        dead_before: u64,
        recent: &Recent,
        last: &Fault,
    ) -> Option<String> {
        let (dead, finished) = (counts.dead, counts.dead + counts.saved);
        match self {
            Halt::Most => recent.most().map(|failed| {
                format!(
                    "{failed} of the last {} items failed, so the job itself seems to be wrong; the last one: {last}",
                    recent.finished
                )
            }),
            Halt::Count(most) => (dead - dead_before >= most)
                .then(|| format!("{most} items failed, which is the bound that was set")),
            Halt::Share(most) => {
                let all = counts.total.unwrap_or(u64::MAX);
                let is_too_many = dead as f64 > most * all as f64
                    || finished >= JUDGED_FROM && dead as f64 > most * finished as f64;
                is_too_many.then(|| {
                    format!(
                        "{dead} of {finished} finished items failed, more than the {} % that were allowed",
                        most * 100.0
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(halt: Halt, saved: u64, dead: u64, total: Option<u64>, stops: bool) {
        check_after(0, halt, saved, dead, total, stops);
    }

    #[track_caller]
    fn check_after(
        before: u64,
        halt: Halt,
        saved: u64,
        dead: u64,
        total: Option<u64>,
        stops: bool,
    ) {
        let counts = Counts {
            saved,
            dead,
            total,
            ..Counts::default()
        };
        let last = Fault::permanent("no");
        let reached = halt.reached(&counts, before, &Recent::default(), &last);
        assert_eq!(reached.is_some(), stops);
    }

    /// Whether it stops after items that were saved (`true`) or failed.
    fn stops_after(items: impl IntoIterator<Item = bool>) -> bool {
        let mut recent = Recent::default();
        for is_saved in items {
            if is_saved {
                recent.saved(1);
            } else {
                recent.failed();
            }
        }
        recent.most().is_some()
    }

    #[test]
    fn a_run_of_failures_stops_when_there_is_something_to_judge() {
        let failing = |items| std::iter::repeat_n(false, items);
        assert!(!stops_after(failing(19)));
        assert!(stops_after(failing(20)));
        assert!(!stops_after((0..1000).map(|item| item % 2 == 0)));
        assert!(stops_after((0..1000).map(|item| item % 5 > 2)));
        // What was long ago counts no more, on either side.
        let good = std::iter::repeat_n(true, 1000);
        assert!(!stops_after(good.clone().chain(failing(50))));
        assert!(stops_after(good.clone().chain(failing(51))));
        assert!(!stops_after(failing(1000).chain(good)));
        let mut recent = Recent::default();
        recent.failed();
        recent.saved(u64::MAX - 100);
        assert_eq!((recent.failed, recent.finished), (0, RECENT));
    }

    #[test]
    fn a_count_stops_when_it_is_reached() {
        check(Halt::Count(3), 1000, 2, None, false);
        check(Halt::Count(3), 0, 3, None, true);
        check_after(3, Halt::Count(3), 0, 5, None, false);
        check_after(3, Halt::Count(3), 0, 6, None, true);
    }

    #[test]
    fn a_share_is_judged_when_there_is_something_to_judge() {
        check(Halt::Share(0.03), 0, 3, None, false);
        check(Halt::Share(0.03), 96, 4, None, true);
        check(Halt::Share(0.03), 970, 30, None, false);
        check(Halt::Share(0.03), 0, 1, Some(20), true);
    }
}
