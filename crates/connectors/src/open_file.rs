//! A regular file that lines are appended to, open: whole lines only, and still the file at its path.
//!
//! Others may append to the same file at the same time. Each append takes its turn with a lock on the file, so that
//! taking back half a line never takes a line of others with it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Mutex;

use inflight::Fault;

use crate::file_id::FileId;
use crate::output::{fault_of, lock};

/// The open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    path: PathBuf,
    /// What failures are told with.
    title: String,
    lengths: Mutex<Lengths>,
    /// Whether a sync has failed. Held while one goes on: of two at once, one would not see the failure.
    sync_failed: Mutex<bool>,
}

/// How long the file is.
#[derive(Debug)]
struct Lengths {
    /// With all lines that were written,
    written: u64,
    /// and with those only whose writing was answered: what is beyond may be written again.
    told: u64,
    /// Whether others have appended something since then.
    is_shared: bool,
}

impl OpenFile {
    /// Over a file that nothing but whole lines stand in.
    pub(crate) fn new(file: File, path: PathBuf, title: String) -> io::Result<OpenFile> {
        let length = file.metadata()?.len();
        Ok(OpenFile {
            file,
            path,
            title,
            lengths: Mutex::new(Lengths {
                written: length,
                told: length,
                is_shared: false,
            }),
            sync_failed: Mutex::new(false),
        })
    }

    /// Appends whole lines. When that fails half-way, what was written of them is taken back.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), Fault> {
        let fault = |cause| fault_of(&self.title, cause);
        let mut lengths = lock(&self.lengths);
        let turn = Turn::take(&self.file).map_err(fault)?;
        let before = self.file.metadata().map_err(fault)?.len();
        self.check_length(before, &lengths)
            .map_err(|cause| Fault::storage(cause.to_string()))?;
        lengths.is_shared |= before > lengths.written;
        let written = (&self.file).write_all(lines);
        let taken_back = written.is_err().then(|| self.file.set_len(before));
        drop(turn);
        match written {
            Ok(()) => {
                lengths.written = before + lines.len() as u64;
                Ok(())
            }
            Err(cause) => match taken_back {
                Some(Ok(())) => Err(fault(cause)),
                // Part of a line may be in it.
                _ => Err(fault(cause).but_in_doubt()),
            },
        }
    }

    /// The lines written since the last time count.
    pub(crate) fn tell(&self) {
        let mut lengths = lock(&self.lengths);
        (lengths.told, lengths.is_shared) = (lengths.written, false);
    }

    pub(crate) fn told(&self) -> u64 {
        lock(&self.lengths).told
    }

    /// Takes off what an abandoned connection wrote: its records are sent again. Where others have appended since, it
    /// stays, and stands there twice: their lines are worth more.
    pub(crate) fn forget_untold(&self) -> io::Result<()> {
        let mut lengths = lock(&self.lengths);
        if lengths.written == lengths.told {
            return Ok(());
        }
        let _turn = Turn::take(&self.file)?;
        if !lengths.is_shared && self.file.metadata()?.len() == lengths.written {
            self.file.set_len(lengths.told)?;
            lengths.written = lengths.told;
        }
        Ok(())
    }

    /// Waits until all lines are on the disk, in the file that stands at the path. Once that has failed it fails for
    /// ever: the system tells of a write that was lost only once, and a sync that succeeds after that says nothing.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut failed = lock(&self.sync_failed);
        let outcome = match *failed {
            true => Err(self.failed(&io::Error::other("an earlier sync has failed"))),
            false => self
                .check_there()
                .and_then(|()| self.file.sync_data().map_err(|cause| self.failed(&cause))),
        };
        *failed |= outcome.is_err();
        outcome
    }

    fn failed(&self, cause: &io::Error) -> io::Error {
        io::Error::new(cause.kind(), format!("{}: {cause}", self.title))
    }

    /// Whether all that was written still is where it was asked for: the file was neither removed nor moved, replaced or cut.
    fn check_there(&self) -> io::Result<()> {
        // In this order: what is appended between the two would look as if it had been cut off.
        let lengths = lock(&self.lengths);
        let about = self.file.metadata()?;
        self.check_length(about.len(), &lengths)?;
        let name = self.path.display();
        let lost = |what: &str| {
            Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "{name} {what} while the run wrote it, and {} bytes of results with it; start over with --fresh",
                    lengths.written
                ),
            ))
        };
        match fs::metadata(&self.path) {
            Ok(now) if FileId::of_file(&now) == FileId::of_file(&about) => Ok(()),
            Ok(_) => lost("was replaced by another file"),
            Err(_) if about.nlink() == 0 => lost("was removed"),
            Err(_) => lost("was moved away"),
        }
    }

    fn check_length(&self, length: u64, lengths: &Lengths) -> io::Result<()> {
        if length >= lengths.written {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!(
                "{} was cut while the run wrote it: it holds {length} bytes, and {} were written; start over with --fresh",
                self.path.display(),
                lengths.written
            ),
        ))
    }
}

/// The right to change the length of a file, among all programs that ask for it. Held for one write only.
struct Turn<'a>(&'a File);

impl Turn<'_> {
    fn take(file: &File) -> io::Result<Turn<'_>> {
        match file.lock() {
            // Some file systems know no locks; there nobody else is asked.
            Err(cause) if cause.kind() != io::ErrorKind::Unsupported => Err(cause),
            _ => Ok(Turn(file)),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // What cannot be unlocked was never locked; closing the file ends it at the latest.
        let _ = self.0.unlock();
    }
}

/// Does something to the end of a file while nobody else appends to it.
pub(crate) fn in_turn<T>(file: &File, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _turn = Turn::take(file)?;
    act()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_appended_during_a_sync_are_not_taken_for_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let mut options = fs::OpenOptions::new();
        let file = options.append(true).create(true).open(&path).unwrap();
        let open = OpenFile::new(file, path, "cannot write".into()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..20_000).all(|_| open.append(b"line\n").is_ok()));
            while !writer.is_finished() {
                open.check_there().unwrap();
            }
            assert!(writer.join().unwrap());
        });
    }
}
