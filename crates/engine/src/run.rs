//! Wires the parts together: a thread that reads, one that serves I/O, one that records.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep_until, timeout};

use crate::ahead::Ahead;
use crate::batch_size::BatchSize;
use crate::brake::Brake;
use crate::clock::{Clock, thread_cpu};
use crate::conclusion::{Conducted, Took, conclude, left_behind};
use crate::cores::{CoresUsed, Machine, children_cpu};
use crate::cpu::{CHUNK_MAX, ChunkSize, Computing, Cpu};
use crate::driver::Driver;
use crate::ended::Ended;
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::health::Health;
use crate::heartbeat::beat;
use crate::inlet::Inlet;
use crate::job::{Compute, Fetch, JobOf, Types};
use crate::journal::Journal;
use crate::load::Load;
use crate::log::{self, Log};
use crate::options::Options;
use crate::queue::{Receiver, Sender, queue, queue_by_value};
use crate::reader::{Keyed, Reader, Reading};
use crate::recorder::{Recorder, Recording};
use crate::service::Service;
use crate::stage::{Context, Stage, Weights};
use crate::stop::{Level, Reason, Stop};
use crate::strategy::{self, Fetching, Intake, Steps};
use crate::summary::{Ending, Summary};
use crate::tally::Tally;
use crate::worker::Worker;

/// Runs a job and waits for its end. The calling thread serves I/O meanwhile: it would only wait, and what it allocates
/// costs less, because the system's allocator gives the first thread of a program room in larger pieces.
pub(crate) fn run<W: Types>(job: JobOf<W>, options: &Options) -> Result<Summary, Error> {
    options.check()?;
    let serve = || catch_unwind(AssertUnwindSafe(|| serve::<W>(job, options)));
    let outcome = match runtime::Handle::try_current() {
        Err(_) => serve(),
        // An event loop cannot begin inside another.
        Ok(_) => thread::scope(|scope| {
            let thread = io_thread().spawn_scoped(scope, serve);
            thread.map(|thread| thread.join().flatten())
        })
        .map_err(not_started)?,
    };
    outcome.unwrap_or_else(|panic| {
        let panicked = Fault::panicked(&*panic);
        Err(Error::internal(format!("the event loop {panicked}")))
    })
}

/// The same for async callers; dropping the future drains the run.
pub(crate) async fn run_async<W: Types>(
    mut job: JobOf<W>,
    options: &Options,
) -> Result<Summary, Error> {
    job.watch.stop = job.watch.stop.of_run();
    let mut abandoned = DrainOnDrop(Some(job.watch.stop.clone()));
    let (sender, summary) = oneshot::channel();
    let options = options.clone();
    // Serves in the caller's place, and ends with the run.
    let waiting = io_thread()
        .spawn(move || {
            // Nobody listens any more when the future was dropped.
            let _ = sender.send(run::<W>(job, &options));
        })
        .map_err(not_started)?;
    let outcome = summary.await;
    abandoned.0 = None;
    let joined = waiting.join();
    outcome.unwrap_or_else(|_| match joined {
        Err(panic) => Err(Error::internal(Fault::panicked(&*panic).to_string())),
        Ok(()) => Err(Error::internal("the run ended without a summary")),
    })
}

fn io_thread() -> thread::Builder {
    thread::Builder::new().name("inflight-io".to_owned())
}

fn not_started(cause: io::Error) -> Error {
    Error::internal(format!("failed to start a thread: {cause}"))
}

/// Drains a run, and no other that the same handle stops.
struct DrainOnDrop(Option<Stop>);

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.drain();
        }
    }
}

fn serve<W: Types>(job: JobOf<W>, options: &Options) -> Result<Summary, Error> {
    let (cpu_before, children_before) = (thread_cpu(), children_cpu());
    let cores_before = CoresUsed::now();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("failed to start the event loop: {e}")))?;
    let (mut log, facts) = log::channel();
    let (start, recording) = prepare::<W>(job, options, Driver::Threads)?;
    let (clock, stop) = (start.clock, start.stop.clone());
    let recorder = Recorder::start(facts, recording)?;
    let local = LocalSet::new();
    let outcome = runtime.block_on(local.run_until(conduct::<W>(start, log.another())));
    let elapsed = clock.now();
    // Cancels what was abandoned, and lets go of its part of the log.
    drop(local);
    // Processes that computed have ended with the threads that used them.
    let cpu = (thread_cpu() - cpu_before) + children_cpu().saturating_sub(children_before);
    log.push(elapsed, Fact::ThreadEnded { cpu });
    log.end();
    let machine = Machine::since(cores_before, elapsed);
    let took = Took { elapsed, machine };
    conclude(recorder.finish()?, outcome, options, took, &stop)
}

/// What the run begins with, and what it is recorded in.
pub(crate) fn prepare<W: Types>(
    mut job: JobOf<W>,
    options: &Options,
    driver: Driver,
) -> Result<(Start<'_, W>, Recording), Error> {
    let clock = driver.clock();
    let stop = job.watch.stop.of_run();
    let brake = job.watch.brake.clone();
    let mut journal = job.watch.journal.take();
    let total = job.source.remaining();
    let before = journal.as_ref().map_or((0, 0), Journal::counts);
    let has_computed = before.0 > 0;
    check::<W>(&job, options)?;
    let ahead = Ahead::of::<W>(journal.as_mut(), &mut job)?;
    let output = match &journal {
        Some(_) => None,
        None => job.save.durable(),
    };
    let (sender, items) = match &job.order {
        Some(order) => queue_by_value(options.order_bytes, order.halts),
        None => queue(options.queue_bytes),
    };
    let recording = Recording {
        output,
        tally: Tally::new(options, total, before),
        journal,
        ended: job.order.is_some().then(|| {
            let behind = items.behind();
            Ended::new(move |index, is_saved| behind.ended(index, is_saved))
        }),
        observer: job.watch.observer.take(),
        halt: options.halt,
        recent: crate::halt::Recent::default(),
        stop: stop.clone(),
        clock,
    };
    let start = Start {
        job,
        options,
        driver,
        clock,
        stop,
        brake,
        succeeded_before: before.0 > 0,
        ahead,
        items: (sender, items),
        has_computed,
    };
    Ok((start, recording))
}

/// Whether what a job was told goes together.
fn check<W: Types>(job: &JobOf<W>, options: &Options) -> Result<(), Error> {
    if job.skipped.is_some() && job.key.is_none() {
        return Err(Error::options(
            "skip-existing needs key, by which items are known",
        ));
    }
    let Some(order) = &job.order else {
        return Ok(());
    };
    if options.keep_order {
        return Err(Error::options(
            "keep-order lets no item overtake, and order-by all with another value; only one of them can be",
        ));
    }
    if order.halts && job.key.is_none() {
        return Err(Error::options(
            "halt-key needs key, by which a later run knows what is dead",
        ));
    }
    Ok(())
}

/// What a run begins with.
pub(crate) struct Start<'a, W: Types> {
    job: JobOf<W>,
    options: &'a Options,
    driver: Driver,
    pub(crate) clock: Clock,
    /// The run's own.
    pub(crate) stop: Stop,
    brake: Brake,
    /// Whether an earlier run of the job has saved something.
    succeeded_before: bool,
    ahead: Ahead,
    /// The queue from the reader.
    items: (Sender<W::Item>, Receiver<W::Item>),
    /// Whether an earlier run of the job has saved something, and so computed it.
    has_computed: bool,
}

/// Drives the steps to their end, and says how it came.
pub(crate) async fn conduct<W: Types>(
    start: Start<'_, W>,
    mut log: Log,
) -> Result<Conducted, Error> {
    let (options, clock, stop) = (start.options, start.clock, start.stop.clone());
    let Wired {
        steps,
        reader,
        input,
        health,
    } = wire::<W>(start, &log)?;
    let (save, fetch) = (steps.save.clone(), steps.intake.fetch());
    spread_stop::<W>(&stop, &save, fetch.as_ref(), input.clone());
    let behind = input.items.behind();
    spawn_local(beat(clock, log.another(), {
        let (save, fetch, to_compute) = (save.clone(), fetch.clone(), steps.intake.level());
        let behind = behind.clone();
        move || {
            fetch.iter().for_each(Stage::hand_over_facts);
            save.hand_over_facts();
            Load {
                fetch: fetch.as_ref().map(Stage::load),
                behind: behind.waiting(),
                to_compute: to_compute.chunks(),
                save: save.load(),
            }
        }
    }));
    if let Some(deadline) = options.deadline {
        let stop = stop.clone();
        spawn_local(async move {
            sleep_until(clock.at(deadline)).await;
            stop.because(Reason::Late(format!(
                "the deadline of {deadline:.0?} has passed"
            )));
        });
    }
    let driving = strategy::drive(steps, options);
    let is_abandoned = match unless(driving, aborted(&stop, options.drain)).await {
        Some(outcome) => {
            outcome?;
            false
        }
        None => true,
    };
    // Nobody takes items any more; a reader that waits to hand some over must see that before it is waited for.
    input.close();
    if !is_abandoned && !stop.is_wanted() {
        let now = clock.now();
        health
            .at_the_end()
            .into_iter()
            .for_each(|letter| log.push(now, letter));
    }
    let fetch_unavailable = fetch.as_ref().and_then(Stage::unavailable);
    let unavailable = fetch_unavailable.or(save.unavailable()).or(health.over());
    let ending = ending(unavailable, reader, &stop).await?;
    let cut_off = if is_abandoned {
        save.records_in_flight()
    } else {
        0
    };
    if let items @ 1.. = (cut_off + save.held()) as u64 {
        log.push(clock.now(), Fact::Abandoned { items });
    }
    Ok(Conducted {
        ending: match behind.left() {
            left @ 1.. if ending == Ending::Complete && !stop.is_wanted() => left_behind(left),
            _ => ending,
        },
        fetch: fetch.as_ref().map(Stage::known),
        save: save.known(),
    })
}

/// The parts of a run, joined: the thread that reads is at work, the stages wait for what comes.
struct Wired<W: Types> {
    steps: Steps<W>,
    reader: Reader,
    input: Inlet<W::Item>,
    /// Whether those who compute still can.
    health: Health,
}

fn wire<W: Types>(start: Start<'_, W>, log: &Log) -> Result<Wired<W>, Error> {
    let Start {
        job,
        options,
        driver,
        clock,
        stop,
        brake,
        succeeded_before,
        ahead: Ahead {
            todo,
            horizon,
            numbering,
        },
        items: (sender, items),
        has_computed,
    } = start;
    let sizes = job.sizes;
    let chunk_size = match &job.compute {
        Compute::Each(_) => ChunkSize::new(),
        Compute::With(_) => ChunkSize::of_workers(BatchSize::new(options.compute_batch, CHUNK_MAX)),
    };
    let reading = Reading {
        source: job.source,
        size: sizes.item,
        chunk_size: chunk_size.clone(),
        todo,
        keys: numbering
            .zip(job.key)
            .map(|(numbering, key)| Keyed { numbering, key }),
        order: job.order.map(|order| order.value),
        show: sizes.item_shown,
        horizon: horizon.clone(),
        clock,
        log: log.another(),
    };
    let reader = Reader::start(reading, sender, driver)?;
    let context = |step, ready_max, horizon| Context {
        step,
        options,
        ready_max,
        succeeded_before,
        horizon,
        stop: stop.clone(),
        brake: brake.clone(),
        clock,
        log: log.another(),
    };
    let intake = match job.fetch {
        Fetch::Direct => Intake::Direct(items.clone().of_same_type()),
        Fetch::Service(service) => {
            // As many are ready as can be in flight, or as one request takes; the rest waits in the queue before the stage.
            let ready_max = options.in_flight_max().max(service.bulk_max());
            let context = context(Step::Fetch, ready_max, None);
            Intake::Fetched(Fetching::start(items.clone(), service, &sizes, context))
        }
    };
    let context = context(Step::Save, usize::MAX, horizon.clone());
    let weights = Weights {
        record: sizes.result,
        answer: W::Save::answer_bytes,
        show: sizes.result_shown.with_payload(options.dead_payload),
    };
    let backoff = match driver {
        Driver::Threads => options.backoff,
        // Its threads do not sleep.
        #[cfg(test)]
        Driver::Simulated { .. } => Duration::ZERO,
    };
    let health = Health::new(options.compute_threads(), backoff, has_computed);
    let steps = Steps {
        intake,
        cpu: Cpu {
            computing: match job.compute {
                Compute::Each(each) => Computing::Each(each),
                Compute::With(make) => {
                    let (health, stop) = (health.clone(), stop.clone());
                    Computing::Worker(Worker::new(make, options, health, stop, clock))
                }
            },
            size: sizes.result,
            show: sizes.input_shown.with_payload(options.dead_payload),
            basis: options.compute_clock,
            clock,
            chunk_size,
            post: Arc::default(),
            dead: Vec::new(),
            took: Duration::ZERO,
            has_left: false,
            stop: stop.clone(),
            log: log.another(),
            #[cfg(test)]
            simulated: None,
        },
        save: Stage::start(job.save, weights, Box::new(drop), context),
        stop,
        driver,
    };
    Ok(Wired {
        steps,
        reader,
        input: Inlet { items, horizon },
        health,
    })
}

/// "Stop" travels back: from the user to the fetch, if what was fetched is still to be saved, else to the save and from there to
/// the fetch; and to the source.
fn spread_stop<W: Types>(
    stop: &Stop,
    save: &Stage<W::Result, W::Save>,
    fetch: Option<&Stage<W::Item, W::Fetch>>,
    input: Inlet<W::Item>,
) {
    let (stop, stopping, stopped) = (stop.clone(), save.clone(), save.clone());
    let (source, fetch) = (input.clone(), fetch.cloned());
    let fetching = fetch.clone();
    spawn_local(async move {
        stop.reached(Level::Drain).await;
        if stop.ends_saves(fetching.is_some()) {
            stopping.stop();
        }
        fetching.iter().for_each(Stage::stop);
    });
    if let Some(fetch) = fetch.clone() {
        spawn_local(async move {
            fetch.stopped().await;
            input.close();
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
async fn ending(unavailable: Option<String>, reader: Reader, stop: &Stop) -> Result<Ending, Error> {
    let unreadable = reader.finish().await?;
    if let Some(reason) = unreadable.as_ref().and_then(Reason::of) {
        // It is not the input that cannot be read.
        stop.because(reason);
    }
    Ok(match (unavailable, unreadable) {
        (Some(why), _) => Ending::Unavailable(why),
        (None, Some(fault)) => Ending::Unreadable(fault.to_string()),
        (None, None) => Ending::Complete,
    })
}
