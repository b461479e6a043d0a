//! Chunks that wait in a queue: taken as they come, or in the order of their numbers. Pure.
//!
//! Chunks are computed beside each other and end in any order. Where the order counts, one that is early waits here for
//! those before it; how much may wait is for the queue to bound.

use std::collections::{BTreeMap, VecDeque};

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

    pub(crate) fn push(&mut self, chunk: Chunk<T>) {
        match self {
            Line::AsTheyCome(chunks) => chunks.push_back(chunk),
            Line::InOrder { here, .. } => {
                let twice = here.insert(chunk.number, chunk);
                debug_assert!(twice.is_none(), "each chunk comes once");
            }
        }
    }

    /// The chunk whose turn it is, if it is here.
    pub(crate) fn pop(&mut self) -> Option<Chunk<T>> {
        match self {
            Line::AsTheyCome(chunks) => chunks.pop_front(),
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

    pub(crate) fn len(&self) -> usize {
        match self {
            Line::AsTheyCome(chunks) => chunks.len(),
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
