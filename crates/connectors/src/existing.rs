//! Which keys a sink has already: asked before a run that leaves out what is there.

use std::io;

use inflight::Fault;

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

/// What is told when a key cannot be kept.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "file"))]
pub(crate) fn unkept(cause: io::Error) -> Fault {
    Fault::storage("failed to keep the keys that exist").because(cause)
}
