//! Whether those who compute still can: what broke, and whether anything was computed in between, over all threads of a run.
//!
//! One item that breaks whoever computes it is that item's fault, as long as others can be computed. When nothing else
//! happens any more, it is not, and to go on would make a dead letter of every item. So a dead letter waits here until
//! something else has been computed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::fact::Fact;

/// How often in a row nobody is there to compute until the run ends: with the usual backoff, after about 6 s on one thread.
const ABSENCES_MAX: u32 = 8;
/// The same for each thread, where there are many: they may all miss theirs in the same moment.
const ABSENCES_MAX_EACH: u32 = 2;
/// Items in a row that break whoever computes them until the run ends, and at least one for each thread: these may all
/// break in the same moment. Each has had two chances by then: with the usual backoff, that takes about 13 s on one thread.
const ACCUSED_MAX: usize = 5;
/// The longest wait: whoever computes is a process of ours, and can be there again that soon.
const WAIT_MAX: Duration = Duration::from_millis(3200);

/// The health of a run's computing. Clones are those of one run.
#[derive(Clone)]
pub(crate) struct Health(Arc<State>);

struct State {
    /// Breaks and absences since something was computed.
    in_row: AtomicU32,
    /// Absences among them since somebody was there.
    absences: AtomicU32,
    absences_max: u32,
    accused_max: usize,
    /// The first wait; it doubles with each break in a row.
    backoff: Duration,
    /// Calls in which something was computed. Begins at 1 if an earlier run of the job has computed something.
    computed: AtomicU64,
    /// Whether letters wait, so that nobody takes the lock in vain.
    has_letters: AtomicBool,
    letters: Mutex<Letters>,
    /// Why nobody can compute any more.
    over: OnceLock<String>,
}

/// Dead letters that wait to be told: at most one for each item that is accused.
#[derive(Default)]
struct Letters {
    /// Nothing has been computed since they were accused.
    accused: Vec<Fact>,
    /// Something has.
    blamed: Vec<Fact>,
}

impl Health {
    /// Of so many threads; `has_computed`: whether an earlier run of the job could.
    pub(crate) fn new(threads: usize, backoff: Duration, has_computed: bool) -> Health {
        let each = u32::try_from(threads).unwrap_or(u32::MAX);
        Health(Arc::new(State {
            in_row: AtomicU32::new(0),
            absences: AtomicU32::new(0),
            absences_max: ABSENCES_MAX.max(ABSENCES_MAX_EACH.saturating_mul(each)),
            accused_max: ACCUSED_MAX.max(threads),
            backoff,
            computed: AtomicU64::new(u64::from(has_computed)),
            has_letters: AtomicBool::new(false),
            letters: Mutex::default(),
            over: OnceLock::new(),
        }))
    }

    /// Something was computed, or an item was refused: whoever computes is well, and who was accused is to blame.
    pub(crate) fn is_well(&self) {
        self.0.in_row.store(0, Ordering::Relaxed);
        self.0.absences.store(0, Ordering::Relaxed);
        self.0.computed.fetch_add(1, Ordering::Relaxed);
        if self.0.has_letters.load(Ordering::Acquire) {
            let mut letters = self.letters();
            let Letters { accused, blamed } = &mut *letters;
            blamed.append(accused);
        }
    }

    /// Calls in which something was computed, so far.
    pub(crate) fn computed(&self) -> u64 {
        self.0.computed.load(Ordering::Relaxed)
    }

    /// Computing broke; `is_absent`: because nobody was there to compute; `why` says how.
    pub(crate) fn broke(&self, is_absent: bool, why: impl std::fmt::Display) {
        self.0.in_row.fetch_add(1, Ordering::Relaxed);
        if !is_absent {
            return self.0.absences.store(0, Ordering::Relaxed);
        }
        let in_row = self.0.absences.fetch_add(1, Ordering::Relaxed) + 1;
        if in_row >= self.0.absences_max {
            self.end(|| {
                format!("nobody could compute {in_row} times in a row; the last time: {why}")
            });
        }
    }

    /// The item of this letter broke whoever computed it, and nothing has been computed since.
    pub(crate) fn accuse(&self, letter: Fact) {
        let mut letters = self.letters();
        let why = match &letter {
            Fact::Dead { fault, .. } => fault.to_string(),
            _ => String::new(),
        };
        letters.accused.push(letter);
        self.0.has_letters.store(true, Ordering::Release);
        let in_row = letters.accused.len();
        if in_row >= self.0.accused_max {
            self.end(|| {
                format!("{in_row} items in a row broke what computes them, twice each; the last time: {why}")
            });
        }
    }

    /// The letters of those who are to blame; each once.
    pub(crate) fn blamed(&self) -> Vec<Fact> {
        if !self.0.has_letters.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut letters = self.letters();
        let blamed = std::mem::take(&mut letters.blamed);
        self.0
            .has_letters
            .store(!letters.accused.is_empty(), Ordering::Release);
        blamed
    }

    /// There is nothing more to compute: the letters that are still here, of which some may never be told. Who was accused is to
    /// blame if anything could be computed in this job, or if there is no other. Else nobody knows whether anything can.
    pub(crate) fn at_the_end(&self) -> Vec<Fact> {
        let mut letters = self.letters();
        let Letters { accused, blamed } = std::mem::take(&mut *letters);
        let are_others_good = self.computed() > 0 || accused.len() == 1;
        if !are_others_good && let Some(Fact::Dead { fault, .. }) = accused.last() {
            let items = accused.len();
            self.end(|| {
                format!(
                    "all {items} items broke what computes them, twice each; the last time: {fault}"
                )
            });
        }
        if self.is_over() {
            return blamed;
        }
        blamed.into_iter().chain(accused).collect()
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

    fn end(&self, why: impl FnOnce() -> String) {
        self.0.over.get_or_init(why);
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        // No code that can panic runs under this lock.
        self.0
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Step;
    use crate::fault::Fault;

    const WAIT: Duration = Duration::from_millis(100);

    fn letter(index: u64) -> Fact {
        Fact::Dead {
            index,
            step: Step::Compute,
            attempts: 2,
            fault: Fault::in_doubt(format!("broke at {index}")),
            key: None,
            payload: None,
        }
    }

    fn indexes(letters: &[Fact]) -> Vec<u64> {
        let index = |fact: &Fact| match fact {
            Fact::Dead { index, .. } => Some(*index),
            _ => None,
        };
        letters.iter().filter_map(index).collect()
    }

    #[test]
    fn absences_in_a_row_end_a_run_and_one_success_between_them_does_not() {
        let health = Health::new(1, WAIT, false);
        for _ in 0..3 {
            (1..ABSENCES_MAX).for_each(|_| health.broke(true, "it"));
            assert!(!health.is_over());
            health.is_well();
            assert_eq!(health.wait(), Duration::ZERO);
        }
        (0..ABSENCES_MAX).for_each(|_| health.broke(true, "no such program"));
        let why = health.over().unwrap();
        assert_eq!(
            why,
            "nobody could compute 8 times in a row; the last time: no such program"
        );
    }

    #[test]
    fn a_letter_waits_until_something_else_was_computed() {
        let health = Health::new(1, WAIT, false);
        for round in 0..10 {
            (0..4).for_each(|n| health.accuse(letter(4 * round + n)));
            assert!(health.blamed().is_empty());
            health.is_well();
            assert_eq!(indexes(&health.blamed()).len(), 4);
            assert!(health.blamed().is_empty() && !health.is_over());
        }
    }

    #[test]
    fn items_that_all_break_it_are_left_and_end_the_run() {
        let health = Health::new(1, WAIT, true);
        (0..5).for_each(|n| health.accuse(letter(n)));
        assert!(health.at_the_end().is_empty());
        assert_eq!(
            health.over().unwrap(),
            "5 items in a row broke what computes them, twice each; the last time: broke at 4"
        );
    }

    #[test]
    fn at_the_end_the_last_ones_are_dead_if_anything_could_be_computed() {
        let at_the_end = |has_computed, accused: u64| {
            let health = Health::new(1, WAIT, has_computed);
            (0..accused).for_each(|n| health.accuse(letter(n)));
            (health.at_the_end().len(), health.is_over())
        };
        assert_eq!(at_the_end(true, 2), (2, false));
        assert_eq!(at_the_end(false, 2), (0, true));
        assert_eq!(at_the_end(false, 1), (1, false));
        assert_eq!(at_the_end(false, 0), (0, false));
    }

    #[test]
    fn waits_double_up_to_their_bound() {
        let health = Health::new(1000, WAIT, false);
        let waits: Vec<_> = (0..40)
            .map(|_| {
                health.broke(true, "");
                health.wait()
            })
            .collect();
        assert_eq!(&waits[..3], [Duration::ZERO, WAIT, WAIT * 2]);
        assert_eq!(waits[39], WAIT_MAX);
        assert!(!health.is_over(), "many threads may break together");
    }
}
