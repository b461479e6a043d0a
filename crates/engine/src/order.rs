//! Which items may go where those of one value go one after the other, in the order of the input. Pure.
//!
//! Of each value one item is out at a time: from when it goes until it is saved, or dead. Those that come meanwhile wait here;
//! items of other values overtake them. Where a dead item halts its value, those behind it never go: they are left.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use crate::key::Key;
use crate::planted::planted;

/// What is out, and what waits for it.
pub(crate) struct Order<R> {
    /// The values of which an item is out, each with those that wait behind it.
    values: HashMap<Key, VecDeque<(u64, R)>>,
    /// Of which value an item is that is out.
    out: HashMap<u64, Key>,
    waiting: usize,
    /// Whether a dead item halts its value.
    halts: bool,
    /// Values that are halted: 16 bytes for each, as many as there are dead items at most.
    halted: HashSet<Key>,
}

/// What is to be done with an item that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came<R> {
    Goes(R),
    /// Until the one before it has ended.
    Waits,
    /// It is left: one before it is dead.
    Left(R),
}

/// What the end of an item has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<R> {
    /// Nobody waits for it.
    Nothing,
    /// The next of its value goes.
    Goes(R),
    /// All that waited behind it are left.
    Left(VecDeque<(u64, R)>),
}

impl<R> Order<R> {
    pub(crate) fn new(halts: bool) -> Order<R> {
        Order {
            values: HashMap::new(),
            out: HashMap::new(),
            waiting: 0,
            halts,
            halted: HashSet::new(),
        }
    }

    /// An item comes, behind all others.
    pub(crate) fn comes(&mut self, index: u64, value: Key, item: R) -> Came<R> {
        if self.halted.contains(&value) {
            return Came::Left(item);
        }
        match self.values.entry(value) {
            Entry::Occupied(mut behind) if !planted!(OrderIgnored) => {
                behind.get_mut().push_back((index, item));
                self.waiting += 1;
                Came::Waits
            }
            entry => {
                entry.or_default();
                self.out.insert(index, value);
                Came::Goes(item)
            }
        }
    }

    /// An item is saved or dead, or will be dead as soon as anything else can be computed.
    pub(crate) fn ended(&mut self, index: u64, is_saved: bool) -> Next<R> {
        // It may have ended before, or been none that went: a row that could not be read.
        let Some(value) = self.out.remove(&index) else {
            return Next::Nothing;
        };
        if self.halts && !is_saved {
            self.halted.insert(value);
            let behind = self.values.remove(&value).unwrap_or_default();
            self.waiting -= behind.len();
            return Next::Left(behind);
        }
        let Some(behind) = self.values.get_mut(&value) else {
            return Next::Nothing;
        };
        let Some((index, item)) = behind.pop_front() else {
            self.values.remove(&value);
            return Next::Nothing;
        };
        self.waiting -= 1;
        self.out.insert(index, value);
        Next::Goes(item)
    }

    /// An item of this value died in an earlier run.
    pub(crate) fn halt(&mut self, value: Key) {
        if self.halts {
            self.halted.insert(value);
        }
    }

    /// Items that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Lets go of all that waits.
    pub(crate) fn take(&mut self) -> Order<R> {
        std::mem::replace(self, Order::new(self.halts))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Plays a job: items of these values come, and whichever is out ends, as the draws say. Gives the order in which items went,
    /// and those that were left.
    fn play(values: &[u8], draws: &[(usize, bool)], halts: bool) -> (Vec<u64>, Vec<u64>) {
        let mut order = Order::new(halts);
        let (mut out, mut went, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let mut coming = values.iter().enumerate();
        let mut draws = draws.iter().cycle();
        loop {
            let (draw, is_good) = draws.next().unwrap();
            let comes = draw % 2 == 0;
            if comes && let Some((index, value)) = coming.next() {
                let index = index as u64;
                match order.comes(index, Key::of([*value]), index) {
                    Came::Goes(item) => {
                        went.push(item);
                        out.push(item);
                    }
                    Came::Waits => {}
                    Came::Left(item) => left.push(item),
                }
            } else if !out.is_empty() {
                let index = out.swap_remove(draw / 2 % out.len());
                match order.ended(index, *is_good) {
                    Next::Nothing => {}
                    Next::Goes(item) => {
                        went.push(item);
                        out.push(item);
                    }
                    Next::Left(items) => left.extend(items.into_iter().map(|(index, _)| index)),
                }
                assert_eq!(order.ended(index, true), Next::Nothing, "it ended before");
            } else if coming.len() == 0 {
                break;
            }
            let mut out_of = BTreeMap::<u8, u64>::new();
            for index in &out {
                *out_of.entry(values[*index as usize]).or_default() += 1;
            }
            assert!(out_of.values().all(|count| *count == 1), "one at a time");
            let come = values.len() - coming.len();
            assert_eq!(order.waiting(), come - went.len() - left.len());
        }
        (went, left)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever comes and ends when: each item goes once, those of one value in order; and none is left unless one before
        /// it died and that halts.
        #[test]
        fn items_of_one_value_go_one_after_the_other(
            values in prop::collection::vec(0..5_u8, 0..40),
            draws in prop::collection::vec((0..1000_usize, prop::bool::weighted(0.8)), 2..60),
            halts: bool,
        ) {
            // Or nothing would ever come, or end.
            let draws: Vec<_> = draws.into_iter().chain([(0, true), (1, true)]).collect();
            let (went, left) = play(&values, &draws, halts);
            for value in 0..5 {
                let of_value = |items: &[u64]| -> Vec<u64> {
                    items.iter().copied().filter(|index| values[*index as usize] == value).collect()
                };
                let (went, mut left) = (of_value(&went), of_value(&left));
                left.sort_unstable();
                let all: Vec<u64> = went.iter().chain(&left).copied().collect();
                let expected: Vec<u64> = (0..).zip(&values).filter(|(_, of)| **of == value).map(|(index, _)| index).collect();
                prop_assert_eq!(all, expected);
                prop_assert!(halts || left.is_empty());
            }
        }
    }

    #[test]
    fn what_died_before_halts_its_value() {
        let mut order = Order::new(true);
        order.halt(Key::of("a"));
        assert_eq!(order.comes(0, Key::of("a"), ()), Came::Left(()));
        assert_eq!(order.comes(1, Key::of("b"), ()), Came::Goes(()));
    }
}
