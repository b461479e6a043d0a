//! `async`: computing and I/O share one thread. Requests start as soon as they can; between computations the
//! loop is handed over, so that what was answered meanwhile is served.

use std::time::Duration;

use tokio::task::{spawn_local, yield_now};

use super::Steps;
use crate::clock::Clock;
use crate::error::Error;
use crate::job::Types;

pub(super) async fn drive<W: Types>(
    steps: Steps<W>,
    yield_every: Option<Duration>,
) -> Result<(), Error> {
    let save = steps.save.clone();
    // A task among others, not the one that is blocked on: that one would be polled first after each yield,
    // before the requests that were answered.
    let computing = spawn_local(compute(steps, yield_every));
    computing
        .await
        .map_err(|error| Error::internal(format!("computing task: {error}")))?;
    save.idle().await;
    Ok(())
}

async fn compute<W: Types>(steps: Steps<W>, yield_every: Option<Duration>) {
    let Steps {
        intake,
        mut cpu,
        save,
        stop,
        ..
    } = steps;
    let has_fetch = intake.fetch().is_some();
    let inputs = intake.stream();
    let mut turn = Turn::new(yield_every);
    'inputs: while let Some(chunk) = inputs.recv_async().await {
        for record in chunk.records {
            if stop.ends_saves(has_fetch) || save.room().await.is_err() {
                break 'inputs;
            }
            let result = cpu.one_among_requests(record, &mut save.log());
            if let Some(result) = result {
                save.offer_one(result);
            }
            if cpu.is_over() {
                break 'inputs;
            }
            turn.yield_if_due().await;
        }
    }
}

/// When the loop was last handed over.
struct Turn {
    every: Option<Duration>,
    clock: Clock,
}

impl Turn {
    fn new(every: Option<Duration>) -> Turn {
        Turn {
            every,
            clock: Clock::start(),
        }
    }

    async fn yield_if_due(&mut self) {
        if self.every.is_some_and(|every| self.clock.now() >= every) {
            yield_now().await;
            self.clock = Clock::start();
        }
    }
}
