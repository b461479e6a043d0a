//! How many dead letters are too many. Pure.

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
}

impl Halt {
    /// Why the run should stop, if it should; so many were given up before it.
    pub(crate) fn reached(self, counts: &Counts, dead_before: u64) -> Option<String> {
        let (dead, finished) = (counts.dead, counts.dead + counts.saved);
        match self {
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
        assert_eq!(halt.reached(&counts, before).is_some(), stops);
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
