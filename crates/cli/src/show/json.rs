//! Writes the objects of `--json`: the engine's summary, a comparison, a sweep, a plan.

use serde::Serialize;

use crate::error::Result;
use crate::terminal::out_file::OutFile;

/// Writes an object and a line end.
///
/// # Errors
/// When the file or standard output fails.
pub(crate) fn write(file: OutFile, object: &impl Serialize) -> Result<()> {
    if file.is_nowhere() {
        return Ok(());
    }
    let mut text = serde_json::to_string(object)?;
    text.push('\n');
    file.write(text.as_bytes())
}
