//! Computes: chunks in, results out, timed, a panic becomes a fault. The same code serves the threads of
//! `parallel` and the one thread of the other strategies.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::batch_size::BatchSize;
use crate::clock::{Clock, thread_cpu};
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::job::Each;
use crate::log::Log;
use crate::options::ComputeClock;
use crate::payload::{Showing, Shown};
use crate::post::Post;
use crate::record::{Chunk, Record};
use crate::stop::{Reason, Stop};
use crate::worker::{Outcome, Worker};

/// Work that a hand-off between threads should carry: a hand-off costs a few microseconds.
const WORK_PER_CHUNK: Duration = Duration::from_millis(1);
/// Items cheaper than this are timed together: reading the clocks costs about half a microsecond.
const TIMED_ALONE: Duration = Duration::from_micros(10);
/// The most items in a chunk, however cheap they are: what one failure or stop can delay.
pub(crate) const CHUNK_MAX: usize = 1024;

/// A reader cuts chunks so much smaller than what a worker gets at once: it waits for no more than that to hand on what it has,
/// and a queue full of them is a few calls.
const CHUNKS_IN_BATCH: usize = 32;

/// How many items travel together, from what they were last seen to cost.
#[derive(Clone)]
pub(crate) struct ChunkSize(Arc<Learnt>);

struct Learnt {
    /// As many as are worth a hand-off.
    work: AtomicUsize,
    /// What a worker gets at once, where workers compute.
    batch: Option<(AtomicUsize, Mutex<BatchSize>)>,
}

impl ChunkSize {
    /// One by one, until something is known of their cost.
    pub(crate) fn new() -> ChunkSize {
        ChunkSize(Arc::new(Learnt {
            work: AtomicUsize::new(1),
            batch: None,
        }))
    }

    /// The same for workers, of which a call costs something by itself.
    pub(crate) fn of_workers(batch: BatchSize) -> ChunkSize {
        ChunkSize(Arc::new(Learnt {
            work: AtomicUsize::new(1),
            batch: Some((AtomicUsize::new(batch.items()), Mutex::new(batch))),
        }))
    }

    /// Items in a chunk.
    pub(crate) fn items(&self) -> usize {
        let work = self.0.work.load(Ordering::Relaxed);
        match &self.0.batch {
            None => work,
            Some((batch, _)) => work.max(batch.load(Ordering::Relaxed) / CHUNKS_IN_BATCH),
        }
    }

    /// Items that are computed at once: one, where a function computes.
    fn at_once(&self) -> usize {
        match &self.0.batch {
            None => 1,
            Some((batch, law)) => {
                let batch = batch.load(Ordering::Relaxed);
                match lock(law).is_set() {
                    true => batch,
                    false => batch.max(self.0.work.load(Ordering::Relaxed)),
                }
            }
        }
    }

    fn learn(&self, items: usize, took: Duration) {
        let cost = (took.as_nanos() / items.max(1) as u128).max(1);
        let fitting = WORK_PER_CHUNK.as_nanos() / cost;
        // Grows at most eightfold at once: a first item is often untypical.
        let work = self.0.work.load(Ordering::Relaxed);
        let most = (work * 8).min(CHUNK_MAX);
        self.0
            .work
            .store((fitting as usize).clamp(1, most), Ordering::Relaxed);
        if let Some((batch, law)) = &self.0.batch {
            let mut law = lock(law);
            law.took(items, took.as_secs_f64());
            batch.store(law.items(), Ordering::Relaxed);
        }
    }
}

fn lock(law: &Mutex<BatchSize>) -> MutexGuard<'_, BatchSize> {
    // No code that can panic runs under this lock.
    law.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who computes on one thread.
pub(crate) enum Computing<Q, R> {
    /// The function that all threads share.
    Each(Each<Q, R>),
    /// What this thread keeps for itself.
    Worker(Worker<Q, R>),
}

/// The computation of a job, with what it takes to run and time it. Each thread has its own.
pub(crate) struct Cpu<Q, R> {
    pub(crate) computing: Computing<Q, R>,
    pub(crate) size: fn(&R) -> usize,
    /// What a dead letter shows, if it shows anything.
    pub(crate) show: Showing<Q>,
    pub(crate) basis: ComputeClock,
    pub(crate) clock: Clock,
    pub(crate) chunk_size: ChunkSize,
    /// What this thread is at, for whoever watches over it.
    pub(crate) post: Arc<Post>,
    /// Items that failed in this stretch of computing: told when it counts.
    pub(crate) dead: Vec<Fact>,
    /// How long the last stretch of computing took: about what the next will take.
    pub(crate) took: Duration,
    /// Whether this thread has left items, because the run ends.
    pub(crate) has_left: bool,
    /// The run's own: a fault may be its end.
    pub(crate) stop: Stop,
    pub(crate) log: Log,
    /// How long each item of the next stretch of computing has taken in simulated time, if that is told of.
    #[cfg(test)]
    pub(crate) simulated: Option<Duration>,
}

impl<Q, R> Cpu<Q, R> {
    /// Another thread's.
    pub(crate) fn another(&self) -> Cpu<Q, R> {
        Cpu {
            computing: match &self.computing {
                Computing::Each(each) => Computing::Each(Arc::clone(each)),
                Computing::Worker(worker) => Computing::Worker(worker.another()),
            },
            chunk_size: self.chunk_size.clone(),
            post: Arc::default(),
            dead: Vec::new(),
            took: Duration::ZERO,
            has_left: false,
            stop: self.stop.clone(),
            log: self.log.another(),
            ..*self
        }
    }

    /// Computes what is in a chunk. Failed items are told to the recorder and are missing from the result, which keeps
    /// the number even if nothing else is left.
    pub(crate) fn chunk(&mut self, chunk: Chunk<Q>) -> Chunk<R> {
        let Chunk {
            records, number, ..
        } = chunk;
        let results = if self.times_alone() {
            records
                .into_iter()
                .filter_map(|record| self.one(record))
                .collect()
        } else {
            self.together(records)
        };
        self.log.hand_over_if_due(self.clock.now());
        Chunk::new(results, self.size).numbered(number)
    }

    /// Computes several chunks at once, and gives the results of each.
    pub(crate) fn chunks(&mut self, chunks: Vec<Chunk<Q>>) -> Vec<Chunk<R>> {
        let of = |chunk: &Chunk<Q>| {
            let indexes = chunk.records.iter().map(|record| record.index);
            (chunk.number, indexes.collect::<Vec<_>>())
        };
        let cut: Vec<(u64, Vec<u64>)> = chunks.iter().map(of).collect();
        let records = chunks.into_iter().flat_map(|chunk| chunk.records);
        let records = records.collect();
        let mut results = self.together(records).into_iter().peekable();
        self.log.hand_over_if_due(self.clock.now());
        // Those that came to nothing are missing, and the others are as they were.
        let mut take = |(number, indexes): (u64, Vec<u64>)| {
            let found = |index| results.next_if(|result| result.index == index);
            let of_chunk = indexes.into_iter().filter_map(found).collect();
            Chunk::new(of_chunk, self.size).numbered(number)
        };
        cut.into_iter().map(&mut take).collect()
    }

    /// Items that are computed at once, if there are so many.
    pub(crate) fn at_once(&self) -> usize {
        self.chunk_size.at_once()
    }

    /// Whether items were left because the run ends: in order, nothing that follows them may pass.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left
    }

    /// A worker takes whatever there is at once, so that its items share the way there and back.
    fn times_alone(&self) -> bool {
        matches!(self.computing, Computing::Each(_))
            && WORK_PER_CHUNK.as_nanos() / self.chunk_size.items() as u128 >= TIMED_ALONE.as_nanos()
    }

    /// Computes one item and times it alone.
    pub(crate) fn one(&mut self, record: Record<Q>) -> Option<Record<R>> {
        let watch = Watch::start(self.clock, self.basis);
        let index = record.index;
        self.begin(watch, 1);
        let result = self.compute(record);
        match self.post.end() {
            true => self.told(watch, (index, index), 1),
            false => return None,
        }
        result
    }

    /// The same on the thread that serves I/O: what it has to tell of requests does not wait for this, and comes before it.
    pub(crate) fn one_among_requests(
        &mut self,
        record: Record<Q>,
        requests: &mut Log,
    ) -> Option<Record<R>> {
        requests.hand_over_before(self.clock.now(), self.took);
        let result = self.one(record);
        requests.take_over(&mut self.log);
        result
    }

    /// The same with many items at once.
    pub(crate) fn some_among_requests(
        &mut self,
        records: Vec<Record<Q>>,
        requests: &mut Log,
    ) -> Vec<Record<R>> {
        requests.hand_over_before(self.clock.now(), self.took);
        let results = self.together(records);
        requests.take_over(&mut self.log);
        results
    }

    /// Lets this thread be watched. A worker has deadlines of its own, and may wait to be asked again.
    fn begin(&self, watch: Watch, items: usize) {
        if let Computing::Each(_) = self.computing {
            self.post.begin(watch.at, items);
        }
    }

    fn together(&mut self, records: Vec<Record<Q>>) -> Vec<Record<R>> {
        if let Computing::Worker(_) = self.computing {
            return self.by_batches(&records);
        }
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Vec::new();
        };
        let ends = (first.index, last.index);
        let watch = Watch::start(self.clock, self.basis);
        let items = records.len();
        self.begin(watch, items);
        let results = records
            .into_iter()
            .filter_map(|record| self.compute(record))
            .collect();
        match self.post.end() {
            true => self.told(watch, ends, items),
            false => return Vec::new(),
        }
        results
    }

    /// Lets the worker compute these, as many at once as pay.
    fn by_batches(&mut self, records: &[Record<Q>]) -> Vec<Record<R>> {
        let mut results = Vec::with_capacity(records.len());
        let mut rest = records;
        while let [first, ..] = rest {
            let (batch, more) = rest.split_at(self.chunk_size.at_once().min(rest.len()));
            let watch = Watch::start(self.clock, self.basis);
            results.extend(self.by_worker(batch));
            let last = batch.last().unwrap_or(first);
            self.told(watch, (first.index, last.index), batch.len());
            rest = more;
        }
        results
    }

    fn compute(&mut self, record: Record<Q>) -> Option<Record<R>> {
        let Computing::Each(each) = &self.computing else {
            return self.by_worker(&[record]).pop();
        };
        let Record { index, value, .. } = record;
        self.post.at(index);
        let shown = self.show.of(&value);
        let outcome = catch_unwind(AssertUnwindSafe(|| each(value)))
            .unwrap_or_else(|panic| Err(Fault::panicked(&*panic)));
        let outcome =
            outcome.map_or_else(|fault| Outcome::Dead { attempts: 1, fault }, Outcome::Done);
        self.kept(index, outcome, || shown)
    }

    fn by_worker(&mut self, records: &[Record<Q>]) -> Vec<Record<R>> {
        let Computing::Worker(worker) = &mut self.computing else {
            return Vec::new();
        };
        let outcomes = worker.compute(records, &mut self.log);
        records
            .iter()
            .zip(outcomes)
            .filter_map(|(record, outcome)| {
                let show = self.show;
                self.kept(record.index, outcome, || show.of(&record.value))
            })
            .collect()
    }

    fn kept(
        &mut self,
        index: u64,
        outcome: Outcome<R>,
        shown: impl FnOnce() -> Shown,
    ) -> Option<Record<R>> {
        match outcome {
            Outcome::Done(result) => Some(Record::new(index, result)),
            Outcome::Left => {
                self.has_left = true;
                None
            }
            Outcome::Dead { attempts, fault } => {
                if let Some(reason) = Reason::of(&fault) {
                    self.stop.because(reason);
                    self.has_left = true;
                    return None;
                }
                self.dead.push(letter(index, attempts, fault, shown()));
                None
            }
            Outcome::Accused { attempts, fault } => {
                if let Computing::Worker(worker) = &self.computing {
                    worker.accuse(letter(index, attempts, fault, shown()));
                }
                self.dead.push(Fact::Accused { index });
                None
            }
        }
    }

    /// Whether nobody can compute any more: the run ends with what it has.
    pub(crate) fn is_over(&self) -> bool {
        match &self.computing {
            Computing::Each(_) => false,
            Computing::Worker(worker) => worker.is_over(),
        }
    }

    fn told(&mut self, watch: Watch, (first, last): (u64, u64), items: usize) {
        let (took, cost) = watch.stop(self.clock);
        #[cfg(test)]
        let (watch, took, cost) = match self.simulated {
            None => (watch, took, cost),
            Some(each) => {
                let simulated = each * items as u32;
                let at = watch.at.saturating_sub(simulated);
                (Watch { at, ..watch }, simulated, simulated)
            }
        };
        let now = watch.at + took;
        let (waited, is_typical) = match &mut self.computing {
            Computing::Each(_) => (Duration::ZERO, true),
            Computing::Worker(worker) => (worker.take_waited(), worker.was_smooth()),
        };
        // To wait until a worker may be asked again is no computing.
        let (took, cost) = (took.saturating_sub(waited), cost.saturating_sub(waited));
        if is_typical {
            self.chunk_size.learn(items, took);
        }
        self.took = took;
        if let Computing::Worker(worker) = &self.computing {
            self.dead.extend(worker.blamed());
        }
        let fact = Fact::Computed {
            first,
            last,
            items: items as u32,
            at: watch.at,
            took,
            cost,
        };
        self.log.note(now, self.dead.drain(..).chain([fact]));
    }

    /// Tells what the thread has used in all; the last thing it does.
    pub(crate) fn thread_ended(self) {
        let Cpu {
            computing,
            clock,
            mut log,
            ..
        } = self;
        // A worker may take its time to end, and costs some.
        drop(computing);
        log.push(clock.now(), Fact::ThreadEnded { cpu: thread_cpu() });
    }
}

fn letter(index: u64, attempts: u16, fault: Fault, shown: Shown) -> Fact {
    let Shown { key, payload } = shown;
    Fact::Dead {
        index,
        step: Step::Compute,
        attempts,
        fault,
        key,
        payload,
    }
}

/// Times a stretch of computing.
#[derive(Clone, Copy)]
struct Watch {
    at: Duration,
    cpu: Option<Duration>,
}

impl Watch {
    fn start(clock: Clock, basis: ComputeClock) -> Watch {
        Watch {
            at: clock.now(),
            cpu: (basis == ComputeClock::Cpu).then(thread_cpu),
        }
    }

    /// Time that passed, and what it cost by the clock of the job.
    fn stop(&self, clock: Clock) -> (Duration, Duration) {
        let took = clock.now() - self.at;
        let cost = self.cpu.map_or(took, |began| thread_cpu() - began);
        (took, cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_items_travel_many_at_a_time_and_slow_ones_alone() {
        let size = ChunkSize::new();
        for _ in 0..5 {
            size.learn(
                size.items(),
                Duration::from_nanos(100) * size.items() as u32,
            );
        }
        assert_eq!(size.items(), CHUNK_MAX);
        size.learn(1, Duration::from_micros(100));
        assert_eq!(size.items(), 10);
        size.learn(1, Duration::from_millis(16));
        assert_eq!(size.items(), 1);
    }
}
