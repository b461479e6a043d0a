//! The file of dead letters: a line of JSON for each item that will not be tried again, with its reason.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use crate::fact::{Fact, Step};
use crate::fault::Verdict;

/// An item that will not be tried again: a line of the file of dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Which item, counted from 0 in the order of the source; with keys, the number of its key.
    pub index: u64,
    /// How the key of the item is spelled, where items have keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The step that failed.
    pub step: Step,
    /// What the last failure meant.
    pub verdict: Verdict,
    /// How many attempts counted against it.
    pub attempts: u16,
    /// Why the last one failed.
    pub reason: String,
    /// When it was given up, by the clock on the wall: `2026-01-31T23:59:59Z`.
    pub time: String,
    /// What the item was at that step, where that was to be kept; bytes that are no UTF-8 are replaced by `U+FFFD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// The file, made when the first item dies (mode 0600).
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    disk: Option<Disk>,
    end: u64,
    /// Lines that are not written yet.
    lines: Vec<u8>,
}

impl DeadLetters {
    /// Where the dead letters of the journal at this path lie.
    pub(crate) fn path_beside(journal: &Path) -> PathBuf {
        let mut name = journal.as_os_str().to_owned();
        name.push(".dead.jsonl");
        PathBuf::from(name)
    }

    pub(crate) fn beside(journal: &Path) -> DeadLetters {
        DeadLetters {
            path: DeadLetters::path_beside(journal),
            disk: None,
            end: 0,
            lines: Vec::new(),
        }
    }

    /// On a disk that is there.
    #[cfg(test)]
    pub(super) fn on(mut disk: Disk) -> DeadLetters {
        DeadLetters {
            end: whole_lines(&mut disk).expect("a simulated disk can be read"),
            disk: Some(disk),
            ..DeadLetters::beside(Path::new("simulated"))
        }
    }

    /// Adds an item's letter, to be written.
    pub(crate) fn add(&mut self, fact: &Fact) {
        let Fact::Dead {
            index,
            step,
            attempts,
            fault,
            key,
            payload,
        } = fact
        else {
            return;
        };
        let letter = DeadLetter {
            index: *index,
            key: key.clone(),
            step: *step,
            verdict: fault.verdict(),
            attempts: *attempts,
            reason: fault.to_string(),
            time: humantime::format_rfc3339_seconds(SystemTime::now().max(SystemTime::UNIX_EPOCH))
                .to_string(),
            payload: payload.clone(),
        };
        serde_json::to_writer(&mut self.lines, &letter).expect("numbers and strings are JSON");
        self.lines.push(b'\n');
    }

    /// Writes what was added, and waits until it is on the disk.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let disk = match &mut self.disk {
            Some(disk) => disk,
            None => {
                let (disk, end) = open(&self.path)?;
                self.end = end;
                self.disk.insert(disk)
            }
        };
        disk.write_at(self.end, &self.lines)?;
        disk.sync()?;
        self.end += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }
}

/// Opens the file at its end. A line that a crash left unfinished is taken off: no journal calls its item dead.
fn open(path: &Path) -> io::Result<(Disk, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let mut disk = Disk::File(file);
    let end = whole_lines(&mut disk)?;
    disk.cut(end)?;
    Ok((disk, end))
}

/// The length up to the end of the last whole line.
fn whole_lines(disk: &mut Disk) -> io::Result<u64> {
    let mut end = disk.len()?;
    let mut block = vec![0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let got = disk.read_at(start, &mut block[..(end - start) as usize])?;
        if let Some(at) = block[..got].iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
