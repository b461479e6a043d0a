//! `inflight journal`: shows, checks and repairs the journal of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use inflight::{ErrorKind, Found, OpenedJournal};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::args::JournalCommand;
use crate::flags::command;
use crate::terminal::messages;
use crate::terminal::quantity::count;
use crate::terminal::stdout;

/// Does what was asked.
pub(crate) fn journal(command: JournalCommand) -> Result<Exit> {
    match command {
        JournalCommand::Show { file, json } => show(&file, json),
        JournalCommand::Check { file } => check(&file),
        JournalCommand::Repair { file } => repair(&file),
    }
}

/// Opens a journal that is there, for a look.
///
/// # Errors
/// A usage error when there is none; else as [`OpenedJournal::open`].
pub(crate) fn open(path: &Path) -> Result<(OpenedJournal, Found)> {
    if !path.is_file() {
        return Err(Error::usage(format_args!(
            "there is no journal at {}",
            path.display()
        )));
    }
    let opened = OpenedJournal::open(path)?;
    match opened.found() {
        Some(found) => Ok((opened, found)),
        None => Err(Error::usage(format_args!(
            "no run has begun in the journal {}",
            path.display()
        ))),
    }
}

/// The object of `journal show --json`.
#[derive(Debug, Serialize)]
struct Shown {
    version: u32,
    runs: u64,
    began: String,
    is_retry: bool,
    is_ended: bool,
    is_complete: bool,
    /// Whether an item is the number of its key.
    is_keyed: bool,
    saved: u64,
    dead: u64,
    /// All items below this are saved or dead.
    watermark: u64,
    /// Saved or dead, as ranges: the first, and the one after the last.
    finished: Vec<[u64; 2]>,
    mark: Option<u64>,
    torn_bytes: u64,
    job: Vec<(String, String)>,
    command: String,
}

fn show(path: &Path, is_json: bool) -> Result<Exit> {
    let (opened, found) = open(path)?;
    let began = UNIX_EPOCH + Duration::from_secs(found.began.at_s);
    let shown = Shown {
        version: 1,
        runs: found.began.epoch,
        began: humantime::format_rfc3339_seconds(began).to_string(),
        is_retry: found.began.is_retry,
        is_ended: found.is_ended,
        is_complete: found.is_complete,
        is_keyed: found.began.is_keyed,
        saved: found.saved,
        dead: found.dead,
        watermark: found.watermark,
        finished: opened
            .finished()
            .into_iter()
            .map(|range| [range.start, range.end])
            .collect(),
        mark: found.mark,
        torn_bytes: found.torn_bytes,
        command: command::shown(&found.began.command.words),
        job: found.began.job,
    };
    let text = match is_json {
        true => serde_json::to_string(&shown)? + "\n",
        false => text(&shown),
    };
    stdout::write(&text)?;
    Ok(Exit::Success)
}

fn text(shown: &Shown) -> String {
    let state = match (shown.is_complete, shown.is_ended) {
        (true, _) => "every item is saved or dead",
        (false, true) => "stopped; items are left",
        (false, false) => "did not end by itself",
    };
    let mut lines = vec![
        format!(
            "{}, {}",
            count(shown.saved, "item") + " saved",
            count(shown.dead, "dead letter")
        ),
        format!(
            "finished  all items below {}, and {} ranges in all",
            shown.watermark,
            shown.finished.len()
        ),
        format!(
            "runs      {}; the last began {} and {state}",
            shown.runs, shown.began
        ),
    ];
    if shown.torn_bytes > 0 {
        lines.push(format!(
            "torn      {} bytes at the end, which a crash left unfinished",
            shown.torn_bytes
        ));
    }
    lines.extend(
        shown
            .job
            .iter()
            .map(|(name, value)| format!("{name:<9} {value}")),
    );
    lines.push(format!("command   {}", shown.command));
    lines.join("\n") + "\n"
}

fn check(path: &Path) -> Result<Exit> {
    let (opened, found) = open(path)?;
    opened.check_keys()?;
    let torn = match found.torn_bytes {
        0 => String::new(),
        bytes => format!(
            "; {bytes} bytes at its end were left unfinished by a crash, and will be cut off"
        ),
    };
    stdout::write(&format!("{} is good{torn}\n", path.display()))?;
    Ok(Exit::Success)
}

fn repair(path: &Path) -> Result<Exit> {
    match open(path).and_then(|(opened, _)| Ok(opened.check_keys()?)) {
        Ok(()) => {
            stdout::write(&format!(
                "{} is good, there is nothing to repair\n",
                path.display()
            ))?;
            return Ok(Exit::Success);
        }
        Err(Error::Run(error)) if error.kind() == ErrorKind::Damaged => {}
        Err(error) => return Err(error),
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(".damaged");
    let copy = PathBuf::from(copy);
    if copy.exists() {
        return Err(Error::usage(format_args!(
            "{} is there already; move it away first",
            copy.display()
        )));
    }
    fs::copy(path, &copy)?;
    let forgotten = OpenedJournal::repair(path)?;
    let found = OpenedJournal::open(path)?.found();
    let (saved, dead) = found.map_or((0, 0), |found| (found.saved, found.dead));
    messages::line(&format_args!(
        "a copy of the damaged journal is {}",
        copy.display()
    ));
    stdout::write(&format!(
        "forgot the last {forgotten} bytes; {} saved and {} are still known, the rest is done again\n",
        count(saved, "item"),
        count(dead, "dead letter")
    ))?;
    Ok(Exit::Success)
}
