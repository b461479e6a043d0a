//! Keeps what a service answered: one line for each save, in the order in which the engine lets go of them.

use std::path::PathBuf;
use std::sync::Arc;

use inflight::{Durable, Fault, Record};

use super::request::Answer;
use crate::columns::{self, Columns};
use crate::jsonl::write_text;
use crate::line_maker::LineMaker;
use crate::output::{Found, Output};
use crate::payload::Payload;
use crate::settings::SinkSettings;

/// A file of responses, shared by all connections of a sink.
///
/// A line has been handed to the system before its save counts: a crash of the program loses none, a crash
/// of the machine may, unless a journal has it made durable. A run that goes on from a journal cuts the file where the
/// journal says, so that there is one line for each save that it knows. What is not UTF-8 in a response is replaced by
/// `U+FFFD`.
pub(super) struct Responses {
    output: Arc<Output>,
    lines: LineMaker,
    /// Whether the lines have columns that were named.
    has_columns: bool,
}

impl Responses {
    /// A file that holds nothing yet, or is to be appended to: then a last line that a crash left unfinished is ended.
    /// Nothing is opened yet.
    ///
    /// Fails with a sentence when the name of the file says CSV, and no columns are named.
    pub(super) fn new(
        path: PathBuf,
        columns: Columns,
        settings: &SinkSettings,
    ) -> Result<Responses, String> {
        let has_columns = !columns.is_default();
        let lines = LineMaker::new(&path, columns);
        if !has_columns && lines.is_csv() {
            return Err(format!(
                "responses {}: CSV needs columns; name them, as in --columns 'index,status=$status,answer=.', or name the file .jsonl",
                path.display()
            ));
        }
        let found = Found {
            may_be: settings.append,
            gets_end: true,
        };
        let output = Output::new(path, "responses ", found, settings.resume.clone());
        let mut form = lines.form();
        form.begins_with_index &= !settings.columns.is_keyed();
        Ok(Responses {
            output: Arc::new(output.with(form)),
            lines,
            has_columns,
        })
    }

    /// Whether lines can be written there; else a sentence that names the file.
    pub(super) fn check(&self) -> Result<(), String> {
        self.output.check()
    }

    /// Opens the file, the first time.
    pub(super) fn open(&self) -> Result<(), Fault> {
        self.output.open().map(drop)
    }

    /// What is kept of one response: the columns that were named, with the response as `.` of filters, else all of it. One that
    /// was longer than may be kept says so: `"cut":true`.
    ///
    /// Fails permanently when a column cannot be made of the response.
    pub(super) fn line(
        &self,
        title: &str,
        record: &Record<Payload>,
        answer: &Answer,
    ) -> Result<Box<[u8]>, Fault> {
        let text = &answer.body;
        let mut line = Vec::with_capacity(text.bytes.len() + 64);
        if self.has_columns {
            answer.must_be_whole(title, "for --columns")?;
            let headers = answer.headers();
            let input = answer.as_input(record, &headers);
            self.lines.write_of(record, &input, &mut line)?;
            return Ok(line.into_boxed_slice());
        }
        columns::write_name(record, &mut line);
        line.extend_from_slice(b",\"status\":");
        line.extend_from_slice(answer.head.status.as_str().as_bytes());
        line.extend_from_slice(b",\"response\":");
        write_text(&String::from_utf8_lossy(&text.bytes), &mut line);
        if text.is_cut {
            line.extend_from_slice(b",\"cut\":true");
        }
        line.extend_from_slice(b"}\n");
        Ok(line.into_boxed_slice())
    }

    /// Appends these lines. Returns how long the file is with them.
    pub(super) fn keep<'a>(
        &self,
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<u64>, Fault> {
        let lines: Vec<&[u8]> = lines.collect();
        let lines = lines.concat();
        self.output.open()?.append(&self.lines.packed(&lines)?)?;
        self.output.tell();
        Ok(self.output.told())
    }

    /// What makes the file durable.
    pub(super) fn durable(&self) -> Option<Box<dyn Durable>> {
        self.output.durable(false)
    }
}
