//! Keeps what a service answered: one JSON line for each save, in the order the answers came.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;

use crate::range::{DIGITS_MAX, decimal};
use crate::row::write_text;

/// A file of responses, shared by all connections of a sink.
///
/// A line has been handed to the system before its save counts: a crash of the program loses none, a crash
/// of the machine may. What is not UTF-8 in a response is replaced by `U+FFFD`.
pub(super) struct Responses(Mutex<File>);

impl Responses {
    /// Opens the file at its end; a last line that a crash left unfinished is ended.
    pub(super) fn open(path: &Path) -> Result<Responses, String> {
        let open = || {
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(path)?;
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        open()
            .map(|file| Responses(Mutex::new(file)))
            .map_err(|cause: std::io::Error| {
                format!("cannot write responses to {}: {cause}", path.display())
            })
    }

    /// Appends one response.
    pub(super) fn keep(&self, index: u64, status: StatusCode, body: &[u8]) -> std::io::Result<()> {
        let mut line = Vec::with_capacity(body.len() + 64);
        line.extend_from_slice(b"{\"index\":");
        line.extend_from_slice(decimal(index, &mut [0; DIGITS_MAX]));
        line.extend_from_slice(b",\"status\":");
        line.extend_from_slice(status.as_str().as_bytes());
        line.extend_from_slice(b",\"response\":");
        write_text(&String::from_utf8_lossy(body), &mut line);
        line.extend_from_slice(b"}\n");
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
    }
}
