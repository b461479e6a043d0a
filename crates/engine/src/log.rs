//! How facts reach the recorder: collected by each thread, handed over many at a time.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::fact::Fact;

/// Facts handed over at once; a hand-off costs about as much as fifty facts.
const BATCH: usize = 256;
/// The longest a fact waits before it is handed over, if its thread is awake. Together with the delay of the journal
/// that is what a crash of the program may forget: 10 ms.
const DELAY: Duration = Duration::from_millis(5);
/// Batches that may wait for the recorder: about 2 MB. When it cannot follow, those who work wait.
const QUEUE: usize = 64;

/// What nobody else hands over: no facts.
pub(crate) const END: Vec<Fact> = Vec::new();

/// One thread's way to the recorder. What it holds is handed over when it is dropped.
pub(crate) struct Log {
    recorder: Sender<Vec<Fact>>,
    facts: Vec<Fact>,
    handed_over: Duration,
}

pub(crate) fn channel() -> (Log, Receiver<Vec<Fact>>) {
    let (recorder, facts) = bounded(QUEUE);
    (Log::new(recorder), facts)
}

/// The same without a bound, where one thread does all: it cannot wait for itself.
#[cfg(test)]
pub(crate) fn simulated_channel() -> (Log, Receiver<Vec<Fact>>) {
    let (recorder, facts) = crossbeam_channel::unbounded();
    (Log::new(recorder), facts)
}

impl Log {
    fn new(recorder: Sender<Vec<Fact>>) -> Log {
        Log {
            recorder,
            facts: Vec::with_capacity(BATCH),
            handed_over: Duration::ZERO,
        }
    }

    /// Another thread's way to the same recorder.
    pub(crate) fn another(&self) -> Log {
        Log::new(self.recorder.clone())
    }

    /// Tells a fact, and hands over what has waited.
    pub(crate) fn push(&mut self, now: Duration, fact: Fact) {
        self.note(now, [fact]);
        self.hand_over_if_due(now);
    }

    /// Keeps the facts of one happening for whoever sees to it that they are handed over in time: together, so that the
    /// journal has all of them or none. A dead letter does not wait: whoever set a bound on them wants to know at once, and
    /// so do those behind its item.
    pub(crate) fn note(&mut self, now: Duration, facts: impl IntoIterator<Item = Fact>) {
        let mut is_urgent = false;
        for fact in facts {
            is_urgent |= matches!(fact, Fact::Dead { .. } | Fact::Accused { .. });
            self.facts.push(fact);
        }
        if is_urgent || self.facts.len() >= BATCH {
            self.hand_over(now);
        }
    }

    /// Takes over what another log of this thread has noted: what is noted here from now on happened later.
    pub(crate) fn take_over(&mut self, earlier: &mut Log) {
        self.facts.append(&mut earlier.facts);
    }

    /// Hands over what may have waited long enough.
    pub(crate) fn hand_over_if_due(&mut self, now: Duration) {
        if now.saturating_sub(self.handed_over) >= DELAY {
            self.hand_over(now);
        }
    }

    /// The same where the thread will be busy for about so long.
    pub(crate) fn hand_over_before(&mut self, now: Duration, busy: Duration) {
        if busy >= DELAY {
            self.hand_over(now);
        }
        self.hand_over_if_due(now);
    }

    pub(crate) fn hand_over(&mut self, now: Duration) {
        self.handed_over = now;
        if !self.facts.is_empty() {
            let facts = std::mem::replace(&mut self.facts, Vec::with_capacity(BATCH));
            // The recorder goes last; if it is gone, a panic has ended the run and is reported as that.
            let _ = self.recorder.send(facts);
        }
    }

    /// Tells the recorder that nothing more will come that matters. Another thread's log may outlive this:
    /// one that was abandoned in the middle of its work.
    pub(crate) fn end(mut self) {
        self.hand_over(self.handed_over);
        // As above.
        let _ = self.recorder.send(END);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.hand_over(self.handed_over);
    }
}
