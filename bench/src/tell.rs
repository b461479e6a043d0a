//! Messages for whoever waits at the terminal.

use std::io::{self, Write};

/// One line, or a text of several. Nobody is left to be told when standard error is closed.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
