//! A journal that was opened, locked and read, before a run goes on from it.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Journal;
use super::claim::{Untouched, open_locked};
use super::dead_letters::DeadLetters;
use super::disk::Disk;
use super::frame::{Began, Command, HEAD};
use super::horizon::Horizon;
use super::keys::{self, KeysPlace, keyed_end};
use super::pending::Pending;
use super::recover::{Damage, Recovered, dead_in, recover};
use super::state::State;
use super::todo::{Items, Todo};
use crate::error::{Error, ErrorKind};

/// A journal that nobody else can open, and what it says. Nothing has been written to it yet.
///
/// ```
/// use inflight::{Command, Fault, Job, OpenedJournal, Options};
///
/// let folder = std::env::temp_dir().join(format!("inflight-doc-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("journal");
/// let name = [("compute".to_owned(), "square".to_owned())];
/// for saved in [100, 0] {
///     let journal = OpenedJournal::open(&path)?.start(&name, Command::default())?;
///     let job = Job::new(0..100_u64).compute(|n| n * n);
///     let summary = job
///         .save(async |_: &u64| Ok::<(), Fault>(()))
///         .recorded_in(journal)
///         .run(&Options::default())?;
///     assert_eq!(summary.saved - summary.saved_before, saved, "what is finished is not done again");
/// }
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OpenedJournal {
    path: PathBuf,
    /// Falls before the lock on the disk does.
    untouched: Option<Untouched>,
    disk: Disk,
    letters: DeadLetters,
    keys: KeysPlace,
    found: Option<Recovered>,
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The last run that began.
    pub began: Began,
    /// Items saved by all runs together.
    pub saved: u64,
    /// Items that will not be tried again.
    pub dead: u64,
    /// All items below this are finished.
    pub watermark: u64,
    /// Whether the last run recorded all that it knew. If not it was killed, and what was in flight may be sent again.
    pub is_ended: bool,
    /// Whether nothing was left to do then.
    pub is_complete: bool,
    /// Up to where the output of the sink is what the journal says; see [`Connection::mark`](crate::Connection::mark).
    pub mark: Option<u64>,
    /// Bytes at the end that a crash left unfinished.
    pub torn_bytes: u64,
}

impl OpenedJournal {
    /// Opens the journal at this path, or makes one (mode 0600), and locks it. Dead letters lie beside it, at
    /// `PATH.dead.jsonl`. A journal that was made and never written to goes away with what was opened here.
    ///
    /// # Errors
    /// When another run holds it ([`Error::kind`] says `InUse`), when something in it was changed that had safely reached
    /// the disk (`Damaged`), when it is no journal, or cannot be read and written (`Storage`).
    pub fn open(path: &Path) -> Result<OpenedJournal, Error> {
        let (file, untouched) = open_locked(path)?;
        let letters = DeadLetters::beside(path);
        let mut opened = OpenedJournal::read(path, Disk::File(file), letters, KeysPlace::Beside)?;
        opened.untouched = untouched;
        Ok(opened)
    }

    pub(super) fn read(
        path: &Path,
        mut disk: Disk,
        letters: DeadLetters,
        keys: KeysPlace,
    ) -> Result<OpenedJournal, Error> {
        let found = recover(&mut disk, |_, _| {}).map_err(|error| unreadable(path, &error))?;
        if let Some(damage) = found.as_ref().and_then(|found| found.damage) {
            return Err(damaged(path, damage));
        }
        Ok(OpenedJournal {
            path: path.to_owned(),
            untouched: None,
            disk,
            letters,
            keys,
            found,
        })
    }

    /// Whether it has the key of each item that it speaks of, where items are known by keys. A run asks by itself.
    ///
    /// # Errors
    /// When keys are missing or were changed (`Damaged`), or cannot be read (`Storage`).
    pub fn check_keys(&self) -> Result<(), Error> {
        match self
            .found
            .as_ref()
            .and_then(|found| keyed_end(&found.state))
        {
            Some(end) => keys::check(&self.path, self.keys.count(&self.path)?, end),
            None => Ok(()),
        }
    }

    /// Cuts a damaged journal where the damage begins, or where it speaks of the first item whose key is missing: what stood
    /// behind is forgotten, and done again. Says how many bytes that were; none of a journal that is good.
    ///
    /// # Errors
    /// As [`OpenedJournal::open`], except for the damage.
    pub fn repair(path: &Path) -> Result<u64, Error> {
        let (file, _untouched) = open_locked(path)?;
        let mut disk = Disk::File(file);
        let found = recover(&mut disk, |_, _| {}).map_err(|error| unreadable(path, &error))?;
        let Some(found) = found else {
            return Ok(0);
        };
        let keyless = match keyed_end(&found.state) {
            Some(_) => {
                let count = KeysPlace::Beside.count(path)?;
                keys::first_without_key(&mut disk, count)
                    .map_err(|error| unreadable(path, &error))?
            }
            None => None,
        };
        let damage = found.damage.map(|Damage { at, .. }| at);
        let Some(at) = damage.into_iter().chain(keyless).min() else {
            return Ok(0);
        };
        let length = disk.len().map_err(|error| unreadable(path, &error))?;
        let cut = disk.cut(at).and_then(|()| disk.sync());
        cut.map_err(|error| unreadable(path, &error))?;
        Ok(length - at)
    }

    /// What it says; `None` of a new one.
    pub fn found(&self) -> Option<Found> {
        let Recovered { state, good, .. } = self.found.as_ref().filter(|found| found.good > 0)?;
        Some(Found {
            began: state.began.clone(),
            saved: state.saved,
            dead: state.dead,
            watermark: state.finished.watermark(),
            is_ended: state.is_ended,
            is_complete: state.is_complete,
            mark: state.mark,
            torn_bytes: self.disk.len().unwrap_or(*good) - good,
        })
    }

    /// The items that need nothing more, as ranges in their order.
    pub fn finished(&self) -> Vec<Range<u64>> {
        self.state().finished.ranges()
    }

    /// The number of the run that would begin now, from 1.
    pub fn epoch_next(&self) -> u64 {
        self.state().began.epoch + 1
    }

    /// The items that it calls dead, in order.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub fn dead(&mut self) -> Result<Vec<u64>, Error> {
        let dead = dead_in(&mut self.disk).map_err(|error| unreadable(&self.path, &error))?;
        Ok(dead.into_iter().collect())
    }

    /// Takes the word of a sink that keeps an account of its own, in the same transaction as the results: these are
    /// saved, as ranges in their order, and no others.
    ///
    /// # Errors
    /// When the journal cannot be read again.
    pub fn believe(&mut self, saved: &[Range<u64>]) -> Result<(), Error> {
        let dead: Vec<_> = self
            .dead()?
            .into_iter()
            .map(|index| index..index + 1)
            .collect();
        let found = self.found.get_or_insert_with(new);
        found.state.believe(saved, &dead);
        Ok(())
    }

    /// What of these names and values is other than in the last run, such as `compute was none, and is sha256`. Nothing, where there
    /// was none.
    pub fn changes(&self, job: &[(String, String)]) -> Vec<String> {
        let found = self.found.as_ref().filter(|found| found.good > 0);
        found.map_or_else(Vec::new, |found| changes(&found.state.began.job, job))
    }

    /// Takes these names and values for those of the last run, whatever they were: what is finished stays finished, and what is done
    /// from now on is done by them. The next run that begins writes them down.
    pub fn accept(&mut self, job: &[(String, String)]) {
        if let Some(found) = &mut self.found {
            found.state.began.job = job.to_vec();
        }
    }

    /// Begins a run of the job with these names and values, which goes on where the last one stopped. Nothing is written
    /// before the run does.
    ///
    /// # Errors
    /// When the journal is that of a job with other values (`OtherJob`, with what differs).
    pub fn start(self, job: &[(String, String)], command: Command) -> Result<Journal, Error> {
        let items = Items::Rest(self.state().finished.clone());
        self.begin(job, command, items, false)
    }

    /// Begins a run that tries these items again, which it calls dead, and no others.
    ///
    /// # Errors
    /// As [`OpenedJournal::start`].
    pub fn retry(
        self,
        job: &[(String, String)],
        command: Command,
        dead: Vec<u64>,
    ) -> Result<Journal, Error> {
        let items = Items::Only(dead.into_iter().collect());
        self.begin(job, command, items, true)
    }

    fn state(&self) -> State {
        self.found
            .as_ref()
            .map(|found| found.state.clone())
            .unwrap_or_default()
    }

    fn begin(
        self,
        job: &[(String, String)],
        command: Command,
        items: Items,
        is_retry: bool,
    ) -> Result<Journal, Error> {
        let changes = self.changes(job);
        if !changes.is_empty() {
            return Err(Error::new(
                ErrorKind::OtherJob,
                format!(
                    "the journal {} is that of another job: {}",
                    self.path.display(),
                    changes.join("; ")
                ),
            ));
        }
        let Recovered {
            salt, state, good, ..
        } = self.found.unwrap_or_else(new);
        let began = Began {
            epoch: state.began.epoch + 1,
            at_s: now_s(),
            is_retry,
            is_keyed: state.began.is_keyed,
            job: job.to_vec(),
            command,
        };
        let todo = Todo {
            // A retry may want what lies before the place where reading would go on.
            from: state
                .resume_from()
                .filter(|_| !is_retry)
                .map(|at| (at.index, at.place.clone())),
            read_to: state.read_to().map(|at| at.place.clone()),
            items,
            dead: BTreeSet::new(),
        };
        Ok(Journal {
            path: self.path,
            _untouched: self.untouched,
            disk: self.disk,
            salt,
            end: good.max(HEAD as u64),
            before: good,
            unwritten: Some(began),
            has_effect: false,
            is_synced: true,
            was_complete: state.is_complete,
            pending: Pending::default(),
            letters: self.letters,
            keys: self.keys,
            todo: Some(todo),
            horizon: Arc::new(Horizon::starting_at(state.finished.watermark())),
            state,
            durable: None,
            is_ordered: false,
            written_at: Duration::ZERO,
            synced_at: Duration::ZERO,
        })
    }
}

/// A journal that says nothing yet.
fn new() -> Recovered {
    Recovered {
        salt: fastrand::u32(..).to_le_bytes(),
        state: State::default(),
        good: 0,
        damage: None,
    }
}

/// What of the names and values of a job is other than it was, in words.
fn changes(old: &[(String, String)], new: &[(String, String)]) -> Vec<String> {
    // A name may have several values, such as a header that was given twice.
    let value = |job: &[(String, String)], name: &str| {
        let found = job.iter().filter(|(other, _)| other == name);
        let values: Vec<&str> = found.map(|(_, value)| value.as_str()).collect();
        match values.as_slice() {
            [] => "nothing".to_owned(),
            values => values.join(" and "),
        }
    };
    let names = old.iter().chain(new).map(|(name, _)| name);
    let mut seen = BTreeSet::new();
    let changed = names.filter_map(|name| {
        let (was, is) = (value(old, name), value(new, name));
        (seen.insert(name) && was != is).then(|| format!("{name} was {was}, and is {is}"))
    });
    changed.collect()
}

fn damaged(path: &Path, Damage { at, witness }: Damage) -> Error {
    Error::new(
        ErrorKind::Damaged,
        format!(
            "the journal {} was changed at byte {at}, and what stands at byte {witness} had been written after that; \
         nothing was sent; `inflight journal repair {0}` forgets what follows the damage, which is then done again",
            path.display()
        ),
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::InvalidData => Error::new(
            ErrorKind::Damaged,
            format!("failed to read {message}; name another file"),
        ),
        _ => Error::new(
            ErrorKind::Storage,
            format!("failed to read the journal {message}"),
        ),
    }
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is wrong, and the time is for people only.
    since.map_or(0, |since| since.as_secs())
}
