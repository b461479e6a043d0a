//! When the next request may be sent: the user's rate, and a quota that refusals have shown.
//!
//! In flight alone cannot keep to a quota when rate × latency is below about two; sending must be spaced.

use super::backoff::{cubic, until_again};

/// How late a timer may wake and be made up for. Ticks are a millisecond long; on a busy machine the thread waits for its turn, for
/// some time slices of the system, which are 4 ms and more. What is made up for is a fiftieth of what a quota gives in a second: no
/// burst that a service minds.
pub(super) const LATENESS_S: f64 = 20e-3;

/// The lowest quota that is believed, in requests a second: who knows less waits for longer than a minute to learn more.
const RATE_MIN: f64 = 1.0 / 60.0;

/// Bounds of a quota that are nearer than this factor are taken for it.
const NEAR: f64 = 3.0;

/// The way back from a rate that was halved for want of a lower bound, in seconds: three of them later it is twice that again. A
/// job that ends has no time to lose at half its quota, and one more refusal gives that bound.
const SEARCHED_K: f64 = 1.0;

/// So many times a rate that was refused, or half of it, and not refused again, it bounds nothing any more.
const PAST: f64 = 4.0;

/// So early on the way back, as a share of it, the rate has hardly changed.
const STEADY: f64 = 0.3;

/// Spaces requests.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// The user's, in requests a second.
    asked: Option<f64>,
    quota: Option<Quota>,
    next: f64,
    /// Requests that were taken since the last refusal by quota, and when that was.
    taken: u32,
    refused_at: Option<f64>,
    /// When sending went on after it, or began.
    resumed_at: f64,
}

/// A rate at which the service did not refuse, and the way back to the one at which it did.
#[derive(Clone, Copy, Debug)]
struct Quota {
    rate: f64,
    since: f64,
    k: f64,
    /// Whether it lies between two bounds, and is not only half of the upper.
    is_between: bool,
}

impl Quota {
    fn now(&self, now: f64) -> Option<f64> {
        let factor = cubic((now - self.since).max(0.0), self.k);
        (factor < PAST).then_some(self.rate * factor)
    }
}

impl Pace {
    pub(super) fn new(asked: Option<f64>) -> Pace {
        Pace {
            asked,
            quota: None,
            next: 0.0,
            taken: 0,
            refused_at: None,
            resumed_at: 0.0,
        }
    }

    /// Begins with a quota that an earlier run has found.
    pub(super) fn remember(&mut self, rate: f64) {
        // As if it had been refused just now, at what is a little more than the quota.
        self.quota = Some(Quota {
            rate,
            since: 0.0,
            k: until_again(0.0),
            is_between: true,
        });
        self.refused_at = Some(0.0);
    }

    /// Requests a second that may be sent, if that is bounded.
    pub(super) fn rate(&self, now: f64) -> Option<f64> {
        let quota = self.quota.and_then(|quota| quota.now(now));
        quota.into_iter().chain(self.asked).reduce(f64::min)
    }

    /// The quota that was found, in requests a second; the upper bound where that is all that is known, so that it is not
    /// remembered for half of what it is.
    pub(super) fn quota(&self) -> Option<f64> {
        self.quota.map(|quota| match quota.is_between {
            true => quota.rate,
            false => 2.0 * quota.rate,
        })
    }

    /// When the next may be sent.
    pub(super) fn next(&self) -> f64 {
        self.next
    }

    pub(super) fn sent(&mut self, now: f64) {
        // Long past what was refused without a refusal: there is none any more.
        self.quota = self.quota.filter(|quota| quota.now(now).is_some());
        if let Some(rate) = self.rate(now) {
            // A timer that woke late is made up for; a time without work is not.
            self.next = self.next.max(now - LATENESS_S) + 1.0 / rate;
        }
    }

    pub(super) fn taken(&mut self) {
        self.taken += 1;
    }

    /// Refused by quota while sending at this rate, which is not known before the first answer; everything waits until `resume`. Says
    /// at what rate it goes on.
    ///
    /// Between two refusals a quota gives what was taken, or more that nobody took; at the rate at which it refuses it gives
    /// less, and if that rate was steady, no more than was taken. It lies between the two, in the middle if they are near;
    /// else the upper end is halved until they are.
    pub(super) fn refused(
        &mut self,
        now: f64,
        resume: f64,
        sending: Option<f64>,
        latency: f64,
    ) -> f64 {
        let taken = f64::from(self.taken);
        let lasted = |at: f64| (now - at).max(1e-3);
        let least = self.refused_at.map_or(0.0, |at| taken / lasted(at));
        let k = until_again(latency);
        let paced = self.rate(now);
        let rate = paced.or(sending).unwrap_or(f64::INFINITY);
        // A start that doubles has left unused what the quota gave meanwhile.
        let way_back = self.quota.map_or(k, |quota| quota.k);
        let is_steady =
            (paced.is_some() || sending.is_none()) && now - self.resumed_at < STEADY * way_back;
        let most = if is_steady || rate.is_infinite() {
            // The one that was refused was one too many: that none was taken is no sign that none will be.
            rate.min((taken + 1.0) / lasted(self.resumed_at))
        } else {
            rate
        };
        // The nearer the bounds are, the longer it stays between them.
        let apart = (most / least).max(1.0).ln() / NEAR.ln();
        let is_between = apart < 1.0;
        let rate = match is_between {
            true => (most * least).sqrt().min(most),
            false => 0.5 * most,
        };
        let k = ((1.0 - apart) * k).max(SEARCHED_K);
        let rate = rate.max(RATE_MIN);
        self.quota = Some(Quota {
            rate,
            since: resume,
            k,
            is_between,
        });
        (self.taken, self.refused_at, self.resumed_at) = (0, Some(now), resume);
        self.next = self.next.max(resume);
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for so long at a service with this quota, of which so much is there to begin with; the rates found, one after the
    /// other.
    fn found(quota: f64, burst: f64, first: f64, lasting: f64) -> Vec<f64> {
        let mut pace = Pace::new(None);
        let (mut now, mut tokens, mut found) = (0.0, first, Vec::new());
        while now < lasting {
            let next = pace.next().max(now + 1e-3);
            tokens = f64::min(tokens + (next - now) * quota, burst);
            now = next;
            pace.sent(now);
            if tokens >= 1.0 {
                tokens -= 1.0;
                pace.taken();
            } else {
                found.push(pace.refused(now, now + 1.0, (now > 0.1).then_some(1000.0), 0.1));
            }
        }
        found
    }

    #[test]
    fn a_rate_is_found_though_no_latency_is_known() {
        let mut pace = Pace::new(None);
        (0..100).for_each(|_| pace.taken());
        let rate = pace.refused(20.0, 20.0, None, 0.1);
        assert!((2.0..6.0).contains(&rate), "{rate}");
    }

    #[test]
    fn half_of_what_was_too_much_is_not_remembered_as_the_quota() {
        let mut pace = Pace::new(None);
        (0..50).for_each(|_| pace.taken());
        let half = pace.refused(0.5, 1.5, Some(100.0), 0.1);
        assert_eq!((half, pace.quota()), (50.0, Some(100.0)));
        // Not refused for long, it bounds nothing any more.
        pace.sent(60.0);
        assert_eq!(pace.quota(), None);
    }

    #[test]
    fn it_finds_the_quota() {
        for (quota, burst, first) in [
            (100.0, 20.0, 20.0),
            (100.0, 100.0, 100.0),
            (7.0, 10.0, 10.0),
            (20.0, 1.0, 1.0),
            (10.0, 4.0, 0.0),
        ] {
            let found = found(quota, burst, first, 300.0);
            let last = found.last().unwrap() / quota;
            assert!((0.85..1.15).contains(&last), "{quota} {burst}: {found:?}");
            assert!(found.len() < 25, "{found:?}");
        }
    }
}
