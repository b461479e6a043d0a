//! Whether those who compute still can: counts how often in a row computing broke, over all threads of a run.
//!
//! One item that breaks whoever computes it is that item's fault. When nothing else happens any more, it is not, and
//! to go on would make a dead letter of every item.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Breaks in a row that end a run: with the usual backoff, after about 6 s on one thread.
const BREAKS_MAX: u32 = 8;
/// The same for each thread, where there are many: they may all break in the same moment.
const BREAKS_MAX_EACH: u32 = 2;
/// The longest wait: whoever computes is a process of ours, and can be there again that soon.
const WAIT_MAX: Duration = Duration::from_millis(3200);

/// The health of a run's computing. Clones are those of one run.
#[derive(Clone)]
pub(crate) struct Health(Arc<State>);

struct State {
    in_row: AtomicU32,
    max: u32,
    /// The first wait; it doubles with each break in a row.
    backoff: Duration,
    /// Why nobody can compute any more.
    over: OnceLock<String>,
}

impl Health {
    pub(crate) fn new(threads: usize, backoff: Duration) -> Health {
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        Health(Arc::new(State {
            in_row: AtomicU32::new(0),
            max: BREAKS_MAX.max(BREAKS_MAX_EACH.saturating_mul(threads)),
            backoff,
            over: OnceLock::new(),
        }))
    }

    /// Something was computed, or an item was refused: whoever computes is well.
    pub(crate) fn is_well(&self) {
        self.0.in_row.store(0, Ordering::Relaxed);
    }

    /// Computing broke, and `why` says how.
    pub(crate) fn broke(&self, why: impl std::fmt::Display) {
        let in_row = self.0.in_row.fetch_add(1, Ordering::Relaxed) + 1;
        if in_row >= self.0.max {
            self.0.over.get_or_init(|| {
                format!("computing broke {in_row} times in a row; the last time: {why}")
            });
        }
    }

    /// How long to wait before computing: not at all after one break, which may be that of one item.
    pub(crate) fn wait(&self) -> Duration {
        match self.0.in_row.load(Ordering::Relaxed) {
            0 | 1 => Duration::ZERO,
            more => self
                .0
                .backoff
                .saturating_mul(1 << (more - 2).min(16))
                .min(WAIT_MAX),
        }
    }

    /// Why nobody can compute any more, if that is so.
    pub(crate) fn over(&self) -> Option<String> {
        self.0.over.get().cloned()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.over.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(100);

    #[test]
    fn breaks_in_a_row_end_a_run_and_one_success_between_them_does_not() {
        let health = Health::new(1, WAIT);
        for _ in 0..3 {
            (1..BREAKS_MAX).for_each(|_| health.broke("it"));
            assert!(!health.is_over());
            health.is_well();
            assert_eq!(health.wait(), Duration::ZERO);
        }
        (0..BREAKS_MAX).for_each(|_| health.broke("that item"));
        let why = health.over().unwrap();
        assert_eq!(
            why,
            "computing broke 8 times in a row; the last time: that item"
        );
    }

    #[test]
    fn waits_double_up_to_their_bound() {
        let health = Health::new(1000, WAIT);
        let waits: Vec<_> = (0..40)
            .map(|_| {
                health.broke("");
                health.wait()
            })
            .collect();
        assert_eq!(&waits[..3], [Duration::ZERO, WAIT, WAIT * 2]);
        assert_eq!(waits[39], WAIT_MAX);
        assert!(!health.is_over(), "many threads may break together");
    }
}
