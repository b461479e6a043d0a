//! A distribution of times, in constant space.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dist {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// A distribution of times, its mean exact.
pub(crate) struct Times {
    histogram: Histogram<u64>,
    sum: Duration,
}

impl Times {
    pub(crate) fn new() -> Times {
        // From a nanosecond to an hour, to three digits: about 250 KiB.
        let histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
            .expect("the bounds and the digits are constants within the allowed range");
        Times {
            histogram,
            sum: Duration::ZERO,
        }
    }

    /// `count` events that took this long together.
    pub(crate) fn add(&mut self, together: Duration, count: u32) {
        self.sum += together;
        let each = together.as_nanos() as u64 / u64::from(count.max(1));
        self.histogram.saturating_record_n(each, count.into());
    }

    /// How many took longer.
    pub(crate) fn longer_than(&self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.len() - self.histogram.count_between(0, nanos)
    }

    pub(crate) fn mean(&self) -> Duration {
        let count = self.histogram.len().max(1);
        Duration::from_nanos((self.sum.as_nanos() / u128::from(count)) as u64)
    }

    pub(crate) fn median(&self) -> Duration {
        Duration::from_nanos(self.histogram.value_at_quantile(0.5))
    }

    pub(crate) fn dist(&self) -> Dist {
        if self.histogram.is_empty() {
            return Dist::default();
        }
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1e6;
        Dist {
            mean: self.mean().as_secs_f64() * 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: self.histogram.max() as f64 / 1e6,
        }
    }
}
