//! Which items have ended, for those that wait behind them: told when the journal knows it.
//!
//! An item that goes before that might be repeated after a crash when the next of its value was there already, and so arrive
//! out of order.

use crate::fact::{Fact, Step};

/// What those who wait have not been told yet.
pub(crate) struct Ended {
    /// Items, and whether they are saved.
    items: Vec<(u64, bool)>,
    tell: Box<dyn Fn(u64, bool) + Send>,
}

impl Ended {
    /// `tell` gets an item, and whether it is saved.
    pub(crate) fn new(tell: impl Fn(u64, bool) + Send + 'static) -> Ended {
        Ended {
            items: Vec::new(),
            tell: Box::new(tell),
        }
    }

    pub(crate) fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::Attempt(attempt) if attempt.step == Step::Save => {
                let indexes = attempt.done.ranges().iter().cloned().flatten();
                self.items.extend(indexes.map(|index| (index, true)));
            }
            // To wait until anything else is computed might be to wait for ever: that may wait behind this one.
            Fact::Dead { index, .. } | Fact::Accused { index } => self.items.push((*index, false)),
            _ => {}
        }
    }

    pub(crate) fn tell(&mut self) {
        self.items
            .drain(..)
            .for_each(|(index, is_saved)| (self.tell)(index, is_saved));
    }
}
