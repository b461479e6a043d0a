//! How SQLite keeps the account of what is saved in it, in the same transactions as the results.

use std::ops::Range;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Transaction, TransactionBehavior};

use crate::ledger::{Account, RUNS, foreign, joined, ranges, read, write};

const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS inflight_runs(job TEXT PRIMARY KEY, epoch INTEGER NOT NULL); \
CREATE TABLE IF NOT EXISTS inflight_progress(job TEXT NOT NULL, epoch INTEGER NOT NULL, items TEXT NOT NULL)";

const LATEST: &str = "SELECT epoch FROM inflight_runs WHERE job = ?1";

const BEGIN: &str = "INSERT INTO inflight_runs(job, epoch) VALUES (?1, ?2) \
                     ON CONFLICT(job) DO UPDATE SET epoch = excluded.epoch";

const PROGRESS: &str = "SELECT items FROM inflight_progress WHERE job = ?1";

const NOTE: &str = "INSERT INTO inflight_progress(job, epoch, items) VALUES (?1, ?2, ?3)";

const FORGET: &str = "DELETE FROM inflight_progress WHERE job = ?1";

/// Makes this run the latest of its job, unless it is; no other can save from then on. Says what is saved.
pub(super) fn take_over(
    account: &Account,
    connection: &mut Connection,
) -> rusqlite::Result<Vec<Range<u64>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(CREATE)?;
    let latest = latest(account, &transaction)?;
    let taken = account.taken();
    // Above any that was there, though a journal that was lost begins to count anew.
    let epoch = match latest {
        Some(latest) if latest == taken && taken > 0 => taken,
        latest => account.epoch.max(latest.unwrap_or(0).saturating_add(1)),
    };
    transaction.execute(BEGIN, (&account.job, epoch.cast_signed()))?;
    let saved = join(account, &transaction, epoch, Vec::new())?;
    transaction.commit()?;
    account.took(epoch);
    Ok(saved)
}

/// Whether any run of the job has taken over before.
pub(super) fn is_known(account: &Account, connection: &Connection) -> rusqlite::Result<bool> {
    if account.is_known || !connection.table_exists(None, RUNS)? {
        return Ok(account.is_known);
    }
    let mut select = connection.prepare(LATEST)?;
    select.exists((&account.job,))
}

/// The same for a connection of a run that may have taken over before.
pub(super) fn join_in(account: &Account, connection: &mut Connection) -> rusqlite::Result<()> {
    match account.taken() {
        0 => take_over(account, connection).map(drop),
        _ => Ok(()),
    }
}

/// Which run has taken over from this one, if one has; 0 where the account was thrown away.
pub(super) fn superseded_by(
    account: &Account,
    transaction: &Transaction<'_>,
) -> rusqlite::Result<Option<u64>> {
    Ok(account.superseded_by(latest(account, transaction)?))
}

/// Notes that these items are saved, in the transaction that saves them.
pub(super) fn note(
    account: &Account,
    transaction: &Transaction<'_>,
    items: Vec<u64>,
) -> rusqlite::Result<()> {
    let (epoch, items) = (account.taken(), ranges(items));
    if account.is_long() {
        return join(account, transaction, epoch, items).map(drop);
    }
    let row = (&account.job, epoch.cast_signed(), write(&items));
    transaction.prepare_cached(NOTE)?.execute(row).map(drop)
}

/// Forgets what is saved, for a run that does all of it again.
pub(super) fn forget(account: &Account, connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(CREATE)?;
    transaction.execute(FORGET, (&account.job,))?;
    transaction.commit()
}

/// Tries what a run would do with the tables of the account.
pub(super) fn try_out(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(CREATE)?;
    for statement in [LATEST, BEGIN, PROGRESS, NOTE, FORGET] {
        transaction.prepare(statement)?;
    }
    Ok(())
}

fn latest(account: &Account, transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    let mut select = transaction.prepare_cached(LATEST)?;
    let latest = select.query_row((&account.job,), |row| row.get::<_, i64>(0));
    Ok(latest.optional()?.map(i64::cast_unsigned))
}

/// Makes one row of all there are and of these; says what it holds.
fn join(
    account: &Account,
    transaction: &Transaction<'_>,
    epoch: u64,
    mut saved: Vec<Range<u64>>,
) -> rusqlite::Result<Vec<Range<u64>>> {
    {
        let mut select = transaction.prepare(PROGRESS)?;
        let mut rows = select.query((&account.job,))?;
        while let Some(row) = rows.next()? {
            let items = row.get_ref(0)?.as_str()?;
            let foreign = || Error::FromSqlConversionFailure(0, Type::Text, foreign(items).into());
            saved.extend(read(items).ok_or_else(foreign)?);
        }
    }
    let saved = joined(saved);
    transaction.execute(FORGET, (&account.job,))?;
    if !saved.is_empty() {
        transaction.execute(NOTE, (&account.job, epoch.cast_signed(), write(&saved)))?;
    }
    account.was_joined();
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ROWS_MAX;
    use crate::settings::Ledger;

    /// Notes items one by one, far more often than rows are kept.
    #[test]
    fn an_account_stays_short() {
        let mut connection = Connection::open_in_memory().unwrap();
        let account = Account::new(Ledger {
            job: "j".into(),
            epoch: 1,
            is_known: true,
        });
        assert_eq!(take_over(&account, &mut connection).unwrap(), []);
        for item in 0..3 * ROWS_MAX {
            let transaction = connection.transaction().unwrap();
            note(&account, &transaction, vec![item * 2]).unwrap();
            transaction.commit().unwrap();
        }
        let count = "SELECT count(*) FROM inflight_progress";
        let rows = |connection: &Connection| {
            connection
                .query_row(count, (), |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert!(rows(&connection).cast_unsigned() <= ROWS_MAX + 1);
        let saved = take_over(&account, &mut connection).unwrap();
        assert_eq!(saved.len() as u64, 3 * ROWS_MAX);
        assert_eq!(rows(&connection), 1);
    }
}
