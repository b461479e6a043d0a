//! Which items are finished: all below a watermark, and some in a window above it. Pure, and bounded.

use std::collections::VecDeque;
use std::ops::Range;

/// How far above the watermark an item may be: 16 Mi items, so that the window takes 2 MiB at most. A reader
/// that is further ahead waits until the slowest item is finished.
pub(crate) const WINDOW: u64 = 1 << 24;

/// The same where items are known by keys, each of which takes more room than its bit: 512 MiB at most. What no run has
/// finished stays below all that were read since, so the reader waits for nothing.
const KEYED_WINDOW: u64 = 1 << 32;

/// The items that are finished, of an input of any length, in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Every item below this is finished; a multiple of 64 below the first that is not.
    base: u64,
    /// One bit an item from `base` on. The first word always has a gap.
    words: VecDeque<u64>,
    /// Whether items are known by keys.
    is_keyed: bool,
}

impl Finished {
    /// Every item below this is finished, and this one is not.
    pub(crate) fn watermark(&self) -> u64 {
        let ones = self.words.front().map_or(0, |word| word.trailing_ones());
        self.base + u64::from(ones)
    }

    /// No item from here on is finished.
    pub(crate) fn end(&self) -> u64 {
        match self.words.back() {
            Some(word) => {
                let last = self.base + 64 * (self.words.len() as u64 - 1);
                last + u64::from(64 - word.leading_zeros())
            }
            None => self.base,
        }
    }

    pub(crate) fn contains(&self, index: u64) -> bool {
        if index < self.base {
            return true;
        }
        let (word, bit) = self.place(index);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Items are known by keys from now on.
    pub(crate) fn know_by_keys(&mut self) {
        self.is_keyed = true;
    }

    /// How many are finished from this item on.
    pub(crate) fn count_from(&self, index: u64) -> u64 {
        let above = self
            .ranges()
            .into_iter()
            .map(|range| range.start.max(index)..range.end);
        above
            .filter(|range| !range.is_empty())
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Adds these items; says how many were not in it. What lies beyond the window is left out, which may cost
    /// doing it again and nothing else.
    pub(crate) fn insert(&mut self, range: Range<u64>) -> u64 {
        let start = range.start.max(self.base);
        let window = if self.is_keyed { KEYED_WINDOW } else { WINDOW };
        let end = range.end.min(self.base.saturating_add(window));
        if start >= end {
            return 0;
        }
        let words = (end - self.base).div_ceil(64) as usize;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
        let mut added = 0;
        let mut index = start;
        while index < end {
            let (at, first) = self.place(index);
            let count = (64 - (index - self.base) % 64).min(end - index);
            let bits = (u64::MAX >> (64 - count)) << first.trailing_zeros();
            let word = &mut self.words[at];
            added += u64::from((bits & !*word).count_ones());
            *word |= bits;
            index += count;
        }
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.base += 64;
        }
        added
    }

    /// The items that are finished, as ranges in their order.
    pub(crate) fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut add = |range: Range<u64>| match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => ranges.push(range),
        };
        add(0..self.base);
        for (start, &word) in (self.base..).step_by(64).zip(&self.words) {
            let mut rest = word;
            while rest != 0 {
                let first = rest.trailing_zeros();
                let count = (rest >> first).trailing_ones();
                let at = start + u64::from(first);
                add(at..at + u64::from(count));
                rest &= u64::MAX.checked_shl(first + count).unwrap_or(0);
            }
        }
        ranges
    }

    fn place(&self, index: u64) -> (usize, u64) {
        let from = index - self.base;
        ((from / 64) as usize, 1 << (from % 64))
    }
}

impl FromIterator<Range<u64>> for Finished {
    /// Of ranges in their order.
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Finished {
        let mut finished = Finished::default();
        for range in ranges {
            finished.insert(range);
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// It is a set, whatever the order in which items are finished.
        #[test]
        fn it_is_a_set(ranges in prop::collection::vec((0u64..500, 0u64..90), 0..40)) {
            let mut finished = Finished::default();
            let mut set = BTreeSet::new();
            for (start, count) in ranges {
                let range = start..start + count;
                let before = set.len();
                set.extend(range.clone());
                prop_assert_eq!(finished.insert(range), (set.len() - before) as u64);
            }
            for index in 0..700 {
                prop_assert_eq!(finished.contains(index), set.contains(&index), "{}", index);
            }
            let watermark = (0..).find(|index| !set.contains(index)).unwrap();
            prop_assert_eq!(finished.watermark(), watermark);
            let end = set.last().map_or(0, |last| last + 1);
            prop_assert!(finished.end() == end || finished.end() == watermark && end <= watermark);
            let ranges = finished.ranges();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(ranges.iter().cloned().collect::<Finished>(), finished);
            prop_assert_eq!(ranges.into_iter().flatten().collect::<BTreeSet<_>>(), set);
        }
    }

    #[test]
    fn what_is_far_ahead_is_left_out_and_costs_no_memory() {
        let mut finished = Finished::default();
        assert_eq!(finished.insert(u64::MAX - 5..u64::MAX), 0);
        assert_eq!(finished.insert(0..u64::MAX), WINDOW);
        assert_eq!(finished.watermark(), WINDOW);
        assert!(finished.words.len() <= 1);
    }
}
