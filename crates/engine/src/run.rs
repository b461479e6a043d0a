//! Wires the parts together: a thread that reads, one that serves I/O, one that records.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use crate::clock::{Clock, thread_cpu};
use crate::cpu::{ChunkSize, Cpu};
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::heartbeat::beat;
use crate::job::{Fetch, JobOf, Types};
use crate::log::{self, Log};
use crate::options::Options;
use crate::queue::{Receiver, queue};
use crate::reader::{Reader, Reading};
use crate::recorder::Recorder;
use crate::score::{Known, Setting, score};
use crate::stage::{Context, Stage};
use crate::stop::{Level, Stop};
use crate::strategy::{self, Fetching, Intake, Steps};
use crate::summary::{Ending, Summary};
use crate::tally::Tally;

/// Runs a job on threads of its own and waits for its end.
pub(crate) fn run<W: Types>(job: JobOf<W>, options: &Options) -> Result<Summary, Error> {
    options.check()?;
    let options = options.clone();
    thread::Builder::new()
        .name("inflight-io".to_owned())
        .spawn(move || on_io_thread::<W>(job, &options))
        .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?
        .join()
        .map_err(|panic| Error::internal(format!("I/O thread {}", Fault::panicked(&*panic))))?
}

/// The same for async callers; dropping the future drains the run.
pub(crate) async fn run_async<W: Types>(
    job: JobOf<W>,
    options: &Options,
) -> Result<Summary, Error> {
    let mut abandoned = StopOnDrop(Some(job.watch.stop.clone()));
    let (sender, summary) = oneshot::channel();
    let options = options.clone();
    // Waits for the run in the caller's place, and ends with it.
    let waiting = thread::spawn(move || {
        // Nobody listens any more when the future was dropped.
        let _ = sender.send(run::<W>(job, &options));
    });
    let outcome = summary.await;
    abandoned.0 = None;
    let joined = waiting.join();
    outcome.unwrap_or_else(|_| match joined {
        Err(panic) => Err(Error::internal(Fault::panicked(&*panic).to_string())),
        Ok(()) => Err(Error::internal("the run ended without a summary")),
    })
}

struct StopOnDrop(Option<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.now();
        }
    }
}

fn on_io_thread<W: Types>(mut job: JobOf<W>, options: &Options) -> Result<Summary, Error> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("failed to start the event loop: {e}")))?;
    let clock = Clock::start();
    let (mut log, facts) = log::channel();
    let tally = Tally::new(job.source.remaining());
    let recorder = Recorder::start(facts, tally, job.watch.observer.take())?;
    let stop = job.watch.stop.clone();
    let local = LocalSet::new();
    let outcome =
        runtime.block_on(local.run_until(conduct::<W>(job, options, clock, log.another())));
    let elapsed = clock.now();
    // Cancels what was abandoned, and lets go of its part of the log.
    drop(local);
    log.push(elapsed, Fact::ThreadEnded { cpu: thread_cpu() });
    log.end();
    let tally = recorder.finish()?;
    let Conducted {
        ending,
        fetch,
        save,
    } = outcome?;
    let setting = Setting {
        options,
        elapsed,
        ending: checked(ending, &tally, &stop)?,
        fetch,
        save,
    };
    Ok(score(&tally, setting))
}

/// Checks the promise: every item is saved or dead, none twice, or the run was stopped before that.
fn checked(ending: Ending, tally: &Tally, stop: &Stop) -> Result<Ending, Error> {
    let counts = tally.counts();
    let finished = counts.saved + counts.dead;
    let all = finished == counts.read && tally.input_left == Some(0);
    match ending {
        Ending::Complete if all => Ok(Ending::Complete),
        Ending::Complete if finished <= counts.read && stop.is_wanted() => Ok(Ending::Stopped),
        Ending::Unavailable(_) | Ending::Unreadable(_) if finished <= counts.read => Ok(ending),
        _ => Err(Error::internal(format!(
            "{} items read, but {} saved and {} dead",
            counts.read, counts.saved, counts.dead
        ))),
    }
}

/// How the work itself went.
struct Conducted {
    ending: Ending,
    fetch: Option<Known>,
    save: Known,
}

/// Drives the steps to their end, and says how it came.
async fn conduct<W: Types>(
    job: JobOf<W>,
    options: &Options,
    clock: Clock,
    mut log: Log,
) -> Result<Conducted, Error> {
    let stop = job.watch.stop.clone();
    let Wired {
        steps,
        reader,
        items,
    } = wire::<W>(job, options, clock, &log)?;
    let (save, fetch) = (steps.save.clone(), steps.intake.fetch());
    spread_stop::<W>(&stop, &save, fetch.as_ref(), items.clone());
    spawn_local(beat(clock, log.another(), {
        let (save, fetch) = (save.clone(), fetch.clone());
        move || {
            fetch.iter().for_each(Stage::hand_over_facts);
            save.hand_over_facts();
            save.load()
        }
    }));
    let driving = strategy::drive(steps, options);
    match unless(driving, aborted(&stop, options.drain)).await {
        Some(outcome) => outcome?,
        None => {
            let items = save.records_in_flight() as u64;
            log.push(clock.now(), Fact::Abandoned { items });
        }
    }
    // Nobody takes items any more; a reader that waits to hand some over must see that before it is waited for.
    items.close();
    let fetch_unavailable = fetch.as_ref().and_then(Stage::unavailable);
    Ok(Conducted {
        ending: ending(fetch_unavailable.or(save.unavailable()), reader)?,
        fetch: fetch.as_ref().map(Stage::known),
        save: save.known(),
    })
}

/// The parts of a run, joined: the thread that reads is at work, the stages wait for what comes.
struct Wired<W: Types> {
    steps: Steps<W>,
    reader: Reader,
    /// What the reader fills, so that it can be told to stop.
    items: Receiver<W::Item>,
}

fn wire<W: Types>(
    job: JobOf<W>,
    options: &Options,
    clock: Clock,
    log: &Log,
) -> Result<Wired<W>, Error> {
    let (sizes, chunk_size) = (job.sizes, ChunkSize::new());
    let (sender, items) = queue(options.queue_bytes);
    let reading = Reading {
        source: job.source,
        size: sizes.item,
        chunk_size: chunk_size.clone(),
        clock,
        log: log.another(),
    };
    let reader = Reader::start(reading, sender)?;
    let context = |step, ready_max| Context {
        step,
        options,
        ready_max,
        clock,
        log: log.another(),
    };
    let intake = match job.fetch {
        Fetch::Direct => Intake::Direct(items.clone().of_same_type()),
        Fetch::Service(service) => {
            // As many are ready as can be in flight; the rest waits in the queue before the stage.
            let context = context(Step::Fetch, options.in_flight);
            Intake::Fetched(Fetching::start(items.clone(), service, &sizes, context))
        }
    };
    let context = context(Step::Save, usize::MAX);
    let steps = Steps {
        intake,
        cpu: Cpu {
            compute: job.compute,
            size: sizes.result,
            basis: options.compute_clock,
            clock,
            chunk_size,
            log: log.another(),
        },
        save: Stage::start(job.save, sizes.result, Box::new(drop), context),
        stop: job.watch.stop,
    };
    Ok(Wired {
        steps,
        reader,
        items,
    })
}

/// "Stop" is all that travels back: from the user to the save, from there to the fetch, and to the source.
fn spread_stop<W: Types>(
    stop: &Stop,
    save: &Stage<W::Result, W::Save>,
    fetch: Option<&Stage<W::Item, W::Fetch>>,
    items: Receiver<W::Item>,
) {
    let (stop, stopping, stopped) = (stop.clone(), save.clone(), save.clone());
    spawn_local(async move {
        stop.reached(Level::Drain).await;
        stopping.stop();
    });
    let (source, fetch) = (items.clone(), fetch.cloned());
    if let Some(fetch) = fetch.clone() {
        spawn_local(async move {
            fetch.stopped().await;
            items.close();
        });
    }
    spawn_local(async move {
        stopped.stopped().await;
        fetch.iter().for_each(Stage::stop);
        source.close();
    });
}

/// Ends when the run must be given up at once: it was told twice, or drained for too long.
async fn aborted(stop: &Stop, drain: Duration) {
    stop.reached(Level::Drain).await;
    // Either way it is time to go.
    let _ = timeout(drain, stop.reached(Level::Abort)).await;
}

/// What the work comes to, or `None` if the other future ends before it.
async fn unless<T>(work: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Why the work ended, as far as the parts know: a stop that came too late to stop anything is none.
fn ending(unavailable: Option<String>, reader: Reader) -> Result<Ending, Error> {
    let unreadable = reader.finish()?;
    Ok(match (unavailable, unreadable) {
        (Some(why), _) => Ending::Unavailable(why),
        (None, Some(fault)) => Ending::Unreadable(fault.to_string()),
        (None, None) => Ending::Complete,
    })
}
