//! A cap on what is in flight, after the service refused because too much was inside.
//!
//! It begins below what was refused, comes back to it along a cubic, stays there for long, and then goes past it: the
//! curve of TCP CUBIC, for the same reason.

/// How far below what was refused it begins.
const DEPTH: f64 = 0.1;
/// What remains of the limit itself: the place where it refuses is past the place where more in flight pay.
pub(super) const LEFT: f64 = 0.85;

/// The curve, from `1 − depth` at 0 through 1 at `k` seconds and on.
pub(super) fn cubic(passed: f64, k: f64) -> f64 {
    1.0 + DEPTH * (passed / k - 1.0).powi(3)
}

/// Seconds until what was refused is tried again: many latencies, and rarely enough that refusals stay rare.
pub(super) fn until_again(latency: f64) -> f64 {
    (100.0 * latency).clamp(15.0, 60.0)
}

/// What may be in flight for now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    refused: f64,
    since: f64,
    k: f64,
}

impl Cap {
    /// Refused with so many in flight.
    pub(super) fn new(refused: f64, now: f64, latency: f64) -> Cap {
        Cap {
            refused,
            since: now,
            k: until_again(latency),
        }
    }

    /// The cap now, in whole requests, as what was refused is: a part of one more would be that one now and then. `None` once it
    /// has gone so far past what was refused that it means nothing.
    pub(super) fn now(&self, now: f64) -> Option<f64> {
        let factor = cubic(now - self.since, self.k);
        (factor < 2.0).then_some((self.refused * factor).floor().max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_stays_and_goes_past() {
        let cap = Cap::new(100.0, 10.0, 0.1);
        let at = |passed: f64| cap.now(10.0 + passed).unwrap();
        assert_eq!((at(0.0), at(15.0)), (90.0, 100.0));
        assert!(at(10.0) >= 99.0 && at(20.0) <= 101.0 && at(30.0) >= 109.0);
        let few = |refused: f64| Cap::new(refused, 0.0, 0.1).now(0.0).unwrap();
        assert_eq!([1.0, 2.0, 3.0, 8.0].map(few), [1.0, 1.0, 2.0, 7.0]);
        assert_eq!(cap.now(60.0), None);
    }
}
