//! Reads the source, on a thread of its own: numbers the items, leaves out those that are finished, cuts chunks, reports
//! bad items.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clock::{Clock, thread_cpu};
use crate::cpu::ChunkSize;
use crate::driver::Driver;
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::job::{KeyOf, ValueOf};
use crate::journal::{Horizon, Todo, TodoItems};
use crate::keys::{Numbered, Numbering};
use crate::log::Log;
use crate::payload::Showing;
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
    /// How items are known, if not by their place.
    pub(crate) keys: Option<Keyed<T>>,
    /// What items are ordered by, if those of one value go one after the other.
    pub(crate) order: Option<ValueOf<T>>,
    /// What a dead letter shows of an item.
    pub(crate) show: Showing<T>,
    /// How far ahead of the journal it may get, if there is one.
    pub(crate) horizon: Option<Arc<Horizon>>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

/// How items are known by their keys.
pub(crate) struct Keyed<T> {
    pub(crate) numbering: Numbering,
    pub(crate) key: KeyOf<T>,
}

/// Who reads: a thread, or a task in simulated time. Ends with the input, or when nobody takes its chunks.
pub(crate) struct Reader {
    thread: Option<thread::JoinHandle<()>>,
    ended: oneshot::Receiver<Result<(), Fault>>,
}

impl Reader {
    pub(crate) fn start<T: Send + 'static>(
        reading: Reading<T>,
        to: Sender<T>,
        driver: Driver,
    ) -> Result<Reader, Error> {
        let (end, ended) = oneshot::channel();
        let thread = match driver {
            Driver::Threads => {
                let thread = thread::Builder::new().name("inflight-source".to_owned());
                let reading = thread.spawn(move || {
                    // The other side may have lost its patience.
                    let _ = end.send(read(reading, to));
                });
                Some(
                    reading
                        .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))?,
                )
            }
            #[cfg(test)]
            Driver::Simulated { read, .. } => {
                tokio::task::spawn_local(async move {
                    // As above.
                    let _ = end.send(read_as_task(reading, to, read).await);
                });
                None
            }
        };
        Ok(Reader { thread, ended })
    }

    /// Why the input could not be read on, if that is how it ended.
    pub(crate) async fn finish(self) -> Result<Option<Fault>, Error> {
        let Ok(ended) = timeout(PATIENCE, self.ended).await else {
            return Ok(None);
        };
        let joined = self.thread.map_or(Ok(()), thread::JoinHandle::join);
        joined.map_err(|panic| Error::internal(format!("source {}", Fault::panicked(&*panic))))?;
        Ok(ended.ok().and_then(Result::err))
    }
}

/// Why reading ended.
enum End {
    Reached,
    /// Nobody takes what is read.
    Unwanted,
}

fn read<T: Send + 'static>(reading: Reading<T>, to: Sender<T>) -> Result<(), Fault> {
    let mut progress = Progress::of(reading);
    let outcome = loop {
        let Portion { mut chunks, end } = progress.read_once();
        if chunks.any(|chunk| to.send(chunk).is_err()) {
            break Ok(End::Unwanted);
        }
        if let Some(end) = end {
            break end;
        }
    };
    // Whoever computes sees the end now, not after the rest has been counted.
    drop(to);
    progress.end(outcome)
}

/// The same where nothing may block.
#[cfg(test)]
async fn read_as_task<T: Send + 'static>(
    reading: Reading<T>,
    to: Sender<T>,
    item_takes: Duration,
) -> Result<(), Fault> {
    let mut progress = Progress::of(reading);
    let outcome = 'reads: loop {
        let before = progress.index;
        let Portion { chunks, end } = progress.read_once();
        if !item_takes.is_zero() {
            let takes = item_takes * (progress.index - before) as u32;
            tokio::time::sleep(takes).await;
            progress.spent += takes;
        }
        for chunk in chunks {
            if to.room().await.is_err() {
                break 'reads Ok(End::Unwanted);
            }
            to.push(chunk);
        }
        if let Some(end) = end {
            break end;
        }
    };
    drop(to);
    progress.end(outcome)
}

/// How far reading has come.
struct Progress<T> {
    reading: Reading<T>,
    /// What was read last, until it is numbered; kept for its space.
    items: Vec<Result<T, Fault>>,
    /// The next item.
    index: u64,
    places: Places,
    /// Chunks that were handed on.
    chunks: u64,
    /// Time spent in reads.
    spent: Duration,
}

/// What one read came to: what is to be handed on, and then perhaps the end.
struct Portion<T> {
    chunks: std::vec::IntoIter<Chunk<T>>,
    end: Option<Result<End, Fault>>,
}

impl<T> Portion<T> {
    fn end(outcome: Result<End, Fault>) -> Portion<T> {
        let (chunks, end) = (Vec::new().into_iter(), Some(outcome));
        Portion { chunks, end }
    }
}

impl<T: Send + 'static> Progress<T> {
    fn of(reading: Reading<T>) -> Progress<T> {
        let index = reading.todo.from.as_ref().map_or(0, |(index, _)| *index);
        Progress {
            reading,
            items: Vec::new(),
            index,
            places: Places::new(index),
            chunks: 0,
            spent: Duration::ZERO,
        }
    }

    /// Reads once.
    fn read_once(&mut self) -> Portion<T> {
        let reading = &mut self.reading;
        if reading.todo.items.is_over() {
            return Portion::end(Ok(End::Reached));
        }
        let began = reading.clock.now();
        // The next read may wait for long, and what was read must not be unheard of meanwhile.
        reading.log.hand_over(began);
        if let Some(horizon) = &reading.horizon
            && reading.keys.is_none()
        {
            horizon.wait_for(self.index);
        }
        let items = &mut self.items;
        let outcome = reading.source.read(reading.chunk_size.items(), items);
        let now = reading.clock.now();
        self.spent += now - began;
        let read = items.len() as u64;
        let records = match &mut reading.keys {
            None => number(reading, items, self.index, now),
            Some(keyed) => match keyed.number(items, &mut reading.todo, reading.show) {
                Ok(told) => told.told(&mut reading.log, now),
                Err(fault) => return Portion::end(Err(fault)),
            },
        };
        self.index += read;
        if read > 0 && reading.has_places() && self.places.is_due(self.index, now) {
            tell_place(reading, self.index, now);
        }
        let is_end = outcome.is_err() || read == 0;
        let chunks = reading.cut(records, now);
        let chunks: Vec<_> = (self.chunks..)
            .zip(chunks)
            .map(|(number, chunk)| chunk.numbered(number))
            .collect();
        self.chunks += chunks.len() as u64;
        Portion {
            chunks: chunks.into_iter(),
            end: is_end.then(|| outcome.map(|()| End::Reached)),
        }
    }

    /// Tells how it ended.
    fn end(self, outcome: Result<End, Fault>) -> Result<(), Fault> {
        let Progress {
            mut reading,
            index,
            spent,
            ..
        } = self;
        let left = match &outcome {
            Ok(End::Reached) => Some(0),
            Ok(End::Unwanted) => reading
                .source
                .count_rest()
                .map(|rest| reading.left(index, rest)),
            Err(_) => None,
        };
        let now = reading.clock.now();
        if matches!(outcome, Ok(End::Reached)) {
            reading.give_up_missing(now);
        }
        if reading.has_places() && outcome.is_ok() {
            tell_place(&mut reading, index, now);
        }
        let ended = Fact::InputEnded {
            left,
            reading: spent,
        };
        reading.log.push(now, ended);
        let cpu = thread_cpu();
        reading.log.push(now, Fact::ThreadEnded { cpu });
        // Before the source is dropped, which may take its time.
        reading.log.hand_over(now);
        outcome.map(drop)
    }
}

impl<T> Reading<T> {
    /// The chunks in which these travel: together, or each alone where it may have to wait for one before it.
    fn cut(&mut self, records: Vec<Record<T>>, now: Duration) -> Vec<Chunk<T>> {
        let Some(value_of) = &self.order else {
            let is_any = !records.is_empty();
            return is_any
                .then(|| Chunk::new(records, self.size))
                .into_iter()
                .collect();
        };
        let mut chunks = Vec::with_capacity(records.len());
        for record in records {
            let has_died = self.todo.dead.contains(&record.index);
            match value_of(&record.value) {
                Ok(value) if has_died => chunks.push(Chunk::halting(value)),
                Ok(value) => chunks.push(Chunk {
                    value: Some(value),
                    ..Chunk::new(vec![record], self.size)
                }),
                Err(_) if has_died => {}
                Err(fault) => {
                    let key = self.show.of(&record.value).key;
                    self.log.push(now, dead(record.index, fault, key));
                }
            }
        }
        chunks
    }

    /// Whether a later run goes on at a place. Where items have keys the input may be another by then.
    fn has_places(&self) -> bool {
        self.horizon.is_some() && self.keys.is_none()
    }

    /// How many are to be done of the `rest` items from this one on. With keys nobody knows before they are read: as many as
    /// there are if what is finished and was not seen yet is among them.
    fn left(&self, index: u64, rest: u64) -> u64 {
        let items = &self.todo.items;
        match (&self.keys, items) {
            (Some(Keyed { numbering, .. }), TodoItems::Rest(finished)) => {
                let unseen = finished.count_from(0).saturating_sub(numbering.left_out);
                rest.saturating_sub(unseen)
            }
            _ => items.count_wanted(index, rest),
        }
    }

    /// Those that were to be tried again and are not in the input any more.
    fn give_up_missing(&mut self, now: Duration) {
        let TodoItems::Only(missing) = &mut self.todo.items else {
            return;
        };
        let missing = std::mem::take(missing);
        if self.keys.is_none() || missing.is_empty() {
            return;
        }
        let items = missing.len() as u64;
        self.log.push(now, Fact::Read { items });
        for index in missing {
            let fault = Fault::permanent("its key is not in the input any more");
            self.log.push(now, dead(index, fault, None));
        }
    }
}

/// What is to be done of the items that were read, and what is given up.
struct Told<T> {
    records: Vec<Record<T>>,
    dead: Vec<Fact>,
    /// How many of the records died in an earlier run. They are here for those behind them.
    died: u64,
    /// Items that are done already, by others.
    skipped: u64,
}

impl<T> Keyed<T> {
    /// Gives items the numbers of their keys. When it returns, these are on the disk.
    fn number(
        &mut self,
        items: &mut Vec<Result<T, Fault>>,
        todo: &mut Todo,
        show: Showing<T>,
    ) -> Result<Told<T>, Fault> {
        let mut told = Told {
            records: Vec::with_capacity(items.len()),
            dead: Vec::new(),
            died: 0,
            skipped: 0,
        };
        let failed = |cause| Fault::storage("failed to keep the keys of the items").because(cause);
        for item in items.drain(..) {
            let key = item.as_ref().map_or_else(Fault::item, &self.key);
            let numbered = self.numbering.number(key, &mut todo.items);
            match (numbered.map_err(failed)?, item) {
                (Numbered::Unwanted(Some(number)), Ok(item)) if todo.dead.contains(&number) => {
                    told.records.push(Record::new(number, item));
                    told.died += 1;
                }
                (Numbered::Unwanted(_), _) => {}
                (Numbered::Skipped, _) => told.skipped += 1,
                (Numbered::Wanted(number), Ok(item)) => {
                    told.records.push(Record::new(number, item));
                }
                (Numbered::Duplicate { number, first }, Ok(item)) => {
                    let key = show.of(&item).key;
                    let name = key.as_ref().map_or(String::new(), |key| format!(" {key}"));
                    let why =
                        format!("its key{name} is also that of item {first}, which came before");
                    let fault = Fault::permanent(why).counted_as("a key that was there before");
                    told.dead.push(dead(number, fault, key));
                }
                (Numbered::Wanted(number) | Numbered::Duplicate { number, .. }, Err(fault)) => {
                    told.dead.push(dead(number, fault, None))
                }
            }
        }
        self.numbering.commit().map_err(failed)?;
        Ok(told)
    }
}

impl<T> Told<T> {
    /// Tells of it; gives what is to be done.
    fn told(self, log: &mut Log, now: Duration) -> Vec<Record<T>> {
        let items = (self.records.len() + self.dead.len()) as u64 - self.died;
        self.dead.into_iter().for_each(|dead| log.push(now, dead));
        if items > 0 {
            log.push(now, Fact::Read { items });
        }
        if let items @ 1.. = self.skipped {
            log.push(now, Fact::Skipped { items });
        }
        self.records
    }
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
            // There was nothing to be read, and so no key.
            Err(fault) => log.push(now, dead(index, fault, None)),
        }
    }
    if wanted > 0 {
        log.push(now, Fact::Read { items: wanted });
    }
    records
}

/// An item is given up before it was anybody's.
fn dead(index: u64, fault: Fault, key: Option<String>) -> Fact {
    Fact::Dead {
        index,
        step: Step::Read,
        attempts: 1,
        fault,
        key,
        payload: None,
    }
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
