//! All the workers of a job: who has which number, who runs, and how they all end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use inflight::{Fault, Record, Reply, Stop};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Exec;
use super::process::GRACE;
use super::protocol::PRINTED;
use super::reaper::Reaper;
use super::said::Listener;
use super::worker::{Started, Worker};
use crate::error::Error;
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
    /// Items after which a worker is replaced, at least 1: for one that grows with every item. Default: never.
    pub recycle: Option<u64>,
    /// Takes a sentence that the user should hear, each once: a worker prints where only answers may stand, or seems not to flush
    /// what it answers. Default: nobody.
    pub notice: Option<Notice>,
    /// What each worker is told before its first item; only workers of version 2 of the protocol can be. Default: nothing.
    pub setup: Option<Bytes>,
    /// Words before those of the command: a program that prepares something and then becomes the command. Default none.
    pub launcher: Vec<OsString>,
}

/// Takes a sentence for the user.
type Notice = Arc<dyn Fn(&str) + Send + Sync>;

impl Default for CrewSettings {
    fn default() -> CrewSettings {
        CrewSettings {
            timeout: Duration::from_secs(900),
            listener: None,
            recycle: None,
            notice: None,
            setup: None,
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
///     .compute_until_stopped(crew.hire())
///     .save_to(NullSink)
///     .run(&Options::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Crew {
    shared: Arc<Shared>,
    /// Where we are the first process, somebody has to bury what workers leave behind.
    _reaper: Option<Reaper>,
}

/// What all workers of a crew share.
pub(super) struct Shared {
    pub(super) words: Vec<OsString>,
    pub(super) timeout: Duration,
    pub(super) listener: Option<Listener>,
    pub(super) setup: Option<Bytes>,
    recycle: Option<u64>,
    notice: Option<Notice>,
    /// Whether any worker has answered anything; whether the user has been asked why none does, and told that one prints.
    answered: AtomicBool,
    asked: AtomicBool,
    told: AtomicBool,
    /// When a worker that has not answered is left, once the run ends.
    leave_by: OnceLock<Instant>,
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
    pub fn start(exec: &Exec, settings: CrewSettings) -> Result<Crew, Error> {
        let words = settings.launcher.into_iter();
        let shared = Arc::new(Shared {
            words: words
                .chain(exec.words().iter().map(OsString::from))
                .collect(),
            timeout: settings.timeout,
            listener: settings.listener,
            setup: settings.setup,
            recycle: settings.recycle,
            notice: settings.notice,
            answered: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            told: AtomicBool::new(false),
            leave_by: OnceLock::new(),
            places: Mutex::new(Places {
                taken: BTreeMap::new(),
                first: None,
                is_closed: false,
            }),
        });
        let crew = Crew {
            _reaper: Reaper::if_first_process(&shared),
            shared,
        };
        let started =
            Started::new(&crew.shared, &Stop::new()).map_err(|why| format!("`{exec}`: {why}"))?;
        crew.shared.lock().first = Some(started);
        Ok(crew)
    }

    /// What a job computes with: for [`Job::compute_until_stopped`](inflight::Job::compute_until_stopped). It makes a worker for
    /// each thread. When the run ends, none is waited for longer than 2 s.
    pub fn hire(&self) -> impl Fn(&Stop) -> Hired + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |stop| {
            let mut worker = Worker::new(Arc::clone(&shared), stop);
            Box::new(move |bulk: &[Record<Payload>]| Ok(worker.compute(bulk)))
        }
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew")
            .field("words", &self.shared.words)
            .finish_non_exhaustive()
    }
}

impl Drop for Crew {
    /// Whoever waits for one of them sees its end.
    fn drop(&mut self) {
        let first = {
            let mut places = self.shared.lock();
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

    /// How many more items a worker may do that has done so many.
    pub(super) fn left_of(&self, done: u64) -> u64 {
        self.recycle
            .map_or(u64::MAX, |most| most.saturating_sub(done))
    }

    /// Until when a worker may be waited for; `None` while the run goes on.
    pub(super) fn leave_by(&self, stop: &Stop) -> Option<Instant> {
        stop.is_wanted()
            .then(|| *self.leave_by.get_or_init(|| Instant::now() + GRACE))
    }

    /// Whether the run ends, and a worker has had its time to answer.
    pub(super) fn is_time_to_leave(&self, stop: &Stop) -> bool {
        self.leave_by(stop)
            .is_some_and(|leave_by| Instant::now() >= leave_by)
    }

    /// A worker wrote a line, which was an answer, or this is wrong with it.
    pub(super) fn has_answered(&self, line: &Result<(), String>) {
        match line {
            Ok(()) => self.answered.store(true, Ordering::Relaxed),
            Err(why) if why.starts_with(PRINTED) => self.printed(why),
            Err(_) => {}
        }
    }

    /// A worker printed something.
    pub(super) fn printed(&self, why: &str) {
        self.tell(&self.told, || format!("a worker: {why}"));
    }

    /// A worker that was asked so long ago has answered nothing so far.
    pub(super) fn nothing_is_answered(&self, waited: Duration) {
        if !self.answered.load(Ordering::Relaxed) {
            self.tell(&self.asked, || {
                format!(
                    "no worker has answered anything for {} s; does it flush its answers?",
                    waited.as_secs()
                )
            });
        }
    }

    fn tell(&self, once: &AtomicBool, sentence: impl FnOnce() -> String) {
        if let Some(notice) = &self.notice
            && !once.swap(true, Ordering::Relaxed)
        {
            notice(&sentence());
        }
    }

    /// The processes that run, by their numbers.
    #[cfg(target_os = "linux")]
    pub(super) fn processes(&self) -> Vec<u32> {
        self.lock().taken.values().flatten().copied().collect()
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
