//! Saves each bulk in one transaction: rows by COPY, and the account of them where one is kept.
//!
//! COPY writes rows quickest, and cannot replace any. So rows are copied straight into the table until one turns out to
//! be there already; the bulk is then copied into a temporary table and moved from there with `ON CONFLICT … DO UPDATE`.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::{Either, join, join3, ready};
use inflight::{Connection, Fault, Record, Reply};
use tokio_postgres::{Client, CopyInSink, Error, Statement};

use super::ledger::{Failed, Statements};
use super::link::Link;
use super::rows::{Rows, rows};
use super::shape::Shape;
use super::sink::Plan;
use super::verdict;
use crate::ledger::{ranges, superseded};
use crate::payload::Payload;

/// Bulks that are moved without trying COPY first, at most, after rows turned out to be there already.
const MOVED_MAX: u32 = 64;

/// The statements of a connection.
struct Prepared {
    copy: Statement,
    account: Option<Statements>,
}

impl Prepared {
    async fn new(plan: &Plan, client: &Client, shape: &Shape) -> Result<Prepared, Error> {
        let account = match &plan.account {
            Some(_) => Some(plan.tables().prepare(client).await?),
            None => None,
        };
        Ok(Prepared {
            copy: client.prepare(&copy_sql(&plan.table.quoted, shape)).await?,
            account,
        })
    }
}

fn copy_sql(table: &str, shape: &Shape) -> String {
    let columns = shape.columns();
    match shape.is_binary() {
        true => format!("COPY {table}({columns}) FROM STDIN (FORMAT binary)"),
        false => format!("COPY {table}({columns}) FROM STDIN"),
    }
}

/// Where rows stand before they are moved, on one connection.
struct Staging {
    copy: Statement,
    /// Moves them, and replaces what is there.
    move_on: Statement,
}

impl Staging {
    /// The temporary table of this connection, which each commit empties.
    const TABLE: &'static str = "pg_temp.inflight_staging";

    async fn new(plan: &Plan, client: &Client, shape: &Shape) -> Result<Staging, Error> {
        let (table, staging) = (&plan.table.quoted, Staging::TABLE);
        let (columns, replacements) = (shape.columns(), shape.replacements());
        // With the types of the table and nothing else of it: constraints are looked at where rows are moved to.
        client
            .batch_execute(&format!(
                "CREATE TEMP TABLE inflight_staging ON COMMIT DELETE ROWS AS SELECT {columns} FROM {table} WITH NO DATA"
            ))
            .await?;
        let move_on = format!(
            "INSERT INTO {table}({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {staging} \
             ON CONFLICT (\"index\") DO UPDATE SET {replacements}"
        );
        let copy = copy_sql(staging, shape);
        let (copy, move_on) = join(client.prepare(&copy), client.prepare(&move_on)).await;
        Ok(Staging {
            copy: copy?,
            move_on: move_on?,
        })
    }
}

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

/// One connection of a [`PostgresSink`](crate::PostgresSink): one transaction at a time.
pub struct PostgresConnection {
    plan: Arc<Plan>,
    shape: Shape,
    prepared: Prepared,
    /// Made when it is first needed.
    staging: Option<Staging>,
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
        let prepared = Prepared::new(&plan, &link.client, &shape).await;
        let prepared = prepared.map_err(|cause| plan.refused(&cause))?;
        link.is_busy = false;
        Ok(PostgresConnection {
            plan,
            shape,
            prepared,
            staging: None,
            pace: Pace::default(),
            link,
        })
    }
}

impl Connection<Payload> for PostgresConnection {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        let Rows { bytes, refused } = rows(bulk, &self.shape);
        if refused.len() < bulk.len() {
            // Whoever gives up waiting drops this, and what is under way is cancelled.
            self.link.is_busy = true;
            let saved = self.save(bulk, &refused, bytes).await;
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
        refused: &[(usize, Fault)],
        bytes: Bytes,
    ) -> Result<(), Fault> {
        let mut done = match self.pace.moves() {
            true => self.moved(bulk, refused, bytes.clone()).await,
            false => self.copied(bulk, refused, bytes.clone()).await,
        };
        if let Err(Undone::By(cause)) = &done
            && self.is_there_already(cause)
        {
            self.pace.found();
            self.link.roll_back().await;
            if self.link.is_open() {
                done = self.moved(bulk, refused, bytes).await;
            }
        }
        let Err(undone) = done else {
            return Ok(());
        };
        self.link.roll_back().await;
        let place = self.plan.place();
        Err(match undone {
            Undone::By(cause) => verdict::refused(&place, &cause),
            Undone::AtCommit(cause) => verdict::commit_refused(&place, &cause),
            Undone::Foreign(what) => self.plan.unaccounted(Failed::Foreign(what)),
            Undone::Superseded(latest) => superseded(latest, self.plan.opener.place()),
        })
    }

    /// Whether a row was refused because its index is in the table.
    fn is_there_already(&self, cause: &Error) -> bool {
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
        refused: &[(usize, Fault)],
        bytes: Bytes,
    ) -> Result<(), Undone> {
        self.begin(&self.prepared.copy, bytes).await?;
        self.commit(bulk, refused).await
    }

    /// Copies rows beside the table, and moves them from there.
    async fn moved(
        &mut self,
        bulk: &[Record<Payload>],
        refused: &[(usize, Fault)],
        bytes: Bytes,
    ) -> Result<(), Undone> {
        let client = &self.link.client;
        let staging = match &mut self.staging {
            Some(staging) => staging,
            none => none.insert(Staging::new(&self.plan, client, &self.shape).await?),
        };
        let (copy, move_on) = (staging.copy.clone(), staging.move_on.clone());
        self.begin(&copy, bytes).await?;
        self.link.client.execute(&move_on, &[]).await?;
        self.commit(bulk, refused).await
    }

    /// Begins a transaction, unless a later run has taken over, and copies rows.
    async fn begin(&self, copy: &Statement, rows: Bytes) -> Result<(), Undone> {
        let client = &self.link.client;
        let latest = match (&self.plan.account, &self.prepared.account) {
            (Some(account), Some(statements)) => Either::Left(statements.latest(account, client)),
            _ => Either::Right(ready(Ok(None))),
        };
        // Sent together, answered in turn.
        let (begun, latest, copying) =
            join3(client.batch_execute("BEGIN"), latest, client.copy_in(copy)).await;
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
        copying.finish().await?;
        Ok(())
    }

    /// Notes what is saved where account is kept of it, and commits.
    async fn commit(
        &self,
        bulk: &[Record<Payload>],
        refused: &[(usize, Fault)],
    ) -> Result<(), Undone> {
        let client = &self.link.client;
        let commit = client.batch_execute("COMMIT");
        let (Some(account), Some(statements)) = (&self.plan.account, &self.prepared.account) else {
            return commit.await.map_err(Undone::AtCommit);
        };
        let mut refused = refused.iter().map(|(at, _)| *at).peekable();
        let saved = bulk.iter().enumerate().filter_map(|(at, record)| {
            let is_refused = refused.next_if_eq(&at).is_some();
            (!is_refused).then_some(record.index)
        });
        let saved: Vec<u64> = saved.collect();
        if account.is_long() {
            let tables = self.plan.tables();
            let epoch = account.taken();
            tables
                .join(account, client, statements, epoch, ranges(saved))
                .await?;
            return commit.await.map_err(Undone::AtCommit);
        }
        // A note that fails turns the commit into its opposite.
        let (noted, committed) = join(statements.note(account, client, saved), commit).await;
        noted.map_err(|cause| match cause.as_db_error() {
            Some(_) => Undone::By(cause),
            None => Undone::AtCommit(cause),
        })?;
        committed.map_err(Undone::AtCommit)
    }
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
