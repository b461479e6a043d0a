//! Which items are kept when there are too many to keep all: every Nth, all that had a fault, and the slowest.
//!
//! Pure. Nobody needs to know beforehand how many items will come: when too many have been kept, N grows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};

use super::span::{Kind, Span};

/// Items up to which every one is kept. More cannot be told apart on a screen, and this many take 15 MB.
pub(crate) const ITEMS_MAX: u64 = 200_000;

/// Of what is above that, at most this part of it is kept, and at least half of this: still more than a screen shows, and
/// whoever has that many items has quick ones, for which keeping should take no time.
const PART: u64 = 4;

/// Spans of items with a fault that are kept beside the sample: 2.4 MB. A run in which more failed is not read item by item.
const FAULT_SPANS_MAX: usize = 100_000;

/// The slowest of each kind that are kept beside the sample: a screen shows no more lines than that.
const SLOWEST: usize = 1_000;

/// Computations of items outside the sample that are remembered, in case one is needed: as many as can be between
/// computing and saved, and then some. A power of two.
const RECENT: usize = 1 << 14;

/// The same for chunks of cheap items, which share one span.
const RECENT_CHUNKS: usize = 256;

/// The spans of the items that are kept.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Every so many items one is kept: a power of two, to divide by it costs nothing.
    every: u64,
    /// Spans after which N grows, kept or yet to come.
    spans_max: usize,
    spans: Vec<Span>,
    faults: Vec<Span>,
    faults_dropped: u64,
    slowest: [BinaryHeap<Reverse<Slow>>; 3],
    recent: Vec<Span>,
    chunks: VecDeque<Chunk>,
}

/// Cheap items that were computed one after the other, and timed together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) items: u64,
    pub(crate) at_us: u64,
    pub(crate) took_us: u64,
}

/// A slow span, and the computation that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slow {
    took_us: u64,
    span: Span,
    computed: Option<Span>,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Sampled {
    /// Items that are shown.
    pub(crate) items: u64,
    /// Every so many items one is shown; 1 if all are.
    pub(crate) every: u64,
    /// Spans of items with a fault that there was no room for.
    pub(crate) faults_dropped: u64,
}

impl Sample {
    /// For a run of so many items, if that is known, of which so many may be kept.
    pub(crate) fn new(total: Option<u64>, items_max: u64, has_fetch: bool) -> Sample {
        let every = match total {
            Some(total) if total > items_max => total
                .div_ceil((items_max / PART).max(1))
                .checked_next_power_of_two()
                .unwrap_or(1 << 63),
            _ => 1,
        };
        let expected = total.unwrap_or(1_000).div_ceil(every) as usize;
        let spans_each = if has_fetch { 3 } else { 2 };
        Sample {
            every,
            spans_max: items_max as usize * spans_each,
            spans: Vec::with_capacity(expected * spans_each),
            faults: Vec::new(),
            faults_dropped: 0,
            slowest: Default::default(),
            recent: Vec::new(),
            chunks: VecDeque::new(),
        }
    }

    /// One item was computed.
    pub(crate) fn computed(&mut self, span: Span) {
        if self.is_kept(span.index) {
            self.keep(span);
            return;
        }
        if self.recent.is_empty() {
            self.recent = vec![span; RECENT];
        }
        self.recent[span.index as usize % RECENT] = span;
        self.if_slow(span);
    }

    /// Cheap items were computed together: each is taken to have cost the same.
    pub(crate) fn computed_together(&mut self, chunk: Chunk) {
        if self.chunks.len() == RECENT_CHUNKS {
            self.chunks.pop_front();
        }
        self.chunks.push_back(chunk);
        let mut index = self.next_kept(chunk.first);
        while let Some(span) = chunk.span(index) {
            self.keep(span);
            index += self.every;
        }
    }

    /// A request finished these items.
    pub(crate) fn finished(&mut self, range: std::ops::Range<u64>, like: Span, is_again: bool) {
        let of = |index| Span::of_micros(index, like.kind(), like.at_us(), like.took_us());
        if is_again && self.every > 1 {
            for index in range.clone().take(FAULT_SPANS_MAX) {
                if !self.is_kept(index) {
                    self.keep_fault(of(index));
                }
            }
        }
        if !self.is_kept(range.start) {
            self.if_slow(of(range.start));
        }
        let mut index = self.next_kept(range.start);
        while index < range.end {
            self.keep(of(index));
            index += self.every;
        }
    }

    /// Something went wrong with an item, whether it is in the sample or not.
    pub(crate) fn fault(&mut self, span: Span) {
        if self.is_kept(span.index) {
            self.keep(span);
            return;
        }
        if let Some(computed) = self.computation_of(span.index) {
            self.keep_fault(computed);
        }
        self.keep_fault(span);
    }

    /// All that was kept, by item and time, and what that is of the whole.
    pub(crate) fn finish(mut self) -> (Vec<Span>, Sampled) {
        let mut spans = self.spans;
        spans.append(&mut self.faults);
        for Reverse(slow) in self.slowest.into_iter().flatten() {
            spans.extend(slow.computed);
            spans.push(slow.span);
        }
        spans.sort_unstable();
        spans.dedup();
        let sampled = Sampled {
            items: spans.chunk_by(|a, b| a.index == b.index).count() as u64,
            every: self.every,
            faults_dropped: self.faults_dropped,
        };
        (spans, sampled)
    }

    fn is_kept(&self, index: u64) -> bool {
        index & (self.every - 1) == 0
    }

    /// The first one that is kept, from this one on.
    fn next_kept(&self, index: u64) -> u64 {
        index.saturating_add(self.every - 1) & !(self.every - 1)
    }

    fn keep(&mut self, span: Span) {
        if self.spans.len() >= self.spans_max {
            self.thin_out();
            if !self.is_kept(span.index) {
                return;
            }
        }
        self.spans.push(span);
    }

    /// Lets go of three in four items, but not of those that had a fault or were slow.
    fn thin_out(&mut self) {
        self.every *= PART;
        let faulty: HashSet<u64> = self
            .spans
            .iter()
            .filter(|span| span.kind().is_fault())
            .map(|span| span.index)
            .collect();
        let rest = self.every - 1;
        let mut gone: Vec<Span> = self
            .spans
            .extract_if(.., |span| span.index & rest != 0)
            .collect();
        gone.sort_unstable();
        for row in gone.chunk_by(|a, b| a.index == b.index) {
            let computed = row.iter().find(|span| span.kind() == Kind::Compute);
            for &span in row {
                if faulty.contains(&span.index) {
                    self.keep_fault(span);
                } else {
                    self.keep_if_slow(span, |_| computed.copied());
                }
            }
        }
    }

    fn keep_fault(&mut self, span: Span) {
        if self.faults.len() < FAULT_SPANS_MAX {
            self.faults.push(span);
        } else {
            self.faults_dropped += 1;
        }
    }

    fn if_slow(&mut self, span: Span) {
        self.keep_if_slow(span, |sample| sample.computation_of(span.index));
    }

    /// Keeps a span if it is among the slowest; `computed` is asked for only then.
    fn keep_if_slow(&mut self, span: Span, computed: impl FnOnce(&Sample) -> Option<Span>) {
        let heap = match span.kind() {
            Kind::Fetch => 0,
            Kind::Compute => 1,
            Kind::Save => 2,
            _ => return,
        };
        let is_full = self.slowest[heap].len() >= SLOWEST;
        let least = self.slowest[heap].peek().map_or(0, |slow| slow.0.took_us);
        if is_full && span.took_us() <= least {
            return;
        }
        let slow = Slow {
            took_us: span.took_us(),
            span,
            computed: computed(self).filter(|_| span.kind() == Kind::Save),
        };
        let slowest = &mut self.slowest[heap];
        if !is_full {
            slowest.push(Reverse(slow));
        } else if let Some(mut quickest) = slowest.peek_mut() {
            *quickest = Reverse(slow);
        }
    }

    /// When an item outside the sample was computed, if that is still remembered.
    fn computation_of(&self, index: u64) -> Option<Span> {
        let recent = self.recent.get(index as usize % RECENT);
        recent
            .filter(|span| span.index == index)
            .copied()
            .or_else(|| self.chunks.iter().rev().find_map(|chunk| chunk.span(index)))
    }
}

impl Chunk {
    /// When this item was computed, if it was one of them.
    fn span(&self, index: u64) -> Option<Span> {
        let among = self.last.checked_sub(self.first)? + 1;
        // Out of order, or with gaps: who is in it is not known.
        if among != self.items || !(self.first..=self.last).contains(&index) {
            return None;
        }
        let at = |place: u64| {
            self.at_us + (u128::from(self.took_us) * u128::from(place) / u128::from(among)) as u64
        };
        let place = index - self.first;
        let (from, to) = (at(place), at(place + 1));
        Some(Span::of_micros(index, Kind::Compute, from, to - from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(index: u64, took_us: u64) -> Span {
        Span::of_micros(index, Kind::Save, 10 * index, took_us)
    }

    /// A run of so many items, each computed and saved; every hundredth save is slow.
    fn run(sample: &mut Sample, items: u64) {
        for index in 0..items {
            sample.computed(Span::of_micros(index, Kind::Compute, 10 * index, 5));
            let took = if index % 100 == 99 { 1_000 } else { 10 };
            sample.finished(index..index + 1, saved(index, took), false);
        }
    }

    #[test]
    fn every_item_is_kept_while_there_is_room() {
        let mut sample = Sample::new(Some(1_000), ITEMS_MAX, false);
        run(&mut sample, 1_000);
        let (spans, sampled) = sample.finish();
        assert_eq!(spans.len(), 2_000);
        assert_eq!((sampled.items, sampled.every), (1_000, 1));
    }

    #[test]
    fn more_are_thinned_out_but_the_slowest_stay_with_their_computation() {
        for total in [Some(500_000), None] {
            let mut sample = Sample::new(total, ITEMS_MAX, false);
            run(&mut sample, 500_000);
            let (spans, sampled) = sample.finish();
            assert!(
                (ITEMS_MAX / (2 * PART)..=ITEMS_MAX + 4 * SLOWEST as u64).contains(&sampled.items),
                "{sampled:?}"
            );
            let slow = spans.iter().filter(|span| span.took_us() == 1_000);
            let outside: Vec<u64> = slow
                .map(|span| span.index)
                .filter(|index| !index.is_multiple_of(sampled.every))
                .collect();
            assert_eq!(outside.len(), SLOWEST);
            let computed = |index: &u64| {
                spans
                    .iter()
                    .any(|span| span.index == *index && span.kind() == Kind::Compute)
            };
            assert!(outside.iter().rev().take(20).all(computed));
        }
    }

    #[test]
    fn every_fault_is_kept_and_its_item_too() {
        let mut sample = Sample::new(Some(10_000_000), ITEMS_MAX, false);
        assert_eq!(sample.every, 256);
        sample.computed(Span::of_micros(7, Kind::Compute, 1, 2));
        sample.fault(Span::of_micros(7, Kind::SaveFailed, 5, 3));
        sample.finished(7..8, saved(7, 4), true);
        let chunk = Chunk {
            first: 1_000,
            last: 2_023,
            items: 1_024,
            at_us: 100,
            took_us: 1_024,
        };
        sample.computed_together(chunk);
        sample.fault(Span::of_micros(1_001, Kind::Dead, 1_200, 0));
        let (spans, _) = sample.finish();
        let of = |index| spans.iter().filter(move |span| span.index == index);
        let kinds = |index| of(index).map(Span::kind).collect::<Vec<_>>();
        assert_eq!(kinds(7), [Kind::Compute, Kind::SaveFailed, Kind::Save]);
        assert_eq!(kinds(1_001), [Kind::Compute, Kind::Dead]);
        assert_eq!(of(1_001).next().map(Span::at_us), Some(101));
        assert_eq!(kinds(1_280).len(), 1);
    }

    #[test]
    fn faults_without_end_are_counted_when_there_is_no_room() {
        let mut sample = Sample::new(Some(10_000_000), ITEMS_MAX, false);
        for index in 0..FAULT_SPANS_MAX as u64 + 10 {
            sample.fault(Span::of_micros(50 * index + 1, Kind::SaveFailed, 5, 3));
        }
        assert_eq!(sample.finish().1.faults_dropped, 10);
    }
}
