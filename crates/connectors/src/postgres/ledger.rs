//! How Postgres keeps the account of what is saved in it, in the same transactions as the results.
//!
//! The two tables lie in the schema of the table of results. A run locks the row of its job with every transaction (`FOR
//! SHARE`): a later run that takes over waits for those that have begun, and those that begin after that see it.

use std::ops::Range;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::link::bound;
use super::name::qualified;
use crate::ledger::{Account, PROGRESS, RUNS, foreign, joined, ranges, read, write};

/// Held while tables are made: two sessions that make the same one at the same time would fail.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7363548712)";

/// Why the account could not be kept.
pub(super) enum Failed {
    By(Error),
    /// What stands there is no account.
    Foreign(String),
}

impl From<Error> for Failed {
    fn from(cause: Error) -> Failed {
        Failed::By(cause)
    }
}

/// The tables of the account, quoted.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    runs: String,
    progress: String,
}

impl Tables {
    /// Those in this schema, or where the session makes its tables.
    pub(super) fn in_schema(schema: Option<&str>) -> Tables {
        Tables {
            runs: qualified(schema, RUNS),
            progress: qualified(schema, PROGRESS),
        }
    }

    /// Makes the tables where they are missing, in the transaction that is open.
    pub(super) async fn create(&self, client: &Client) -> Result<(), Error> {
        let Tables { runs, progress } = self;
        let there = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL";
        let names = [bound(runs, Type::TEXT), bound(progress, Type::TEXT)];
        // Whoever may not make tables may use those that are there.
        let found = client.query_typed(there, &names).await?;
        if found.first().is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        client
            .batch_execute(&format!(
                "{LOCK}; \
                 CREATE TABLE IF NOT EXISTS {runs}(job text PRIMARY KEY, epoch bigint NOT NULL); \
                 CREATE TABLE IF NOT EXISTS {progress}(job text NOT NULL, epoch bigint NOT NULL, items text NOT NULL)"
            ))
            .await
    }

    /// Does what a run would do with the tables, for a job without a name, in the transaction that is open.
    pub(super) async fn try_out(&self, client: &Client) -> Result<(), Error> {
        self.create(client).await?;
        self.read_latest("", client).await?;
        self.insert("", 0, "", client).await?;
        let job = [bound(&"", Type::TEXT)];
        client.query_typed(&self.forget_sql(), &job).await.map(drop)
    }

    /// Makes this run the latest of its job, unless it is; no other can save from then on. Says what is saved.
    pub(super) async fn take_over(
        &self,
        account: &Account,
        client: &Client,
    ) -> Result<Vec<Range<u64>>, Failed> {
        client.batch_execute("BEGIN").await?;
        self.create(client).await?;
        // Above any that was there, though a journal that was lost begins to count anew.
        let runs = &self.runs;
        let begin = format!(
            "INSERT INTO {runs} AS runs(job, epoch) VALUES ($1, $2) ON CONFLICT (job) DO UPDATE SET epoch = \
             CASE runs.epoch WHEN $3 THEN $3 ELSE greatest(excluded.epoch, runs.epoch + 1) END RETURNING epoch"
        );
        let (epoch, taken) = (account.epoch.cast_signed(), account.taken().cast_signed());
        let values = [
            bound(&account.job, Type::TEXT),
            bound(&epoch, Type::INT8),
            bound(&taken, Type::INT8),
        ];
        let row = client.query_typed(&begin, &values).await?;
        let epoch = row
            .first()
            .map_or(epoch, |row| row.get::<_, i64>(0))
            .cast_unsigned();
        let saved = self.join(account, client, epoch, Vec::new()).await?;
        client.batch_execute("COMMIT").await?;
        account.took(epoch);
        Ok(saved)
    }

    /// Whether any run of the job has taken over before.
    pub(super) async fn is_known(&self, account: &Account, client: &Client) -> Result<bool, Error> {
        let runs = [bound(&self.runs, Type::TEXT)];
        let there = "SELECT to_regclass($1) IS NOT NULL";
        let found = client.query_typed(there, &runs).await?;
        if account.is_known || !found.first().is_some_and(|row| row.get(0)) {
            return Ok(account.is_known);
        }
        let known = format!("SELECT 1 FROM {} WHERE job = $1", self.runs);
        let job = [bound(&account.job, Type::TEXT)];
        Ok(!client.query_typed(&known, &job).await?.is_empty())
    }

    /// Forgets what is saved, for a run that does all of it again.
    pub(super) async fn forget(&self, account: &Account, client: &Client) -> Result<(), Failed> {
        client.batch_execute("BEGIN").await?;
        self.create(client).await?;
        let job = [bound(&account.job, Type::TEXT)];
        client.query_typed(&self.forget_sql(), &job).await?;
        client.batch_execute("COMMIT").await?;
        Ok(())
    }

    /// Makes one row of all there are and of these; says what it holds.
    pub(super) async fn join(
        &self,
        account: &Account,
        client: &Client,
        epoch: u64,
        mut saved: Vec<Range<u64>>,
    ) -> Result<Vec<Range<u64>>, Failed> {
        // In one statement, so that what others write meanwhile is neither read nor deleted.
        let job = [bound(&account.job, Type::TEXT)];
        for row in client.query_typed(&self.forget_sql(), &job).await? {
            let items: &str = row.get(0);
            let items = read(items).ok_or_else(|| Failed::Foreign(foreign(items)))?;
            saved.extend(items);
        }
        let saved = joined(saved);
        if !saved.is_empty() {
            self.insert(&account.job, epoch, &write(&saved), client)
                .await?;
        }
        account.was_joined();
        Ok(saved)
    }

    /// The latest run of the job, kept from changing until the transaction ends.
    pub(super) async fn latest(
        &self,
        account: &Account,
        client: &Client,
    ) -> Result<Option<u64>, Error> {
        self.read_latest(&account.job, client).await
    }

    /// Notes that these items are saved, in the transaction that saves them.
    pub(super) async fn note(
        &self,
        account: &Account,
        client: &Client,
        items: Vec<u64>,
    ) -> Result<(), Error> {
        let items = write(&ranges(items));
        self.insert(&account.job, account.taken(), &items, client)
            .await
    }

    // Nothing is prepared: behind a pooler the next transaction may meet a server process that does not know of it.
    async fn read_latest(&self, job: &str, client: &Client) -> Result<Option<u64>, Error> {
        let latest = format!("SELECT epoch FROM {} WHERE job = $1 FOR SHARE", self.runs);
        let job = [bound(&job, Type::TEXT)];
        let row = client.query_typed_opt(&latest, &job).await?;
        Ok(row.map(|row| row.get::<_, i64>(0).cast_unsigned()))
    }

    async fn insert(
        &self,
        job: &str,
        epoch: u64,
        items: &str,
        client: &Client,
    ) -> Result<(), Error> {
        let progress = &self.progress;
        let note = format!("INSERT INTO {progress}(job, epoch, items) VALUES ($1, $2, $3)");
        let epoch = epoch.cast_signed();
        let values = [
            bound(&job, Type::TEXT),
            bound(&epoch, Type::INT8),
            bound(&items, Type::TEXT),
        ];
        client.execute_typed(&note, &values).await.map(drop)
    }

    fn forget_sql(&self) -> String {
        format!(
            "DELETE FROM {} WHERE job = $1 RETURNING items",
            self.progress
        )
    }
}
