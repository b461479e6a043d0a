//! Rows of a query, a portion at a time, read ahead by a thread that owns the connection.
//!
//! The server holds the rows that were not asked for yet, so that neither it nor we keep more than three portions in memory.

use std::pin::pin;
use std::thread::JoinHandle;

use futures_util::future::{Either, select};
use inflight::Fault;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::link::Opener;
use super::name::quoted;
use super::source::Selection;
use super::verdict;

/// Rows of the first portion: few, so that work can begin.
const ROWS_FIRST: i32 = 100;

/// Rows of a portion at most: by then what it costs to ask for it is lost in what they cost.
const ROWS_MAX: usize = 8192;

/// What a portion should hold, in bytes: as much as the queue it is read into.
const PORTION_BYTES: usize = 1 << 20;

/// Portions that are read ahead. One more is being read.
const AHEAD_MAX: usize = 1;

/// One row.
pub(super) struct Line {
    /// As a JSON object.
    pub(super) json: String,
    /// The value by which rows are ordered, as text; `None` where it is NULL, or there is none.
    pub(super) key: Option<String>,
}

type Portion = Result<Vec<Line>, Fault>;

/// Rows on their way. Dropping it gives up the query.
pub(super) struct Stream {
    /// Dropped to end the thread.
    portions: Option<mpsc::Receiver<Portion>>,
    /// Joined on drop; `None` only while that happens.
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Begins to read the rows that come after the one with this key; all of them without one.
    pub(super) fn begin(
        selection: &Selection,
        opener: &Opener,
        after: Option<String>,
    ) -> Result<Stream, Fault> {
        let (sender, portions) = mpsc::channel(AHEAD_MAX);
        let (selection, opener) = (selection.clone(), opener.clone());
        let failed =
            |cause| Fault::permanent("cannot start a thread to read rows on").because(cause);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("rows".into())
            .spawn(move || runtime.block_on(serve(&selection, &opener, after, &sender)))
            .map_err(failed)?;
        Ok(Stream {
            portions: Some(portions),
            thread: Some(thread),
        })
    }

    /// Waits for the next rows; `None` when there are no more.
    pub(super) fn next(&mut self) -> Option<Portion> {
        self.portions.as_mut()?.blocking_recv()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.portions = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}

async fn serve(
    selection: &Selection,
    opener: &Opener,
    after: Option<String>,
    portions: &mpsc::Sender<Portion>,
) {
    let work = Box::pin(read(selection, opener, after, portions));
    match select(work, pin!(portions.closed())).await {
        Either::Left((Ok(()), _)) => {}
        Either::Left((Err(fault), _)) => {
            // Nobody may be left to hear of it.
            let _ = portions.send(Err(fault)).await;
        }
        Either::Right((_, work)) => {
            drop(work);
            opener.cancelled().await;
        }
    }
}

async fn read(
    selection: &Selection,
    opener: &Opener,
    after: Option<String>,
    portions: &mpsc::Sender<Portion>,
) -> Result<(), Fault> {
    let failed = |cause| failed(opener, &cause);
    let mut link = opener.open().await?;
    link.is_busy = true;
    let begun = link.client.build_transaction().read_only(true).start();
    let transaction = begun.await.map_err(failed)?;
    // Who computes may take longer than any session may be idle, and keys must be read as they are written.
    let settings = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL datestyle = 'ISO'";
    transaction.batch_execute(settings).await.map_err(failed)?;
    let sql = rows_sql(selection, transaction.client(), after.is_some());
    let statement = transaction
        .prepare_typed(
            &sql.await.map_err(failed)?,
            &[Type::TEXT][..usize::from(after.is_some())],
        )
        .await
        .map_err(failed)?;
    let values: Vec<&(dyn ToSql + Sync)> = after.iter().map(|key| key as _).collect();
    let portal = transaction
        .bind(&statement, &values)
        .await
        .map_err(failed)?;
    let mut count = ROWS_FIRST;
    loop {
        let rows = transaction
            .query_portal(&portal, count)
            .await
            .map_err(failed)?;
        let is_last = rows.len() < count as usize;
        if !rows.is_empty() {
            let lines: Vec<Line> = rows.iter().map(line).collect();
            count = rows_next(&lines);
            if portions.send(Ok(lines)).await.is_err() {
                break;
            }
        }
        if is_last {
            break;
        }
    }
    // In this order, so that a pooler's server process is left with neither.
    drop((portal, statement));
    drop(transaction);
    link.is_busy = false;
    Ok(())
}

/// Why rows cannot be read.
pub(super) fn failed(opener: &Opener, cause: &tokio_postgres::Error) -> Fault {
    let place = opener.place();
    match cause.as_db_error() {
        Some(refusal) => Fault::permanent(verdict::said(place, refusal)),
        None => {
            Fault::permanent(format!("connection to {place} was cut")).because(cause.to_string())
        }
    }
}

fn line(row: &Row) -> Line {
    Line {
        json: row.get(0),
        key: row.get(1),
    }
}

/// How many rows make the next portion, when these made the last.
fn rows_next(lines: &[Line]) -> i32 {
    let bytes: usize = lines.iter().map(|line| line.json.len()).sum();
    let mean = bytes / lines.len().max(1) + 1;
    let rows = (PORTION_BYTES / mean).clamp(1, ROWS_MAX);
    i32::try_from(rows).expect("bounded by a small number")
}

/// Rows and their keys, in order where there is a key.
async fn rows_sql(
    selection: &Selection,
    client: &Client,
    goes_on: bool,
) -> Result<String, tokio_postgres::Error> {
    let from = selection.from();
    let Some(key) = selection.key.as_deref().map(quoted) else {
        return Ok(format!("SELECT row_to_json(q)::text, NULL::text {from}"));
    };
    let after = match goes_on {
        // NULL comes last, and is refused when it comes.
        true => format!(
            "WHERE q.{key} > {} OR q.{key} IS NULL",
            key_value(selection, client, 1).await?
        ),
        false => String::new(),
    };
    Ok(format!(
        "SELECT row_to_json(q)::text, q.{key}::text {from} {after} ORDER BY q.{key}"
    ))
}

/// The parameter of this number, a text, as a value of the key's type.
pub(super) async fn key_value(
    selection: &Selection,
    client: &Client,
    number: u8,
) -> Result<String, tokio_postgres::Error> {
    let key = quoted(selection.key.as_deref().unwrap_or_default());
    let statement = client
        .prepare(&format!("SELECT q.{key} {} LIMIT 0", selection.from()))
        .await?;
    let column = statement
        .columns()
        .first()
        .map(|column| column.type_().clone());
    let kind = column.unwrap_or(Type::TEXT);
    Ok(format!(
        "CAST(${number}::text AS {}.{})",
        quoted(kind.schema()),
        quoted(kind.name())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_bounded_in_bytes() {
        let lines = |bytes: usize, count: usize| -> Vec<Line> {
            let line = |_| Line {
                json: "x".repeat(bytes),
                key: None,
            };
            (0..count).map(line).collect()
        };
        assert_eq!(rows_next(&lines(10, 100)), 8192);
        assert_eq!(rows_next(&lines(1023, 100)), 1024);
        assert_eq!(rows_next(&lines(3 << 20, 2)), 1);
        assert_eq!(rows_next(&[]), 8192);
    }
}
