//! Computes: chunks in, results out, timed, a panic becomes a fault. The same code serves the threads of
//! `parallel` and the one thread of the other strategies.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::{Clock, thread_cpu};
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::job::Compute;
use crate::log::Log;
use crate::options::ComputeClock;
use crate::record::{Chunk, Record};

/// Work that a hand-off between threads should carry: a hand-off costs a few microseconds.
const WORK_PER_CHUNK: Duration = Duration::from_millis(1);
/// Items cheaper than this are timed together: reading the clocks costs about half a microsecond.
const TIMED_ALONE: Duration = Duration::from_micros(10);
/// The most items in a chunk, however cheap they are: what one failure or stop can delay.
const CHUNK_MAX: usize = 1024;

/// How many items travel together, from what they were last seen to cost.
#[derive(Clone)]
pub(crate) struct ChunkSize(Arc<AtomicUsize>);

impl ChunkSize {
    /// One by one, until something is known of their cost.
    pub(crate) fn new() -> ChunkSize {
        ChunkSize(Arc::new(AtomicUsize::new(1)))
    }

    pub(crate) fn items(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn learn(&self, items: usize, took: Duration) {
        let cost = (took.as_nanos() / items.max(1) as u128).max(1);
        let fitting = WORK_PER_CHUNK.as_nanos() / cost;
        // Grows at most eightfold at once: a first item is often untypical.
        let most = (self.items() * 8).min(CHUNK_MAX);
        self.0
            .store((fitting as usize).clamp(1, most), Ordering::Relaxed);
    }
}

/// The computation of a job, with what it takes to run and time it. Each thread has its own.
pub(crate) struct Cpu<Q, R> {
    pub(crate) compute: Compute<Q, R>,
    pub(crate) size: fn(&R) -> usize,
    pub(crate) basis: ComputeClock,
    pub(crate) clock: Clock,
    pub(crate) chunk_size: ChunkSize,
    pub(crate) log: Log,
}

impl<Q, R> Cpu<Q, R> {
    /// Another thread's.
    pub(crate) fn another(&self) -> Cpu<Q, R> {
        Cpu {
            compute: Arc::clone(&self.compute),
            chunk_size: self.chunk_size.clone(),
            log: self.log.another(),
            ..*self
        }
    }

    /// Computes what is in a chunk. Failed items are told to the recorder and are missing from the result.
    pub(crate) fn chunk(&mut self, records: Vec<Record<Q>>) -> Chunk<R> {
        let alone =
            self.chunk_size.items() as u128 * TIMED_ALONE.as_nanos() <= WORK_PER_CHUNK.as_nanos();
        let results = if alone {
            records
                .into_iter()
                .filter_map(|record| self.one(record))
                .collect()
        } else {
            self.together(records)
        };
        Chunk::new(results, self.size)
    }

    /// Computes one item and times it alone.
    pub(crate) fn one(&mut self, record: Record<Q>) -> Option<Record<R>> {
        let watch = Watch::start(self.clock, self.basis);
        let index = record.index;
        let result = self.compute(record);
        self.told(watch, index, 1);
        result
    }

    fn together(&mut self, records: Vec<Record<Q>>) -> Vec<Record<R>> {
        let Some(first) = records.first().map(|record| record.index) else {
            return Vec::new();
        };
        let watch = Watch::start(self.clock, self.basis);
        let items = records.len();
        let results = records
            .into_iter()
            .filter_map(|record| self.compute(record))
            .collect();
        self.told(watch, first, items);
        results
    }

    fn compute(&mut self, record: Record<Q>) -> Option<Record<R>> {
        let Record { index, value, .. } = record;
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.compute)(value)))
            .unwrap_or_else(|panic| Err(Fault::panicked(&*panic)));
        match outcome {
            Ok(result) => Some(Record::new(index, result)),
            Err(fault) => {
                let now = self.clock.now();
                self.log.push(
                    now,
                    Fact::Dead {
                        index,
                        step: Step::Compute,
                        attempts: 1,
                        fault,
                    },
                );
                None
            }
        }
    }

    fn told(&mut self, watch: Watch, first: u64, items: usize) {
        let (took, cost) = watch.stop(self.clock);
        self.chunk_size.learn(items, took);
        let fact = Fact::Computed {
            first,
            items: items as u32,
            at: watch.at,
            took,
            cost,
        };
        self.log.push(watch.at + took, fact);
    }

    pub(crate) fn hand_over_facts(&mut self) {
        self.log.hand_over(self.clock.now());
    }

    /// Tells what the thread has used in all; the last thing it does.
    pub(crate) fn thread_ended(mut self) {
        let cpu = thread_cpu();
        let now = self.clock.now();
        self.log.push(now, Fact::ThreadEnded { cpu });
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
