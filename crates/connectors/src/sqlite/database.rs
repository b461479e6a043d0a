//! An open database: saves each bulk in one transaction, and says which rows were not taken.

use inflight::{Fault, Record, Reply};
use rusqlite::{Error, Transaction, TransactionBehavior, params_from_iter};

use super::row::{Cell, row};
use super::{Plan, is_refusal, is_storage, ledger};
use crate::blocking::Writer;
use crate::ledger::superseded;
use crate::payload::Payload;
use crate::row_key::Missing;

/// The open database.
pub(super) struct Database {
    connection: rusqlite::Connection,
    plan: Plan,
    statements: Statements,
}

/// How a row is saved.
struct Statements {
    /// First of all, where rows are known by a key of the table's own.
    update: Option<String>,
    /// Where there was nothing to update, or no such key.
    upsert: Option<String>,
}

impl Writer for Database {
    type Plan = Plan;

    fn open(plan: Plan) -> Result<Database, Fault> {
        let open = || {
            let mut connection = plan.open_to_save()?;
            connection.execute_batch(&plan.create())?;
            if let Some(account) = &plan.account {
                ledger::join_in(account, &mut connection)?;
            }
            plan.written.note(&plan.path);
            Ok(connection)
        };
        let connection = open().map_err(|cause| match is_storage(&cause) {
            true => Fault::storage(plan.message(&cause)),
            false => Fault::unreached(plan.message(&cause)),
        })?;
        Ok(Database {
            statements: Statements {
                update: plan.key.is_some().then(|| plan.update()),
                upsert: plan.inserts().then(|| plan.upsert()),
            },
            connection,
            plan,
        })
    }

    fn write(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        match self.save(bulk) {
            Ok(outcomes) if outcomes.is_empty() => Ok(Reply::done(bulk.len())),
            Ok(outcomes) => Ok(Reply::Each(outcomes)),
            Err(Refused::By(latest)) => {
                let path = self.plan.path.display().to_string();
                Err(superseded(latest, &path))
            }
            Err(Refused::For(cause)) => Err(self.plan.fault(&cause)),
        }
    }
}

/// Why nothing of a bulk was saved.
enum Refused {
    For(Error),
    /// This run has taken over.
    By(u64),
}

impl From<Error> for Refused {
    fn from(cause: Error) -> Refused {
        Refused::For(cause)
    }
}

impl Database {
    /// Saves a bulk in one transaction; outcomes come back only when a row was refused. An error has undone
    /// all of it: dropping the transaction rolls it back.
    fn save(&mut self, bulk: &[Record<Payload>]) -> Result<Vec<Result<(), Fault>>, Refused> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let account = self.plan.account.as_deref();
        if let Some(account) = account
            && let Some(latest) = ledger::superseded_by(account, &transaction)?
        {
            return Err(Refused::By(latest));
        }
        let mut outcomes = Vec::new();
        let key = self.plan.key.as_ref().map(|key| key.column.as_str());
        let mut cells = Vec::new();
        for (at, record) in bulk.iter().enumerate() {
            let saved = match row(&self.plan.columns, key, record, &mut cells) {
                Ok(()) => save_row(&self.plan, &self.statements, &transaction, &cells)?,
                Err(fault) => Err(fault),
            };
            if saved.is_err() {
                outcomes.resize_with(at, || Ok(()));
            }
            if saved.is_err() || !outcomes.is_empty() {
                outcomes.push(saved);
            }
        }
        if let Some(account) = account {
            let is_saved = |at: usize| outcomes.get(at).is_none_or(Result::is_ok);
            let saved = bulk.iter().enumerate().filter(|(at, _)| is_saved(*at));
            let saved: Vec<u64> = saved.map(|(_, record)| record.index).collect();
            if !saved.is_empty() {
                ledger::note(account, &transaction, saved)?;
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }
}

/// Saves one row. Its fault leaves the transaction as it was; an error ends it.
fn save_row(
    plan: &Plan,
    statements: &Statements,
    transaction: &Transaction<'_>,
    row: &[Cell<'_>],
) -> rusqlite::Result<Result<(), Fault>> {
    let Statements { update, upsert } = statements;
    for statement in [update, upsert].into_iter().flatten() {
        let mut statement = transaction.prepare_cached(statement)?;
        match statement.execute(params_from_iter(row)) {
            Ok(0) => {}
            Ok(_) => return Ok(Ok(())),
            // A row that was refused leaves the transaction open, unless a trigger ended it.
            Err(cause) if is_refusal(&cause) && !transaction.is_autocommit() => {
                return Ok(Err(Fault::permanent(plan.message(&cause))));
            }
            Err(cause) => return Err(cause),
        }
    }
    // SQLite has changed no row: a trigger may have written it, or dropped it.
    let is_there = |sql: &str, row: &[Cell<'_>]| {
        let mut select = transaction.prepare_cached(sql)?;
        select.exists(params_from_iter(row))
    };
    if is_there(&plan.select(), row)? {
        return Ok(Ok(()));
    }
    Ok(match &plan.key {
        Some(key) if !is_there(&plan.find(), &row[..1])? => match key.missing {
            Missing::Skip => Ok(()),
            _ => Err(key.lacks(&format!("table {}", plan.table), &row[0].to_string())),
        },
        _ => Err(plan.dropped()),
    })
}
