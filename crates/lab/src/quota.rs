//! A quota over time, of requests or of tokens: how much it gives, and how much of it is left.

use std::time::Duration;

use crate::value::{self, Expected};

/// One a day: of less, nobody could wait for the next.
const PER_SECOND_MIN: f64 = 1.0 / 86_400.0;

/// So much per second, and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quota {
    /// Per second, at least one a day.
    pub(crate) per_second: f64,
    /// How much may come at once after a pause, at least 1. Default for requests: what one second gives, because that is how
    /// services count. Default for tokens: what the unit of time gives, because one request may cost thousands.
    pub(crate) burst: f64,
    /// The unit of time in which the quota was written, in seconds.
    pub(crate) unit_s: f64,
}

impl Quota {
    /// Reads `100/s`, `600/m`, `1000/h`, each with an optional `,burst 50`.
    pub(crate) fn parse(text: &str) -> Result<Self, Expected> {
        Self::read(text).ok_or_else(|| {
            "`50/s`, `600/m` or `100/s,burst 50` (at least one a day, a burst of at least 1)"
                .to_owned()
        })
    }

    /// The same for tokens: a burst that is not given is what the unit of time gives.
    pub(crate) fn parse_tokens(text: &str) -> Result<Self, Expected> {
        let mut quota = Self::read(text).ok_or_else(|| {
            "`200000/m` or `5000/s,burst 20000` (at least one a day, a burst of at least 1)"
                .to_owned()
        })?;
        if !text.contains(',') {
            quota.burst = (quota.per_second * quota.unit_s).max(1.0);
        }
        Ok(quota)
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
        Some(Self {
            per_second,
            burst,
            unit_s,
        })
    }
}

/// What is left of a quota: a bucket that starts full and is refilled evenly.
#[derive(Debug)]
pub(crate) struct Bucket {
    quota: Quota,
    left: f64,
    filled_at: Duration,
}

/// A quota as an answer may tell it to the client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Left {
    /// How much the unit of time gives.
    pub(crate) limit: f64,
    /// The unit of time, in seconds.
    pub(crate) unit_s: f64,
    /// How much is left now.
    pub(crate) remaining: f64,
    /// How long until all of it is there again.
    pub(crate) reset: Duration,
}

impl Bucket {
    pub(crate) fn full(quota: Quota, now: Duration) -> Self {
        Self {
            quota,
            left: quota.burst,
            filled_at: now,
        }
    }

    /// After how long this much fits; zero when it fits now. More than the whole bucket counts as the whole bucket.
    pub(crate) fn wait(&mut self, now: Duration, amount: f64) -> Duration {
        self.fill(now);
        let missing = amount.min(self.quota.burst) - self.left;
        // Sums of fractions fall a hair short of the whole request that is due.
        if missing <= 1e-9 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(missing / self.quota.per_second)
    }

    /// Takes this much, which must fit.
    pub(crate) fn take(&mut self, amount: f64) {
        self.left -= amount.min(self.quota.burst);
    }

    /// What is left now.
    pub(crate) fn left(&mut self, now: Duration) -> Left {
        self.fill(now);
        let missing = self.quota.burst - self.left;
        Left {
            limit: self.quota.per_second * self.quota.unit_s,
            unit_s: self.quota.unit_s,
            remaining: self.left.max(0.0),
            reset: Duration::from_secs_f64(missing.max(0.0) / self.quota.per_second),
        }
    }

    fn fill(&mut self, now: Duration) {
        let passed_s = now.saturating_sub(self.filled_at).as_secs_f64();
        self.left = (self.left + passed_s * self.quota.per_second).min(self.quota.burst);
        self.filled_at = self.filled_at.max(now);
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

    /// Takes one if it fits; after how long it would.
    fn take(bucket: &mut Bucket, now: Duration, amount: f64) -> Result<(), Duration> {
        let wait = bucket.wait(now, amount);
        if !wait.is_zero() {
            return Err(wait);
        }
        bucket.take(amount);
        Ok(())
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut bucket = Bucket::full(Quota::parse("10/s,burst 3").unwrap(), Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(take(&mut bucket, Duration::ZERO, 1.0), Ok(()));
        }
        let wait = take(&mut bucket, Duration::ZERO, 1.0).unwrap_err();
        assert!((wait.as_secs_f64() - 0.1).abs() < 1e-6, "{wait:?}");
        assert_eq!(take(&mut bucket, Duration::from_millis(100), 1.0), Ok(()));
        assert!(take(&mut bucket, Duration::from_millis(150), 1.0).is_err());
        for _ in 0..3 {
            assert_eq!(take(&mut bucket, Duration::from_secs(60), 1.0), Ok(()));
        }
        assert!(take(&mut bucket, Duration::from_secs(60), 1.0).is_err());
    }

    #[test]
    fn tokens_come_in_amounts_and_what_is_left_is_told() {
        let quota = Quota::parse_tokens("600/m").unwrap();
        assert_eq!((quota.per_second, quota.burst), (10.0, 600.0));
        let mut bucket = Bucket::full(quota, Duration::ZERO);
        assert_eq!(take(&mut bucket, Duration::ZERO, 500.0), Ok(()));
        let wait = take(&mut bucket, Duration::ZERO, 200.0);
        assert_eq!(wait, Err(Duration::from_secs(10)));
        let left = bucket.left(Duration::from_secs(1));
        assert_eq!((left.limit, left.remaining), (600.0, 110.0));
        assert_eq!(left.reset, Duration::from_secs(49));
        // A request that costs more than there can ever be is let in when the bucket is full.
        assert_eq!(take(&mut bucket, Duration::from_secs(90), 9000.0), Ok(()));
        assert!(Quota::parse_tokens("600").unwrap_err().contains("200000/m"));
    }
}
