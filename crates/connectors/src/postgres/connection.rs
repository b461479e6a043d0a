//! Saves each bulk in one transaction: rows by COPY, and the account of them where one is kept.
//!
//! COPY writes rows quickest, and cannot replace any. So rows are copied straight into the table until one turns out to
//! be there already, or to be dropped by a trigger; the bulk is then copied into a temporary table and moved from there with
//! `ON CONFLICT … DO UPDATE`. Where the table knows its rows by a key of its own they are always moved, with `UPDATE … FROM`.
//! The rows that the database took are counted against those that were sent.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::{Either, join, join3, ready};
use inflight::{Connection, Fault, Record, Reply};
use tokio_postgres::{CopyInSink, Error, Statement};

use super::ledger::Failed;
use super::link::Link;
use super::pooler;
use super::rows::{Rows, rows};
use super::shape::Shape;
use super::sink::Plan;
use super::staging::{Staging, Unmoved, copy_sql};
use super::verdict;
use crate::ledger::{ranges, superseded};
use crate::payload::Payload;
use crate::row_key::Missing;

/// Bulks that are moved without trying COPY first, at most, after rows turned out to be there already.
const MOVED_MAX: u32 = 64;

/// Transactions that are tried with another name for a statement, behind a pooler. The names are numbers that every program
/// with the same client library counts up from 0, and one that crashed may have left some behind.
const NAMES_MAX: usize = 100;

/// Whether it pays to try COPY first.
#[derive(Debug, Default)]
struct Pace {
    /// Bulks yet to be moved without trying.
    left: u32,
    /// How many it will be after the next row that is there already.
    next: u32,
}

impl Pace {
    /// Whether the next bulk is moved.
    fn moves(&mut self) -> bool {
        let moves = self.left > 0;
        self.left = self.left.saturating_sub(1);
        moves
    }

    /// A row was there already: where one is, more are likely.
    fn found(&mut self) {
        self.next = (self.next * 2).clamp(1, MOVED_MAX);
        self.left = self.next;
    }
}

/// How rows are copied: the statement, and what was prepared of it, where a session keeps that.
struct Copy {
    sql: String,
    prepared: Option<Statement>,
}

/// One connection of a [`PostgresSink`](crate::PostgresSink): one transaction at a time.
pub struct PostgresConnection {
    plan: Arc<Plan>,
    shape: Shape,
    /// Whether prepared statements and temporary tables outlive a transaction.
    has_session: bool,
    /// Into the table of results.
    copy: Copy,
    /// Into the temporary table; prepared when that is made, which is when it is first needed.
    copy_beside: Copy,
    staging: Staging,
    pace: Pace,
    link: Link,
}

impl PostgresConnection {
    /// Prepares a connection for the table that looks like this.
    pub(super) async fn new(
        plan: Arc<Plan>,
        shape: Shape,
        mut link: Link,
    ) -> Result<PostgresConnection, Fault> {
        let staging = Staging::new(&plan.table.quoted, &shape);
        let sql = copy_sql(&plan.table.quoted, &shape, false);
        let has_session = pooler::is_one_process(&link.client).await;
        let has_session = has_session.map_err(|cause| plan.refused(&cause))?;
        let prepared = if has_session && shape.missing.is_none() {
            let prepared = link.client.prepare(&sql).await;
            Some(prepared.map_err(|cause| plan.refused(&cause))?)
        } else {
            None
        };
        link.is_busy = false;
        Ok(PostgresConnection {
            plan,
            has_session,
            copy: Copy { sql, prepared },
            copy_beside: Copy {
                sql: staging.copy.clone(),
                prepared: None,
            },
            staging,
            pace: Pace::default(),
            shape,
            link,
        })
    }
}

impl Connection<Payload> for PostgresConnection {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        let Rows { bytes, mut refused } = rows(bulk, &self.shape, &self.plan.columns, &[]);
        if refused.len() < bulk.len() {
            // Whoever gives up waiting drops this, and what is under way is cancelled.
            self.link.is_busy = true;
            let saved = self.save(bulk, &mut refused, bytes).await;
            self.link.is_busy = false;
            saved?;
        }
        if refused.is_empty() {
            return Ok(Reply::done(bulk.len()));
        }
        let mut outcomes: Vec<Result<(), Fault>> = bulk.iter().map(|_| Ok(())).collect();
        for (at, fault) in refused {
            outcomes[at] = Err(fault);
        }
        Ok(Reply::Each(outcomes))
    }

    fn is_open(&mut self) -> bool {
        self.link.is_open()
    }
}

/// Records that are not saved though the rest of their bulk is: by their place in it, in order.
type Refused = Vec<(usize, Fault)>;

/// Why a transaction came to nothing.
enum Undone {
    /// By this answer to what came before the commit.
    By(Error),
    /// By this answer to the commit.
    AtCommit(Error),
    /// What stands where the account should.
    Foreign(String),
    /// A later run has taken over.
    Superseded(u64),
    /// The table took fewer rows than were copied.
    Short,
    /// Rows whose keys others before them have; any of these may have been taken.
    Twice(Refused),
}

impl From<Error> for Undone {
    fn from(cause: Error) -> Undone {
        Undone::By(cause)
    }
}

impl From<Failed> for Undone {
    fn from(cause: Failed) -> Undone {
        match cause {
            Failed::By(cause) => Undone::By(cause),
            Failed::Foreign(what) => Undone::Foreign(what),
        }
    }
}

impl PostgresConnection {
    async fn save(
        &mut self,
        bulk: &[Record<Payload>],
        refused: &mut Refused,
        mut bytes: Bytes,
    ) -> Result<(), Fault> {
        let shape = &self.shape;
        let mut moves = shape.has_row_security || shape.missing.is_some() || self.pace.moves();
        let mut names = NAMES_MAX;
        let undone = loop {
            let done = if moves {
                self.moved(bulk, refused, bytes.clone()).await
            } else {
                self.copied(bulk, refused, bytes.clone()).await
            };
            let Err(mut undone) = done else {
                return Ok(());
            };
            self.link.roll_back().await;
            let again = if let Undone::Twice(twice) = undone {
                refused.extend(twice);
                refused.sort_by_key(|(at, _)| *at);
                let without: Vec<usize> = refused.iter().map(|(at, _)| *at).collect();
                bytes = rows(bulk, &self.shape, &self.plan.columns, &without).bytes;
                undone = Undone::Short;
                true
            } else if !moves && self.must_move(&undone) {
                self.pace.found();
                moves = true;
                true
            } else {
                names = names.saturating_sub(1);
                !self.has_session && names > 0 && is_taken_name(&undone)
            };
            if !(again && self.link.is_open()) {
                break undone;
            }
        };
        let place = self.plan.place();
        Err(match undone {
            Undone::By(cause) => verdict::refused(&place, &cause),
            Undone::AtCommit(cause) => verdict::commit_refused(&place, &cause),
            Undone::Foreign(what) => self.plan.unaccounted(Failed::Foreign(what)),
            Undone::Superseded(latest) => superseded(latest, self.plan.opener.place()),
            // Only where it cannot be moved or sent again either, because the connection is gone.
            Undone::Short | Undone::Twice(_) => {
                Fault::transient(format!("{place}: connection is out of step"))
            }
        })
    }

    /// Whether moving may do what copying did not: a row is there already, or was dropped.
    fn must_move(&self, undone: &Undone) -> bool {
        let cause = match undone {
            Undone::Short => return true,
            Undone::By(cause) => cause,
            _ => return false,
        };
        let refusal = cause.as_db_error();
        let constraint = refusal
            .filter(|refusal| refusal.code().code() == "23505")
            .and_then(|refusal| refusal.constraint());
        constraint.is_some_and(|name| self.shape.keys.iter().any(|key| key == name))
    }

    /// Copies rows straight into the table.
    async fn copied(
        &self,
        bulk: &[Record<Payload>],
        refused: &mut Refused,
        bytes: Bytes,
    ) -> Result<(), Undone> {
        let taken = self.begin("BEGIN", &self.copy, bytes).await?;
        if taken != sent(bulk, refused) {
            return Err(Undone::Short);
        }
        self.commit(bulk, refused).await
    }

    /// Copies rows beside the table, and moves them from there. Not all of them may be moved.
    async fn moved(
        &mut self,
        bulk: &[Record<Payload>],
        refused: &mut Refused,
        bytes: Bytes,
    ) -> Result<(), Undone> {
        let begin = if self.has_session {
            self.make_staging().await?;
            "BEGIN".to_owned()
        } else {
            format!("BEGIN; {}", self.staging.create_once)
        };
        self.begin(&begin, &self.copy_beside, bytes).await?;
        let client = &self.link.client;
        let mut taken = client.execute_typed(&self.staging.move_on, &[]).await?;
        if taken != sent(bulk, refused)
            && let Some(insert) = &self.staging.insert
        {
            taken += client.execute_typed(insert, &[]).await?;
        }
        if taken != sent(bulk, refused) {
            let more = self.unmoved(bulk).await?;
            refused.extend(more);
            refused.sort_by_key(|(at, _)| *at);
        }
        self.commit(bulk, refused).await
    }

    /// Why rows were not moved, each by the place of its record.
    async fn unmoved(&self, bulk: &[Record<Payload>]) -> Result<Refused, Undone> {
        let client = &self.link.client;
        let rows = client.query_typed(&self.staging.unmoved, &[]).await?;
        let place = self.plan.place();
        let (mut refused, mut twice) = (Refused::new(), Refused::new());
        let places: HashMap<u64, usize> = match self.shape.missing {
            // By their places already.
            Some(_) => HashMap::new(),
            None => (bulk
                .iter()
                .enumerate()
                .map(|(at, record)| (record.index, at)))
            .collect(),
        };
        for row in rows {
            let whose = row.get::<_, i64>(0).cast_unsigned();
            let at = places.get(&whose).copied().unwrap_or(whose as usize);
            let value = row.get::<_, Option<&str>>(2).unwrap_or_default();
            match (Unmoved::read(row.get(1)), &self.plan.key) {
                (Unmoved::Missing, Some(key)) if key.missing == Missing::Skip => {}
                (Unmoved::Missing, Some(key)) => refused.push((at, key.lacks(&place, value))),
                (Unmoved::Twice, Some(key)) => twice.push((at, key.twice(value))),
                _ => refused.push((at, verdict::dropped(&place))),
            }
        }
        match twice.is_empty() {
            true => Ok(refused),
            false => Err(Undone::Twice(twice)),
        }
    }

    /// Makes the temporary table of this session, unless it is there.
    async fn make_staging(&mut self) -> Result<(), Error> {
        if self.copy_beside.prepared.is_none() {
            let client = &self.link.client;
            client.batch_execute(&self.staging.create).await?;
            self.copy_beside.prepared = Some(client.prepare(&self.copy_beside.sql).await?);
        }
        Ok(())
    }

    /// Begins a transaction, unless a later run has taken over, and copies rows; says how many were taken.
    async fn begin(&self, begin: &str, copy: &Copy, rows: Bytes) -> Result<u64, Undone> {
        let client = &self.link.client;
        let tables = self.plan.tables();
        let latest = match &self.plan.account {
            Some(account) => Either::Left(tables.latest(account, client)),
            None => Either::Right(ready(Ok(None))),
        };
        let copying = async {
            match &copy.prepared {
                Some(statement) => client.copy_in(statement).await,
                // Prepared for this transaction, and forgotten before its commit.
                None => client.copy_in(copy.sql.as_str()).await,
            }
        };
        // Sent together, answered in turn.
        let (begun, latest, copying) = join3(client.batch_execute(begin), latest, copying).await;
        begun?;
        let latest = latest?;
        let copying: CopyInSink<Bytes> = copying?;
        if let Some(account) = &self.plan.account
            && let Some(latest) = account.superseded_by(latest)
        {
            return Err(Undone::Superseded(latest));
        }
        let mut copying = std::pin::pin!(copying);
        copying.send(rows).await?;
        Ok(copying.finish().await?)
    }

    /// Notes what is saved where account is kept of it, and commits.
    async fn commit(
        &self,
        bulk: &[Record<Payload>],
        refused: &[(usize, Fault)],
    ) -> Result<(), Undone> {
        let client = &self.link.client;
        let commit = client.batch_execute("COMMIT");
        let mut refused = refused.iter().map(|(at, _)| *at).peekable();
        let saved = bulk.iter().enumerate().filter_map(|(at, record)| {
            let is_refused = refused.next_if_eq(&at).is_some();
            (!is_refused).then_some(record.index)
        });
        let saved: Vec<u64> = saved.collect();
        let account = self.plan.account.as_ref().filter(|_| !saved.is_empty());
        let Some(account) = account else {
            return commit.await.map_err(Undone::AtCommit);
        };
        let tables = self.plan.tables();
        if account.is_long() {
            let epoch = account.taken();
            tables.join(account, client, epoch, ranges(saved)).await?;
            return commit.await.map_err(Undone::AtCommit);
        }
        // A note that fails turns the commit into its opposite.
        let (noted, committed) = join(tables.note(account, client, saved), commit).await;
        noted.map_err(|cause| match cause.as_db_error() {
            Some(_) => Undone::By(cause),
            None => Undone::AtCommit(cause),
        })?;
        committed.map_err(Undone::AtCommit)
    }
}

/// How many rows were made of a bulk.
fn sent(bulk: &[Record<Payload>], refused: &Refused) -> u64 {
    (bulk.len() - refused.len()) as u64
}

/// Whether another program has left a statement of that name in the process that a pooler chose.
fn is_taken_name(undone: &Undone) -> bool {
    let Undone::By(cause) = undone else {
        return false;
    };
    cause.code().is_some_and(|code| code.code() == "42P05")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_tried_less_and_less_often_where_rows_are_there() {
        let mut pace = Pace::default();
        let mut moved = Vec::new();
        for _ in 0..8 {
            let mut count = 0;
            while pace.moves() {
                count += 1;
            }
            moved.push(count);
            pace.found();
        }
        assert_eq!(moved, [0, 1, 2, 4, 8, 16, 32, 64]);
    }
}
