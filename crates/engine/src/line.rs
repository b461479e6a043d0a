//! Chunks that wait in a queue: taken as they come, in the order of their numbers, or one after the other of each value. Pure.
//!
//! Chunks are computed beside each other and end in any order. Where the order counts, one that is early waits here for
//! those before it; how much may wait is for the queue to bound.

use std::collections::{BTreeMap, VecDeque};

use crate::order::{Came, Next, Order};
use crate::record::Chunk;

/// What waits, and what says whose turn it is.
pub(crate) enum Line<T> {
    /// First come, first served.
    AsTheyCome(VecDeque<Chunk<T>>),
    /// By number; none is left out.
    InOrder {
        /// Whose turn it is.
        next: u64,
        /// Those that are here, by their numbers.
        here: BTreeMap<u64, Chunk<T>>,
    },
    /// As they come, but for those that wait until one before them has ended. Each has one record.
    ByValue {
        ready: VecDeque<Chunk<T>>,
        order: Order<Chunk<T>>,
    },
}

impl<T> Line<T> {
    pub(crate) fn as_they_come() -> Line<T> {
        Line::AsTheyCome(VecDeque::new())
    }

    /// The first is number 0.
    pub(crate) fn in_order() -> Line<T> {
        let (next, here) = (0, BTreeMap::new());
        Line::InOrder { next, here }
    }

    /// `halts`: what is behind a dead item is left.
    pub(crate) fn by_value(halts: bool) -> Line<T> {
        let (ready, order) = (VecDeque::new(), Order::new(halts));
        Line::ByValue { ready, order }
    }

    /// Adds a chunk; gives it back if it is left.
    pub(crate) fn push(&mut self, chunk: Chunk<T>) -> Option<Chunk<T>> {
        match self {
            Line::ByValue { ready, order } => match (chunk.value, chunk.records.first()) {
                (Some(value), Some(record)) => match order.comes(record.index, value, chunk) {
                    Came::Goes(chunk) => ready.push_back(chunk),
                    Came::Waits => {}
                    Came::Left(chunk) => return Some(chunk),
                },
                (Some(value), None) => order.halt(value),
                (None, _) => ready.push_back(chunk),
            },
            Line::AsTheyCome(chunks) => chunks.push_back(chunk),
            Line::InOrder { here, .. } => {
                let twice = here.insert(chunk.number, chunk);
                debug_assert!(twice.is_none(), "each chunk comes once");
            }
        }
        None
    }

    /// An item has ended that others may wait for; gives those that are left.
    pub(crate) fn ended(&mut self, index: u64, is_saved: bool) -> Vec<Chunk<T>> {
        let Line::ByValue { ready, order } = self else {
            return Vec::new();
        };
        match order.ended(index, is_saved) {
            Next::Nothing => Vec::new(),
            Next::Goes(chunk) => {
                ready.push_back(chunk);
                Vec::new()
            }
            Next::Left(behind) => behind.into_iter().map(|(_, chunk)| chunk).collect(),
        }
    }

    /// Chunks that wait until an item before them has ended.
    pub(crate) fn behind(&self) -> usize {
        match self {
            Line::ByValue { order, .. } => order.waiting(),
            Line::AsTheyCome(_) | Line::InOrder { .. } => 0,
        }
    }

    /// The chunk whose turn it is, if it is here.
    pub(crate) fn pop(&mut self) -> Option<Chunk<T>> {
        match self {
            Line::AsTheyCome(chunks) | Line::ByValue { ready: chunks, .. } => chunks.pop_front(),
            Line::InOrder { next, here } => {
                let chunk = here.remove(next)?;
                *next += 1;
                Some(chunk)
            }
        }
    }

    /// Whether others wait for the chunk of this number.
    pub(crate) fn is_next(&self, number: u64) -> bool {
        matches!(self, Line::InOrder { next, .. } if *next == number)
    }

    pub(crate) fn is_in_order(&self) -> bool {
        matches!(self, Line::InOrder { .. })
    }

    /// Those that have come, but for those that are behind others.
    pub(crate) fn len(&self) -> usize {
        match self {
            Line::AsTheyCome(chunks) | Line::ByValue { ready: chunks, .. } => chunks.len(),
            Line::InOrder { here, .. } => here.len(),
        }
    }

    /// Everything that is here; nothing is, after that.
    pub(crate) fn take(&mut self) -> Line<T> {
        match self {
            Line::AsTheyCome(chunks) => Line::AsTheyCome(std::mem::take(chunks)),
            Line::InOrder { next, here } => Line::InOrder {
                next: *next,
                here: std::mem::take(here),
            },
            Line::ByValue { ready, order } => Line::ByValue {
                ready: std::mem::take(ready),
                order: order.take(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever the order in which chunks come, they leave in that of their numbers, as soon as they can.
        #[test]
        fn chunks_leave_in_order(coming in Just((0..40_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut line: Line<()> = Line::in_order();
            let (mut left, mut here) = (0, std::collections::BTreeSet::new());
            for number in coming {
                prop_assert_eq!(line.is_next(number), number == left);
                line.push(Chunk::nothing(number));
                here.insert(number);
                while let Some(chunk) = line.pop() {
                    prop_assert_eq!(chunk.number, left);
                    prop_assert!(here.remove(&left));
                    left += 1;
                }
                prop_assert!(!here.contains(&left), "none waits whose turn it is");
                prop_assert_eq!(line.len(), here.len());
            }
            prop_assert_eq!(left, 40);
        }
    }
}
