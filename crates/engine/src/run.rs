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
use crate::job::{Fetch, Job};
use crate::log::{self, Log};
use crate::options::Options;
use crate::queue::{Receiver, queue};
use crate::reader::{Reader, Reading};
use crate::record::Record;
use crate::recorder::Recorder;
use crate::service::{Declared, Service};
use crate::stage::{Context, Stage};
use crate::stop::{Level, Stop};
use crate::strategy::{self, Fetching, Intake, Steps};
use crate::summary::{Ending, Setting, Summary};
use crate::tally::Tally;

/// Runs a job on threads of its own and waits for its end.
pub(crate) fn run<T, Q, F, R, S>(
    job: Job<T, Q, F, R, S>,
    options: &Options,
) -> Result<Summary, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    options.check()?;
    let options = options.clone();
    thread::Builder::new()
        .name("inflight-io".to_owned())
        .spawn(move || on_io_thread(job, &options))
        .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?
        .join()
        .map_err(|panic| Error::internal(format!("I/O thread {}", Fault::panicked(&*panic))))?
}

/// The same for async callers; dropping the future drains the run.
pub(crate) async fn run_async<T, Q, F, R, S>(
    job: Job<T, Q, F, R, S>,
    options: &Options,
) -> Result<Summary, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    options.check()?;
    let options = options.clone();
    let mut abandoned = StopOnDrop(Some(job.watch.stop.clone()));
    let (sender, summary) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("inflight-io".to_owned())
        .spawn(move || {
            // Nobody listens any more when the future was dropped.
            let _ = sender.send(on_io_thread(job, &options));
        })
        .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?;
    let outcome = summary.await;
    abandoned.0 = None;
    match (outcome, thread.join()) {
        (Ok(outcome), _) => outcome,
        (Err(_), Err(panic)) => {
            let fault = Fault::panicked(&*panic);
            Err(Error::internal(format!("I/O thread {fault}")))
        }
        (Err(_), Ok(())) => Err(Error::internal("I/O thread ended early")),
    }
}

struct StopOnDrop(Option<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.now();
        }
    }
}

fn on_io_thread<T, Q, F, R, S>(
    mut job: Job<T, Q, F, R, S>,
    options: &Options,
) -> Result<Summary, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("failed to start the event loop: {e}")))?;
    let clock = Clock::start();
    let (mut log, facts) = log::channel();
    let tally = Tally::new(job.source.remaining());
    let recorder = Recorder::start(facts, tally, job.watch.observer.take())?;
    let local = LocalSet::new();
    let outcome = runtime.block_on(local.run_until(conduct(job, options, clock, log.another())));
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
    Ok(Summary::new(
        &tally,
        Setting {
            options,
            elapsed,
            ending,
            fetch,
            save,
        },
    ))
}

/// How the work itself went: why it ended, and the limits and what is known of the services.
struct Conducted {
    ending: Ending,
    fetch: Option<(usize, Declared)>,
    save: (usize, Declared),
}

/// Starts every part, drives the steps to their end, and says how it came.
async fn conduct<T, Q, F, R, S>(
    job: Job<T, Q, F, R, S>,
    options: &Options,
    clock: Clock,
    mut log: Log,
) -> Result<Conducted, Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    let Job {
        source,
        fetch,
        compute,
        save,
        sizes,
        watch,
    } = job;
    let chunk_size = ChunkSize::new();
    let (basis, size) = (options.compute_clock, sizes.result);
    let cpu = Cpu::new(
        compute,
        size,
        basis,
        clock,
        chunk_size.clone(),
        log.another(),
    );

    let (sender, items) = queue(options.queue_bytes);
    let reading = Reading {
        source,
        size: sizes.item,
        chunk_size,
        clock,
        log: log.another(),
    };
    let reader = Reader::start(reading, sender)?;

    let context = |step, bytes_max| Context {
        step,
        options,
        bytes_max,
        clock,
        log: log.another(),
    };
    let save_declared = save.declared();
    let save_context = context(Step::Save, options.queue_bytes);
    let save = Stage::start(save, sizes.result, Box::new(drop), save_context);

    let (intake, fetch) = match fetch {
        Fetch::Direct => (Intake::Direct(items.clone().of_same_type()), None),
        Fetch::Service(service) => {
            let declared = service.declared();
            // As many wait in the stage as can be in flight; the rest waits in the queue before it.
            let bytes = options.in_flight * size_of::<Record<T>>();
            let context = context(Step::Fetch, bytes);
            let fetching = Fetching::start(items.clone(), service, &sizes, context);
            let stage = fetching.stage();
            (Intake::Fetched(fetching), Some((stage, declared)))
        }
    };
    let fetch_stage = fetch.as_ref().map(|(stage, _)| stage.clone());
    spread_stop(&watch.stop, &save, fetch_stage.as_ref(), items);
    spawn_local(beat(clock, log.another(), {
        let save = save.clone();
        move || {
            fetch_stage.iter().for_each(Stage::hand_over_facts);
            save.hand_over_facts();
            save.load()
        }
    }));

    let steps = Steps {
        intake,
        cpu,
        save: save.clone(),
    };
    let driven = unless(
        strategy::drive(steps, options),
        aborted(&watch.stop, options.drain),
    );
    if let Some(outcome) = driven.await {
        outcome?;
    } else {
        let items = save.records_in_flight() as u64;
        log.push(clock.now(), Fact::Abandoned { items });
    }
    let fetch_unavailable = fetch.as_ref().and_then(|(stage, _)| stage.unavailable());
    let unavailable = fetch_unavailable.or(save.unavailable());
    Ok(Conducted {
        ending: ending(unavailable, &watch.stop, reader)?,
        fetch: fetch.map(|(stage, declared)| (stage.limit(), declared)),
        save: (save.limit(), save_declared),
    })
}

/// "Stop" is all that travels back: from the user to the save, from there to the fetch, and to the source.
fn spread_stop<T, F, R, S>(
    stop: &Stop,
    save: &Stage<R, S>,
    fetch: Option<&Stage<T, F>>,
    items: Receiver<T>,
) where
    T: 'static,
    R: 'static,
    F: Service<T>,
    S: Service<R>,
{
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

fn ending(unavailable: Option<String>, stop: &Stop, reader: Reader) -> Result<Ending, Error> {
    let unreadable = reader.finish()?;
    Ok(match (unavailable, unreadable) {
        (Some(why), _) => Ending::Unavailable(why),
        (None, Some(fault)) => Ending::Unreadable(fault.to_string()),
        (None, None) if stop.level() > Level::Run => Ending::Stopped,
        (None, None) => Ending::Complete,
    })
}
