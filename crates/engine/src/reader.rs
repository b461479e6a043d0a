//! Reads the source on a thread of its own: numbers the items, leaves out those that are finished, cuts chunks, reports
//! bad items.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::clock::{Clock, thread_cpu};
use crate::cpu::ChunkSize;
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::journal::{Horizon, Todo};
use crate::log::Log;
use crate::queue::Sender;
use crate::record::{Chunk, Record};
use crate::source::Source;

/// How long a reader that nobody waits for any more may take to notice. One that hangs in a read (a
/// terminal, a pipe that stays open) is left behind: nothing can wake it, and it holds nothing but its input.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a reader works with.
pub(crate) struct Reading<T> {
    pub(crate) source: Box<dyn Source<Item = T>>,
    pub(crate) size: fn(&T) -> usize,
    pub(crate) chunk_size: ChunkSize,
    /// Which items, and from where: the source stands there already.
    pub(crate) todo: Todo,
    /// How far ahead of the journal it may get, if there is one.
    pub(crate) horizon: Option<Arc<Horizon>>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

/// The thread that reads. Ends with the input, or when nobody takes its chunks.
pub(crate) struct Reader {
    thread: thread::JoinHandle<()>,
    ended: mpsc::Receiver<Result<(), Fault>>,
}

impl Reader {
    pub(crate) fn start<T: Send + 'static>(
        reading: Reading<T>,
        to: Sender<T>,
    ) -> Result<Reader, Error> {
        let (end, ended) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("inflight-source".to_owned())
            .spawn(move || {
                // The other side may have lost its patience.
                let _ = end.send(read(reading, to));
            })
            .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?;
        Ok(Reader { thread, ended })
    }

    /// Why the input could not be read on, if that is how it ended.
    pub(crate) fn finish(self) -> Result<Option<Fault>, Error> {
        match self.ended.recv_timeout(PATIENCE) {
            Ok(ended) => {
                let joined = self.thread.join();
                debug_assert!(joined.is_ok(), "it ended by itself");
                Ok(ended.err())
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => match self.thread.join() {
                Err(panic) => Err(Error::internal(format!(
                    "source {}",
                    Fault::panicked(&*panic)
                ))),
                Ok(()) => Ok(None),
            },
        }
    }
}

/// Why reading ended.
enum End {
    Reached,
    /// Nobody takes what is read.
    Unwanted,
}

fn read<T: Send + 'static>(mut reading: Reading<T>, to: Sender<T>) -> Result<(), Fault> {
    let mut items = Vec::new();
    let mut index = reading.todo.from.as_ref().map_or(0, |(index, _)| *index);
    let mut places = Places::new(index);
    let mut chunks = 0;
    let mut spent = Duration::ZERO;
    let outcome = loop {
        if reading.todo.items.is_over() {
            break Ok(End::Reached);
        }
        let began = reading.clock.now();
        // The next read may wait for long, and what was read must not be unheard of meanwhile.
        reading.log.hand_over(began);
        if let Some(horizon) = &reading.horizon {
            horizon.wait_for(index);
        }
        let outcome = reading.source.read(reading.chunk_size.items(), &mut items);
        let now = reading.clock.now();
        spent += now - began;
        let read = items.len() as u64;
        if read > 0 {
            let records = number(&mut reading, &mut items, index, now);
            index += read;
            if reading.horizon.is_some() && places.is_due(index, now) {
                tell_place(&mut reading, index, now);
            }
            if !records.is_empty() {
                let chunk = Chunk::new(records, reading.size).numbered(chunks);
                chunks += 1;
                if to.send(chunk).is_err() {
                    break Ok(End::Unwanted);
                }
            }
        }
        if outcome.is_err() || read == 0 {
            break outcome.map(|()| End::Reached);
        }
    };
    // Whoever computes sees the end now, not after the rest has been counted.
    drop(to);
    tell_end(reading, index, spent, &outcome);
    outcome.map(drop)
}

fn tell_end<T: Send + 'static>(
    mut reading: Reading<T>,
    index: u64,
    spent: Duration,
    outcome: &Result<End, Fault>,
) {
    let left = match outcome {
        Ok(End::Reached) => Some(0),
        Ok(End::Unwanted) => {
            let rest = reading.source.count_rest();
            rest.map(|rest| reading.todo.items.count_wanted(index, rest))
        }
        Err(_) => None,
    };
    let now = reading.clock.now();
    if reading.horizon.is_some() && outcome.is_ok() {
        tell_place(&mut reading, index, now);
    }
    let ended = Fact::InputEnded {
        left,
        reading: spent,
    };
    reading.log.push(now, ended);
    reading
        .log
        .push(now, Fact::ThreadEnded { cpu: thread_cpu() });
    // Before the source is dropped, which may take its time.
    reading.log.hand_over(now);
}

/// Gives items their index. Those that are finished are left out, bad ones become dead letters here.
fn number<T>(
    reading: &mut Reading<T>,
    items: &mut Vec<Result<T, Fault>>,
    first: u64,
    now: Duration,
) -> Vec<Record<T>> {
    let mut records = Vec::with_capacity(items.len());
    let Reading { todo, log, .. } = reading;
    let wants_all = todo.items.wants_all_from(first);
    let mut wanted = 0;
    for (index, item) in (first..).zip(items.drain(..)) {
        if !wants_all && !todo.items.wants(index) {
            continue;
        }
        wanted += 1;
        match item {
            Ok(item) => records.push(Record::new(index, item)),
            Err(fault) => {
                let (step, attempts) = (Step::Read, 1);
                let dead = Fact::Dead {
                    index,
                    step,
                    attempts,
                    fault,
                    // There was nothing to be read.
                    payload: None,
                };
                log.push(now, dead);
            }
        }
    }
    if wanted > 0 {
        log.push(now, Fact::Read { items: wanted });
    }
    records
}

fn tell_place<T: Send + 'static>(reading: &mut Reading<T>, index: u64, now: Duration) {
    if let Some(place) = reading.source.place() {
        reading.log.push(now, Fact::ReadTo { index, place });
    }
}

/// Items between two places that are told: reading so many again takes some ten milliseconds.
const PLACE_ITEMS: u64 = 64 << 10;
/// Time between two places, where items are few.
const PLACE_TIME: Duration = Duration::from_secs(1);

/// When a place was told last.
struct Places {
    index: u64,
    at: Duration,
}

impl Places {
    fn new(index: u64) -> Places {
        let at = Duration::ZERO;
        Places { index, at }
    }

    fn is_due(&mut self, index: u64, now: Duration) -> bool {
        let is_due = index - self.index >= PLACE_ITEMS || now - self.at >= PLACE_TIME;
        if is_due {
            *self = Places { index, at: now };
        }
        is_due
    }
}
