//! Saves each result as a line of a file: of JSON, such as `{"index":I,"result":"R"}`, or of CSV.

use std::path::Path;
use std::sync::Arc;

use inflight::{Connection, Durable, Fault, Record, Reply, Service, Source};

use crate::blocking::{Blocking, Writer};
use crate::error::Error;
use crate::existing::{EachKey, unkept};
use crate::input::Input;
use crate::item_key::ItemKey;
use crate::kind::Kind;
use crate::line_maker::LineMaker;
use crate::output::{Found, Opened, Output};
use crate::path;
use crate::payload::Payload;
use crate::settings::SinkSettings;

/// Records in one write. A write costs a few microseconds whatever its size; at 8192 that no longer shows,
/// and the lines of a bulk are still only a few hundred kilobytes.
const BULK_MAX: usize = 8192;

/// Lines that are read at once when the file is asked which keys it has.
const READ_AT_ONCE: usize = 1024;

/// Saves each result as a line of a file: of CSV where it is called `.csv` or `.tsv`, else of JSON, as in `file:OUT.jsonl`. A name
/// that ends in `.gz` or `.zst` has each write packed. `file:-` is standard output.
///
/// What was saved has been handed to the system: a crash of the program loses none of it. It is on the disk
/// once the connection is closed, or when the recorder of a journal asks; a crash of the machine before that may lose
/// the last seconds. A write that fails half-way is taken back, so that the file holds whole lines only.
///
/// A file that holds something already is refused, unless it is to be appended to; then a last line that an
/// earlier run left unfinished is taken off. A run that goes on from a journal cuts the file where the journal says,
/// so that each result stands in it once.
pub struct FileSink {
    output: Arc<Output>,
    lines: LineMaker,
    is_inline: bool,
}

/// What `file:-` stands for.
const STANDARD_OUTPUT: &str = "/dev/stdout";

impl FileSink {
    /// A sink at `file:PATH`. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence, when the address names no file.
    pub fn new(text: &str, settings: &SinkSettings) -> Result<FileSink, Error> {
        let path = match path::local(text, "file:")? {
            dash if dash == Path::new("-") => STANDARD_OUTPUT.into(),
            path => path,
        };
        if let Some(what) = unwritable(&path) {
            return Err(format!(
                "`{text}`: {what} files are not written; save to file:{}",
                path.with_extension("csv").display()
            )
            .into());
        }
        let found = Found {
            may_be: settings.append,
            gets_end: false,
        };
        let lines = LineMaker::new(&path, settings.columns.clone());
        Ok(FileSink {
            output: Arc::new(
                Output::new(path, "", found, settings.resume.clone()).with(lines.form()),
            ),
            lines,
            is_inline: settings.inline,
        })
    }

    /// Whether lines can be written there.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be written, holds something already, or is not what the journal knows.
    pub fn check(&self) -> Result<(), Error> {
        Ok(self.output.check()?)
    }

    /// Whether a result could be written now: `false` of a pipe that nobody reads, which may still come.
    ///
    /// # Errors
    /// A fault that names the pipe, when it cannot be opened.
    pub fn has_reader(&self) -> Result<bool, Fault> {
        self.output.has_reader()
    }

    /// Tells every key that the file has, once it is cut to what a journal knows.
    pub(crate) fn existing(&self, each: EachKey<'_>) -> Result<(), Fault> {
        let path = self.output.path().display();
        let failed =
            |why: String| Fault::permanent(format!("cannot read the keys in {path}: {why}"));
        let (column, format) = self.lines.read_back().map_err(failed)?;
        if !self.output.is_file() {
            return Err(failed("it is no file".to_owned()));
        }
        self.output.open()?;
        // A name that looks like a range is that of a file here.
        let place = Path::new(".").join(self.output.path());
        let input = Input::parse(&place.to_string_lossy(), Some(format), None);
        let input = input.map_err(|why| failed(why.to_string()))?;
        let mut items = input.open().map_err(|why| failed(why.to_string()))?;
        let key = ItemKey::named(column);
        let mut read = Vec::new();
        loop {
            items.read(READ_AT_ONCE, &mut read)?;
            if read.is_empty() {
                return Ok(());
            }
            for item in read.drain(..) {
                let key = item.and_then(|item| key.of(&item));
                each(&key.map_err(|fault| failed(fault.to_string()))?).map_err(unkept)?;
            }
        }
    }

    /// The line that would be written of this result, without its end.
    ///
    /// # Errors
    /// Permanent, when a column of it cannot be made.
    pub(crate) fn preview(&self, record: &Record<Payload>) -> Result<String, Fault> {
        let mut line = Vec::new();
        self.lines.write(record, &mut line)?;
        let line = String::from_utf8_lossy(&line);
        Ok(line.trim_end_matches('\n').to_owned())
    }

    /// What is promised of a result that is saved here: of a pipe or terminal no more than of any other service.
    pub fn kind(&self) -> Kind {
        match self.output.is_file() {
            true => Kind::File,
            false => Kind::Append,
        }
    }
}

impl std::fmt::Display for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file:{}", self.output.path().display())
    }
}

impl Service<Payload> for FileSink {
    type Answer = ();
    type Connection = FileConnection;

    async fn connect(&self) -> Result<FileConnection, Fault> {
        // A reader of a pipe may be slow: no other thread waits for it.
        let is_inline = self.is_inline && self.output.is_file();
        let plan = (Arc::clone(&self.output), self.lines.clone());
        let lines = Blocking::open(plan, is_inline).await?;
        let output = Arc::clone(&self.output);
        Ok(FileConnection { lines, output })
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }

    fn connections_max(&self) -> usize {
        1
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        self.output.durable(true)
    }
}

/// The one connection of a [`FileSink`]. Dropping it writes the file to the disk.
pub struct FileConnection {
    lines: Blocking<Lines>,
    output: Arc<Output>,
}

impl Drop for FileConnection {
    fn drop(&mut self) {
        // Before the thread is joined: it may wait for a reader that never reads.
        self.output.give_up();
    }
}

impl Connection<Payload> for FileConnection {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        let reply = self.lines.send(bulk).await?;
        self.output.tell();
        Ok(reply)
    }

    fn mark(&self) -> Option<u64> {
        self.output.told()
    }
}

/// Writes lines, on whichever thread may block.
struct Lines {
    file: Arc<Opened>,
    lines: LineMaker,
    buffer: Vec<u8>,
}

impl Writer for Lines {
    type Plan = (Arc<Output>, LineMaker);

    fn open((output, lines): Self::Plan) -> Result<Lines, Fault> {
        let (file, buffer) = (output.open()?, Vec::new());
        Ok(Lines {
            file,
            lines,
            buffer,
        })
    }

    fn write(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        self.buffer.clear();
        let mut outcomes = Vec::with_capacity(bulk.len());
        for record in bulk {
            outcomes.push(self.lines.write(record, &mut self.buffer));
        }
        self.file.append(&self.lines.packed(&self.buffer)?)?;
        if outcomes.iter().all(Result::is_ok) {
            return Ok(Reply::done(bulk.len()));
        }
        Ok(Reply::Each(outcomes))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // There is nobody left to tell, but a journal that asks later is told. What was acknowledged is with the system,
        // which tries on.
        let _ = self.file.close();
    }
}

/// What a name says that the file should be, where no such file can be written.
fn unwritable(path: &Path) -> Option<&'static str> {
    let end = path.extension()?.to_str()?.to_ascii_lowercase();
    match end.as_str() {
        "xls" | "xlsx" | "ods" => Some("spreadsheet"),
        "parquet" => Some("Parquet"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, append: bool, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, content).unwrap();
        let settings = SinkSettings {
            append,
            inline: true,
            ..SinkSettings::default()
        };
        let sink = FileSink::new(&format!("file:{}", path.display()), &settings).unwrap();
        match (sink.check(), expected) {
            (Ok(()), Ok(expected)) => {
                sink.output.open().unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            }
            (Err(message), Err(part)) => assert!(message.to_string().contains(part), "{message}"),
            (got, expected) => panic!("{content:?}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn lines_are_not_written_under_the_name_of_something_else() {
        let error = FileSink::new("file:a/out.XLSX", &SinkSettings::default()).err();
        assert!(
            error
                .unwrap()
                .to_string()
                .contains("save to file:a/out.csv")
        );
    }

    #[test]
    fn what_a_file_holds_is_respected() {
        check("", false, Ok(""));
        check("x\n", false, Err("--append"));
        check("x\n", true, Ok("x\n"));
        check("x", true, Err("did not write"));
        check("x\n{\"index\":1,\"res", true, Ok("x\n"));
        check("{\"ind", true, Ok(""));
        let long = format!("x\n{{\"index\":1,\"result\":\"{}", "y".repeat(200_000));
        check(&long, true, Ok("x\n"));
    }
}
