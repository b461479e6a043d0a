//! What `run --dry-run` and `try` have in common: the first items of a job, looked at without a trace.

use std::fmt::Write as _;

use inflight::Record;
use inflight_connectors::{Payload, Preview};

use crate::error::{Error, Result};
use crate::flags::run::RunArgs;
use crate::flags::shell::is_control;
use crate::show::curl;

/// Items that are looked at, unless `-n` says so.
pub(crate) const FIRST: usize = 3;

/// More are no look, but a run.
const FIRST_MAX: usize = 1000;

/// Letters of an item that are shown above its request.
const ITEM_CHARS_MAX: usize = 100;

/// Letters of an answer that are shown.
const ANSWER_CHARS_MAX: usize = 2000;

/// How many items are to be looked at.
///
/// # Errors
/// A usage error when it is none, or too many.
pub(crate) fn count(args: &RunArgs) -> Result<usize> {
    match args.first {
        None => Ok(FIRST),
        Some(count @ 1..=FIRST_MAX) => Ok(count),
        Some(_) => Err(Error::usage(format_args!(
            "-n must be between 1 and {FIRST_MAX}"
        ))),
    }
}

/// The command without anything that would leave a trace.
pub(crate) fn without_trace(mut args: RunArgs) -> RunArgs {
    args.keep.journal = None;
    args.keep.no_journal = true;
    args.keep.fresh = false;
    args.output.json = None;
    args.recording.report = None;
    args.recording.no_record = true;
    args.recording.item_text = false;
    args.no_profile = true;
    args
}

/// An item in few words, on one line.
pub(crate) fn item(item: &Record<Payload>) -> String {
    let shown = item.value.shown();
    let text = String::from_utf8_lossy(&shown);
    format!(
        "item {}: {}",
        item.index,
        shortened(&text.replace(is_control, " "), ITEM_CHARS_MAX)
    )
}

/// An answer or a result, as far as it can be looked at.
pub(crate) fn answer(payload: &Payload) -> String {
    match std::str::from_utf8(payload.bytes()) {
        Ok(text) => {
            // What would move the cursor reaches no terminal.
            let moves = |c: char| !matches!(c, '\n' | '\t') && is_control(c);
            shortened(&text.trim_end().replace(moves, "�"), ANSWER_CHARS_MAX)
        }
        Err(_) => format!("{} bytes that are no text", payload.bytes().len()),
    }
}

fn shortened(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    let all = text.chars().count();
    if all > most {
        let _ = write!(short, "… ({} characters more)", all - most);
    }
    short
}

/// What would be saved, as a command or a row.
pub(crate) fn saved(preview: &Preview) -> String {
    match preview {
        Preview::Request(request) => curl::command(request),
        Preview::Row(row) => row.clone(),
        Preview::Nothing => "nothing".to_owned(),
    }
}
