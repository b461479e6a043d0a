//! `inflight explain`: says what HTTP statuses mean to a run.

use inflight_connectors::StatusChanges;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::args::ExplainArgs;
use crate::job::settings::changes;
use crate::terminal::stdout;

/// Prints a line for each status, or the whole table.
///
/// # Errors
/// A usage error that names what is no status.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit> {
    let changes = changes(&args.statuses)?;
    if args.codes.is_empty() {
        stdout::write(&StatusChanges::table())?;
        return Ok(Exit::Success);
    }
    let mut lines = String::new();
    for status in &args.codes {
        let line = changes.explain(*status).ok_or_else(|| {
            Error::usage(format_args!("{status} is no HTTP status; 100 to 999 are"))
        })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    stdout::write(&lines)?;
    Ok(Exit::Success)
}
