//! A set of item indexes, as runs; what one request finished.

use std::ops::Range;

/// The indexes of some items, in the order they were sent, neighbours joined into ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexes(Runs);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Runs {
    // Nearly always one run: the common case costs no allocation.
    One(Range<u64>),
    Many(Vec<Range<u64>>),
}

impl Default for Indexes {
    fn default() -> Indexes {
        Indexes(Runs::One(0..0))
    }
}

impl Indexes {
    /// The ranges, none of them empty unless the set is.
    pub fn ranges(&self) -> &[Range<u64>] {
        match &self.0 {
            Runs::One(range) => std::slice::from_ref(range),
            Runs::Many(ranges) => ranges,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> u64 {
        self.ranges().iter().map(|r| r.end - r.start).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&mut self, index: u64) {
        match &mut self.0 {
            Runs::One(range) if range.is_empty() => *range = index..index + 1,
            Runs::One(range) if range.end == index => range.end += 1,
            Runs::One(range) => self.0 = Runs::Many(vec![range.clone(), index..index + 1]),
            Runs::Many(ranges) => match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => ranges.push(index..index + 1),
            },
        }
    }
}

impl FromIterator<u64> for Indexes {
    fn from_iter<I: IntoIterator<Item = u64>>(indexes: I) -> Indexes {
        let mut set = Indexes::default();
        for index in indexes {
            set.push(index);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_and_gaps_do_not() {
        let set: Indexes = [3, 4, 5, 9, 10, 2].into_iter().collect();
        assert_eq!(set.ranges(), [3..6, 9..11, 2..3]);
        assert_eq!(set.len(), 6);
        assert!(Indexes::default().is_empty());
    }
}
