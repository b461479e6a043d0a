//! Which number an item gets, and whether it is to be done: what the reader asks of each item that has a key.
//!
//! A key that no run has finished gets a new number in each run that reads it, so that numbers rise in the order in which items
//! are read, and whoever comes after the reader need not know that there are keys.

use std::io;

use super::set::KeySet;
use super::store::Store;
use crate::journal::TodoItems;
use crate::key::Key;
use crate::planted::planted;

/// The keys of a job, and those among them that this run has read.
#[derive(Debug)]
pub(crate) struct Numbering {
    store: Store,
    /// One bit for each number: whether this run has read it.
    read: Vec<u64>,
    /// Items that were read and left out.
    pub(crate) left_out: u64,
    /// Keys that are done already, by whomever.
    skipped: Option<KeySet>,
}

/// What an item is in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// To be done.
    Wanted(u64),
    /// To be given up: an item before it, which has the other number, had the same key.
    Duplicate { number: u64, first: u64 },
    /// To be left out: it is finished, with this number, or none of those that are wanted, or one before it had its key.
    Unwanted(Option<u64>),
    /// To be left out: its key is done already, and not by this job.
    Skipped,
}

impl Numbering {
    pub(crate) fn new(store: Store) -> Numbering {
        Numbering {
            store,
            read: Vec::new(),
            left_out: 0,
            skipped: None,
        }
    }

    /// Leaves out the items with these keys, but for those that are to be tried again.
    pub(crate) fn skipping(self, keys: Option<KeySet>) -> Numbering {
        Numbering {
            skipped: keys,
            ..self
        }
    }

    /// The number of the item with this key, which has just been read.
    pub(crate) fn number(&mut self, key: Key, items: &mut TodoItems) -> io::Result<Numbered> {
        let known = self.store.find(key)?;
        let numbered = match known.filter(|number| self.is_read(*number)) {
            Some(_) if planted!(DuplicateForgotten) => Numbered::Unwanted(None),
            Some(first) => {
                let key = self.again(key)?;
                let known = self.store.find(key)?;
                match self.wanted(key, known, items)? {
                    Some(number) => Numbered::Duplicate { number, first },
                    None => Numbered::Unwanted(None),
                }
            }
            None if self.is_skipped(key, known, items)? => Numbered::Skipped,
            None => match self.wanted(key, known, items)? {
                Some(number) => Numbered::Wanted(number),
                None => Numbered::Unwanted(known),
            },
        };
        self.left_out += u64::from(matches!(numbered, Numbered::Unwanted(_)));
        Ok(numbered)
    }

    /// Sees to it that all numbers that were given are on the disk.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        self.store.commit()
    }

    fn is_skipped(&mut self, key: Key, known: Option<u64>, items: &TodoItems) -> io::Result<bool> {
        let (Some(skipped), TodoItems::Rest(finished)) = (&mut self.skipped, items) else {
            return Ok(false);
        };
        if known.is_some_and(|number| finished.contains(number)) {
            return Ok(false);
        }
        skipped.contains(key)
    }

    /// The number by which an item is to be done, if it is, that may have had one before.
    fn wanted(
        &mut self,
        key: Key,
        known: Option<u64>,
        items: &mut TodoItems,
    ) -> io::Result<Option<u64>> {
        match (known, &mut *items) {
            (None, TodoItems::Only(_)) => Ok(None),
            (Some(number), TodoItems::Only(_)) => {
                self.reads(number);
                Ok(items.wants(number).then_some(number))
            }
            (Some(number), TodoItems::Rest(finished)) if finished.contains(number) => {
                self.reads(number);
                Ok(None)
            }
            (_, TodoItems::Rest(_)) => {
                let number = self.store.push(key)?;
                self.reads(number);
                Ok(Some(number))
            }
        }
    }

    /// What the next item of a key is known by that this run has read already. Those between have been read, so that the
    /// first that has not is found by halving.
    fn again(&mut self, key: Key) -> io::Result<Key> {
        let mut is_read = |times| -> io::Result<bool> {
            let number = self.store.find(key.again(times))?;
            Ok(number.is_some_and(|number| is_set(&self.read, number)))
        };
        let mut above = 1;
        while is_read(above)? {
            above *= 2;
        }
        let mut below = above / 2;
        while above - below > 1 {
            let between = below + (above - below) / 2;
            if is_read(between)? {
                below = between;
            } else {
                above = between;
            }
        }
        Ok(key.again(above))
    }

    fn is_read(&self, number: u64) -> bool {
        is_set(&self.read, number)
    }

    fn reads(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if self.read.len() <= word {
            self.read.resize(word + 1, 0);
        }
        self.read[word] |= 1 << (number % 64);
    }
}

fn is_set(bits: &[u64], number: u64) -> bool {
    let word = bits.get((number / 64) as usize);
    word.is_some_and(|word| word >> (number % 64) & 1 == 1)
}

#[cfg(test)]
mod tests;
