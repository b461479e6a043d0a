//! A quota of requests over time: how much it gives, and how much of it is left.

use std::time::Duration;

use crate::value::{self, Expected};

/// One a day: of less, nobody could wait for the next.
const PER_SECOND_MIN: f64 = 1.0 / 86_400.0;

/// So many requests per second, and how many may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quota {
    /// Requests per second, at least one a day.
    pub(crate) per_second: f64,
    /// How many may come at once after a pause, at least 1. Default: what one second gives, because that is how
    /// services count.
    pub(crate) burst: f64,
}

impl Quota {
    /// Reads `100/s`, `600/m`, `1000/h`, each with an optional `,burst 50`.
    pub(crate) fn parse(text: &str) -> Result<Self, Expected> {
        Self::read(text).ok_or_else(|| {
            "`50/s`, `600/m` or `100/s,burst 50` (at least one a day, a burst of at least 1)"
                .to_owned()
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (rate, burst) = match text.split_once(',') {
            Some((rate, rest)) => (rate, Some(rest.trim().strip_prefix("burst")?)),
            None => (text, None),
        };
        let (requests, unit) = rate.trim().split_once('/')?;
        let unit_s = match unit.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let per_second = value::number(requests, 1e9).ok()? / unit_s;
        if per_second < PER_SECOND_MIN {
            return None;
        }
        let burst = match burst {
            Some(burst) => value::count(burst, 1).ok()? as f64,
            None => per_second.max(1.0),
        };
        Some(Self { per_second, burst })
    }
}

/// What is left of a quota: a bucket that starts full and is refilled evenly.
#[derive(Debug)]
pub(crate) struct Bucket {
    quota: Quota,
    left: f64,
    filled_at: Duration,
}

impl Bucket {
    pub(crate) fn full(quota: Quota, now: Duration) -> Self {
        Self {
            quota,
            left: quota.burst,
            filled_at: now,
        }
    }

    /// Takes one request from the quota; `Err` says after how long the next one fits.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let passed_s = now.saturating_sub(self.filled_at).as_secs_f64();
        self.left = (self.left + passed_s * self.quota.per_second).min(self.quota.burst);
        self.filled_at = self.filled_at.max(now);
        // Sums of fractions fall a hair short of the whole request that is due.
        if self.left >= 1.0 - 1e-9 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.left) / self.quota.per_second,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_have_units() {
        let quota = |text: &str| Quota::parse(text).map(|quota| (quota.per_second, quota.burst));
        assert_eq!(quota("100/s,burst 50"), Ok((100.0, 50.0)));
        assert!(quota("1e-30/s").is_err());
        assert_eq!(quota("50/s"), Ok((50.0, 50.0)));
        assert_eq!(quota("30/m"), Ok((0.5, 1.0)));
        for wrong in ["100", "0/s", "100/s,50", "100/s,burst 0", "-1/s", "100/day"] {
            assert!(quota(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::full(Quota::parse("10/s,burst 3").unwrap(), Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(bucket.take(Duration::ZERO), Ok(()));
        }
        let wait = bucket.take(Duration::ZERO).unwrap_err();
        assert!((wait.as_secs_f64() - 0.1).abs() < 1e-6, "{wait:?}");
        assert_eq!(bucket.take(Duration::from_millis(100)), Ok(()));
        assert!(bucket.take(Duration::from_millis(150)).is_err());
        for _ in 0..3 {
            assert_eq!(bucket.take(Duration::from_secs(60)), Ok(()));
        }
        assert!(bucket.take(Duration::from_secs(60)).is_err());
    }
}
