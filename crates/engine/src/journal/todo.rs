//! Which items of the input are to be done: those that no earlier run has finished. Pure.

use std::collections::BTreeSet;

use super::finished::Finished;
use crate::source::Place;

/// What a run should read, and from where.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Where reading goes on, and the item there; from the beginning if nothing is said.
    pub(crate) from: Option<(u64, Place)>,
    /// Up to where earlier runs read, so that it can be seen whether that has changed.
    pub(crate) read_to: Option<Place>,
    pub(crate) items: Items,
    /// Dead items that others may be behind, which are left then.
    pub(crate) dead: BTreeSet<u64>,
}

/// Which items are wanted.
#[derive(Debug)]
pub(crate) enum Items {
    /// All that are not finished.
    Rest(Finished),
    /// These and no others.
    Only(BTreeSet<u64>),
}

impl Default for Items {
    fn default() -> Items {
        Items::Rest(Finished::default())
    }
}

impl Items {
    /// Whether this item is wanted. Asked once of each.
    pub(crate) fn wants(&mut self, index: u64) -> bool {
        match self {
            Items::Rest(finished) => !finished.contains(index),
            Items::Only(items) => items.remove(&index),
        }
    }

    /// Whether all are wanted from this item on, so that nobody needs to ask.
    pub(crate) fn wants_all_from(&self, index: u64) -> bool {
        match self {
            Items::Rest(finished) => index >= finished.end(),
            Items::Only(_) => false,
        }
    }

    /// How many are wanted of the `rest` items from this one on.
    pub(crate) fn count_wanted(&self, index: u64, rest: u64) -> u64 {
        match self {
            Items::Rest(finished) => rest.saturating_sub(finished.count_from(index)),
            Items::Only(items) => items.len() as u64,
        }
    }

    /// Whether nothing that comes is wanted.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Items::Only(items) if items.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finished_is_not_wanted() {
        let finished = [0..3, 5..6].into_iter().collect();
        let mut items = Items::Rest(finished);
        let wanted: Vec<u64> = (0..8).filter(|index| items.wants(*index)).collect();
        assert_eq!(wanted, [3, 4, 6, 7]);
        assert!(items.wants_all_from(6) && !items.wants_all_from(5) && !items.is_over());
    }

    #[test]
    fn only_what_was_named_is_wanted() {
        let mut items = Items::Only([2, 5].into());
        let wanted: Vec<u64> = (0..8).filter(|index| items.wants(*index)).collect();
        assert_eq!(wanted, [2, 5]);
        assert!(items.is_over());
    }
}
