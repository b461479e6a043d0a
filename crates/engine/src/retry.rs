//! How often again, and when: pure. Full jitter, capped backoff, and a budget that delays retries when
//! many fail but never gives an item up.

use std::time::Duration;

use crate::options::Options;

/// How a step tries again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    retries: u16,
    base: Duration,
    max: Duration,
    total: Duration,
}

impl Retry {
    pub(crate) fn new(options: &Options) -> Retry {
        Retry {
            retries: options.retries,
            base: options.backoff,
            max: options.backoff_max,
            total: options.total_timeout,
        }
    }

    /// Whether an item with this many counted failures, first sent so long ago, is tried again.
    pub(crate) fn allows(&self, failures: u16, since_first: Duration) -> bool {
        failures <= self.retries && since_first < self.total
    }

    /// Whether an item with this many counted failures has one more attempt, and no further one.
    pub(crate) fn is_last(&self, failures: u16) -> bool {
        failures == self.retries
    }

    /// The wait after the `failures`-th failure: uniform in 0 … min(max, base · 2^(failures−1)), known as
    /// full jitter, so that items that failed together do not come back together. `random` is in 0..1.
    pub(crate) fn wait(&self, failures: u16, random: f64) -> Duration {
        let doublings = u32::from(failures.saturating_sub(1)).min(20);
        let most = self.base.saturating_mul(1 << doublings).min(self.max);
        most.mul_f64(random)
    }
}

/// Retries a second that are always allowed, however much fails.
const REFILL_PER_SECOND: f64 = 100.0;
/// Retries that each success allows: a fifth more load at most, once the reserve is spent.
const REFILL_PER_SUCCESS: f64 = 0.2;
/// The reserve: enough for a burst that fails together.
const RESERVE: f64 = 1000.0;

/// A bucket of tokens, one for each retry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    tokens: f64,
    filled_at: Duration,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget {
            tokens: RESERVE,
            filled_at: Duration::ZERO,
        }
    }

    /// A request was answered with success.
    pub(crate) fn succeeded(&mut self) {
        self.tokens = (self.tokens + REFILL_PER_SUCCESS).min(RESERVE);
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.tokens = self.tokens_at(now);
        self.filled_at = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    /// When there will be a token.
    pub(crate) fn ready_at(&self, now: Duration) -> Duration {
        let missing = 1.0 - self.tokens_at(now);
        if missing <= 0.0 {
            return now;
        }
        // Rounded up: a moment too early there would still be none.
        now + Duration::from_secs_f64(missing / REFILL_PER_SECOND) + Duration::from_nanos(1)
    }

    fn tokens_at(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        (self.tokens + REFILL_PER_SECOND * passed).min(RESERVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_extra_tries_by_default() {
        let retry = Retry::new(&Options::default());
        assert!(retry.allows(5, Duration::ZERO));
        assert!(!retry.allows(6, Duration::ZERO));
        assert!(!retry.allows(1, Duration::from_secs(601)));
    }

    #[test]
    fn an_empty_budget_delays_and_successes_fill_it() {
        let mut budget = Budget::new();
        let now = Duration::from_secs(1);
        while budget.take(now) {}
        let at = budget.ready_at(now);
        assert!(at > now && at <= now + Duration::from_millis(11));
        assert!(budget.take(at + Duration::from_millis(1)));
        (0..10).for_each(|_| budget.succeeded());
        assert!(budget.take(at));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn an_item_is_tried_as_often_as_was_asked_and_waits_no_longer(
            retries in 0u16..1000,
            base_ms in 1u64..100_000,
            max_ms in 1u64..100_000,
            failures in 1u16..2000,
            random in 0.0..1.0f64,
        ) {
            let (backoff, backoff_max) = (Duration::from_millis(base_ms), Duration::from_millis(max_ms));
            let retry = Retry::new(&Options { retries, backoff, backoff_max, ..Options::default() });
            prop_assert_eq!(retry.allows(failures, Duration::ZERO), failures <= retries);
            prop_assert!(!retry.allows(failures, Options::default().total_timeout));
            prop_assert!(retry.wait(failures, random) <= backoff_max);
            prop_assert!(retry.wait(1, random) <= backoff);
            prop_assert!(retry.wait(failures, random) <= retry.wait(failures + 1, random));
        }

        /// Whatever happens: no more retries than the reserve, the time and the successes allow, and one when it was promised.
        #[test]
        fn the_budget_is_kept(steps in prop::collection::vec((0u64..200, 0u8..30, 0u8..200), 1..60)) {
            let mut budget = Budget::new();
            let (mut now, mut taken, mut successes) = (Duration::ZERO, 0u32, 0u32);
            for (passed_ms, succeeded, wanted) in steps {
                now += Duration::from_millis(passed_ms);
                (0..succeeded).for_each(|_| budget.succeeded());
                successes += u32::from(succeeded);
                for _ in 0..wanted {
                    let is_due = budget.ready_at(now) <= now;
                    let is_taken = budget.take(now);
                    prop_assert_eq!(is_due, is_taken);
                    taken += u32::from(is_taken);
                }
                let allowed = RESERVE
                    + REFILL_PER_SECOND * now.as_secs_f64()
                    + REFILL_PER_SUCCESS * f64::from(successes);
                prop_assert!(f64::from(taken) <= allowed + 1e-6);
            }
            let at = budget.ready_at(now);
            prop_assert!(budget.take(at));
        }

        #[test]
        fn a_wait_is_never_longer_than_its_cap(failures in 0u16.., random in 0.0..1.0f64) {
            let retry = Retry::new(&Options::default());
            let wait = retry.wait(failures, random);
            prop_assert!(wait <= Duration::from_secs(30));
            prop_assert!(failures > 1 || wait <= Duration::from_millis(100));
        }
    }
}
