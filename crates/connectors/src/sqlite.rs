//! Saves each result as a row of a SQLite table: `"index"`, and `result` or the columns that were named (`row`); or updates the
//! rows that a key of the table's own names. An open database (`database`) does so, with an account of what is saved (`ledger`)
//! where a journal wants one.

mod database;
mod existing;
mod ledger;
mod row;
mod statements;
mod wal;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inflight::{Connection, Durable, Fault, Record, Reply, Service, Verdict};
use rusqlite::{Error, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::blocking::Blocking;
use crate::columns::Columns;
use crate::file_id;
use crate::kind::Kind;
use crate::ledger::{Account, occupied};
use crate::nearest::unknown;
use crate::path;
use crate::payload::Payload;
use crate::row_key::{self, RowKey};
use crate::settings::SinkSettings;
use crate::table::identifier;
use database::Database;
use wal::{Log, Written};

/// The table where none is named.
const TABLE: &str = "results";

/// Rows in one transaction. A transaction costs about as much as some hundred rows; at 8192 its share is
/// lost in theirs, and the database stays locked for only some ten milliseconds.
const BULK_MAX: usize = 8192;

/// How long to wait for another writer: longer than any but a huge transaction takes, shorter than the
/// deadline of a request.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks whether a database is still locked that does not make anybody wait.
const LOCKED_PAUSE: Duration = Duration::from_millis(100);

/// How long another program may keep the database locked as a run begins: longer than a backup of most databases takes.
const START_MAX: Duration = Duration::from_secs(60);

/// Saves each result as a row of a table, `sqlite:FILE?table=T` (default table `results`).
///
/// File and table are created where missing. A row is identified by the item's index: saving it again
/// replaces it. A result that is UTF-8 becomes TEXT, any other a BLOB. A bulk is one transaction. A database that is new
/// writes to a log (WAL, `synchronous=NORMAL`): a crash of the program loses none that was saved, a crash of the
/// machine may lose the last ones, unless a journal has them made durable, and never damages the file. A database that is
/// there keeps its journal mode, which others may rely on; without a log each transaction waits for the disk.
///
/// With [`SinkSettings::ledger`] each transaction also notes which items it saves, in the table `inflight_progress`, and
/// saves nothing when `inflight_runs` knows a later run of the job. That account, which cannot differ from the
/// results, is what a later run goes on from.
pub struct SqliteSink {
    plan: Plan,
    is_inline: bool,
}

/// Where rows go.
#[derive(Clone)]
struct Plan {
    path: PathBuf,
    table: String,
    columns: Columns,
    /// By what the table knows its rows, where that is not the index.
    key: Option<RowKey>,
    account: Option<Arc<Account>>,
    /// Which file was opened, once one was.
    written: Written,
}

impl SqliteSink {
    /// A sink at `sqlite:FILE?table=T`. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence that names the part of the address at fault.
    pub fn new(text: &str, settings: &SinkSettings) -> Result<SqliteSink, crate::Error> {
        let (place, query) = SqliteSink::parts(text);
        let fail = |why: String| format!("address `{text}`: {why}");
        let known = ["table"].into_iter().chain(row_key::PARAMETERS);
        let known: Vec<&str> = known.collect();
        let (mut table, mut key, mut missing) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "table" => &mut table,
                "key" => &mut key,
                "missing" => &mut missing,
                _ => return Err(fail(unknown("parameter", name, &known)).into()),
            };
            if place.replace(value).is_some() {
                return Err(fail(format!("parameter {name} comes twice")).into());
            }
        }
        let own = settings.row_key()?;
        // Rows of a table of our own are made; of one that is named with its key they are updated.
        let is_own = settings.key.is_none() && own.is_some() && key.is_none();
        let missing = missing.or(is_own.then_some("insert"));
        let key = RowKey::new(own, key, missing).map_err(fail)?;
        Ok(SqliteSink {
            plan: Plan {
                path: path::local(place, "sqlite:")?,
                table: identifier(table.unwrap_or(TABLE))?.into(),
                columns: match &key {
                    Some(key) => settings.columns.with_row_key(&key.column),
                    None => settings.columns.clone(),
                },
                key,
                account: settings.ledger.clone().map(Account::new).map(Arc::new),
                written: Written::default(),
            },
            is_inline: settings.inline,
        })
    }

    /// Takes an address apart: what leads to the file, and what follows its last question mark, which says the table;
    /// that of the default where there is none. The name of a file may hold question marks, that of a table none.
    ///
    /// ```
    /// use inflight_connectors::SqliteSink;
    ///
    /// assert_eq!(SqliteSink::parts("sqlite:a?b.db?table=t"), ("sqlite:a?b.db", "table=t"));
    /// assert_eq!(SqliteSink::parts("sqlite:a.db"), ("sqlite:a.db", "table=results"));
    /// ```
    pub fn parts(address: &str) -> (&str, &str) {
        address
            .rsplit_once('?')
            .unwrap_or((address, "table=results"))
    }

    /// Whether rows can be saved there: tries everything but a row, and takes it back. A database that is yet to be made is
    /// not made.
    ///
    /// # Errors
    /// A fault that names file and table, and what is in the way; unreached when another program keeps the database locked for a
    /// minute.
    pub fn check(&self) -> Result<(), Fault> {
        let (path, table) = (self.plan.path.display(), &self.plan.table);
        match file_id::look(&self.plan.path) {
            Ok(Some(_)) => self
                .plan
                .at_start(|| self.plan.try_out(self.plan.open_old())),
            // Nothing can be in the way there but the name of the table.
            Ok(None) => self.plan.try_out(rusqlite::Connection::open_in_memory()),
            Err(cause) => {
                let message = format!("cannot save to table {table} of {path}: {cause}");
                Err(Fault::permanent(message))
            }
        }
    }

    /// The row that would be saved of this result, as a JSON object.
    ///
    /// # Errors
    /// Permanent, when a column of it cannot be made.
    pub(crate) fn preview(&self, record: &Record<Payload>) -> Result<String, Fault> {
        let key = self.plan.key.as_ref().map(|key| key.column.as_str());
        row::preview(&self.plan.columns, key, record)
    }

    /// What is promised of a result that is saved here.
    pub fn kind(&self) -> Kind {
        match self.plan.account {
            Some(_) => Kind::Transactional,
            None => Kind::Upsert,
        }
    }

    /// Takes over the job and gives what is saved of it, as ranges in their order; `None` where no account is kept.
    /// From then on no earlier run of the job can save anything.
    ///
    /// # Errors
    /// A fault that names the file, when its account cannot be read or written; unreached as in [`SqliteSink::check`].
    pub fn ledger(&self) -> Result<Option<Vec<Range<u64>>>, Fault> {
        let Some(account) = &self.plan.account else {
            return Ok(None);
        };
        self.plan.at_start(|| {
            let failed = |cause| self.plan.unfit(&cause, self.plan.unaccounted(&cause));
            let mut connection = self.plan.open_to_save().map_err(failed)?;
            if self
                .plan
                .is_occupied(account, &connection)
                .map_err(failed)?
            {
                let place = self.plan.path.display().to_string();
                return Err(occupied(&self.plan.table, &place));
            }
            let taken = ledger::take_over(account, &mut connection).map_err(failed)?;
            Ok(Some(taken))
        })
    }

    /// Forgets what is saved of the job, so that a run does all of it again; the results stay until then.
    ///
    /// # Errors
    /// A fault that names the file, when its account cannot be written; unreached as in [`SqliteSink::check`].
    pub fn forget(&self) -> Result<(), Fault> {
        let Some(account) = &self.plan.account else {
            return Ok(());
        };
        self.plan.at_start(|| {
            let forget = || ledger::forget(account, &mut self.plan.open_to_save()?);
            forget().map_err(|cause| self.plan.unfit(&cause, self.plan.unaccounted(&cause)))
        })
    }
}

impl std::fmt::Display for SqliteSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan { path, table, .. } = &self.plan;
        write!(f, "sqlite:{}?table={table}", path.display())
    }
}

impl Service<Payload> for SqliteSink {
    type Answer = ();
    type Connection = SqliteConnection;

    async fn connect(&self) -> Result<SqliteConnection, Fault> {
        let connection = Blocking::open(self.plan.clone(), self.is_inline).await?;
        Ok(SqliteConnection(connection))
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }

    fn connections_max(&self) -> usize {
        1 // SQLite lets one writer in at a time.
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        Some(Box::new(Log::beside(&self.plan.path, &self.plan.written)))
    }
}

/// The one connection of a [`SqliteSink`].
pub struct SqliteConnection(Blocking<Database>);

impl Connection<Payload> for SqliteConnection {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        self.0.send(bulk).await
    }
}

impl Plan {
    fn open(&self) -> rusqlite::Result<rusqlite::Connection> {
        self.open_with(OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// One that is there.
    fn open_old(&self) -> rusqlite::Result<rusqlite::Connection> {
        self.open_with(OpenFlags::empty())
    }

    fn open_with(&self, more: OpenFlags) -> rusqlite::Result<rusqlite::Connection> {
        // Without SQLITE_OPEN_URI, so that a path is a path whatever it begins with.
        let flags = more | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            rusqlite::Connection::open_with_flags(Path::new(".").join(&self.path), flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }

    /// The same for whoever writes: a log where the database is new, else whatever it has.
    fn open_to_save(&self) -> rusqlite::Result<rusqlite::Connection> {
        let connection = self.open()?;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if pages == 0 {
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode == "wal" {
            connection.pragma_update(None, "synchronous", "NORMAL")?;
        } else {
            connection.pragma_update(None, "synchronous", "FULL")?;
        }
        Ok(connection)
    }

    /// Whether rows are there that would be replaced by their index, and are not of this job.
    fn is_occupied(
        &self,
        account: &Account,
        connection: &rusqlite::Connection,
    ) -> rusqlite::Result<bool> {
        if self.key.is_some()
            || ledger::is_known(account, connection)?
            || !connection.table_exists(None, self.table.as_str())?
        {
            return Ok(false);
        }
        let mut select = connection.prepare(&format!("SELECT 1 FROM \"{}\"", self.table))?;
        select.exists(())
    }

    /// Does something before the run, as often as another program has the database locked, for at most [`START_MAX`].
    fn at_start<T>(&self, work: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let begun = Instant::now();
        loop {
            match work() {
                // SQLite itself has waited as long as it may.
                Err(fault)
                    if fault.verdict() == Verdict::Unreached && begun.elapsed() < START_MAX =>
                {
                    std::thread::sleep(LOCKED_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    /// Why nothing can be saved, before the run: a mistake, unless others have the database.
    fn unfit(&self, cause: &Error, message: String) -> Fault {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Fault::unreached(format!("{message}: another program is writing to it"))
            }
            _ => Fault::permanent(message),
        }
    }

    fn try_out(&self, opened: rusqlite::Result<rusqlite::Connection>) -> Result<(), Fault> {
        let failed = |cause: Error| self.unfit(&cause, self.message(&cause));
        let mut connection = opened.map_err(failed)?;
        // Dropped in the end, which takes all of it back.
        if let Some(lacking) = self.lacking(&connection).map_err(failed)? {
            return Err(Fault::permanent(lacking));
        }
        let transaction = self.try_table(&mut connection).map_err(failed)?;
        let account = self.account.as_deref();
        account
            .map_or(Ok(()), |_| ledger::try_out(&transaction))
            .map_err(|cause| self.unfit(&cause, self.unaccounted(&cause)))
    }

    fn try_table<'a>(
        &self,
        connection: &'a mut rusqlite::Connection,
    ) -> rusqlite::Result<Transaction<'a>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(&self.create())?;
        if self.inserts() {
            transaction.prepare(&self.upsert())?;
        }
        if self.key.is_some() {
            transaction.prepare(&self.update())?;
        }
        Ok(transaction)
    }

    fn message(&self, cause: &Error) -> String {
        let Plan { path, table, .. } = self;
        let path = path.display();
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                format!("{path} is no SQLite database; name another file")
            }
            Some(ErrorCode::Unknown) => format!(
                "cannot save to table {table} of {path}: {cause}; it needs the columns \"{}\" (unique) and {}",
                self.key_column(),
                self.columns
                    .names()
                    .filter(|name| *name != self.key_column())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            _ => format!("cannot save to table {table} of {path}: {cause}"),
        }
    }

    fn unaccounted(&self, cause: &Error) -> String {
        let path = self.path.display();
        format!("cannot keep account of what is saved in {path}: {cause}")
    }

    /// Why a row is not there though nothing was refused.
    fn dropped(&self) -> Fault {
        let Plan { path, table, .. } = self;
        let path = path.display();
        Fault::permanent(format!(
            "table {table} of {path} did not take the row: a trigger dropped it (RAISE(IGNORE))"
        ))
        .counted_as("dropped by a trigger")
    }

    /// Why the database as a whole refused: because of a row, of the disk, of what somebody did to the table, or of others.
    fn fault(&self, cause: &Error) -> Fault {
        let message = self.message(cause);
        match cause.sqlite_error_code() {
            _ if is_storage(cause) => Fault::storage(message),
            _ if is_refusal(cause) => Fault::permanent(message),
            Some(ErrorCode::Unknown | ErrorCode::NotADatabase | ErrorCode::PermissionDenied) => {
                Fault::stops_run(message)
            }
            _ => Fault::transient(message),
        }
    }
}

/// Whether the row is at fault, so that trying again cannot help.
fn is_refusal(cause: &Error) -> bool {
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

/// Whether it is the disk that failed, or is full: trying again helps nobody before somebody has seen to it.
fn is_storage(cause: &Error) -> bool {
    use ErrorCode::{DatabaseCorrupt, DiskFull, ReadOnly, SystemIoFailure};
    let code = cause.sqlite_error_code();
    code.is_some_and(|code| [DatabaseCorrupt, DiskFull, ReadOnly, SystemIoFailure].contains(&code))
}
