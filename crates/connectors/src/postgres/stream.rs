//! Rows of a query, a portion at a time, read ahead by a thread that owns the connection.
//!
//! Rows with a key are read as pages. Without one they are read in one transaction, for which the server holds those that were
//! not asked for yet. Neither it nor we keep more than three portions in memory.

use std::pin::pin;
use std::thread::JoinHandle;

use futures_util::future::{Either, select};
use inflight::Fault;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio_postgres::Row;

use super::link::Opener;
use super::pages::{self, Span};
use super::source::Selection;
use super::verdict;

/// Rows of the first portion: few, so that work can begin.
pub(super) const ROWS_FIRST: i32 = 100;

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

pub(super) type Portion = Result<Vec<Line>, Fault>;

/// Rows on their way. Dropping it gives up the query.
pub(super) struct Stream {
    /// Dropped to end the thread.
    portions: Option<mpsc::Receiver<Portion>>,
    /// Joined on drop; `None` only while that happens.
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Begins to read the rows of a span that come after the one with this key; without a span all that the selection has.
    pub(super) fn begin(
        selection: &Selection,
        opener: &Opener,
        span: Option<&Span>,
        after: Option<String>,
    ) -> Result<Stream, Fault> {
        let (sender, portions) = mpsc::channel(AHEAD_MAX);
        let (selection, opener, span) = (selection.clone(), opener.clone(), span.cloned());
        let failed =
            |cause| Fault::permanent("cannot start a thread to read rows on").because(cause);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("rows".into())
            .spawn(move || {
                let work = async {
                    match &span {
                        Some(span) => pages::read(&selection, &opener, span, after, &sender).await,
                        None => read(&selection, &opener, &sender).await,
                    }
                };
                runtime.block_on(serve(work, &opener, &sender));
            })
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

/// Reads until there are no more rows, or nobody wants them any more.
async fn serve(
    work: impl Future<Output = Result<(), Fault>>,
    opener: &Opener,
    portions: &mpsc::Sender<Portion>,
) {
    match select(Box::pin(work), pin!(portions.closed())).await {
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

/// Reads all rows in one transaction.
async fn read(
    selection: &Selection,
    opener: &Opener,
    portions: &mpsc::Sender<Portion>,
) -> Result<(), Fault> {
    let failed = |cause| failed(opener, &cause);
    let mut link = opener.open().await?;
    link.is_busy = true;
    let begun = link.client.build_transaction().read_only(true).start();
    let transaction = begun.await.map_err(failed)?;
    // Who computes may take longer than any session may be idle.
    let settings = "SET LOCAL idle_in_transaction_session_timeout = 0";
    transaction.batch_execute(settings).await.map_err(failed)?;
    let sql = format!(
        "SELECT row_to_json(q)::text, NULL::text {}",
        selection.from()
    );
    let statement = transaction.prepare_typed(&sql, &[]).await.map_err(failed)?;
    let portal = transaction.bind(&statement, &[]).await.map_err(failed)?;
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

pub(super) fn line(row: &Row) -> Line {
    Line {
        json: row.get(0),
        key: row.get(1),
    }
}

/// How many rows make the next portion, when these made the last.
pub(super) fn rows_next(lines: &[Line]) -> i32 {
    let bytes: usize = lines.iter().map(|line| line.json.len()).sum();
    let mean = bytes / lines.len().max(1) + 1;
    let rows = (PORTION_BYTES / mean).clamp(1, ROWS_MAX);
    i32::try_from(rows).expect("bounded by a small number")
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
