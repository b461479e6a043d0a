//! The account that a database keeps of what is saved in it, as far as that is the same in every database.
//!
//! Two tables. `inflight_runs` says which run of a job is the latest: one that is not can save nothing more.
//! `inflight_progress` says which items are saved: a row for each transaction, joined to one from time to time. How these
//! are read and written is for each database to know.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use inflight::Fault;

use crate::settings::Ledger;

/// Rows of progress before they are joined: that many are read in some milliseconds when a run goes on, and joining
/// them costs each transaction next to nothing.
pub(crate) const ROWS_MAX: u64 = 4096;

/// The table that says which run of a job is the latest.
pub(crate) const RUNS: &str = "inflight_runs";

/// The table that says what is saved.
pub(crate) const PROGRESS: &str = "inflight_progress";

/// The account of one run of a job.
pub(crate) struct Account {
    pub(crate) job: String,
    /// The number that the run has by its journal.
    pub(crate) epoch: u64,
    /// Whether rows that are there may be of an earlier run.
    pub(crate) is_known: bool,
    /// The number by which it has taken over; 0 before that.
    taken: AtomicU64,
    /// Rows written since they were joined last.
    rows: AtomicU64,
}

impl Account {
    pub(crate) fn new(ledger: Ledger) -> Account {
        Account {
            job: ledger.job,
            epoch: ledger.epoch,
            is_known: ledger.is_known,
            taken: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// Whether a table of results cannot have this name.
    pub(crate) fn is_reserved(table: &str) -> bool {
        [RUNS, PROGRESS]
            .iter()
            .any(|name| table.eq_ignore_ascii_case(name))
    }

    /// The number by which the run has taken over; 0 before that.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The run has taken over by this number.
    pub(crate) fn took(&self, epoch: u64) {
        self.taken.store(epoch, Ordering::Relaxed);
    }

    /// Which run has taken over from this one, if one has; 0 where the account was thrown away.
    pub(crate) fn superseded_by(&self, latest: Option<u64>) -> Option<u64> {
        let latest = latest.unwrap_or(0);
        (latest != self.taken()).then_some(latest)
    }

    /// Counts a row of progress that is about to be written; says whether it is time to join them instead.
    pub(crate) fn is_long(&self) -> bool {
        self.rows.fetch_add(1, Ordering::Relaxed) >= ROWS_MAX
    }

    /// All rows are one again.
    pub(crate) fn was_joined(&self) {
        self.rows.store(0, Ordering::Relaxed);
    }
}

/// Why nothing was saved, and nothing will be: a run with this number has taken over in this place.
pub(crate) fn superseded(latest: u64, place: &str) -> Fault {
    Fault::superseded(match latest {
        0 => {
            format!(
                "another run of this job has thrown away the account of what is saved in {place}"
            )
        }
        _ => format!("another run of this job, number {latest}, has taken over in {place}"),
    })
}

/// Why a job that never saved anything in this table saves nothing there: its first row would take the place of another's.
pub(crate) fn occupied(table: &str, place: &str) -> Fault {
    Fault::permanent(format!(
        "table {table} of {place} holds rows that this job did not save, and its results would replace them, the first the row of index 0; \
         name another table (?table=NAME), empty this one, or let rows be known by a key of their own (--key)"
    ))
}

/// What stands where a list of items should.
pub(crate) fn foreign(items: &str) -> String {
    let shown: String = items.chars().take(40).collect();
    format!("{PROGRESS} holds `{shown}`, which is no list of items")
}

/// The ranges in their order, those that touch made one.
pub(crate) fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let touches = next.start <= range.end;
        if touches {
            range.end = range.end.max(next.end);
        }
        touches
    });
    ranges
}

/// These items as ranges in their order.
pub(crate) fn ranges(items: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    joined(items.into_iter().map(|item| item..item + 1).collect())
}

/// `0-99,150`: first and last item of each range.
pub(crate) fn write(ranges: &[Range<u64>]) -> String {
    let parts = ranges.iter().map(|range| match range.end - 1 {
        last if last == range.start => last.to_string(),
        last => format!("{}-{last}", range.start),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// What [`write()`] wrote; `None` of anything else.
pub(crate) fn read(text: &str) -> Option<Vec<Range<u64>>> {
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
            (first <= last).then_some(first..last.checked_add(1)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read() {
        let check = |ranges: &[Range<u64>], text: &str| {
            assert_eq!(write(ranges), text);
            assert_eq!(read(text).unwrap(), ranges);
        };
        check(&[0..100, 150..151], "0-99,150");
        check(&[7..8, 9..10], "7,9");
        for text in ["", "x", "3-", "4-3", "1,,2", "18446744073709551615"] {
            assert_eq!(read(text), None, "{text}");
        }
        let merged = joined(vec![5..6, 0..3, 3..4, 2..5, 9..10, 5..6]);
        assert_eq!(merged, [0..6, 9..10]);
        assert_eq!(ranges([3, 1, 2, 9]), [1..4, 9..10]);
    }
}
