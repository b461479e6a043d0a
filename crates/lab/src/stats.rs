//! What happened in the lab, as counters while it runs and as the figures it reports.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What a lab has seen since it started or was last reset. Its JSON is the answer of `GET /stats`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Stats {
    /// Requests to save or fetch that arrived whole, refused ones included.
    pub received: u64,
    /// Bodies stored.
    pub saved: u64,
    /// Different bodies among them, exactly.
    pub distinct: u64,
    /// Requests refused with 429 or 503.
    pub rejected: u64,
    /// The most requests that were inside at once: let in and not yet answered.
    pub in_flight_max: u64,
    /// What the service itself took for a request that was let in, from its arrival (body included) until its end, in
    /// milliseconds, waiting for a place included.
    pub service_ms: Distribution,
}

/// Five figures of a distribution, all 0 when nothing was measured; quantiles are exact to three digits.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Distribution {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// What 90 % do not exceed.
    pub p90: f64,
    /// What 99 % do not exceed.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// Counts while the lab runs; what the store knows is not counted twice.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) rejected: u64,
    in_flight: u64,
    in_flight_max: u64,
    service_ns: Histogram<u64>,
}

impl Counters {
    /// All zero, except that `in_flight` requests are inside already.
    pub(crate) fn starting_with(in_flight: u64) -> Self {
        // From 100 ns, below what any request takes, to ten hours, which no configuration reaches in earnest: 0.3 MB.
        let service_ns = Histogram::new_with_bounds(100, 36_000_000_000_000, 3);
        Self {
            received: 0,
            rejected: 0,
            in_flight,
            in_flight_max: in_flight,
            service_ns: service_ns.expect("the bounds are constants in order"),
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    pub(crate) fn enter(&mut self) {
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
    }

    pub(crate) fn leave(&mut self) {
        self.in_flight -= 1;
    }

    pub(crate) fn served(&mut self, service_time: Duration) {
        let nanos = u64::try_from(service_time.as_nanos()).unwrap_or(u64::MAX);
        self.service_ns.saturating_record(nanos);
    }

    /// The figures, together with what the store counts.
    pub(crate) fn stats(&self, saved: u64, distinct: u64) -> Stats {
        Stats {
            received: self.received,
            saved,
            distinct,
            rejected: self.rejected,
            in_flight_max: self.in_flight_max,
            service_ms: self.service_ms(),
        }
    }

    fn service_ms(&self) -> Distribution {
        if self.service_ns.is_empty() {
            return Distribution::default();
        }
        let quantile_ms = |quantile| self.service_ns.value_at_quantile(quantile) as f64 / 1e6;
        Distribution {
            mean: self.service_ns.mean() / 1e6,
            p50: quantile_ms(0.5),
            p90: quantile_ms(0.9),
            p99: quantile_ms(0.99),
            max: quantile_ms(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_out_in_milliseconds() {
        let mut counters = Counters::starting_with(0);
        for millis in 1..=100 {
            counters.enter();
            counters.served(Duration::from_millis(millis));
        }
        counters.leave();
        let stats = counters.stats(100, 99);
        assert_eq!(
            (stats.in_flight_max, counters.in_flight(), stats.distinct),
            (100, 99, 99)
        );
        for (figure, expected_ms) in [
            (stats.service_ms.mean, 50.5),
            (stats.service_ms.p50, 50.0),
            (stats.service_ms.p90, 90.0),
            (stats.service_ms.p99, 99.0),
            (stats.service_ms.max, 100.0),
        ] {
            assert!(
                (figure / expected_ms - 1.0).abs() < 2e-3,
                "{figure} {expected_ms}"
            );
        }
    }

    #[test]
    fn the_json_has_the_published_names() {
        let json = serde_json::to_string(&Counters::starting_with(0).stats(2, 1)).unwrap();
        let service_ms = r#"{"mean":0.0,"p50":0.0,"p90":0.0,"p99":0.0,"max":0.0}"#;
        let rest = r#""received":0,"saved":2,"distinct":1,"rejected":0,"in_flight_max":0"#;
        assert_eq!(json, format!("{{{rest},\"service_ms\":{service_ms}}}"));
    }
}
