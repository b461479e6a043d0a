//! How results are saved, besides where: everything a sink is told that is not in its address.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use inflight::{Declared, OpenedJournal};

use crate::columns::Columns;

/// Bytes of an answer that are read at most, unless told otherwise. It is held in memory until it is used, and 16 MiB is what a
/// line may have too.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A number of bytes as a person has typed it: `16 MiB`.
#[cfg(feature = "http")]
pub(crate) fn shown_bytes(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// The settings of all sinks; each reads those that concern it.
///
/// ```
/// use inflight_connectors::{Sink, SinkSettings};
///
/// let settings = SinkSettings { headers: vec!["X-Team: night".into()], ..SinkSettings::default() };
/// # #[cfg(feature = "http")]
/// assert!(Sink::parse("http://127.0.0.1:8080/add", &settings).is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct SinkSettings {
    /// Headers of an HTTP save, `NAME: VALUE`. A value `env:NAME`, `file:PATH` or `exec:COMMAND`, perhaps after one word
    /// (`Bearer env:TOKEN`), is read from there, so that no secret is an argument; in any other value `{name}` is a field of
    /// the item. Default none.
    pub headers: Vec<String>,
    /// What an HTTP save sends. Default the result as it is, and nothing with `GET` and `DELETE`.
    #[cfg(feature = "http")]
    pub body: Option<crate::http::BodySource>,
    /// What stands before each line of a body `ndjson`. Default nothing.
    #[cfg(feature = "http")]
    pub lines_before: Option<crate::http::BodySource>,
    /// Which fields items have, so that a template that names another is refused at once. Default: that is not known.
    #[cfg(feature = "http")]
    pub fields: crate::http::Fields,
    /// Whether the result is something else than the item, so that `{}` cannot stand for the item. Default: no.
    pub is_item_gone: bool,
    /// What statuses of HTTP saves mean, where that is not what the table says. Default as the table says.
    #[cfg(feature = "http")]
    pub statuses: crate::http::StatusChanges,
    /// What is asked of the content of answers to HTTP saves. Default nothing.
    #[cfg(feature = "http")]
    pub checks: crate::http::AnswerChecks,
    /// What is saved of each item in files and JSON bodies. Default `index,result`.
    pub columns: Columns,
    /// Where responses of HTTP saves are kept, one JSON line each. Default: nowhere.
    pub responses: Option<PathBuf>,
    /// Bytes of a response that are kept at most; a longer one is cut, and its line says so. Default [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: Option<usize>,
    /// Whether responses are searched for the tokens that they have cost, for a quota of tokens. Default: no.
    pub counts_tokens: bool,
    /// Certificates (PEM) that are trusted besides those of the system. Default none.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy to use, as `http://[USER:PASSWORD@]HOST:PORT`, or `env:NAME` or `file:PATH` where that is to be found;
    /// `none` for none. Default: the one that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but for
    /// `NO_PROXY`); this machine is never reached by way of that.
    pub proxy: Option<String>,
    /// The column by which a table of a database knows the row of an item: rows that are there are updated. Default: rows are known
    /// by the index of the item, and made.
    pub key: Option<String>,
    /// Whether a table that is missing in Postgres is made. Default: it is an error. SQLite makes its own.
    pub create: bool,
    /// Whether a file of results or responses that holds something already is appended to. Default: it is refused.
    pub append: bool,
    /// What the journal of this job knows of the file of results, or of responses. Default: no journal knows it.
    pub resume: Option<Resume>,
    /// Whether the user promises that an HTTP service knows idempotency keys, and does nothing twice for one. Default: no.
    pub idempotent: bool,
    /// Under which name and number a database keeps account of what is saved, in the same transactions. Default: it
    /// keeps none.
    pub ledger: Option<Ledger>,
    /// What tells this job from others; part of the idempotency key. Default 0.
    pub job: u64,
    /// Whether a client that blocks (SQLite, files) may block the thread that serves I/O, as strategies with
    /// one thread do. Default: it gets a thread of its own.
    pub inline: bool,
    /// What is known of the service beforehand, for the bound. Default: nothing.
    pub declared: Declared,
    /// Schemes that the caller serves itself, such as `lab:`; named in the error about an unknown one.
    pub more_schemes: &'static [&'static str],
}

impl SinkSettings {
    /// The column by which a table knows its rows, where that is not the index: the one that was named, else the one that holds the
    /// keys of the items.
    ///
    /// Fails with a sentence, where items have keys and no column holds them.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn row_key(&self) -> Result<Option<&str>, String> {
        match &self.key {
            Some(key) => Ok(Some(key)),
            None if self.columns.is_keyed() => self.columns.identity().map(Some),
            None => Ok(None),
        }
    }
}

/// What a journal knows of a file that earlier runs of its job have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// What lies before this byte is of this job.
    pub at: u64,
    /// Whether the last run recorded all that it knew. Then whatever follows is of others, and stays; else that run was
    /// killed, and what it wrote last is cut off.
    pub is_ended: bool,
    /// The items that were finished before, as ranges in their order: a line about one of them that stands behind `at`
    /// is of others. Empty where that is not known.
    pub finished: Arc<[Range<u64>]>,
}

impl Resume {
    /// What this journal knows; `None` where nothing was written.
    pub fn of(opened: &OpenedJournal) -> Option<Resume> {
        let found = opened.found()?;
        // A retry writes lines of items that count as finished: they were dead.
        let finished = match found.began.is_retry {
            true => Vec::new(),
            false => opened.finished(),
        };
        Some(Resume {
            at: found.mark?,
            is_ended: found.is_ended,
            finished: finished.into(),
        })
    }
}

/// What a database that keeps account of its own is told of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// What tells this job from others; the same in every run of it.
    pub job: String,
    /// The number of the run, from its journal. A run of the same job with a lower one can write no more once this one
    /// has taken over.
    pub epoch: u64,
    /// Whether an earlier run is known to have saved in this place, so that rows by index may be its own. Where none is, a table
    /// of which the account knows nothing must be empty.
    pub is_known: bool,
}
