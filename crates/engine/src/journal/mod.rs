//! The journal: the file that says which items are finished. Appended to by the recorder alone.
//!
//! What it promises and why it has this form stands in `README.md` beside this file. [`frame`] knows its bytes, [`State`]
//! what they come to, [`recover`] reads them back, [`Disk`] holds them.

mod claim;
mod dead_letters;
mod disk;
mod finished;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod horizon;
mod keys;
mod opened;
mod pending;
mod recover;
#[cfg(test)]
mod simulated;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod todo;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::fact::Fact;
use crate::fault::Verdict;
use crate::keys::Store;
use crate::planted::planted;
use crate::service::Durable;
pub use dead_letters::DeadLetter;
use dead_letters::DeadLetters;
pub(crate) use disk::Disk;
pub use frame::{Began, Command};
use frame::{Entry, Frame, Progress};
pub(crate) use horizon::Horizon;
use horizon::UNRECORDED_MAX;
use keys::KeysPlace;
pub use opened::{Found, OpenedJournal};
use pending::Pending;
#[cfg(test)]
pub(crate) use simulated::{Simulated, open_simulated};
use state::State;
pub(crate) use todo::{Items as TodoItems, Todo};

/// The longest an entry waits before it is written: what a crash of the program may forget. A write costs some
/// microseconds, so this often it does not show.
pub(crate) const WRITE_EVERY: Duration = Duration::from_millis(5);

/// The longest what was written waits before it is on the disk: what a loss of power may forget. Waiting for a disk
/// takes milliseconds, and it is the recorder alone that waits.
const SYNC_EVERY: Duration = Duration::from_millis(200);

/// The journal of a run. Locked while it is open: a second run on the same file is refused.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Falls before the lock on the disk does.
    _untouched: Option<claim::Untouched>,
    disk: Disk,
    salt: [u8; 4],
    state: State,
    /// Where the next frame goes.
    end: u64,
    /// Where the journal ended before this run.
    before: u64,
    /// What the run begins with; until it is written.
    unwritten: Option<Began>,
    /// Whether anything was sent or given up. A run that did neither leaves no trace.
    has_effect: bool,
    /// Whether all before that is on the disk.
    is_synced: bool,
    /// Whether nothing was left to do before this run.
    was_complete: bool,
    pending: Pending,
    letters: DeadLetters,
    keys: KeysPlace,
    /// What the reader should read; until it takes it.
    todo: Option<Todo>,
    horizon: Arc<Horizon>,
    /// Makes the sink's own output durable, where it has one.
    durable: Option<Box<dyn Durable>>,
    /// Whether items wait for those before them to be recorded.
    is_ordered: bool,
    written_at: Duration,
    synced_at: Duration,
}

impl Journal {
    /// Answers that may be ahead of the journal at any moment: with what is in flight, all that a crash can have sent twice.
    pub const UNRECORDED_MAX: u64 = UNRECORDED_MAX;

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of this run, from 1; see [`Began::epoch`].
    pub fn epoch(&self) -> u64 {
        let began = self.unwritten.as_ref().unwrap_or(&self.state.began);
        began.epoch
    }

    /// Writes that the run has begun, which is known of it if it is killed. Before that nothing may be sent.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let Some(began) = self.unwritten.take() else {
            return Ok(());
        };
        // What a crash tore off must not stand behind what is written now.
        self.disk.cut(self.before)?;
        if self.before == 0 {
            self.disk.write_at(0, &frame::head(self.salt))?;
        }
        self.disk.sync()?;
        self.append(Entry::Began(began))?;
        self.sync(Duration::ZERO)
    }

    /// Takes back that the run has begun.
    ///
    /// # Errors
    /// When the disk fails.
    fn forget(&mut self) -> io::Result<()> {
        self.disk.cut(self.before)?;
        self.disk.sync()
    }

    /// What is left to do, for the reader.
    pub(crate) fn take_todo(&mut self) -> Todo {
        self.todo.take().unwrap_or_default()
    }

    /// The items that it calls dead.
    pub(crate) fn dead(&mut self) -> io::Result<BTreeSet<u64>> {
        recover::dead_in(&mut self.disk)
    }

    /// Items that are saved and dead before this run begins; those that it tries again are neither.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let again = match &self.todo {
            Some(Todo {
                items: TodoItems::Only(items),
                ..
            }) => items.len() as u64,
            _ => 0,
        };
        (self.state.saved, self.state.dead.saturating_sub(again))
    }

    /// What is said of a disk that failed, or of an output that is not what was written.
    pub(crate) fn failure(&self, error: &io::Error) -> String {
        if error
            .get_ref()
            .is_some_and(|cause| cause.is::<OutputFailed>())
        {
            return error.to_string();
        }
        format!(
            "failed to write the journal {} or what belongs to it: {error}; what it says is still good",
            self.path.display()
        )
    }

    /// The keys by which a job knows its items, if it has any: those of its earlier runs. To be asked before [`Journal::begin`],
    /// of every job.
    ///
    /// # Errors
    /// When earlier runs knew items in another way (`OtherJob`), when keys are missing that the journal speaks of (`Damaged`),
    /// or the file cannot be read (`Storage`).
    pub(crate) fn keys(&mut self, is_keyed: bool) -> Result<Option<Store>, Error> {
        let has_finished = self.state.finished.end() > 0;
        if has_finished && is_keyed != self.state.began.is_keyed {
            return Err(keys::of_another_kind(&self.path, is_keyed));
        }
        if let Some(began) = &mut self.unwritten {
            began.is_keyed = is_keyed;
        }
        if !is_keyed {
            return Ok(None);
        }
        if self.keys.is_missing(&self.path) {
            // A run that is refused makes no file.
            keys::check(&self.path, 0, self.state.finished.end())?;
        }
        let mut store = self.keys.open(&self.path)?;
        if self.before == 0 {
            store.forget();
        }
        keys::check(&self.path, store.count(), self.state.finished.end())?;
        Ok(Some(store))
    }

    pub(crate) fn horizon(&self) -> Arc<Horizon> {
        Arc::clone(&self.horizon)
    }

    /// What the sink must have made durable before its results are called saved here. Notes where its output stands now,
    /// unless an earlier run has.
    ///
    /// # Errors
    /// When the disk fails, or the output cannot be opened; then the run has not begun.
    pub(crate) fn follow(&mut self, durable: Option<Box<dyn Durable>>) -> io::Result<()> {
        self.begin()?;
        let followed = self.try_to_follow(durable);
        if followed.is_err() {
            // What follows is the failure that counts.
            let _ = self.forget();
        }
        followed
    }

    fn try_to_follow(&mut self, durable: Option<Box<dyn Durable>>) -> io::Result<()> {
        self.durable = durable;
        let Some(durable) = &mut self.durable else {
            return Ok(());
        };
        if durable.repeats_nothing() {
            self.horizon.repeats_nothing();
        }
        if self.state.mark.is_none()
            && let Some(mark) = durable.mark().map_err(OutputFailed::of)?
        {
            let mark = Some(mark);
            self.append(Entry::Progress(Progress {
                mark,
                ..Progress::default()
            }))?;
            self.sync(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Lets fewer answers be ahead of it.
    #[cfg(test)]
    pub(crate) fn bound_unrecorded(&mut self, max: u64) {
        let watermark = self.state.finished.watermark();
        self.horizon = Arc::new(Horizon::starting_at(watermark).bounded(max));
    }

    /// Takes note of what a fact says of items, to be written when it is due.
    pub(crate) fn note(&mut self, fact: &Fact) {
        self.has_effect |= match fact {
            Fact::Attempt(attempt) => attempt.verdict != Some(Verdict::Unreached),
            Fact::Dead { .. } | Fact::Abandoned { .. } => true,
            _ => false,
        };
        match fact {
            Fact::Dead { .. } => {
                self.letters.add(fact);
                self.pending.note(fact);
            }
            _ => self.pending.note(fact),
        }
    }

    /// When something should be written, if anything waits.
    pub(crate) fn due(&self) -> Option<Duration> {
        let write = (!self.pending.is_empty()).then(|| self.written_at + self.write_every());
        let sync = (!self.is_synced).then(|| self.synced_at + SYNC_EVERY);
        write.into_iter().chain(sync).min()
    }

    /// Writes what is due, and lets those go on who waited for it.
    ///
    /// # Errors
    /// When the disk fails. Nothing may be written after that.
    pub(crate) fn advance(&mut self, now: Duration) -> io::Result<()> {
        let is_due = now >= self.written_at + self.write_every();
        // From there on the stage that saves sends nothing before this has been written.
        let is_awaited = self.horizon.is_reached(|| self.pending.saved());
        if !self.pending.is_empty() && (is_due || is_awaited || self.pending.is_large()) {
            self.write(now)?;
        }
        if !self.is_synced && now >= self.synced_at + SYNC_EVERY {
            self.sync(now)?;
        }
        Ok(())
    }

    /// Writes all there is, and waits until it is on the disk. `is_complete`: nothing is left to do.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish(&mut self, now: Duration, is_complete: bool) -> io::Result<()> {
        if !is_complete && !self.has_effect {
            return self.forget();
        }
        if !self.pending.is_empty() {
            self.write(now)?;
        } else if let Some(durable) = &mut self.durable {
            // Whether the output still is what was written is asked once more, however long ago that was.
            durable.sync().map_err(OutputFailed::of)?;
        }
        // A retry that saw its end says nothing of what was left before it.
        let is_complete = is_complete && (!self.state.began.is_retry || self.was_complete);
        self.append(Entry::Ended { is_complete })?;
        self.sync(now)
    }

    /// A sink with output of its own is made durable first, which takes as long as a sync: so it is done as often.
    fn write_every(&self) -> Duration {
        match self.durable {
            Some(_) if !self.is_awaited_by_others() => SYNC_EVERY,
            _ => WRITE_EVERY,
        }
    }

    /// Items wait for those before them to be recorded, so that is done as soon as without output.
    pub(crate) fn lets_go_in_order(&mut self) {
        self.is_ordered = true;
    }

    fn is_awaited_by_others(&self) -> bool {
        self.is_ordered && !self.horizon.does_repeat_nothing()
    }

    /// Whether those that wait for items to end may hear of all that was noted: it is written, or a crash repeats nothing.
    pub(crate) fn lets_others_go(&self) -> bool {
        self.pending.is_empty() || !self.is_awaited_by_others() || planted!(OrderUnrecorded)
    }

    fn write(&mut self, now: Duration) -> io::Result<()> {
        // In this order: what the journal calls saved or dead must outlive whatever the journal outlives.
        if let Some(durable) = &mut self.durable
            && !planted!(OutputSyncSkipped)
        {
            durable.sync().map_err(OutputFailed::of)?;
        }
        if !planted!(LetterAfterJournal) {
            self.letters.write()?;
        }
        let saved = self.pending.saved();
        let progress = self.pending.take();
        self.append(Entry::Progress(progress))?;
        if planted!(LetterAfterJournal) {
            self.letters.write()?;
        }
        self.written_at = now;
        self.horizon
            .recorded(saved, self.state.finished.watermark());
        Ok(())
    }

    fn append(&mut self, entry: Entry) -> io::Result<()> {
        debug_assert!(
            self.unwritten.is_none(),
            "a run is begun before it is recorded"
        );
        let frame = Frame {
            sequence: self.state.sequence,
            chain: self.state.chain,
            is_after_sync: (self.is_synced || planted!(ClaimsSynced)) && self.state.sequence > 0,
            entry,
        };
        let mut bytes = Vec::new();
        let sum = frame.write(self.salt, &mut bytes);
        self.disk.write_at(self.end, &bytes)?;
        self.end += bytes.len() as u64;
        self.is_synced = false;
        self.state.apply(frame, sum);
        Ok(())
    }

    fn sync(&mut self, now: Duration) -> io::Result<()> {
        if !planted!(SyncSkipped) {
            self.disk.sync()?;
        }
        self.is_synced = true;
        self.synced_at = now;
        Ok(())
    }
}

/// What a sink said of its own output: it needs no more words, and it is not the journal that failed.
#[derive(Debug)]
struct OutputFailed(io::Error);

impl OutputFailed {
    fn of(cause: io::Error) -> io::Error {
        io::Error::new(cause.kind(), OutputFailed(cause))
    }
}

impl std::fmt::Display for OutputFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OutputFailed {}
