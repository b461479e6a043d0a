//! The items of an input that has been opened: a closed list of sources behind one type.

use inflight::{Fault, Place, Source};

use crate::csv::Records;
use crate::item_key::ItemKey;
use crate::lines::Lines;
use crate::payload::Payload;
#[cfg(feature = "postgres")]
use crate::postgres::Rows;
use crate::range::Numbers;

/// Where the items of an [`Input`](crate::Input) come from, opened; see [`Source`] for what it does.
pub struct Items {
    kind: Kind,
    /// By which key they are known, if not by their place.
    key: Option<ItemKey>,
    /// Items that were read.
    read: u64,
}

pub(crate) enum Kind {
    Numbers(Numbers),
    Lines(Box<Lines>),
    Records(Box<Records>),
    #[cfg(feature = "postgres")]
    Rows(Box<Rows>),
    /// Of the program around us.
    Supplied(Box<dyn Source<Item = Payload>>),
}

impl Items {
    pub(crate) fn new(kind: Kind, key: Option<ItemKey>) -> Items {
        Items { kind, key, read: 0 }
    }

    /// Gives the items that were just read their keys.
    fn give_keys(&mut self, items: &mut [Result<Payload, Fault>]) {
        let Some(key) = &self.key else {
            return;
        };
        for item in items {
            let taken = std::mem::replace(item, Ok(Payload::read("")));
            *item = taken.and_then(|item| key.give(item, self.read));
            self.read += 1;
        }
    }
}

impl Source for Items {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        let before = items.len();
        let read = match &mut self.kind {
            Kind::Numbers(numbers) => numbers.read(max, items),
            Kind::Lines(lines) => lines.read(max, items),
            Kind::Records(records) => records.read(max, items),
            #[cfg(feature = "postgres")]
            Kind::Rows(rows) => rows.read(max, items),
            Kind::Supplied(source) => source.read(max, items),
        };
        self.give_keys(&mut items[before..]);
        read
    }

    fn place(&mut self) -> Option<Place> {
        match &mut self.kind {
            Kind::Numbers(numbers) => numbers.place(),
            Kind::Lines(lines) => lines.place(),
            Kind::Records(records) => records.place(),
            #[cfg(feature = "postgres")]
            Kind::Rows(rows) => rows.place(),
            Kind::Supplied(source) => source.place(),
        }
    }

    fn resume(&mut self, from: Option<&Place>, read_to: Option<&Place>) -> Result<(), Fault> {
        match &mut self.kind {
            Kind::Numbers(numbers) => numbers.resume(from, read_to),
            Kind::Lines(lines) => lines.resume(from, read_to),
            Kind::Records(records) => records.resume(from, read_to),
            #[cfg(feature = "postgres")]
            Kind::Rows(rows) => rows.resume(from, read_to),
            Kind::Supplied(source) => source.resume(from, read_to),
        }
    }

    fn remaining(&self) -> Option<u64> {
        match &self.kind {
            Kind::Numbers(numbers) => numbers.remaining(),
            Kind::Lines(lines) => lines.remaining(),
            Kind::Records(records) => records.remaining(),
            #[cfg(feature = "postgres")]
            Kind::Rows(rows) => rows.remaining(),
            Kind::Supplied(source) => source.remaining(),
        }
    }

    fn count_rest(&mut self) -> Option<u64> {
        match &mut self.kind {
            Kind::Numbers(numbers) => numbers.count_rest(),
            Kind::Lines(lines) => lines.count_rest(),
            Kind::Records(records) => records.count_rest(),
            #[cfg(feature = "postgres")]
            Kind::Rows(rows) => rows.count_rest(),
            Kind::Supplied(source) => source.count_rest(),
        }
    }
}
