//! Who wants to watch a run: progress, a live page, a test.

use crate::fact::Fact;
use crate::tally::Counts;

/// Watches a run. Called on the recorder's thread, so it may take its time, though not for ever: when it
/// falls far behind, the run waits for it.
///
/// Any `FnMut(&Fact, &Counts)` is an observer.
pub trait Observer: Send + 'static {
    /// Something happened; `counts` already include it.
    fn observe(&mut self, fact: &Fact, counts: &Counts);
}

impl<F: FnMut(&Fact, &Counts) + Send + 'static> Observer for F {
    fn observe(&mut self, fact: &Fact, counts: &Counts) {
        self(fact, counts);
    }
}
