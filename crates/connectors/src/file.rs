//! Saves each result as a line of JSON in a file: `{"index":I,"result":"R"}`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use inflight::{Connection, Fault, Record, Reply, Service};

use crate::blocking::{Blocking, Writer};
use crate::path;
use crate::payload::Payload;
use crate::row;
use crate::settings::SinkSettings;

/// Records in one write. A write costs a few microseconds whatever its size; at 8192 that no longer shows,
/// and the lines of a bulk are still only a few hundred kilobytes.
const BULK_MAX: usize = 8192;

/// How each line begins that this sink wrote; a last line that begins so and has no end was cut by a crash.
const BEGIN: &[u8] = b"{\"index\":";

/// Saves each result as a line of a file, `file:OUT.jsonl`.
///
/// What was saved has been handed to the system: a crash of the program loses none of it. It is on the disk
/// once the connection is closed; a crash of the machine before that may lose the last seconds. A write that
/// fails half-way is taken back, so that the file holds whole lines only.
///
/// A file that holds something already is refused, unless it is to be appended to; then a last line that an
/// earlier run left unfinished is taken off.
pub struct FileSink {
    path: PathBuf,
    may_append: bool,
    is_inline: bool,
    /// Whether what the file holds is of this run, so that opening it once more is no surprise.
    is_ours: AtomicBool,
}

impl FileSink {
    /// A sink at `file:PATH`. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence, when the address names no file.
    pub fn new(text: &str, settings: &SinkSettings) -> Result<FileSink, String> {
        Ok(FileSink {
            path: path::local(text, "file:")?,
            may_append: settings.append,
            is_inline: settings.inline,
            is_ours: AtomicBool::new(false),
        })
    }

    /// Whether lines can be written there.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be written, or holds something already.
    pub fn check(&self) -> Result<(), String> {
        let name = self.path.display();
        let is_new = path::is_new(&self.path);
        let mut file =
            open(&self.path).map_err(|cause| format!("cannot write to {name}: {cause}"))?;
        if is_new {
            path::remove_created(&self.path);
            return Ok(());
        }
        let fail = |cause| format!("cannot read {name}: {cause}");
        let about = file.metadata().map_err(|cause| fail(cause.to_string()))?;
        if about.len() > 0 && !self.may_append {
            return Err(format!(
                "{name} holds {} bytes already; name another file, or add --append",
                about.len()
            ));
        }
        match unfinished(&mut file).map_err(|cause| fail(cause.to_string()))? {
            Tail::Foreign => Err(format!(
                "{name} ends in a line without an end that inflight did not write; end it, or name another file"
            )),
            Tail::Whole | Tail::Cut(_) => Ok(()),
        }
    }
}

impl std::fmt::Display for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file:{}", self.path.display())
    }
}

impl Service<Payload> for FileSink {
    type Answer = ();
    type Connection = FileConnection;

    async fn connect(&self) -> Result<FileConnection, Fault> {
        if !self.is_ours.load(Ordering::Relaxed) {
            self.check().map_err(Fault::unreached)?;
        }
        let connection = Blocking::open(self.path.clone(), self.is_inline).await?;
        self.is_ours.store(true, Ordering::Relaxed);
        Ok(FileConnection(connection))
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }

    fn connections_max(&self) -> usize {
        1
    }
}

/// The one connection of a [`FileSink`]. Dropping it writes the file to the disk.
pub struct FileConnection(Blocking<Lines>);

impl Connection<Payload> for FileConnection {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        self.0.send(bulk).await
    }
}

/// The open file.
struct Lines {
    file: File,
    name: String,
    /// Length up to the last whole line; `None` for a pipe or terminal, where nothing can be taken back.
    length: Option<u64>,
    buffer: Vec<u8>,
}

impl Writer for Lines {
    type Plan = PathBuf;

    fn open(path: PathBuf) -> Result<Lines, Fault> {
        let name = path.display().to_string();
        Lines::of(&path, name.clone())
            .map_err(|cause| Fault::unreached(format!("cannot write to {name}")).because(cause))
    }

    fn write(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        self.buffer.clear();
        let mut outcomes = Vec::with_capacity(bulk.len());
        for record in bulk {
            let outcome = row::write(record, &mut self.buffer);
            if outcome.is_ok() {
                self.buffer.push(b'\n');
            }
            outcomes.push(outcome);
        }
        match self.file.write_all(&self.buffer) {
            Ok(()) => self.length = self.length.map(|length| length + self.buffer.len() as u64),
            Err(cause) => return Err(self.take_back(cause)),
        }
        if outcomes.iter().all(Result::is_ok) {
            return Ok(Reply::done(bulk.len()));
        }
        Ok(Reply::Each(outcomes))
    }
}

impl Lines {
    fn of(path: &Path, name: String) -> io::Result<Lines> {
        let mut file = open(path)?;
        if let Tail::Cut(length) = unfinished(&mut file)? {
            file.set_len(length)?;
        }
        let about = file.metadata()?;
        Ok(Lines {
            length: about.is_file().then_some(about.len()),
            file,
            name,
            buffer: Vec::new(),
        })
    }

    /// Cuts the file back to its last whole line, so that the bulk can be written again.
    fn take_back(&mut self, cause: io::Error) -> Fault {
        let Lines { file, name, .. } = self;
        match self.length.map(|length| file.set_len(length)) {
            Some(Ok(())) => Fault::transient(format!("cannot write to {name}")).because(cause),
            _ => Fault::in_doubt(format!(
                "cannot write to {name}, part of a line may be in it"
            ))
            .because(cause),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // There is nobody left to tell. What was acknowledged is with the system, which tries on.
        let _ = self.file.sync_all();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

/// How a file ends.
enum Tail {
    Whole,
    /// In a line of ours without an end; the length without it.
    Cut(u64),
    /// In such a line of somebody else's.
    Foreign,
}

/// Looks for a last line without an end, block by block from the back.
fn unfinished(file: &mut File) -> io::Result<Tail> {
    const BLOCK_BYTES: usize = 64 << 10;
    let about = file.metadata()?;
    if !about.is_file() || about.len() == 0 {
        return Ok(Tail::Whole);
    }
    let mut block = vec![0; BLOCK_BYTES];
    let mut start = about.len();
    while start > 0 {
        let size = start.min(BLOCK_BYTES as u64);
        start -= size;
        let block = &mut block[..size as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            start += at as u64 + 1;
            break;
        }
    }
    if start == about.len() {
        return Ok(Tail::Whole);
    }
    file.seek(SeekFrom::Start(start))?;
    let mut begin = Vec::new();
    Read::take(&*file, BEGIN.len() as u64).read_to_end(&mut begin)?;
    let is_ours = BEGIN.starts_with(&begin);
    Ok(if is_ours {
        Tail::Cut(start)
    } else {
        Tail::Foreign
    })
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
                Lines::open(path.clone()).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (got, expected) => panic!("{content:?}: {got:?}, expected {expected:?}"),
        }
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
