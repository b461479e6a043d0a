//! The account that a database keeps of what is saved in it, in the same transactions as the results.
//!
//! Two tables. `inflight_runs` says which run of a job is the latest: one that is not can save nothing more.
//! `inflight_progress` says which items are saved: a row for each transaction, joined to one from time to time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, TransactionBehavior};

use crate::settings::Ledger;

/// Rows of progress before they are joined: that many are read in some milliseconds when a run goes on, and joining
/// them costs each transaction next to nothing.
const ROWS_MAX: u64 = 4096;

const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS inflight_runs(job TEXT PRIMARY KEY, epoch INTEGER NOT NULL); \
CREATE TABLE IF NOT EXISTS inflight_progress(job TEXT NOT NULL, epoch INTEGER NOT NULL, items TEXT NOT NULL)";

const LATEST: &str = "SELECT epoch FROM inflight_runs WHERE job = ?1";

const BEGIN: &str = "INSERT INTO inflight_runs(job, epoch) VALUES (?1, ?2) \
                     ON CONFLICT(job) DO UPDATE SET epoch = excluded.epoch";

const PROGRESS: &str = "SELECT items FROM inflight_progress WHERE job = ?1";

const NOTE: &str = "INSERT INTO inflight_progress(job, epoch, items) VALUES (?1, ?2, ?3)";

const FORGET: &str = "DELETE FROM inflight_progress WHERE job = ?1";

/// The account of one run of a job.
pub(super) struct Account {
    job: String,
    /// The number that the run has by its journal.
    epoch: u64,
    /// The number by which it has taken over; 0 before that.
    taken: AtomicU64,
    /// Rows written since they were joined last.
    rows: AtomicU64,
}

impl Account {
    pub(super) fn new(ledger: Ledger) -> Account {
        Account {
            job: ledger.job,
            epoch: ledger.epoch,
            taken: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// Whether a table of results cannot have this name.
    pub(super) fn is_reserved(table: &str) -> bool {
        ["inflight_runs", "inflight_progress"]
            .iter()
            .any(|name| table.eq_ignore_ascii_case(name))
    }

    /// Makes this run the latest of its job, unless it is; no other can save from then on. Says what is saved.
    pub(super) fn take_over(
        &self,
        connection: &mut Connection,
    ) -> rusqlite::Result<Vec<Range<u64>>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(CREATE)?;
        let latest = self.latest(&transaction)?;
        let taken = self.taken.load(Ordering::Relaxed);
        // Above any that was there, though a journal that was lost begins to count anew.
        let epoch = match latest {
            Some(latest) if latest == taken && taken > 0 => taken,
            latest => self.epoch.max(latest.unwrap_or(0).saturating_add(1)),
        };
        transaction.execute(BEGIN, (&self.job, epoch.cast_signed()))?;
        let saved = self.join(&transaction, epoch, Vec::new())?;
        transaction.commit()?;
        self.taken.store(epoch, Ordering::Relaxed);
        Ok(saved)
    }

    /// The same for a connection of a run that may have taken over before.
    pub(super) fn join_in(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        match self.taken.load(Ordering::Relaxed) {
            0 => self.take_over(connection).map(drop),
            _ => Ok(()),
        }
    }

    /// Which run has taken over from this one, if one has; 0 where the account was thrown away.
    pub(super) fn superseded_by(
        &self,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<Option<u64>> {
        let latest = self.latest(transaction)?.unwrap_or(0);
        Ok((latest != self.taken.load(Ordering::Relaxed)).then_some(latest))
    }

    /// Notes that these items are saved, in the transaction that saves them.
    pub(super) fn note(
        &self,
        transaction: &Transaction<'_>,
        items: Vec<u64>,
    ) -> rusqlite::Result<()> {
        let epoch = self.taken.load(Ordering::Relaxed);
        let items = items.into_iter().map(|item| item..item + 1).collect();
        if self.rows.fetch_add(1, Ordering::Relaxed) >= ROWS_MAX {
            return self.join(transaction, epoch, items).map(drop);
        }
        let row = (&self.job, epoch.cast_signed(), write(&joined(items)));
        transaction.prepare_cached(NOTE)?.execute(row).map(drop)
    }

    /// Forgets what is saved, for a run that does all of it again.
    pub(super) fn forget(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(CREATE)?;
        transaction.execute(FORGET, (&self.job,))?;
        transaction.commit()
    }

    /// Tries what a run would do with the tables of the account.
    pub(super) fn try_out(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(CREATE)?;
        for statement in [LATEST, BEGIN, PROGRESS, NOTE, FORGET] {
            transaction.prepare(statement)?;
        }
        Ok(())
    }

    fn latest(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
        let mut select = transaction.prepare_cached(LATEST)?;
        let latest = select.query_row((&self.job,), |row| row.get::<_, i64>(0));
        Ok(latest.optional()?.map(i64::cast_unsigned))
    }

    /// Makes one row of all there are and of these; says what it holds.
    fn join(
        &self,
        transaction: &Transaction<'_>,
        epoch: u64,
        mut saved: Vec<Range<u64>>,
    ) -> rusqlite::Result<Vec<Range<u64>>> {
        {
            let mut select = transaction.prepare(PROGRESS)?;
            let mut rows = select.query((&self.job,))?;
            while let Some(row) = rows.next()? {
                let items = row.get_ref(0)?.as_str()?;
                saved.extend(read(items).ok_or_else(|| foreign(items))?);
            }
        }
        let saved = joined(saved);
        transaction.execute(FORGET, (&self.job,))?;
        if !saved.is_empty() {
            transaction.execute(NOTE, (&self.job, epoch.cast_signed(), write(&saved)))?;
        }
        self.rows.store(0, Ordering::Relaxed);
        Ok(saved)
    }
}

/// What stands where a list of items should.
fn foreign(items: &str) -> Error {
    let shown: String = items.chars().take(40).collect();
    let why = format!("inflight_progress holds `{shown}`, which is no list of items");
    Error::FromSqlConversionFailure(0, Type::Text, why.into())
}

/// The ranges in their order, those that touch made one.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
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

/// `0-99,150`: first and last item of each range.
fn write(ranges: &[Range<u64>]) -> String {
    let parts = ranges.iter().map(|range| match range.end - 1 {
        last if last == range.start => last.to_string(),
        last => format!("{}-{last}", range.start),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// What [`write`] wrote; `None` of anything else.
fn read(text: &str) -> Option<Vec<Range<u64>>> {
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
    }

    /// Notes items one by one, far more often than rows are kept.
    #[test]
    fn an_account_stays_short() {
        let mut connection = Connection::open_in_memory().unwrap();
        let account = Account::new(Ledger {
            job: "j".into(),
            epoch: 1,
        });
        assert_eq!(account.take_over(&mut connection).unwrap(), []);
        for item in 0..3 * ROWS_MAX {
            let transaction = connection.transaction().unwrap();
            account.note(&transaction, vec![item * 2]).unwrap();
            transaction.commit().unwrap();
        }
        let count = "SELECT count(*) FROM inflight_progress";
        let rows = |connection: &Connection| {
            connection
                .query_row(count, (), |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert!(rows(&connection).cast_unsigned() <= ROWS_MAX + 1);
        let saved = account.take_over(&mut connection).unwrap();
        assert_eq!(saved.len() as u64, 3 * ROWS_MAX);
        assert_eq!(rows(&connection), 1);
    }
}
