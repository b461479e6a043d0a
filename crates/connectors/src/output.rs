//! Where lines are appended to: a file, cut back to what was told and made durable when asked, or a pipe.
//!
//! Connections write it, the recorder makes it durable, and a run that goes on cuts it where the journal says. It knows
//! bytes and lengths; what a line holds is for others. Looking at it creates nothing and removes nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use inflight::{Durable, Fault};
use nix::fcntl::OFlag;

use crate::file_id;
use crate::open_file::{OpenFile, in_turn};
use crate::open_pipe::OpenPipe;
use crate::packing::{Packing, holds_more_than, unfit_for_more};
use crate::settings::Resume;
use crate::tail::{Tail, ends_whole, first_foreign, is_line_end};

/// Where lines go, shared by all who write there.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// What is written, for messages: `cannot write {what}to …`.
    what: &'static str,
    found: Found,
    /// What the journal of this job knows of the file; what follows is cut off when it is opened.
    resume: Option<Resume>,
    form: Form,
    /// Opened once and for all connections: only then does a sync tell of every write that failed.
    opened: Mutex<Option<Arc<Opened>>>,
}

/// What the lines of a file are like.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// What a new file begins with, such as the header of CSV; no line of a record.
    pub(crate) head: Vec<u8>,
    pub(crate) packing: Packing,
    /// Whether each line begins with the index of its item, so that lines of others can be told from ours.
    pub(crate) begins_with_index: bool,
}

impl Default for Form {
    fn default() -> Form {
        Form {
            head: Vec::new(),
            packing: Packing::None,
            begins_with_index: true,
        }
    }
}

impl Form {
    /// How the file ends, where its lines can be seen.
    fn tail(&self, file: &File) -> io::Result<Tail> {
        match self.packing {
            Packing::None => Tail::of(file),
            _ => Ok(Tail::Whole),
        }
    }

    /// Whether the file may be cut off at this length.
    fn ends_at(&self, file: &File, length: u64) -> io::Result<bool> {
        match self.packing {
            Packing::None => is_line_end(file, length),
            packing => packing.begins_at(file, length),
        }
    }
}

/// What becomes of lines that the file holds already, where no journal knows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Whether others are appended; else they are in the way.
    pub(crate) may_be: bool,
    /// Whether a last one without an end gets one, whatever it is; else it is taken off, where an earlier run left it so.
    pub(crate) gets_end: bool,
}

/// What was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    File(OpenFile),
    /// A pipe or terminal, where nothing can be taken back.
    Pipe(OpenPipe),
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
            form: Form::default(),
            opened,
        }
    }

    /// The same, whose lines are like this.
    pub(crate) fn with(self, form: Form) -> Output {
        Output { form, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is written can be taken back: not from a pipe or terminal.
    pub(crate) fn is_file(&self) -> bool {
        self.path.metadata().map_or(true, |about| about.is_file())
    }

    /// Whether lines can be written there; makes nothing and changes nothing.
    ///
    /// Fails with a sentence that names the file: it cannot be written, holds something already, or is not what the
    /// journal knows.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fail = |cause: io::Error| format!("{}: {cause}", self.title());
        let Some(about) = file_id::look(&self.path).map_err(fail)? else {
            return match &self.resume {
                Some(resume) if resume.at > 0 => Err(self.is_short(0)),
                _ => Ok(()),
            };
        };
        if about.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        if !about.is_file() {
            if self.form.packing != Packing::None {
                return Err(format!(
                    "{} is no regular file, and packed lines cannot be taken back from it; leave out .gz or .zst",
                    self.path.display()
                ));
            }
            return match &self.resume {
                Some(_) => Err(format!(
                    "{} is no file any more, and what earlier runs of this job wrote is not there; \
                     put it back, or start over with --fresh",
                    self.path.display()
                )),
                None => Ok(()),
            };
        }
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let file = file.map_err(fail)?;
        match &self.resume {
            Some(resume) => self.check_resumed(&file, resume),
            None => self.check_found(&file),
        }
    }

    fn check_resumed(&self, file: &File, resume: &Resume) -> Result<(), String> {
        let at = resume.at;
        let name = self.path.display();
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let length = file.metadata().map_err(fail)?.len();
        if length < at {
            return Err(self.is_short(length));
        }
        if !self.form.ends_at(file, at).map_err(fail)? {
            return Err(format!(
                "{name} has been changed: no line ends at byte {at}, where earlier runs of this job had come; \
                 put it back, or start over with --fresh"
            ));
        }
        if resume.is_ended {
            // What follows is of others, and stays.
            let is_packed = self.form.packing != Packing::None;
            return match is_packed || ends_whole(file).map_err(fail)? {
                true => Ok(()),
                false => Err(format!(
                    "{name} ends in a line without an end, which no run of this job wrote; end it, or take it off"
                )),
            };
        }
        if !self.form.begins_with_index {
            return Ok(());
        }
        match first_foreign(file, at, &resume.finished).map_err(fail)? {
            Some(byte) => Err(format!(
                "{name} holds lines from byte {byte} on that no run of this job wrote, and what it did not record would \
                 be cut off from byte {at}; move them to another file"
            )),
            None => Ok(()),
        }
    }

    fn is_short(&self, length: u64) -> String {
        format!(
            "{} holds {length} bytes, and earlier runs of this job wrote {}; put it back, or start over with --fresh",
            self.path.display(),
            self.resume.as_ref().map_or(0, |resume| resume.at)
        )
    }

    fn check_found(&self, file: &File) -> Result<(), String> {
        let name = self.path.display();
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let length = file.metadata().map_err(fail)?.len();
        let holds_more = || holds_more_than(file, &self.form.head);
        if length > 0 && !self.found.may_be && holds_more().map_err(fail)? {
            return Err(format!(
                "{name} holds {length} bytes already; remove it, name another file, or add --append"
            ));
        }
        if length > 0 && (!self.form.head.is_empty() || self.form.packing != Packing::None) {
            let unfit = unfit_for_more(file, &self.form.head).map_err(fail)?;
            if let Some(why) = unfit {
                return Err(format!("{name} {why}; name another file"));
            }
        }
        match self.form.tail(file).map_err(fail)? {
            Tail::Foreign if !self.found.gets_end => Err(format!(
                "{name} ends in a line without an end that inflight did not write; end it, or name another file"
            )),
            Tail::Whole | Tail::Cut(_) | Tail::Foreign => Ok(()),
        }
    }

    /// Whether somebody reads the pipe, or it is none. A pipe without a reader cannot be opened.
    ///
    /// # Errors
    /// As [`Output::open`].
    pub(crate) fn has_reader(&self) -> Result<bool, Fault> {
        if !is_fifo(&self.path) {
            return Ok(true);
        }
        match open_pipe(&self.path) {
            Err(cause) if is_unread(&cause) => Ok(false),
            Err(cause) => Err(self.fault(cause)),
            Ok(pipe) => {
                let mut slot = lock(&self.opened);
                if slot.is_none() {
                    *slot = Some(Arc::new(self.pipe(pipe)?));
                }
                Ok(true)
            }
        }
    }

    /// Opens it, the first time; what was written and never told is cut off every time.
    pub(crate) fn open(&self) -> Result<Arc<Opened>, Fault> {
        let mut slot = lock(&self.opened);
        if let Some(opened) = &*slot {
            opened.begin_again().map_err(|cause| self.fault(cause))?;
            return Ok(Arc::clone(opened));
        }
        self.check().map_err(Fault::unreached)?;
        let opened = self.begin().map_err(|cause| self.fault(cause))?;
        Ok(Arc::clone(slot.insert(Arc::new(opened))))
    }

    /// An open pipe, with what it begins with.
    fn pipe(&self, pipe: File) -> Result<Opened, Fault> {
        let pipe = OpenPipe::new(pipe, self.title());
        if !self.form.head.is_empty() {
            pipe.append(&self.form.head)?;
        }
        Ok(Opened::Pipe(pipe))
    }

    fn begin(&self) -> io::Result<Opened> {
        if !self.is_file() {
            let pipe = open_pipe(&self.path).map_err(|cause| match is_unread(&cause) {
                true => io::Error::other("nobody reads it"),
                false => cause,
            })?;
            let begun = self.pipe(pipe);
            return begun.map_err(|fault| io::Error::other(fault.to_string()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)?;
        in_turn(&file.try_clone()?, || {
            match (&self.resume, self.form.tail(&file)?) {
                (Some(resume), _) if !resume.is_ended => file.set_len(resume.at),
                (_, Tail::Whole) => Ok(()),
                (None, _) if self.found.gets_end => file.write_all(b"\n"),
                (None, Tail::Cut(length)) => file.set_len(length),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }?;
            if self.form.head.is_empty() || file.metadata()?.len() > 0 {
                return Ok(());
            }
            file.write_all(&self.form.packing.pack(&self.form.head)?)
        })?;
        OpenFile::new(file, self.path.clone(), self.title()).map(Opened::File)
    }

    /// The lines written since the last time count: whoever wrote them has been answered.
    pub(crate) fn tell(&self) {
        if let Some(Opened::File(file)) = lock(&self.opened).as_deref() {
            file.tell();
        }
    }

    /// The length up to the last line that counts; `None` of a pipe or terminal, and before it is opened.
    pub(crate) fn told(&self) -> Option<u64> {
        match lock(&self.opened).as_deref()? {
            Opened::File(file) => Some(file.told()),
            Opened::Pipe(_) => None,
        }
    }

    /// Lets go of whoever waits for the reader of a pipe: the connection that asked is closed.
    pub(crate) fn give_up(&self) {
        if let Some(Opened::Pipe(pipe)) = lock(&self.opened).as_deref() {
            pipe.give_up();
        }
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
    /// Appends whole lines. When that fails half-way, what was written of them is taken back, where that can be.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), Fault> {
        match self {
            Opened::File(file) => file.append(lines),
            Opened::Pipe(pipe) => pipe.append(lines),
        }
    }

    fn begin_again(&self) -> io::Result<()> {
        match self {
            Opened::File(file) => file.forget_untold(),
            Opened::Pipe(pipe) => {
                pipe.take_up();
                Ok(())
            }
        }
    }

    /// Ends a connection: takes off what it wrote and was never told of, and waits until the rest is on the disk.
    pub(crate) fn close(&self) -> io::Result<()> {
        match self {
            Opened::File(file) => file.forget_untold().and_then(|()| file.sync()),
            Opened::Pipe(_) => Ok(()),
        }
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
        match lock(&self.output.opened).clone().as_deref() {
            Some(Opened::File(file)) => file.sync(),
            Some(Opened::Pipe(_)) | None => Ok(()),
        }
    }

    fn mark(&mut self) -> io::Result<Option<u64>> {
        let opened = self.output.open();
        opened.map_err(|fault| io::Error::other(fault.to_string()))?;
        sync_folder(self.output.path());
        Ok(self.output.told())
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

fn is_fifo(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|about| about.file_type().is_fifo())
}

/// Opens a pipe or terminal so that neither opening nor writing blocks.
fn open_pipe(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
}

/// Whether a pipe could not be opened because nobody reads it.
fn is_unread(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(nix::errno::Errno::ENXIO as i32)
}

/// What became of a write.
pub(crate) fn fault_of(title: &str, cause: io::Error) -> Fault {
    let fault = match is_storage(&cause) {
        true => Fault::storage(title),
        false => Fault::transient(title),
    };
    fault.because(cause)
}

/// Whether it is the disk that failed, or is full: trying again helps nobody before somebody has seen to it.
fn is_storage(cause: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    /// `EIO`, on every system; the standard library has no name for it.
    const INPUT_OUTPUT: i32 = 5;
    [StorageFull, QuotaExceeded, FileTooLarge, ReadOnlyFilesystem].contains(&cause.kind())
        || cause.raw_os_error() == Some(INPUT_OUTPUT)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done while it is held leaves the lengths wrong by panicking.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
