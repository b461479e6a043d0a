//! How far a run may go ahead of its journal: what travels back from the recorder, beside "stop".
//!
//! The reader waits when it is a whole window ahead of the slowest item, and the stage that saves when too many answers
//! are not in the journal yet: those are what a crash would have sent again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use tokio::sync::Notify;

use super::finished::WINDOW;
use crate::planted::planted;

/// Items answered and not in the journal yet, at most: at a hundred thousand saves a second that is ten milliseconds,
/// which is twice as long as a write of the journal is put off.
pub(crate) const UNRECORDED_MAX: u64 = 1024;

/// What the reader keeps of the window for what it has read and not handed on.
const MARGIN: u64 = 1 << 16;

/// How far the journal has come, for those who must not go further ahead.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    /// The first item that is not finished; and whether nobody cares any more.
    watermark: Mutex<(u64, bool)>,
    moved: Condvar,
    /// Whether it does not matter how many answers are not in the journal yet.
    repeats_nothing: AtomicBool,
    /// Items of this run that the journal calls saved.
    recorded: AtomicU64,
    /// How many may be saved and not recorded.
    unrecorded_max: u64,
    /// Whether the stage waits to be told.
    is_awaited: AtomicBool,
    advanced: Notify,
}

impl Horizon {
    pub(crate) fn starting_at(watermark: u64) -> Horizon {
        Horizon {
            watermark: Mutex::new((watermark, false)),
            unrecorded_max: UNRECORDED_MAX,
            ..Horizon::default()
        }
    }

    /// What is not in the journal has no effect after a crash, so the stage that saves need not wait for it.
    pub(super) fn repeats_nothing(&self) {
        self.repeats_nothing.store(true, Ordering::Release);
    }

    pub(super) fn does_repeat_nothing(&self) -> bool {
        self.repeats_nothing.load(Ordering::Acquire)
    }

    /// Whether the stage that saves waits, or will with its next answer, when so many items wait to be recorded.
    pub(super) fn is_reached(&self, unrecorded: impl FnOnce() -> u64) -> bool {
        !self.repeats_nothing.load(Ordering::Acquire) && unrecorded() >= self.unrecorded_max
    }

    /// With another bound: small jobs never come up against that of earnest ones.
    #[cfg(test)]
    pub(super) fn bounded(self, unrecorded_max: u64) -> Horizon {
        Horizon {
            unrecorded_max,
            ..self
        }
    }

    /// So many more saved items are in the journal, and every finished one below the watermark.
    pub(super) fn recorded(&self, saved: u64, watermark: u64) {
        self.recorded.fetch_add(saved, Ordering::Release);
        if self.is_awaited.swap(false, Ordering::AcqRel) {
            self.advanced.notify_one();
        }
        let mut now = self
            .watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if now.0 != watermark {
            now.0 = watermark;
            self.moved.notify_all();
        }
    }

    /// Blocks until this item may be read.
    pub(crate) fn wait_for(&self, index: u64) {
        let now = self
            .watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_far = |now: &mut (u64, bool)| !now.1 && index + MARGIN >= now.0 + WINDOW;
        drop(
            self.moved
                .wait_while(now, is_far)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Lets the reader go: nobody takes what it reads any more. What was read may still be saved, so who saves waits on.
    pub(crate) fn close(&self) {
        self.watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1 = true;
        self.moved.notify_all();
    }

    /// Whether more may be sent when so many were saved by now; if not, [`Horizon::advanced`] says when to ask again.
    pub(crate) fn allows(&self, saved: u64) -> bool {
        if self.repeats_nothing.load(Ordering::Acquire) {
            return true;
        }
        let fits = || saved < self.recorded.load(Ordering::Acquire) + self.unrecorded_max;
        if fits() || planted!(WindowUnbounded) {
            return true;
        }
        self.is_awaited.store(true, Ordering::Release);
        // It may have advanced before it knew that somebody waits.
        fits()
    }

    /// Waits until the journal has advanced, for one that was not allowed to go on.
    pub(crate) async fn advanced(&self) {
        self.advanced.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_let_the_reader_go_lets_no_more_answers_ahead_of_the_journal() {
        let horizon = Horizon::starting_at(0);
        assert!(horizon.allows(UNRECORDED_MAX - 1));
        horizon.close();
        horizon.wait_for(u64::MAX / 2);
        assert!(!horizon.allows(UNRECORDED_MAX));
        horizon.recorded(1, 1);
        assert!(horizon.allows(UNRECORDED_MAX));
    }
}
