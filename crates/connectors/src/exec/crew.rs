//! All the workers of a job: who has which number, who runs, and how they all end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inflight::{Fault, Record, Reply};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Exec;
use super::said::Listener;
use super::worker::{Started, Worker};
use crate::payload::Payload;

/// How workers are treated.
#[derive(Clone)]
pub struct CrewSettings {
    /// How long a worker may take for one item, from the last answer on, 1 ms or more; then it is killed. Default 15 min:
    /// longer than almost any item takes, and one that hangs costs one worker no longer than that.
    pub timeout: Duration,
    /// Takes each line that a worker writes to standard error, with the worker's number; at most 1,000 lines of a
    /// process. Default: nobody.
    pub listener: Option<Listener>,
    /// Words before those of the command: a program that prepares something and then becomes the command. Default none.
    pub launcher: Vec<OsString>,
}

impl Default for CrewSettings {
    fn default() -> CrewSettings {
        CrewSettings {
            timeout: Duration::from_secs(900),
            listener: None,
            launcher: Vec::new(),
        }
    }
}

/// What one thread computes with: many items in, an outcome for each out.
type Hired = Box<dyn FnMut(&[Record<Payload>]) -> Result<Reply<Payload>, Fault> + Send>;

/// The workers of a job, one for each thread that computes. All of them are killed when it is dropped.
///
/// ```no_run
/// use inflight::{Job, Options};
/// use inflight_connectors::{Crew, CrewSettings, Exec, Input, NullSink};
///
/// let exec = Exec::parse("python3 worker.py")?;
/// let crew = Crew::start(&exec, CrewSettings::default())?;
/// let summary = Job::new(Input::parse("0..100", None, None)?.open()?)
///     .compute_with(crew.hire())
///     .save_to(NullSink)
///     .run(&Options::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Crew(Arc<Shared>);

/// What all workers of a crew share.
pub(super) struct Shared {
    pub(super) words: Vec<OsString>,
    pub(super) timeout: Duration,
    pub(super) listener: Option<Listener>,
    places: Mutex<Places>,
}

struct Places {
    /// By number, each with the process that runs there.
    taken: BTreeMap<usize, Option<u32>>,
    /// A worker that has been started and nobody has hired yet.
    first: Option<Started>,
    is_closed: bool,
}

impl Crew {
    /// Starts the first worker and waits for its hello; the others are started when they are needed.
    ///
    /// # Errors
    /// A sentence, when it cannot be started or says no valid hello.
    pub fn start(exec: &Exec, settings: CrewSettings) -> Result<Crew, String> {
        let words = settings.launcher.into_iter();
        let crew = Crew(Arc::new(Shared {
            words: words
                .chain(exec.words().iter().map(OsString::from))
                .collect(),
            timeout: settings.timeout,
            listener: settings.listener,
            places: Mutex::new(Places {
                taken: BTreeMap::new(),
                first: None,
                is_closed: false,
            }),
        }));
        let started = Started::new(&crew.0).map_err(|why| format!("`{exec}`: {why}"))?;
        crew.0.lock().first = Some(started);
        Ok(crew)
    }

    /// What a job computes with: for [`Job::compute_with`](inflight::Job::compute_with). It makes a worker for each thread.
    pub fn hire(&self) -> impl Fn() -> Hired + Send + Sync + use<> {
        let shared = Arc::clone(&self.0);
        move || {
            let mut worker = Worker::new(Arc::clone(&shared));
            Box::new(move |bulk: &[Record<Payload>]| worker.compute(bulk))
        }
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew")
            .field("words", &self.0.words)
            .finish_non_exhaustive()
    }
}

impl Drop for Crew {
    /// Whoever waits for one of them sees its end.
    fn drop(&mut self) {
        let first = {
            let mut places = self.0.lock();
            places.is_closed = true;
            places
                .taken
                .values()
                .flatten()
                .for_each(|&process| kill_group(process));
            places.first.take()
        };
        // Takes the lock itself.
        drop(first);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Places> {
        // No code that can panic runs under this lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker that has been started before anybody needed it.
    pub(super) fn take_first(&self) -> Option<Started> {
        self.lock().first.take()
    }

    /// The lowest free number, so that no two workers that run have the same.
    pub(super) fn seat(self: &Arc<Shared>) -> Seat {
        let mut places = self.lock();
        let free = (0..).find(|number| !places.taken.contains_key(number));
        let number = free.expect("there are more numbers than processes");
        places.taken.insert(number, None);
        Seat {
            number,
            shared: Arc::clone(self),
        }
    }
}

/// A worker's number, its own until this is dropped.
pub(super) struct Seat {
    number: usize,
    shared: Arc<Shared>,
}

impl Seat {
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// This process runs here now, and is killed with the crew.
    pub(super) fn runs(&self, process: u32) {
        let mut places = self.shared.lock();
        places.taken.insert(self.number, Some(process));
        if places.is_closed {
            kill_group(process);
        }
    }

    /// Its owner is about to wait for it; from then on its number may be that of another process.
    pub(super) fn ends(&self) {
        self.shared.lock().taken.insert(self.number, None);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.lock().taken.remove(&self.number);
    }
}

/// Kills a process that was started in a group of its own, and all that is in the group.
pub(super) fn kill_group(process: u32) {
    // Fails when all have ended, which is what is wanted.
    let _ = killpg(pid(process), Signal::SIGKILL);
}

/// The number of a process as the system's calls take it.
pub(super) fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).expect("the system numbers processes that way"))
}
