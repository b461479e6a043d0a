//! Which keys a sink has already: asked before a run that leaves out what is there.

use std::io;

use inflight::Fault;

use crate::row_key::{Missing, RowKey};
use crate::sink::Sink;

/// Gets each key, as it is spelled; fails when it cannot be kept.
pub(crate) type EachKey<'a> = &'a mut (dyn FnMut(&str) -> io::Result<()> + Send);

impl Sink {
    /// Tells every key that is in the table or file, spelled as text.
    ///
    /// # Errors
    /// When they cannot be read, or this sink cannot tell what it has; unreached when a server is away.
    pub fn existing(
        &self,
        mut each: impl FnMut(&str) -> io::Result<()> + Send,
    ) -> Result<(), Fault> {
        match self {
            #[cfg(feature = "sqlite")]
            Sink::Sqlite(sink) => sink.existing(&mut each),
            #[cfg(feature = "postgres")]
            Sink::Postgres(sink) => sink.existing(&mut each),
            #[cfg(feature = "file")]
            Sink::File(sink) => sink.existing(&mut each),
            #[cfg(feature = "http")]
            Sink::Http(_) => Err(unknown(&mut each, "a service")),
            Sink::Called(_) => Err(unknown(&mut each, "code of yours")),
            Sink::Null(_) => Err(unknown(&mut each, "null:")),
        }
    }
}

fn unknown(_: EachKey<'_>, name: &str) -> Fault {
    Fault::permanent(format!(
        "--skip-existing asks a table or file which keys it has, and {name} cannot be asked"
    ))
}

/// The key of a table that can be asked for rows to leave out.
///
/// # Errors
/// Where only rows that exist are saved, which would all be left out.
pub(crate) fn asked(key: Option<&RowKey>) -> Result<&str, Fault> {
    match key {
        Some(key) if key.missing == Missing::Insert => Ok(&key.column),
        Some(key) => Err(Fault::permanent(format!(
            "--skip-existing would leave out every row that this job updates: rows are found by {}, and must exist; add missing=insert to \
             the address, or select in the input what is to be done",
            key.column
        ))),
        None => Err(Fault::permanent("--skip-existing needs --key")),
    }
}

/// What is told when a key cannot be kept.
pub(crate) fn unkept(cause: io::Error) -> Fault {
    Fault::storage("failed to keep the keys that exist").because(cause)
}
