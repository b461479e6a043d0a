//! Lets go of items in the order in which they were offered, whatever the order in which they are finished. Pure.
//!
//! A retry would else let later items overtake. One that is finished early waits here, with its answer, until all before
//! it are done or dead. What waits is bounded in items and in bytes: the bound says when no more should be offered or
//! sent, except the one item that all others wait for, which must always be able to go on.

use std::collections::VecDeque;

use crate::record::Record;

/// The items of a stage that were offered and are not released.
pub(super) struct Reorder<A> {
    /// In the order in which they were offered, which is that of their indexes.
    items: VecDeque<(u64, Fate<A>)>,
    /// Those among them that are done and wait, and what their answers hold.
    held: usize,
    bytes: usize,
    bounds: Bounds<A>,
}

/// How much may wait.
#[derive(Clone, Copy)]
pub(super) struct Bounds<A> {
    /// Items that were offered and are not released.
    pub(super) items: usize,
    /// What the answers that wait hold.
    pub(super) bytes: usize,
    /// What one answer holds on the heap.
    pub(super) size: fn(&A) -> usize,
}

/// What has become of an item.
enum Fate<A> {
    /// It is ready, waits for another try or is in flight.
    Open,
    Done(Record<A>),
    Dead,
}

impl<A> Reorder<A> {
    pub(super) fn new(bounds: Bounds<A>) -> Reorder<A> {
        Reorder {
            items: VecDeque::new(),
            held: 0,
            bytes: 0,
            bounds,
        }
    }

    /// Items come, behind all others.
    pub(super) fn offered(&mut self, indexes: impl Iterator<Item = u64>) {
        for index in indexes {
            debug_assert!(
                self.items.back().is_none_or(|(last, _)| *last < index),
                "item {index} is offered out of order"
            );
            self.items.push_back((index, Fate::Open));
        }
    }

    /// An item is saved, or fetched.
    pub(super) fn done(&mut self, record: Record<A>) {
        self.held += 1;
        self.bytes += self.bytes_of(&record);
        self.ends(record.index, Fate::Done(record));
    }

    /// An item will not be tried again; nobody waits for it any more.
    pub(super) fn dead(&mut self, index: u64) {
        self.ends(index, Fate::Dead);
    }

    fn ends(&mut self, index: u64, fate: Fate<A>) {
        let place = self.items.binary_search_by_key(&index, |(index, _)| *index);
        let place = place.expect("an item that ends was offered, and ends once");
        self.items[place].1 = fate;
    }

    /// Those whose turn has come, in order.
    pub(super) fn release(&mut self) -> Vec<Record<A>> {
        let mut released = Vec::new();
        while let Some((_, fate)) = self
            .items
            .pop_front_if(|(_, fate)| !matches!(fate, Fate::Open))
        {
            if let Fate::Done(record) = fate {
                self.held -= 1;
                self.bytes -= self.bytes_of(&record);
                released.push(record);
            }
        }
        released
    }

    /// Whether more may be offered.
    pub(super) fn has_room(&self) -> bool {
        self.items.len() < self.bounds.items && !self.is_full()
    }

    /// The item that must be finished before any other may be sent, if so much waits for it.
    pub(super) fn awaited_by_too_many(&self) -> Option<u64> {
        let (first, _) = self.items.front()?;
        self.is_full().then_some(*first)
    }

    /// Items that are done and wait.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn is_full(&self) -> bool {
        self.bytes >= self.bounds.bytes
    }

    fn bytes_of(&self, record: &Record<A>) -> usize {
        size_of::<(u64, Fate<A>)>() + (self.bounds.size)(&record.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Whatever the order in which items end: they are released in the order in which they were offered, each once and
        /// as soon as it can be, the dead ones never; and what waits is what is counted.
        #[test]
        fn items_are_released_in_the_order_they_were_offered(
            ending in Just((0..50_u64).collect::<Vec<_>>()).prop_shuffle(),
            dead in prop::collection::btree_set(0..50_u64, 0..20),
        ) {
            let mut order = Reorder::new(Bounds { items: 50, bytes: 2000, size: |bytes: &u64| *bytes as usize });
            order.offered(0..50);
            prop_assert!(!order.has_room());
            let (mut ended, mut released) = (std::collections::BTreeSet::new(), Vec::new());
            for index in ending {
                match dead.contains(&index) {
                    true => order.dead(index),
                    false => order.done(Record::new(index, index)),
                }
                ended.insert(index);
                released.extend(order.release().into_iter().map(|record| record.index));
                let first_open = (0..50).find(|index| !ended.contains(index)).unwrap_or(50);
                let expected: Vec<u64> = (0..first_open).filter(|index| !dead.contains(index)).collect();
                prop_assert_eq!(&released, &expected);
                let held: Vec<u64> = ended.iter().copied().filter(|index| *index > first_open && !dead.contains(index)).collect();
                prop_assert_eq!(order.held(), held.len());
                let bytes: usize = held.iter().map(|bytes| *bytes as usize + size_of::<(u64, Fate<u64>)>()).sum();
                prop_assert_eq!(order.bytes, bytes);
                let awaited = (bytes >= 2000).then_some(first_open);
                prop_assert_eq!(order.awaited_by_too_many(), awaited);
            }
        }
    }
}
