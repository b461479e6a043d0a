//! A file that lines are appended to: whole ones only, cut back to what was told, made durable when asked.
//!
//! Connections write it, the recorder makes it durable, and a run that goes on cuts it where the journal says. It knows
//! bytes and lengths; what a line holds is for others.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inflight::{Durable, Fault};

use crate::path;
use crate::settings::Resume;
use crate::tail::{Tail, is_line_end};

/// A file of lines, shared by all who write it.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// What is written, for messages: `cannot write {what}to …`.
    what: &'static str,
    found: Found,
    /// What the journal of this job knows of the file; what follows is cut off when it is opened.
    resume: Option<Resume>,
    /// Opened once and for all connections: only then does a sync tell of every write that failed.
    opened: Mutex<Option<Arc<Opened>>>,
}

/// What becomes of lines that the file holds already, where no journal knows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Whether others are appended; else they are in the way.
    pub(crate) may_be: bool,
    /// Whether a last one without an end gets one, whatever it is; else it is taken off, where an earlier run left it so.
    pub(crate) gets_end: bool,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
    /// What failures are told with.
    title: String,
    /// `None` of a pipe or terminal, where nothing can be taken back.
    lengths: Option<Mutex<Lengths>>,
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
}

impl Output {
    pub(crate) fn new(
        path: PathBuf,
        what: &'static str,
        found: Found,
        resume: Option<Resume>,
    ) -> Output {
        let opened = Mutex::default();
        Output {
            path,
            what,
            found,
            resume,
            opened,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is written can be taken back: not from a pipe or terminal.
    pub(crate) fn is_file(&self) -> bool {
        self.path.metadata().map_or(true, |about| about.is_file())
    }

    /// Whether lines can be written there; leaves nothing behind.
    ///
    /// Fails with a sentence that names the file: it cannot be written, holds something already, or is not what the
    /// journal knows.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_new = path::is_new(&self.path);
        let fail = |cause: io::Error| format!("{}: {cause}", self.title());
        if is_new && self.resume.is_some_and(|resume| resume.at > 0) {
            return Err(self.is_short(0));
        }
        let file = open(&self.path).map_err(fail)?;
        if is_new {
            path::remove_created(&self.path);
            return Ok(());
        }
        match self.resume {
            Some(resume) => self.check_resumed(&file, resume),
            None => self.check_found(&file),
        }
    }

    fn check_resumed(&self, file: &File, resume: Resume) -> Result<(), String> {
        let length = resume.at;
        let name = self.path.display();
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let about = file.metadata().map_err(fail)?;
        if !about.is_file() {
            return Err(format!(
                "{name} is no file any more, and what earlier runs of this job wrote is not there; \
                 put it back, or start over with --fresh"
            ));
        }
        if about.len() < length {
            return Err(self.is_short(about.len()));
        }
        if resume.is_complete && about.len() > length {
            return Err(format!(
                "{name} holds {} bytes, and earlier runs of this job ended at byte {length}: what follows is of others, and \
                 would be cut off; move it to another file",
                about.len()
            ));
        }
        match is_line_end(file, length).map_err(fail)? {
            true => Ok(()),
            false => Err(format!(
                "{name} has been changed: no line ends at byte {length}, where earlier runs of this job had come; \
                 put it back, or start over with --fresh"
            )),
        }
    }

    fn is_short(&self, length: u64) -> String {
        format!(
            "{} holds {length} bytes, and earlier runs of this job wrote {}; put it back, or start over with --fresh",
            self.path.display(),
            self.resume.map_or(0, |resume| resume.at)
        )
    }

    fn check_found(&self, file: &File) -> Result<(), String> {
        let name = self.path.display();
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let length = file.metadata().map_err(fail)?.len();
        if length > 0 && !self.found.may_be {
            return Err(format!(
                "{name} holds {length} bytes already; name another file, or add --append"
            ));
        }
        match Tail::of(file).map_err(fail)? {
            Tail::Foreign if !self.found.gets_end => Err(format!(
                "{name} ends in a line without an end that inflight did not write; end it, or name another file"
            )),
            Tail::Whole | Tail::Cut(_) | Tail::Foreign => Ok(()),
        }
    }

    /// Opens the file, the first time; what was written and never told is cut off every time.
    pub(crate) fn open(&self) -> Result<Arc<Opened>, Fault> {
        let mut slot = lock(&self.opened);
        if let Some(opened) = &*slot {
            opened.forget_untold().map_err(|cause| self.fault(cause))?;
            return Ok(Arc::clone(opened));
        }
        self.check().map_err(Fault::unreached)?;
        let opened = self.begin().map_err(|cause| self.fault(cause))?;
        Ok(Arc::clone(slot.insert(Arc::new(opened))))
    }

    fn begin(&self) -> io::Result<Opened> {
        let mut file = open(&self.path)?;
        if file.metadata()?.is_file() {
            match (self.resume, Tail::of(&file)?) {
                (Some(resume), _) => file.set_len(resume.at)?,
                (None, Tail::Whole) => {}
                (None, _) if self.found.gets_end => file.write_all(b"\n")?,
                (None, Tail::Cut(length)) => file.set_len(length)?,
                (None, Tail::Foreign) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        let about = file.metadata()?;
        let (written, told) = (about.len(), about.len());
        Ok(Opened {
            file,
            title: self.title(),
            lengths: about
                .is_file()
                .then_some(Mutex::new(Lengths { written, told })),
            sync_failed: Mutex::new(false),
        })
    }

    /// The lines written since the last time count: whoever wrote them has been answered.
    pub(crate) fn tell(&self) {
        if let Some(opened) = &*lock(&self.opened) {
            opened.tell();
        }
    }

    /// The length up to the last line that counts; `None` of a pipe or terminal, and before it is opened.
    pub(crate) fn told(&self) -> Option<u64> {
        lock(&self.opened).as_ref()?.told()
    }

    /// What makes it durable; `None` where that means nothing. `is_all`: nothing but what stands here comes of a save, so
    /// that cutting it off undoes the save.
    pub(crate) fn durable(self: &Arc<Output>, is_all: bool) -> Option<Box<dyn Durable>> {
        let output = Arc::clone(self);
        let synced = Synced { output, is_all };
        self.is_file().then(|| Box::new(synced) as Box<dyn Durable>)
    }

    fn title(&self) -> String {
        format!("cannot write {}to {}", self.what, self.path.display())
    }

    fn fault(&self, cause: io::Error) -> Fault {
        match is_storage(&cause) {
            true => Fault::storage(self.title()).because(cause),
            false => Fault::unreached(self.title()).because(cause),
        }
    }
}

impl Opened {
    /// Appends whole lines. When that fails half-way, what was written of them is taken back.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), Fault> {
        let mut lengths = self.lengths.as_ref().map(lock);
        match (&self.file).write_all(lines) {
            Ok(()) => {
                if let Some(lengths) = &mut lengths {
                    lengths.written += lines.len() as u64;
                }
                Ok(())
            }
            Err(cause) => {
                let taken_back = lengths.map(|lengths| self.file.set_len(lengths.written));
                let fault = match is_storage(&cause) {
                    true => Fault::storage(&self.title),
                    false => Fault::transient(&self.title),
                };
                Err(match taken_back {
                    Some(Ok(())) => fault.because(cause),
                    // Part of a line may be in it.
                    _ => fault.because(cause).but_in_doubt(),
                })
            }
        }
    }

    fn tell(&self) {
        if let Some(lengths) = &self.lengths {
            let mut lengths = lock(lengths);
            lengths.told = lengths.written;
        }
    }

    fn told(&self) -> Option<u64> {
        self.lengths.as_ref().map(|lengths| lock(lengths).told)
    }

    /// Takes off what an abandoned connection wrote: its records are sent again.
    fn forget_untold(&self) -> io::Result<()> {
        let Some(lengths) = &self.lengths else {
            return Ok(());
        };
        let mut lengths = lock(lengths);
        if lengths.written > lengths.told {
            self.file.set_len(lengths.told)?;
            lengths.written = lengths.told;
        }
        Ok(())
    }

    /// Waits until all lines are on the disk. Once that has failed it fails for ever: the system tells of a write that
    /// was lost only once, and a sync that succeeds after that says nothing.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.lengths.is_none() {
            return Ok(());
        }
        let mut failed = lock(&self.sync_failed);
        let outcome = match *failed {
            true => Err(io::Error::other("an earlier sync has failed")),
            false => self.file.sync_data(),
        };
        *failed |= outcome.is_err();
        outcome.map_err(|cause| io::Error::new(cause.kind(), format!("{}: {cause}", self.title)))
    }
}

/// Makes an output durable. One that was never opened has nothing to sync.
#[derive(Debug)]
struct Synced {
    output: Arc<Output>,
    is_all: bool,
}

impl Durable for Synced {
    fn sync(&mut self) -> io::Result<()> {
        let opened = lock(&self.output.opened).clone();
        opened.map_or(Ok(()), |opened| opened.sync())
    }

    fn mark(&mut self) -> io::Result<Option<u64>> {
        let opened = self.output.open();
        let opened = opened.map_err(|fault| io::Error::other(fault.to_string()))?;
        sync_folder(self.output.path());
        Ok(opened.told())
    }

    fn repeats_nothing(&self) -> bool {
        self.is_all
    }
}

/// Makes the name of a new file outlive a loss of power. Some file systems know nothing of the sort; where a file is
/// gone after that, the run that goes on says so.
fn sync_folder(path: &Path) {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Whether it is the disk that failed, or is full: trying again helps nobody before somebody has seen to it.
fn is_storage(cause: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    /// `EIO`, on every system; the standard library has no name for it.
    const INPUT_OUTPUT: i32 = 5;
    [StorageFull, QuotaExceeded, FileTooLarge, ReadOnlyFilesystem].contains(&cause.kind())
        || cause.raw_os_error() == Some(INPUT_OUTPUT)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done while it is held leaves the lengths wrong by panicking.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
