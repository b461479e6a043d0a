//! How many items a worker gets at once: as many as pay. Pure.
//!
//! A call costs something by itself, and something for each of its items, as a request does; so the law is that of bulks. It
//! finds a size by doubling, and comes down again when calls have become long.

use crate::limit::BulkSize;

/// A call that takes longer than this, in seconds, though it was not the first of its kind, has become too long: half as many
/// from now on. Whoever waits for its first item waits long enough, and a break costs as much again.
const LONG: f64 = 1.5;
/// At a worker that is slow anyway, one call may take so many times as long as the quickest with fewer items.
const LONG_TIMES: f64 = 3.0;

/// The most items in one call, found or set.
#[derive(Clone, Debug)]
pub(crate) struct BatchSize {
    bulk: BulkSize,
    is_set: bool,
    /// The quickest full call, in seconds.
    least: f64,
}

impl BatchSize {
    /// As many as that, or as many as pay up to `most`.
    pub(crate) fn new(set: Option<usize>, most: usize) -> BatchSize {
        BatchSize {
            bulk: match set {
                Some(items) => BulkSize::fixed(items),
                None => BulkSize::auto(most, None),
            },
            is_set: set.is_some(),
            least: f64::INFINITY,
        }
    }

    /// Items in the next call.
    pub(crate) fn items(&self) -> usize {
        self.bulk.size()
    }

    /// Whether it was set, and stays.
    pub(crate) fn is_set(&self) -> bool {
        self.is_set
    }

    /// A call with so many items took so many seconds, and nothing broke.
    pub(crate) fn took(&mut self, items: usize, seconds: f64) {
        if self.is_set || items != self.items() {
            return;
        }
        if items > 1 && !self.bulk.is_searched() && seconds > LONG.max(LONG_TIMES * self.least) {
            return self.bulk.too_large(items);
        }
        self.least = self.least.min(seconds);
        self.bulk.answered(items, seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items at once that are found where a call takes so long.
    fn found(mut seconds: impl FnMut(usize) -> f64) -> BatchSize {
        let mut batch = BatchSize::new(None, 1024);
        for _ in 0..100 {
            let items = batch.items();
            batch.took(items, seconds(items));
        }
        batch
    }

    #[test]
    fn a_call_holds_as_many_as_pay() {
        // A model takes 50 ms for up to 64, and as much again for each 64 more: from there on all sizes are equal.
        let model = |items: usize| 0.05 * (items.div_ceil(64)) as f64;
        assert!((64..=1024).contains(&found(model).items()));
        assert_eq!(found(|_| 0.02).items(), 1024);
        // Each costs its own time: nothing is to be had.
        assert!(found(|items| 0.1 * items as f64).items() <= 2);
        assert_eq!(found(|items| 1e-7 * items as f64).items(), 1024);
    }

    #[test]
    fn calls_that_become_long_become_smaller() {
        let mut batch = found(|_| 0.02);
        for _ in 0..20 {
            let items = batch.items();
            batch.took(items, 0.1 * items as f64);
        }
        assert!(batch.items() <= 16, "{}", batch.items());
    }

    #[test]
    fn what_is_set_stays_and_calls_that_were_not_full_say_nothing() {
        let mut batch = BatchSize::new(Some(7), 1024);
        (0..10).for_each(|_| batch.took(7, 100.0));
        assert_eq!(batch.items(), 7);
        let mut batch = found(|_| 0.02);
        (0..10).for_each(|_| batch.took(3, 100.0));
        assert_eq!(batch.items(), 1024);
    }
}
