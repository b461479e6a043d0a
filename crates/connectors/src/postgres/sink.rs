//! A table of Postgres as a sink: what is looked at before a run, who takes over the job, and the connections.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use inflight::{Durable, Fault, Record, Service};
use tokio::sync::Mutex;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::address::Address;
use super::connection::PostgresConnection;
use super::ledger::{Failed, Tables};
use super::link::{Opener, bound};
use super::name::{Name, quoted};
use super::preview::preview;
use super::shape::{Shape, Wanted};
use super::staging::Staging;
use super::verdict;
use crate::columns::Columns;
use crate::kind::Kind;
use crate::ledger::{Account, occupied};
use crate::payload::Payload;
use crate::row_key::{self, Missing, RowKey};
use crate::settings::SinkSettings;

/// Rows in one transaction. What a transaction costs by itself is lost in the cost of so many; what waits to be sent is
/// bounded in bytes, so that large rows travel in fewer.
const BULK_MAX: usize = 8192;

/// Transactions at a time. One keeps a core of the server busy, and all write into one table and one index: with more than four
/// they wait for each other, and a million rows take a tenth longer with eight.
const CONNECTIONS_MAX: usize = 4;

/// Saves each result as a row of a table, `postgres://USER@HOST:PORT/DATABASE?table=T`.
///
/// A row is identified by the item's index, in the column `"index"` (bigint, with a unique key): saving it again replaces
/// it. With [`SinkSettings::key`], or `key=COLUMN` in the address, it is identified by that column, and updated where it is there;
/// `missing=fail`, `insert` or `skip` says what becomes of an item whose row is not. A table with a column `result` gets the whole result there: text, bytea, json, jsonb, or whatever Postgres makes of
/// the text. A table without gets the fields of a result that is a JSON object, each in the column of its name; columns with a
/// default are left to the database. [`SinkSettings::columns`] names the columns instead, and what goes there.
///
/// A bulk is one transaction. Where it is refused because of a row (SQLSTATE classes 22, 23 and their like), it is halved by
/// whoever sent it until that row is alone. With [`SinkSettings::ledger`] each transaction also notes which items it saves,
/// and saves nothing when a later run of the job has taken over.
///
/// ```
/// use inflight_connectors::{PostgresSink, SinkSettings};
///
/// let sink = PostgresSink::new("postgres://me@localhost/night?table=hashes", &SinkSettings::default())?;
/// assert_eq!(sink.to_string(), "postgres://localhost/night?table=hashes");
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
pub struct PostgresSink(pub(super) Arc<Plan>);

/// Where rows go.
pub(super) struct Plan {
    pub(super) opener: Opener,
    address: Address,
    pub(super) table: Name,
    /// What is saved of each item.
    pub(super) columns: Columns,
    /// By what the table knows its rows, where that is not the index.
    pub(super) key: Option<RowKey>,
    creates: bool,
    pub(super) account: Option<Account>,
    /// The table as it was found by [`PostgresSink::check`].
    found: OnceLock<Shape>,
    /// Held while a connection makes tables and takes over the job, so that the others find both done.
    turn: Mutex<()>,
}

impl PostgresSink {
    /// A sink at this address. Reads the password and certificates; connects to nothing.
    ///
    /// # Errors
    /// A sentence that names the part of the address at fault.
    pub fn new(text: &str, settings: &SinkSettings) -> Result<PostgresSink, crate::Error> {
        let env = |name: &str| std::env::var(name).ok();
        let known = ["table", "columns"].into_iter().chain(row_key::PARAMETERS);
        let (address, parameters) = Address::parse(text, &known.collect::<Vec<_>>(), env)?;
        let value = |name: &str| {
            let found = parameters.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str())
        };
        let table = value("table").ok_or_else(|| {
            format!("address {address}: names no table; add ?table=T, in quotes for the shell")
        })?;
        if value("columns").is_some() {
            return Err(format!(
                "address {address}: columns are named by a flag now: --columns 'NAME,NAME=FILTER', such as --columns 'id,answer=.text'"
            ).into());
        }
        let fail = |why: String| format!("address {address}: {why}");
        let own = settings.row_key()?;
        // A table that is made has no rows to be updated.
        let is_own =
            settings.key.is_none() && own.is_some() && value("key").is_none() && settings.create;
        let missing = value("missing").or(is_own.then_some("insert"));
        let key = RowKey::new(own, value("key"), missing);
        let key = key.map_err(fail)?;
        if settings.create
            && key
                .as_ref()
                .is_some_and(|key| key.missing != Missing::Insert)
        {
            return Err(fail(
                "--create makes an empty table, which has no row to be updated; add missing=insert"
                    .into(),
            )
            .into());
        }
        Ok(PostgresSink(Arc::new(Plan {
            opener: Opener::new(&address)?,
            table: Name::new(table).map_err(fail)?,
            columns: match &key {
                Some(key) => settings.columns.with_row_key(&key.column),
                None => settings.columns.clone(),
            },
            key,
            creates: settings.create,
            account: settings.ledger.clone().map(Account::new),
            found: OnceLock::new(),
            turn: Mutex::new(()),
            address,
        })))
    }

    /// Whether rows can be saved there: looks at the table, tries everything but a row, and takes it back.
    ///
    /// # Errors
    /// What the table has too much or too little; unreached, when the server is away.
    pub fn check(&self) -> Result<(), Fault> {
        let plan = &self.0;
        plan.opener.alone(async |link| {
            let client = &link.client;
            // The end of the connection takes all of it back.
            client
                .batch_execute("BEGIN")
                .await
                .map_err(|cause| plan.refused(&cause))?;
            plan.create(client).await?;
            let shape = plan.shape(client).await?;
            if shape.has_row_security || shape.missing.is_some() {
                let staging = Staging::new(&plan.table.quoted, &shape);
                let made = client.batch_execute(&staging.create_once).await;
                made.map_err(|cause| plan.refused(&cause))?;
            }
            // The same each time, unless somebody changes the table meanwhile.
            let _ = plan.found.set(shape);
            if plan.account.is_some() {
                let tried = plan.tables().try_out(client).await;
                tried.map_err(|cause| plan.unaccounted(Failed::By(cause)))?;
            }
            Ok(())
        })
    }

    /// The row that would be saved of this result, as a JSON object; for this the table was looked at by [`PostgresSink::check`].
    ///
    /// # Errors
    /// Permanent, when no row can be made of it.
    pub(crate) fn preview(&self, record: &Record<Payload>) -> Result<String, Fault> {
        let plan = &self.0;
        let found = match plan.found.get() {
            Some(found) => found,
            None => {
                self.check()?;
                plan.found.get().expect("a check that succeeds has set it")
            }
        };
        preview(record, found, &plan.columns)
    }

    /// What is promised of a result that is saved here.
    pub fn kind(&self) -> Kind {
        match self.0.account {
            Some(_) => Kind::Transactional,
            None => Kind::Upsert,
        }
    }

    /// Takes over the job and gives what is saved of it, as ranges in their order; `None` where no account is kept.
    /// From then on no earlier run of the job can save anything.
    ///
    /// # Errors
    /// When the account cannot be read or written; unreached, when the server is away.
    pub fn ledger(&self) -> Result<Option<Vec<Range<u64>>>, Fault> {
        let plan = &self.0;
        let Some(account) = &plan.account else {
            return Ok(None);
        };
        plan.opener.alone(async |link| {
            let client = &link.client;
            let failed = |cause| plan.unaccounted(Failed::By(cause));
            if plan.key.is_none()
                && !plan
                    .tables()
                    .is_known(account, client)
                    .await
                    .map_err(failed)?
                && plan.has_rows(client).await.map_err(failed)?
            {
                return Err(occupied(&plan.table.shown, &plan.address.to_string()));
            }
            let taken = plan.tables().take_over(account, client).await;
            taken.map(Some).map_err(|cause| plan.unaccounted(cause))
        })
    }

    /// Forgets what is saved of the job, so that a run does all of it again; the results stay until then.
    ///
    /// # Errors
    /// As [`PostgresSink::ledger`].
    pub fn forget(&self) -> Result<(), Fault> {
        let plan = &self.0;
        let Some(account) = &plan.account else {
            return Ok(());
        };
        plan.opener.alone(async |link| {
            let forgotten = plan.tables().forget(account, &link.client).await;
            forgotten.map_err(|cause| plan.unaccounted(cause))
        })
    }
}

impl std::fmt::Display for PostgresSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}?table={}", self.0.address, self.0.table.shown)
    }
}

impl Service<Payload> for PostgresSink {
    type Answer = ();
    type Connection = PostgresConnection;

    async fn connect(&self) -> Result<PostgresConnection, Fault> {
        let plan = Arc::clone(&self.0);
        let mut link = plan.opener.open().await?;
        link.is_busy = true;
        let turn = plan.turn.lock().await;
        plan.create(&link.client).await?;
        if let Some(account) = &plan.account
            && account.taken() == 0
        {
            let taken = plan.tables().take_over(account, &link.client).await;
            taken.map_err(|cause| plan.unaccounted(cause))?;
        }
        drop(turn);
        let shape = plan.shape(&link.client).await?;
        PostgresConnection::new(plan, shape, link).await
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }

    fn connections_max(&self) -> usize {
        CONNECTIONS_MAX
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        Some(Box::new(Committed))
    }
}

/// What Postgres has committed is as durable as it was told to make it.
#[derive(Debug)]
struct Committed;

impl Durable for Committed {
    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn repeats_nothing(&self) -> bool {
        true // A row that is saved again replaces itself.
    }
}

impl Plan {
    /// The columns that were named.
    fn chosen(&self) -> Option<Vec<&str>> {
        (!self.columns.is_default()).then(|| self.columns.names().collect())
    }

    /// Looks at the table.
    async fn shape(&self, client: &Client) -> Result<Shape, Fault> {
        let chosen = self.chosen();
        let wanted = Wanted {
            columns: chosen.as_deref(),
            key: self.key.as_ref(),
        };
        Shape::read(client, &self.table, wanted).await
    }

    pub(super) fn tables(&self) -> Tables {
        Tables::in_schema(self.table.schema.as_deref())
    }

    /// Makes the table, where that is wanted and it is missing.
    async fn create(&self, client: &Client) -> Result<(), Fault> {
        if !self.creates {
            return Ok(());
        }
        let names = self.chosen().unwrap_or_else(|| vec!["result"]);
        let (key, kind) = match &self.key {
            Some(key) => (key.column.as_str(), "text"),
            None => ("index", "bigint"),
        };
        let columns = names.iter().filter(|name| **name != key);
        let columns = columns.map(|name| format!(", {} text", quoted(name)));
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {}({} {kind} PRIMARY KEY{})",
            self.table.quoted,
            quoted(key),
            columns.collect::<String>()
        );
        let created = client.batch_execute(&create).await;
        created.map_err(|cause| self.refused(&cause))
    }

    pub(super) fn place(&self) -> String {
        format!("table {}", self.table.shown)
    }

    pub(super) fn refused(&self, cause: &Error) -> Fault {
        verdict::refused(&self.place(), cause)
    }

    /// Whether anything can be seen in the table, where it is there.
    async fn has_rows(&self, client: &Client) -> Result<bool, Error> {
        let table = &self.table.quoted;
        let there = "SELECT to_regclass($1) IS NOT NULL";
        let found = client
            .query_typed(there, &[bound(table, Type::TEXT)])
            .await?;
        if !found.first().is_some_and(|row| row.get(0)) {
            return Ok(false);
        }
        let rows = client
            .query_typed(&format!("SELECT 1 FROM {table} LIMIT 1"), &[])
            .await?;
        Ok(!rows.is_empty())
    }

    pub(super) fn unaccounted(&self, cause: Failed) -> Fault {
        let place = format!(
            "cannot keep account of what is saved in {}",
            self.opener.place()
        );
        match cause {
            Failed::By(cause) => verdict::refused(&place, &cause),
            Failed::Foreign(what) => Fault::stops_run(format!("{place}: {what}")),
        }
    }
}
