//! The threads that compute for `parallel`: starts them, watches over them, replaces one that hangs, joins the rest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cpu::Cpu;
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::post::{Overdue, Post, Seen};
use crate::queue::{Receiver, Sender};
use crate::record::Chunk;
use crate::stop::{Reason, Stop};

/// How often hanging threads are looked for, at least this many times within the deadline of a computation.
const LOOKS: u32 = 20;
/// The longest between two looks.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// The threads that compute.
pub(super) struct Threads<Q, R> {
    cpu: Cpu<Q, R>,
    inputs: Receiver<Q>,
    /// What another thread would need. Dropped when the input is over, so that the results end with the last thread.
    spare: Option<Ends<R>>,
    workers: Vec<Worker<R>>,
    threads: usize,
    written_off: usize,
    /// How long one computation may take.
    deadline: Duration,
    /// Whether results are wanted in the order of the items.
    in_order: bool,
    stop: Stop,
}

/// Where a thread's results go, and what it tells its end to.
struct Ends<R> {
    results: Sender<R>,
    /// The chunk that the thread is at, and how many items it holds.
    at: u64,
    items: usize,
    ended: mpsc::Sender<()>,
}

struct Worker<R> {
    post: Arc<Post>,
    /// At which item it was last seen.
    seen: Option<Seen>,
    outlet: Arc<Outlet<R>>,
    thread: JoinHandle<()>,
}

/// The ends of one thread: taken away when it ends, or is written off.
struct Outlet<R>(Mutex<Option<Ends<R>>>);

/// What the threads work with.
pub(super) struct Work<Q, R> {
    pub(super) cpu: Cpu<Q, R>,
    pub(super) inputs: Receiver<Q>,
    pub(super) results: Sender<R>,
    pub(super) deadline: Duration,
    pub(super) in_order: bool,
    pub(super) stop: Stop,
}

impl<Q: Send + 'static, R: Send + 'static> Threads<Q, R> {
    /// Starts so many threads; the other end says when they have ended.
    pub(super) fn start(threads: usize, work: Work<Q, R>) -> Result<(Threads<Q, R>, Ended), Error> {
        // One message says that the input is over; more say nothing more.
        let (ended, all_ended) = mpsc::channel(1);
        let results = work.results;
        let mut team = Threads {
            cpu: work.cpu,
            inputs: work.inputs,
            spare: Some(Ends {
                results,
                at: 0,
                items: 0,
                ended,
            }),
            workers: Vec::new(),
            threads,
            written_off: 0,
            deadline: work.deadline,
            in_order: work.in_order,
            stop: work.stop,
        };
        for _ in 0..threads {
            team.hire()?;
        }
        Ok((team, Ended(all_ended)))
    }

    fn hire(&mut self) -> Result<(), Error> {
        let Some(spare) = &self.spare else {
            return Ok(());
        };
        let cpu = self.cpu.another();
        let post = Arc::clone(&cpu.post);
        let outlet = Arc::new(Outlet(Mutex::new(Some(spare.another()))));
        let (inputs, thread_outlet) = (self.inputs.clone(), Arc::clone(&outlet));
        let number = self.workers.len() + self.written_off;
        let in_order = self.in_order;
        let thread = thread::Builder::new()
            .name(format!("inflight-cpu-{number}"))
            .spawn(move || compute(cpu, &inputs, &thread_outlet, in_order))
            .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?;
        self.workers.push(Worker {
            post,
            seen: None,
            outlet,
            thread,
        });
        Ok(())
    }

    /// Looks after the threads until all have ended that are not written off, and joins them.
    pub(super) async fn watch(mut self, mut ended: Ended) -> Result<(), Error> {
        let look_every = (self.deadline / LOOKS).min(LOOK_EVERY_MAX);
        loop {
            match timeout(look_every, ended.0.recv()).await {
                Ok(Some(())) => self.spare = None,
                Ok(None) => break,
                Err(_) => self.look()?,
            }
        }
        // Joining before would block this thread, and with it the way out for who stops the run.
        for worker in self.workers {
            worker.thread.join().map_err(|panic| {
                Error::internal(format!("compute thread {}", Fault::panicked(&*panic)))
            })?;
        }
        Ok(())
    }

    /// Writes off each thread whose computation takes too long, and starts another in its place.
    fn look(&mut self) -> Result<(), Error> {
        let now = self.cpu.clock.now();
        let is_lost = |worker: &mut Worker<R>| {
            let overdue = worker.post.overdue(now, self.deadline, &mut worker.seen)?;
            worker.post.write_off(overdue).then_some(overdue)
        };
        let mut lost = Vec::new();
        self.workers.retain_mut(|worker| match is_lost(worker) {
            Some(mut overdue) => {
                if let Some(ends) = worker.outlet.close() {
                    // Others of its chunk are lost with it, computed or not.
                    overdue.is_alone &= ends.items == 1;
                    if overdue.is_alone {
                        // Who wants the results in order waits for this one no longer.
                        ends.results.push(Chunk::nothing(ends.at));
                    } else if self.in_order {
                        // What comes after it never has its turn, and the run ends.
                        ends.results.close();
                    }
                }
                lost.push(overdue);
                false
            }
            None => true,
        });
        for overdue in lost {
            self.write_off(now, overdue)?;
        }
        Ok(())
    }

    fn write_off(&mut self, now: Duration, overdue: Overdue) -> Result<(), Error> {
        self.written_off += 1;
        let deadline = self.deadline;
        let dead = Fact::Dead {
            index: overdue.index,
            step: Step::Compute,
            attempts: 1,
            fault: Fault::permanent(format!("no result within {deadline:.0?}")),
            // The thread has it.
            key: None,
            payload: None,
        };
        self.cpu.log.push(now, dead);
        self.cpu.log.hand_over(now);
        if self.written_off > self.threads || !overdue.is_alone {
            // More threads would hang as well; or items that are good are lost in the one that does.
            self.stop.because(Reason::Hung(format!(
                "{} computations did not come back within {deadline:.0?}; the last was that of item {}",
                self.written_off, overdue.index
            )));
            self.spare = None;
        }
        self.hire()
    }
}

/// Says when the input is over, and when all threads have ended.
pub(super) struct Ended(mpsc::Receiver<()>);

impl<R> Ends<R> {
    fn another(&self) -> Ends<R> {
        Ends {
            results: self.results.clone(),
            at: 0,
            items: 0,
            ended: self.ended.clone(),
        }
    }
}

impl<R> Outlet<R> {
    /// The thread begins with this chunk.
    fn begin<Q>(&self, chunk: &Chunk<Q>) {
        if let Some(ends) = &mut *self.lock() {
            ends.at = chunk.number;
            ends.items = chunk.records.len();
        }
    }

    fn results(&self) -> Option<Sender<R>> {
        self.lock().as_ref().map(|ends| ends.results.clone())
    }

    fn close(&self) -> Option<Ends<R>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ends<R>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a thread's outlet however the thread ends.
struct Leave<'a, R>(&'a Outlet<R>);

impl<R> Drop for Leave<'_, R> {
    fn drop(&mut self) {
        if let Some(ends) = self.0.close() {
            if thread::panicking() {
                // What it was at will never come, and others may wait for it.
                ends.results.close();
            }
            // Full says the same already.
            let _ = ends.ended.try_send(());
        }
    }
}

fn compute<Q, R>(mut cpu: Cpu<Q, R>, inputs: &Receiver<Q>, outlet: &Outlet<R>, in_order: bool) {
    let _leave = Leave(outlet);
    while let Some(chunk) = inputs.recv() {
        outlet.begin(&chunk);
        let computed = match cpu.at_once() {
            0 | 1 => vec![cpu.chunk(chunk)],
            items => cpu.chunks(gathered(chunk, items, inputs)),
        };
        if cpu.is_over() {
            // Others may be waiting for input that nobody will compute.
            inputs.close();
        }
        let Some(results) = outlet.results() else {
            break;
        };
        if in_order && cpu.has_left() {
            // The run ends, and what follows what was left must not pass it.
            results.close();
        }
        // One after the other: in order, whoever has the next one may not wait.
        if computed
            .into_iter()
            .any(|chunk| results.send(chunk).is_err())
        {
            break;
        }
    }
    cpu.thread_ended();
}

/// A chunk and those that wait behind it, as many as make so many items.
fn gathered<Q>(first: Chunk<Q>, items: usize, inputs: &Receiver<Q>) -> Vec<Chunk<Q>> {
    let mut left = items.saturating_sub(first.records.len());
    let mut chunks = vec![first];
    while left > 0
        && let Some(chunk) = inputs.try_recv()
    {
        left = left.saturating_sub(chunk.records.len());
        chunks.push(chunk);
    }
    chunks
}

#[cfg(test)]
impl<Q: 'static, R: 'static> Work<Q, R> {
    /// The same where there is one thread: so many tasks. Computing takes no simulated time, so each waits as long as it
    /// would have taken.
    pub(super) async fn in_tasks(
        self,
        tasks: usize,
        item_takes: Duration,
        is_told: bool,
    ) -> Result<(), Error> {
        let Work {
            cpu,
            inputs,
            results,
            in_order,
            ..
        } = self;
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let mut cpu = cpu.another();
                cpu.simulated = is_told.then_some(Duration::ZERO);
                let ends = (inputs.clone(), results.clone());
                let work = compute_as_task(cpu, ends, in_order, item_takes);
                tokio::task::spawn_local(work)
            })
            .collect();
        drop((cpu, inputs, results));
        for task in tasks {
            task.await
                .map_err(|error| Error::internal(format!("compute task: {error}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
async fn compute_as_task<Q, R>(
    mut cpu: Cpu<Q, R>,
    (inputs, results): (Receiver<Q>, Sender<R>),
    in_order: bool,
    item_takes: Duration,
) {
    while let Some(chunk) = inputs.recv_async().await {
        let each = item_takes.mul_f64(2.0 * fastrand::f64());
        let takes = each * chunk.records.len() as u32;
        if let Some(simulated) = &mut cpu.simulated {
            // What is told of was done before.
            *simulated = each;
            tokio::time::sleep(takes).await;
        }
        let computed = cpu.chunk(chunk);
        if cpu.simulated.is_none() {
            tokio::time::sleep(takes).await;
        }
        if cpu.is_over() {
            inputs.close();
        }
        if in_order && cpu.has_left() {
            results.close();
        }
        if results.room_for(computed.number).await.is_err() {
            break;
        }
        results.push(computed);
    }
    cpu.thread_ended();
}
