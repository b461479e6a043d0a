//! How a run is told to stop: once to drain, twice to abort. And how its own parts do so, with a reason.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use tokio::sync::watch;

use crate::fault::{Ends, Fault};

/// A handle that stops a run. Clones stop the same run.
///
/// ```
/// use inflight::{Fault, Job, Options, Stop};
///
/// let stop = Stop::new();
/// stop.now(); // as Ctrl-C would
/// let job = Job::new(0..1_000_000).compute(|n: i32| n).save(async |_: &i32| Ok::<(), Fault>(()));
/// let summary = job.stopped_by(&stop).run(&Options::default())?;
/// assert!(summary.left > 0);
/// # Ok::<(), inflight::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stop {
    level: watch::Sender<Level>,
    /// The user's, of the handle that a run made for itself: a run that stops itself stops no other.
    users: Option<watch::Sender<Level>>,
    reason: Arc<OnceLock<Reason>>,
}

/// How urgently a run has been told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Run,
    Drain,
    Abort,
}

/// Why a part of the run itself stopped it, in words.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// The journal or the output could not be written.
    Storage(String),
    /// A bound was reached, or going on is of no use.
    Halted(String),
    /// The time for the run is over.
    Late(String),
    /// Computations do not come back.
    Hung(String),
}

impl Reason {
    /// The reason in a fault that is the end of the run; `None` of any other.
    pub(crate) fn of(fault: &Fault) -> Option<Reason> {
        Some(match fault.ends_run()? {
            Ends::Storage => Reason::Storage(fault.to_string()),
            Ends::Superseded | Ends::Hopeless => Reason::Halted(fault.to_string()),
        })
    }
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

impl Stop {
    /// A handle that nobody has used yet.
    pub fn new() -> Stop {
        Stop {
            level: watch::Sender::new(Level::Run),
            users: None,
            reason: Arc::default(),
        }
    }

    /// A handle for one run, which this one stops too; of a run's own it is the same.
    pub(crate) fn of_run(&self) -> Stop {
        if self.users.is_some() {
            return self.clone();
        }
        Stop {
            users: Some(self.level.clone()),
            ..Stop::new()
        }
    }

    /// Sends nothing new, waits for the answers to what is in flight and saves what was fetched; called again, does not wait.
    pub fn now(&self) {
        self.level.send_modify(|level| {
            *level = match level {
                Level::Run => Level::Drain,
                Level::Drain | Level::Abort => Level::Abort,
            }
        });
    }

    /// Drains the run for this reason, unless there was one before.
    pub(crate) fn because(&self, reason: Reason) {
        // The first reason is the cause; what follows from it is none.
        let _ = self.reason.set(reason);
        self.drain();
    }

    /// Drains the run, if it does not do so already.
    pub(crate) fn drain(&self) {
        self.level
            .send_modify(|level| *level = (*level).max(Level::Drain));
    }

    /// Why a part of the run stopped it, if one did.
    pub(crate) fn reason(&self) -> Option<&Reason> {
        self.reason.get()
    }

    /// Whether nothing more is to be saved. What was fetched still is when somebody stops the run, or when its time is over: an
    /// answer may have been paid for. Not so when the run stops because something is wrong.
    pub(crate) fn ends_saves(&self, has_fetch: bool) -> bool {
        let is_sound = matches!(self.reason(), None | Some(Reason::Late(_)));
        self.is_wanted() && !(has_fetch && is_sound)
    }

    /// Waits until the level is at least this.
    pub(crate) async fn reached(&self, level: Level) {
        let mut own = pin!(reached(&self.level, level));
        let Some(users) = &self.users else {
            return own.await;
        };
        let mut users = pin!(reached(users, level));
        poll_fn(|context| match own.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => users.as_mut().poll(context),
        })
        .await;
    }

    /// Whether the run should end: it was told to, or one of its parts has stopped it.
    pub fn is_wanted(&self) -> bool {
        let is_wanted = |level: &watch::Sender<Level>| *level.borrow() > Level::Run;
        is_wanted(&self.level) || self.users.as_ref().is_some_and(is_wanted)
    }
}

async fn reached(level: &watch::Sender<Level>, wanted: Level) {
    let mut receiver = level.subscribe();
    // Fails only when every sender is gone, and there is one here.
    let _ = receiver.wait_for(|now| *now >= wanted).await;
}
