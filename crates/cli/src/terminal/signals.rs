//! Ctrl-C, SIGTERM and SIGHUP: the first drains the run, the second aborts it, the third leaves at once.
//!
//! Served on a thread of its own, because every other thread may be computing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use inflight::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::terminal::messages::Messages;

/// `SIGXFSZ`: a file has grown to the size that the user allowed. Unheard, it would end the process in the middle of a
/// write; a full disk does not do that either. Its number is the same on Linux and macOS.
const FILE_TOO_LARGE: i32 = 25;

/// How long a signal may go unnoticed by who waits for something else: less than anybody notices.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What stops runs when a signal arrives, and remembers which one it was.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    stop: Stop,
    /// The exit code of the first signal; 0 before it.
    first: Arc<AtomicU8>,
    /// Whether another followed it.
    is_urgent: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to listen. The thread is not joined: it waits for signals as long as the process lives.
    ///
    /// # Errors
    /// When the system has no thread or no signal handler to give.
    pub(crate) fn listen(messages: &Messages) -> std::io::Result<Signals> {
        let stop = Stop::new();
        let first = Arc::new(AtomicU8::new(0));
        let is_urgent = Arc::new(AtomicBool::new(false));
        let signals = Signals {
            stop: stop.clone(),
            first: Arc::clone(&first),
            is_urgent: Arc::clone(&is_urgent),
        };
        let messages = messages.clone();
        each(move |count, exit| match count {
            1 => {
                first.store(exit.code(), Ordering::Release);
                messages.say("stopping: waits for the answers to what is in flight; once more to leave without them");
                stop.now();
            }
            2 => {
                is_urgent.store(true, Ordering::Release);
                messages.say("leaving without the answers to what is in flight");
                stop.now();
            }
            // Whatever holds the run up, three times is an order.
            _ => std::process::exit(exit.code().into()),
        })?;
        Ok(signals)
    }

    /// For a program around us, which hears signals itself and stops the runs by this handle.
    pub(crate) fn of_program(stop: &Stop) -> Signals {
        Signals {
            stop: stop.clone(),
            first: Arc::default(),
            is_urgent: Arc::default(),
        }
    }

    /// What stops the runs.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether a first signal has said that the runs should end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.first.load(Ordering::Acquire) != 0 || self.stop.is_wanted()
    }

    /// Does what may block for ever, on a thread of its own, and waits for it; `None` if a signal comes first, and the
    /// thread is left behind.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn unless_stopped<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<Option<T>> {
        let (sender, outcome) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("inflight-open".to_owned())
            .spawn(move || {
                // Nobody waits any more when a signal has come.
                let _ = sender.send(act());
            })?;
        loop {
            match outcome.recv_timeout(LOOK_EVERY) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Timeout) if !self.is_stopped() => {}
                // A panic has been printed by its thread.
                Err(_) => return Ok(None),
            }
        }
    }

    /// Whether a second signal has said that nothing in flight should be waited for.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::Acquire)
    }

    /// How to leave because of a signal, once one has arrived.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let code = self.first.load(Ordering::Acquire);
        [Exit::Interrupted, Exit::Terminated, Exit::HungUp]
            .into_iter()
            .find(|exit| exit.code() == code)
    }
}

/// Calls `act` for each signal from now on, with how many there have been and how the process would leave because of it.
///
/// # Errors
/// When the system has no thread or no signal handler to give.
pub(crate) fn each(mut act: impl FnMut(u32, Exit) + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    // Handlers are in place before this returns: a signal that comes early is not lost.
    let (mut ends, too_large) = {
        let _inside = runtime.enter();
        let mut ends = vec![
            (signal(SignalKind::interrupt())?, Exit::Interrupted),
            (signal(SignalKind::terminate())?, Exit::Terminated),
        ];
        if !is_hangup_ignored() {
            ends.push((signal(SignalKind::hangup())?, Exit::HungUp));
        }
        (ends, signal(SignalKind::from_raw(FILE_TOO_LARGE))?)
    };
    std::thread::Builder::new()
        .name("inflight-signal".to_owned())
        .spawn(move || {
            // The write that failed says so by itself.
            let _heard = too_large;
            for count in 1.. {
                let exit = runtime.block_on(next(&mut ends));
                act(count, exit);
            }
        })?;
    Ok(())
}

async fn next(ends: &mut [(Signal, Exit)]) -> Exit {
    std::future::poll_fn(|context| {
        for (signal, exit) in &mut *ends {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*exit);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Whether the program was started so that it outlives its terminal, as `nohup` does: then it goes on ignoring that.
fn is_hangup_ignored() -> bool {
    /// `SIGHUP`, the first bit of the mask in `/proc`.
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Where nobody can tell, a run that drains loses nothing.
    mask.is_some_and(|mask| mask & HANGUP != 0)
}
