//! What a sink promises of a result after a crash: the one line that a person reads before the run.

use std::fmt;

/// What becomes of a result whose saving a crash may have cut off. Prints as one line for people.
///
/// ```
/// use inflight_connectors::{Kind, Sink, SinkSettings};
///
/// let sink = Sink::parse("null:", &SinkSettings::default())?;
/// assert_eq!(sink.kind(), Kind::Nothing);
/// assert_eq!(Kind::Append.to_string(), "append: at least once");
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is saved again, beside what was there: a plain HTTP service, a pipe.
    Append,
    /// It is saved again under the same key, which the service knows: HTTP, where the user has said so.
    Keyed,
    /// Output beyond what the journal knows is cut off before it is saved again: a file.
    File,
    /// It is saved again in the same place: a table, without a journal.
    Upsert,
    /// What is saved and the account of it come about together: a database, with a journal.
    Transactional,
    /// Nothing is kept.
    Nothing,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Append => "append: at least once",
            Kind::Keyed => "keyed: once, while the service keeps keys",
            Kind::File => "file: exactly once; cut back to what the journal knows",
            Kind::Upsert => "upsert: once; the last write wins",
            Kind::Transactional => "transactional: exactly once in this database",
            Kind::Nothing => "nothing is kept",
        })
    }
}
