//! Asks every second whether the run is to be held, on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use inflight::Brake;
use inflight_connectors::{BrakeGauge, BrakeReading};

use crate::error::{Error, Result};
use crate::terminal::messages::Messages;

/// Between two questions: a replica gets no further behind meanwhile than a run saves in a second.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Who asks; ends when it is dropped.
pub(crate) struct Braking {
    pub(crate) brake: Brake,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Braking {
    /// Asks for the first time, and then every second. Where nobody can be asked the run is held.
    ///
    /// # Errors
    /// When nobody can be asked at first.
    pub(crate) fn start(gauge: BrakeGauge, messages: &Messages) -> Result<Braking> {
        let (brake, messages) = (Brake::new(), messages.clone());
        let mut held = Held {
            brake: brake.clone(),
            since: None,
            messages,
        };
        held.is_said(gauge.ask().map_err(Error::unfit)?);
        let (end, ended) = channel();
        let asking = move || {
            while ended.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let said = gauge.ask();
                held.is_said(said.unwrap_or_else(|fault| BrakeReading::Hold(fault.to_string())));
            }
        };
        let thread = thread::Builder::new()
            .name("inflight-brake".to_owned())
            .spawn(asking);
        Ok(Braking {
            brake,
            end: Some(end),
            thread: Some(thread.context("failed to start a thread")?),
        })
    }
}

impl Drop for Braking {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What was said last.
struct Held {
    brake: Brake,
    since: Option<Instant>,
    messages: Messages,
}

impl Held {
    fn is_said(&mut self, reading: BrakeReading) {
        match (reading, self.since) {
            (BrakeReading::Hold(why), None) => {
                self.brake.hold();
                self.since = Some(Instant::now());
                self.messages.say(format_args!("brake: held, {why}"));
            }
            (BrakeReading::Go, Some(since)) => {
                self.brake.release();
                self.since = None;
                let held = since.elapsed().as_secs_f64();
                self.messages
                    .say(format_args!("brake: goes on after {held:.0} s"));
            }
            (BrakeReading::Hold(_), Some(_)) | (BrakeReading::Go, None) => {}
        }
    }
}
