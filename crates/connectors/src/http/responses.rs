//! Keeps what a service answered: one JSON line for each save, in the order in which the engine lets go of them.

use std::path::PathBuf;
use std::sync::Arc;

use hyper::StatusCode;
use inflight::{Durable, Fault, Record};

use super::answer::Text;
use crate::columns;
use crate::jsonl::write_text;
use crate::output::{Form, Found, Output};
use crate::payload::Payload;
use crate::settings::SinkSettings;

/// A file of responses, shared by all connections of a sink.
///
/// A line has been handed to the system before its save counts: a crash of the program loses none, a crash
/// of the machine may, unless a journal has it made durable. A run that goes on from a journal cuts the file where the
/// journal says, so that there is one line for each save that it knows. What is not UTF-8 in a response is replaced by
/// `U+FFFD`.
pub(super) struct Responses(Arc<Output>);

impl Responses {
    /// A file that holds nothing yet, or is to be appended to: then a last line that a crash left unfinished is ended.
    /// Nothing is opened yet.
    pub(super) fn new(path: PathBuf, settings: &SinkSettings) -> Responses {
        let found = Found {
            may_be: settings.append,
            gets_end: true,
        };
        let output = Output::new(path, "responses ", found, settings.resume.clone());
        let form = Form {
            begins_with_index: !settings.columns.is_keyed(),
            ..Form::default()
        };
        Responses(Arc::new(output.with(form)))
    }

    /// Whether lines can be written there; else a sentence that names the file.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.check()
    }

    /// Opens the file, the first time.
    pub(super) fn open(&self) -> Result<(), Fault> {
        self.0.open().map(drop)
    }

    /// What is kept of one response. One that was longer than may be kept says so: `"cut":true`.
    pub(super) fn line(record: &Record<Payload>, status: StatusCode, text: &Text) -> Box<[u8]> {
        let mut line = Vec::with_capacity(text.bytes.len() + 64);
        columns::write_name(record, &mut line);
        line.extend_from_slice(b",\"status\":");
        line.extend_from_slice(status.as_str().as_bytes());
        line.extend_from_slice(b",\"response\":");
        write_text(&String::from_utf8_lossy(&text.bytes), &mut line);
        if text.is_cut {
            line.extend_from_slice(b",\"cut\":true");
        }
        line.extend_from_slice(b"}\n");
        line.into_boxed_slice()
    }

    /// Appends these lines. Returns how long the file is with them.
    pub(super) fn keep<'a>(
        &self,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<u64>, Fault> {
        let lines: Vec<&[u8]> = lines.collect();
        self.0.open()?.append(&lines.concat())?;
        self.0.tell();
        Ok(self.0.told())
    }

    /// What makes the file durable.
    pub(super) fn durable(&self) -> Option<Box<dyn Durable>> {
        self.0.durable(false)
    }
}
