//! Quotas that a service tells with each answer: so much is left, and all of it is back at that time.
//!
//! What is left is used within [`HORIZON_S`], or by the time at which all is back, whichever comes first. So a burst is used once, and
//! then what comes back is used as it comes: of a bucket that fills steadily three seconds' worth stays in it, and a window that
//! begins anew all at once is used up early. Nothing is sent that is not there, so that nothing is refused.

use super::outcome::Sent;
use crate::quota::Allowance;

/// Within how many seconds what is left is used: longer than answers take that tell what is left, short beside the minutes for
/// which quotas are given.
const HORIZON_S: f64 = 3.0;

/// Requests that may be sent when all should be back after a longer time than [`HORIZON_S`], and no answer has said so yet: clocks
/// differ.
const UNHEARD: f64 = 8.0;

/// A quota smaller than so many times what is in flight cannot be followed: what its answers tell is older than what it gives.
const FLYING_MAX: f64 = 2.0;

/// Costs over which the mean is taken, as for quotas that the user names.
const MEAN_OVER: f64 = 64.0;

/// Costs after which the largest is half forgotten.
const MOST_OVER: f64 = 1000.0;

/// What a service tells of its quotas. Times are seconds from the start of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The number of the last request that was sent, from 1, and when that was.
    sent: u64,
    sent_at: f64,
    /// The number of the latest request whose answer told something.
    heard: u64,
    /// What requests cost in units; `None` before the first is known.
    cost: Option<Cost>,
    requests: Option<Left>,
    units: Option<Left>,
}

/// What a request costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    mean: f64,
    /// The most, of those that are not long past: a request is sent when there is enough for this.
    most: f64,
}

impl Cost {
    const ONE: Cost = Cost {
        mean: 1.0,
        most: 1.0,
    };

    fn and(self, cost: f64) -> Cost {
        Cost {
            mean: self.mean + (cost - self.mean) / MEAN_OVER,
            most: cost.max(self.most - (self.most - self.mean) / MOST_OVER),
        }
    }
}

/// What is left of one quota.
#[derive(Clone, Copy, Debug)]
struct Left {
    remaining: f64,
    /// The most there can be.
    whole: f64,
    /// When all of it is back, and how long that took when it was told.
    resets_at: f64,
    resets_in: f64,
}

impl Left {
    fn of(allowance: Allowance, now: f64, before: Option<Left>) -> Left {
        let Allowance {
            remaining,
            limit,
            resets_in,
        } = allowance;
        let resets_in = resets_in.as_secs_f64();
        Left {
            remaining,
            whole: limit
                .or(before.map(|left| left.whole))
                .unwrap_or(remaining)
                .max(remaining),
            resets_at: now + resets_in,
            resets_in,
        }
    }

    /// When a request of this cost may be sent, after one that was sent at `last`.
    fn next(&self, last: f64, cost: Cost) -> f64 {
        if self.remaining < cost.most.min(self.whole) {
            return self.resets_at;
        }
        let within = (self.resets_at - last).clamp(0.0, HORIZON_S);
        last + within * cost.mean / self.remaining
    }
}

impl Told {
    /// A request is sent now; its number.
    pub(super) fn sent(&mut self, now: f64) -> u64 {
        self.sent += 1;
        self.sent_at = now;
        let requests = (&mut self.requests, Some(Cost::ONE));
        for (left, cost) in [requests, (&mut self.units, self.cost)] {
            let (Some(left), Some(cost)) = (left, cost) else {
                continue;
            };
            if left.resets_at <= now {
                left.remaining = match left.resets_in > HORIZON_S {
                    true => left.whole.min(UNHEARD * cost.most),
                    false => left.whole,
                };
                left.resets_at = now + left.resets_in.max(HORIZON_S);
            }
            left.remaining -= cost.mean;
        }
        self.sent
    }

    /// A request was answered, if only to be refused.
    pub(super) fn heard(&mut self, now: f64, sent: &Sent) {
        let usage = sent.usage;
        if let Some(cost) = usage.cost {
            let known = Cost {
                mean: cost,
                most: cost,
            };
            self.cost = Some(self.cost.map_or(known, |known| known.and(cost)));
        }
        if sent.number < self.heard || (usage.requests, usage.units) == (None, None) {
            return;
        }
        self.heard = sent.number;
        let since = self.sent.saturating_sub(sent.number) as f64;
        let flying = sent.in_flight as f64;
        let told = |allowance: Option<Allowance>, before: Option<Left>, cost: Option<Cost>| {
            let (mut left, cost) = (Left::of(allowance?, now, before), cost?);
            // What was sent since is not taken of it yet.
            left.remaining -= since * cost.mean;
            (left.whole >= FLYING_MAX * flying * cost.mean).then_some(left)
        };
        self.requests = told(usage.requests, self.requests, Some(Cost::ONE));
        self.units = told(usage.units, self.units, self.cost);
    }

    /// When the next may be sent by what is left of the requests, and of the units; 0 where nothing is told.
    pub(super) fn next(&self) -> (f64, f64) {
        let next = |left: &Option<Left>, cost: Option<Cost>| {
            let left = left.as_ref().zip(cost.filter(|cost| cost.mean > 0.0));
            left.map_or(0.0, |(left, cost)| left.next(self.sent_at, cost))
        };
        (
            next(&self.requests, Some(Cost::ONE)),
            next(&self.units, self.cost),
        )
    }

    /// Whether anything is told.
    pub(super) fn is_heard(&self) -> bool {
        self.requests.is_some() || self.units.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::quota::Usage;

    /// A service with a quota, of which it tells with each answer.
    #[derive(Clone, Copy, Debug)]
    struct Service {
        per_minute: f64,
        /// How much can be there at most.
        burst: f64,
        /// Whether all comes back at once, each minute.
        is_window: bool,
        latency: f64,
        /// Whether it counts tokens, of which a request costs 100 to 900.
        counts_units: bool,
    }

    /// Sends for so many seconds, with so many in flight at most; the share of the quota that was used, and of the requests that
    /// were refused.
    fn play(service: Service, lasting: f64, in_flight_max: usize) -> (f64, f64) {
        let mut told = Told::default();
        let mut random = fastrand::Rng::with_seed(3);
        let mut flying: VecDeque<(f64, Sent)> = VecDeque::new();
        let (mut tokens, mut used, mut refused, mut all) = (service.burst, 0.0, 0.0, 0.0);
        let step = 2e-3;
        let mut now: f64 = 0.0;
        while now < lasting {
            tokens = match service.is_window {
                true if (now % 60.0) < step => service.per_minute,
                true => tokens,
                false => service.burst.min(tokens + service.per_minute / 60.0 * step),
            };
            while flying.front().is_some_and(|(ends, _)| *ends <= now) {
                let (_, sent) = flying.pop_front().unwrap();
                told.heard(now, &sent);
            }
            let (requests, units) = told.next();
            // Who has heard nothing begins with few.
            let most = if told.is_heard() { in_flight_max } else { 8 };
            if flying.len() < most && requests.max(units) <= now {
                let number = told.sent(now);
                let cost = match service.counts_units {
                    true => 100.0 + 800.0 * random.f64(),
                    false => 1.0,
                };
                all += 1.0;
                let is_refused = tokens < cost;
                if is_refused {
                    refused += 1.0;
                } else {
                    tokens -= cost;
                    used += cost;
                }
                let resets_in = match service.is_window {
                    true => 60.0 - now % 60.0,
                    false => (service.burst - tokens) / service.per_minute * 60.0,
                };
                let allowance = Allowance {
                    remaining: tokens.floor(),
                    limit: Some(service.burst),
                    resets_in: Duration::from_secs_f64(resets_in),
                };
                let usage = match service.counts_units {
                    true => Usage {
                        cost: (!is_refused).then_some(cost),
                        units: Some(allowance),
                        ..Usage::default()
                    },
                    false => Usage {
                        requests: Some(allowance),
                        ..Usage::default()
                    },
                };
                let sent = Sent {
                    usage,
                    number,
                    in_flight: flying.len() + 1,
                    ..Sent::first(Duration::from_secs_f64(now))
                };
                flying.push_back((now + service.latency, sent));
            }
            now += step;
        }
        let given = match service.is_window {
            true => (lasting / 60.0).ceil() * service.per_minute,
            false => service.burst + service.per_minute * lasting / 60.0,
        };
        (used / given, refused / all)
    }

    #[test]
    fn what_is_told_is_used_and_nothing_is_refused() {
        for is_window in [false, true] {
            for counts_units in [false, true] {
                for latency in [0.05, 0.8, 2.0] {
                    let per_minute = if counts_units { 200_000.0 } else { 500.0 };
                    let service = Service {
                        per_minute,
                        burst: per_minute,
                        is_window,
                        latency,
                        counts_units,
                    };
                    let (used, refused) = play(service, 240.0, 100);
                    assert!(used > 0.95, "{service:?}: used {used}");
                    assert!(refused == 0.0, "{service:?}: refused {refused}");
                }
            }
        }
    }

    #[test]
    fn a_quota_of_seconds_is_used_too() {
        for (is_window, latency) in [(false, 0.05), (false, 0.3), (false, 1.0)] {
            let service = Service {
                per_minute: 1200.0,
                burst: 60.0,
                is_window,
                latency,
                counts_units: false,
            };
            let (used, refused) = play(service, 60.0, 100);
            assert!(used > 0.95, "{service:?}: used {used}");
            assert!(refused == 0.0, "{service:?}: refused {refused}");
        }
    }

    #[test]
    fn a_service_that_tells_nothing_holds_nothing_back() {
        let mut told = Told::default();
        let number = told.sent(1.0);
        let sent = Sent {
            number,
            ..Sent::first(Duration::from_secs(1))
        };
        told.heard(2.0, &sent);
        assert_eq!((told.next(), told.is_heard()), ((0.0, 0.0), false));
    }

    #[test]
    fn a_quota_smaller_than_what_is_in_flight_is_left_to_refusals() {
        let mut told = Told::default();
        let number = told.sent(0.0);
        let usage = Usage {
            requests: Some(Allowance {
                remaining: 3.0,
                limit: Some(10.0),
                resets_in: Duration::from_secs(1),
            }),
            ..Usage::default()
        };
        let heard = |in_flight| Sent {
            usage,
            number,
            in_flight,
            ..Sent::first(Duration::ZERO)
        };
        told.heard(0.5, &heard(10));
        assert!(!told.is_heard());
        told.heard(0.5, &heard(5));
        assert!(told.is_heard());
    }
}
