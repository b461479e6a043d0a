//! Standard output for results: a reader that went away (`| head`) ends it quietly.
//!
//! `println!` would panic there. What the command comes to does not depend on who listens, so its exit code stays.

use std::io::{self, IsTerminal, Write};

/// Writes this text at once; says nothing when nobody reads it any more.
///
/// # Errors
/// When standard output fails in any other way, a full disk for example.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("failed to write standard output: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// Whether headings may be set in bold: on a terminal, unless `NO_COLOR` is set.
pub(crate) fn is_styled() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
