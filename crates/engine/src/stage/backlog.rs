//! The records of a stage that are not in flight: those ready to be sent, and those that wait for another
//! try. What they hold is counted, so that it can be bounded. Pure: times are inputs.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::fault::Fault;
use crate::planted::planted;
use crate::record::{Chunk, Record, Trail, record_bytes};

/// What waits in a stage.
pub(super) struct Backlog<Q> {
    /// Whether a record that was sent in vain holds up all after it, for one connection that saves in order.
    in_order: bool,
    ready: VecDeque<Record<Q>>,
    /// Bulks that the service refused as a whole, halved until the bad record is alone, and a record that all others wait
    /// for; sent as they are.
    halves: VecDeque<Vec<Record<Q>>>,
    waiting: BinaryHeap<Reverse<Waiting<Q>>>,
    /// Records about which others have to show something first.
    held: Vec<Held<Q>>,
    size: fn(&Q) -> usize,
    bytes: usize,
    /// Records among all of these that have failed before.
    failed: usize,
}

/// A record that waits for its next attempt.
struct Waiting<Q> {
    at: Duration,
    /// Whether all others that are ready go before it, for it has no attempts left but for the sake of doubt.
    is_last: bool,
    record: Record<Q>,
}

/// A record that is as good as given up: whether it is bad, or the service was away, the next success of another shows.
pub(super) struct Held<Q> {
    pub(super) record: Record<Q>,
    /// Why it is dead, if it has no attempt left; else its last attempt is still to come.
    pub(super) fault: Option<Fault>,
    /// That attempt is made no sooner.
    pub(super) not_before: Duration,
}

impl<Q> Backlog<Q> {
    pub(super) fn new(in_order: bool, size: fn(&Q) -> usize) -> Backlog<Q> {
        Backlog {
            in_order,
            ready: VecDeque::new(),
            halves: VecDeque::new(),
            waiting: BinaryHeap::new(),
            held: Vec::new(),
            size,
            bytes: 0,
            failed: 0,
        }
    }

    /// Takes over records that were never sent.
    pub(super) fn offer(&mut self, now: Duration, chunk: Chunk<Q>) {
        self.bytes += chunk.bytes;
        let ready_ns = nanoseconds(now);
        self.ready
            .extend(chunk.records.into_iter().map(|mut record| {
                record.trail.ready_ns = ready_ns;
                record
            }));
    }

    /// A record that was sent in vain, and may be sent again at once.
    pub(super) fn again_now(&mut self, now: Duration, mut record: Record<Q>) {
        self.add(&record);
        record.trail.ready_ns = nanoseconds(now);
        self.put_back(record);
    }

    /// Before the others; where the order counts, to where it was.
    fn put_back(&mut self, record: Record<Q>) {
        let place = match self.in_order {
            true => self
                .ready
                .partition_point(|other| other.index < record.index),
            false => 0,
        };
        self.ready.insert(place, record);
    }

    /// The same, when all others have been; where the order counts, they have to wait for it.
    pub(super) fn again_last(&mut self, now: Duration, mut record: Record<Q>) {
        self.add(&record);
        record.trail.ready_ns = nanoseconds(now);
        self.put_last(record);
    }

    fn put_last(&mut self, record: Record<Q>) {
        match self.in_order {
            true => self.put_back(record),
            false => self.ready.push_back(record),
        }
    }

    /// A record that was sent in vain, and may be sent again then.
    pub(super) fn again_at(&mut self, at: Duration, record: Record<Q>) {
        self.wait(at, record, false);
    }

    /// The same, when all others that are ready by then have been.
    pub(super) fn again_last_at(&mut self, at: Duration, record: Record<Q>) {
        self.wait(at, record, true);
    }

    fn wait(&mut self, at: Duration, record: Record<Q>, is_last: bool) {
        if planted!(RetryForgets) {
            return;
        }
        self.add(&record);
        let waiting = Waiting {
            at,
            is_last,
            record,
        };
        self.waiting.push(Reverse(waiting));
    }

    /// A record that waits for others.
    pub(super) fn hold(&mut self, held: Held<Q>) {
        self.add(&held.record);
        self.held.push(held);
    }

    /// All records that wait for others; they are no longer here.
    pub(super) fn let_go(&mut self) -> Vec<Held<Q>> {
        let held = std::mem::take(&mut self.held);
        for held in &held {
            self.remove(std::slice::from_ref(&held.record));
        }
        held
    }

    /// Records that wait for others.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing can be sent before something is known of those that wait for others.
    pub(super) fn is_only_held(&self) -> bool {
        let is_empty = self.ready.is_empty() && self.halves.is_empty() && self.waiting.is_empty();
        !self.held.is_empty() && (is_empty || self.in_order)
    }

    fn add(&mut self, record: &Record<Q>) {
        self.bytes += record_bytes(record, self.size);
        self.failed += usize::from(record.trail.has_failed);
    }

    /// Part of a bulk that was refused as a whole, to be sent by itself.
    pub(super) fn half(&mut self, half: Vec<Record<Q>>) {
        half.iter().for_each(|record| self.add(record));
        let place = match self.in_order {
            true => self
                .halves
                .partition_point(|other| first(other) < first(&half)),
            false => self.halves.len(),
        };
        self.halves.insert(place, half);
    }

    /// The next bulk: a half, or what is ready, up to so many records that hold so many bytes; one at least. And whether it
    /// is bytes that it has no room for more of.
    pub(super) fn take(
        &mut self,
        bulk_max: usize,
        bytes_max: usize,
    ) -> Option<(Vec<Record<Q>>, bool)> {
        if self.is_held_up() {
            return None;
        }
        let before = self.ready_before_halves();
        let (bulk, is_full_in_bytes) = match self.halves.pop_front_if(|_| before == 0) {
            Some(half) => (half, false),
            None if self.ready.is_empty() => return None,
            None => {
                let most = bulk_max.min(before);
                let mut left = Some(bytes_max);
                let fitting = self.ready.iter().take(most).take_while(|record| {
                    left = left.and_then(|left| left.checked_sub((self.size)(&record.value)));
                    left.is_some()
                });
                let count = fitting.count().max(1);
                // A drain says too little of its length to be collected into no more than it needs.
                let mut bulk = Vec::with_capacity(count);
                bulk.extend(self.ready.drain(..count));
                (bulk, count < most)
            }
        };
        self.remove(&bulk);
        Some((bulk, is_full_in_bytes))
    }

    fn remove(&mut self, bulk: &[Record<Q>]) {
        self.bytes -= self.bytes_of(bulk);
        self.failed -= bulk.iter().filter(|r| r.trail.has_failed).count();
    }

    /// The next probe: a single record, one that has not failed before if there is one, from anywhere: bad
    /// ones come in stretches. `random` is in 0..1. Where the order counts, whatever comes first.
    pub(super) fn take_probe(&mut self, random: f64) -> Option<Vec<Record<Q>>> {
        if self.in_order {
            return self.take(1, usize::MAX).map(|(bulk, _)| bulk);
        }
        let halves = self.halves.drain(..).flatten();
        self.ready.extend(halves);
        if self.fresh() == 0 {
            return self.take(1, usize::MAX).map(|(bulk, _)| bulk);
        }
        let from = (random * self.ready.len() as f64) as usize;
        let places = (from..self.ready.len()).chain(0..from);
        let place = places
            .into_iter()
            .find(|place| !self.ready[*place].trail.has_failed);
        let bulk = vec![self.ready.remove(place.unwrap_or(0))?];
        self.remove(&bulk);
        Some(bulk)
    }

    /// Records that have not failed before.
    pub(super) fn fresh(&self) -> usize {
        self.len() - self.failed
    }

    /// Records of which nothing is known but from these failures: fresh ones, and those that failed in them only.
    pub(super) fn unknown(&self, streak: u32) -> usize {
        let is_unknown = |record: &&Record<Q>| {
            let trail = &record.trail;
            let is_all = trail.attempts == trail.attempts_in_streak;
            !trail.has_failed || is_all && trail.streak == streak
        };
        let halves = self.halves.iter().flatten();
        let waiting = self.waiting.iter().map(|Reverse(waiting)| &waiting.record);
        let held = self.held.iter().map(|held| &held.record);
        let all = self.ready.iter().chain(halves).chain(waiting).chain(held);
        all.filter(is_unknown).count()
    }

    /// Ready records that are sent before the halves, if there are any: where the order counts, those that come before.
    fn ready_before_halves(&self) -> usize {
        match self.halves.front() {
            None => self.ready.len(),
            Some(_) if !self.in_order => 0,
            Some(half) => self
                .ready
                .partition_point(|record| Some(record.index) < first(half)),
        }
    }

    /// When the next wait is over.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.at)
    }

    /// Makes the record ready whose wait was over first.
    pub(super) fn promote(&mut self, now: Duration) {
        if let Some(Reverse(waiting)) = self.waiting.pop() {
            let mut record = waiting.record;
            record.trail.ready_ns = nanoseconds(now);
            if waiting.is_last {
                self.put_last(record);
            } else {
                self.put_back(record);
            }
        }
    }

    /// Makes this record the next, if it is ready.
    pub(super) fn bring_forward(&mut self, index: u64) -> bool {
        let is_it = |record: &Record<Q>| record.index == index;
        if let Some(place) = self.halves.iter().position(|half| half.iter().any(is_it)) {
            self.halves.swap(0, place);
            return true;
        }
        // The first, nearly always.
        let place = self.ready.iter().position(is_it);
        let Some(record) = place.and_then(|place| self.ready.remove(place)) else {
            return false;
        };
        self.halves.push_front(vec![record]);
        true
    }

    /// Whether nothing may be sent before a wait is over.
    fn is_held_up(&self) -> bool {
        self.in_order && !(self.waiting.is_empty() && self.held.is_empty())
    }

    /// Lets something be done to what is remembered of every record.
    pub(super) fn for_each_trail(&mut self, mut change: impl FnMut(&mut Trail)) {
        let halves = self.halves.iter_mut().flatten();
        for record in self.ready.iter_mut().chain(halves) {
            change(&mut record.trail);
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_vec();
        for Reverse(waiting) in &mut waiting {
            change(&mut waiting.record.trail);
        }
        self.waiting = waiting.into();
        for held in &mut self.held {
            change(&mut held.record.trail);
        }
    }

    /// Requests it would take to send what is ready.
    pub(super) fn bulks(&self, bulk_max: usize) -> usize {
        match self.is_held_up() {
            true => 0,
            false => self.halves.len() + self.ready.len().div_ceil(bulk_max),
        }
    }

    /// Records that are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len() + self.halves.iter().map(Vec::len).sum::<usize>()
    }

    /// Records that wait until they may be sent again.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.held.len()
    }

    /// Records that are ready or wait.
    pub(super) fn len(&self) -> usize {
        self.ready() + self.waiting()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn bytes_of(&self, bulk: &[Record<Q>]) -> usize {
        bulk.iter().map(|r| record_bytes(r, self.size)).sum()
    }
}

/// The item that a bulk begins with; none is empty.
fn first<Q>(bulk: &[Record<Q>]) -> Option<u64> {
    bulk.first().map(|record| record.index)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// Ordered by time, and by index where that is equal, so that a run can be repeated.
impl<Q> Waiting<Q> {
    fn key(&self) -> (Duration, u64) {
        (self.at, self.record.index)
    }
}

impl<Q> PartialEq for Waiting<Q> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<Q> Eq for Waiting<Q> {}

impl<Q> PartialOrd for Waiting<Q> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Q> Ord for Waiting<Q> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bounded_in_bytes_but_for_one_record() {
        let mut backlog = Backlog::new(false, |size: &usize| *size);
        let records = [400, 400, 400, 5_000, 1].into_iter().enumerate();
        let records = records.map(|(index, size)| Record::new(index as u64, size));
        backlog.offer(Duration::ZERO, Chunk::new(records.collect(), |size| *size));
        let taken = std::iter::from_fn(|| backlog.take(8, 1_000));
        let taken: Vec<_> = taken.map(|(bulk, is_full)| (bulk.len(), is_full)).collect();
        assert_eq!(taken, [(2, true), (1, true), (1, true), (1, false)]);
        assert_eq!(backlog.bytes(), 0);
    }
}
