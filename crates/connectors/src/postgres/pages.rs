//! Rows in the order of a key, a page at a time: each page is a transaction of its own, and begins where the last one ended.
//!
//! So no transaction lasts as long as a run, nothing of a session is needed, and a connection that was cut is opened anew. What
//! is read is what the table holds when a page is read. The end is fixed before the first: rows with larger keys that come
//! meanwhile are for a later run.

use std::time::{Duration, Instant};

use futures_util::future::join3;
use inflight::{Fault, Verdict};
use tokio::sync::mpsc;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::link::{Bound, Link, Opener, bound};
use super::name::quoted;
use super::source::Selection;
use super::stream::{Line, Portion, ROWS_FIRST, failed, line, rows_next};
use super::verdict;

/// How long a server may be away in the middle of reading: as long as most take to start again or to be replaced.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// Between two looks whether it is back.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// What each page begins with. Keys must be read as they are written.
pub(super) const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL datestyle = 'ISO'";

/// The largest key there is, and its type.
const LAST: &str = "\
SELECT q.{key}::text, (SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t \
    JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = pg_typeof(q.{key})) \
{from} WHERE q.{key} IS NOT NULL ORDER BY q.{key} DESC LIMIT 1";

/// The rows that are to be read: those up to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The key column, quoted.
    pub(super) key: String,
    /// Its type, for SQL.
    pub(super) kind: String,
    /// The last key.
    pub(super) last: String,
    /// Whether the server vouches that keys are neither NULL nor there twice.
    pub(super) is_unique: bool,
}

impl Span {
    /// The rows that there are now; `None` where there are none. In the transaction that is open.
    pub(super) async fn read(
        client: &Client,
        selection: &Selection,
        key: &str,
    ) -> Result<Option<Span>, Error> {
        let key = quoted(key);
        let last = LAST
            .replace("{key}", &key)
            .replace("{from}", &selection.from());
        let row = client.query_typed_opt(&last, &[]).await?;
        Ok(row.map(|row| Span {
            key,
            kind: row.get(1),
            last: row.get(0),
            is_unique: false,
        }))
    }

    /// The parameter of this number, a text, as a key.
    fn value(&self, number: u8) -> String {
        format!("CAST(${number}::text AS {})", self.kind)
    }

    /// How many rows come up to the one with this key, and with it.
    pub(super) async fn count_up_to(
        &self,
        client: &Client,
        selection: &Selection,
        key: &str,
    ) -> Result<u64, Error> {
        let Span { key: name, .. } = self;
        let (from, value) = (selection.from(), self.value(1));
        let count = format!("SELECT count(*) {from} WHERE q.{name} <= {value}");
        let row = client
            .query_typed_one(&count, &[bound(&key, Type::TEXT)])
            .await?;
        Ok(row.get::<_, i64>(0).cast_unsigned())
    }

    /// How many rows there are in all.
    pub(super) async fn count(&self, client: &Client, selection: &Selection) -> Result<u64, Error> {
        self.count_up_to(client, selection, &self.last).await
    }

    /// So many rows in the order of their keys: from the first on, or from the one with a given key.
    fn page_sql(&self, selection: &Selection, goes_on: bool) -> String {
        let Span { key, .. } = self;
        let from = selection.from();
        let last = self.value(1);
        // With the row itself: were its key there twice, the next page would begin with the other one.
        let first = match goes_on {
            true => format!("AND q.{key} >= {}", self.value(3)),
            false => String::new(),
        };
        format!(
            "SELECT row_to_json(q)::text, q.{key}::text {from} WHERE q.{key} <= {last} {first} ORDER BY q.{key} LIMIT $2"
        )
    }
}

/// Reads the rows of a span, or those that come after the one with this key.
pub(super) async fn read(
    selection: &Selection,
    opener: &Opener,
    span: &Span,
    after: Option<String>,
    portions: &mpsc::Sender<Portion>,
) -> Result<(), Fault> {
    let mut reader = Reader {
        opener,
        link: None,
        away_since: None,
    };
    let (mut after, mut count) = (after, ROWS_FIRST);
    loop {
        // One more than is wanted, where the first is there already.
        let limit = i64::from(count) + i64::from(after.is_some());
        let sql = span.page_sql(selection, after.is_some());
        let mut values = vec![bound(&span.last, Type::TEXT), bound(&limit, Type::INT8)];
        values.extend(after.as_ref().map(|key| bound(key, Type::TEXT)));
        let rows = reader.page(&sql, &values).await?;
        let is_last = (rows.len() as i64) < limit;
        let mut lines: Vec<Line> = rows.iter().map(line).collect();
        if after.is_some() && lines.first().is_some_and(|first| first.key == after) {
            lines.remove(0);
        }
        if let Some(last) = lines.last() {
            after.clone_from(&last.key);
            count = rows_next(&lines);
            if portions.send(Ok(lines)).await.is_err() {
                return Ok(());
            }
        }
        if is_last {
            break;
        }
    }
    if !span.is_unique {
        let sql = format!(
            "SELECT row_to_json(q)::text, NULL::text {} WHERE q.{} IS NULL LIMIT 1",
            selection.from(),
            span.key
        );
        let nulls = reader.page(&sql, &[]).await?;
        if !nulls.is_empty() {
            // Refused by whoever reads them. Nobody may be left to.
            let _ = portions.send(Ok(nulls.iter().map(line).collect())).await;
        }
    }
    Ok(())
}

/// Asks for pages, on one connection after the other if need be.
struct Reader<'a> {
    opener: &'a Opener,
    link: Option<Link>,
    /// Since when the server is away.
    away_since: Option<Instant>,
}

impl Reader<'_> {
    /// The rows of one page. Waits for a server that is away for a while.
    async fn page(&mut self, sql: &str, values: &[Bound<'_>]) -> Result<Vec<Row>, Fault> {
        loop {
            match self.once(sql, values).await {
                Ok(rows) => {
                    self.away_since = None;
                    return Ok(rows);
                }
                Err(Failed { fault, passes }) => {
                    let since = *self.away_since.get_or_insert_with(Instant::now);
                    if !passes || since.elapsed() >= AWAY_MAX {
                        return Err(fault);
                    }
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
            }
        }
    }

    async fn once(&mut self, sql: &str, values: &[Bound<'_>]) -> Result<Vec<Row>, Failed> {
        let mut link = match self.link.take().filter(Link::is_open) {
            Some(link) => link,
            None => self.opener.open().await.map_err(|fault| Failed {
                passes: fault.verdict() == Verdict::Unreached,
                fault,
            })?,
        };
        // Whoever gives up reading drops this, and what is under way is cancelled.
        link.is_busy = true;
        let client = &link.client;
        // Sent together, answered in turn.
        let (begun, rows, ended) = join3(
            client.batch_execute(BEGIN),
            client.query_typed(sql, values),
            client.batch_execute("COMMIT"),
        )
        .await;
        link.is_busy = false;
        let rows = begun.and(rows).and_then(|rows| ended.map(|()| rows));
        let rows = rows.map_err(|cause| Failed {
            passes: verdict::is_passing(&cause),
            fault: failed(self.opener, &cause),
        })?;
        self.link = Some(link);
        Ok(rows)
    }
}

/// Why there is no page.
struct Failed {
    fault: Fault,
    /// Whether it may be there later.
    passes: bool,
}
