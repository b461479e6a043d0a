//! How a run is told to stop: once to drain, twice to abort.

use tokio::sync::watch;

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
pub struct Stop(watch::Sender<Level>);

/// How urgently a run has been told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Run,
    Drain,
    Abort,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

impl Stop {
    /// A handle that nobody has used yet.
    pub fn new() -> Stop {
        Stop(watch::Sender::new(Level::Run))
    }

    /// Sends nothing new and waits for the answers to what is in flight; called again, does not wait.
    pub fn now(&self) {
        self.0.send_modify(|level| {
            *level = match level {
                Level::Run => Level::Drain,
                Level::Drain | Level::Abort => Level::Abort,
            }
        });
    }

    /// Waits until the level is at least this.
    pub(crate) async fn reached(&self, level: Level) {
        let mut receiver = self.0.subscribe();
        // Fails only when every sender is gone, and `self` is one.
        let _ = receiver.wait_for(|now| *now >= level).await;
    }

    /// Whether the run should end.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.0.borrow() > Level::Run
    }
}
