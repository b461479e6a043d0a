//! Ctrl-C and SIGTERM: the first drains the run, the second aborts it, the third leaves at once.
//!
//! Served on a thread of its own, because every other thread may be computing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use inflight::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::terminal::messages::Messages;

/// `SIGXFSZ`: a file has grown to the size that the user allowed. Unheard, it would end the process in the middle of a
/// write; a full disk does not do that either. Its number is the same on Linux and macOS.
const FILE_TOO_LARGE: i32 = 25;

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

    /// What stops the runs.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether a second signal has said that nothing in flight should be waited for.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::Acquire)
    }

    /// How to leave because of a signal, once one has arrived.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let code = self.first.load(Ordering::Acquire);
        [Exit::Interrupted, Exit::Terminated]
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
    let (mut interrupt, mut terminate, too_large) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        )
    };
    std::thread::Builder::new()
        .name("inflight-signal".to_owned())
        .spawn(move || {
            // The write that failed says so by itself.
            let _heard = too_large;
            for count in 1.. {
                let exit = runtime.block_on(next(&mut interrupt, &mut terminate));
                act(count, exit);
            }
        })?;
    Ok(())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Exit {
    std::future::poll_fn(|context| {
        if interrupt.poll_recv(context).is_ready() {
            return std::task::Poll::Ready(Exit::Interrupted);
        }
        terminate.poll_recv(context).map(|_| Exit::Terminated)
    })
    .await
}
