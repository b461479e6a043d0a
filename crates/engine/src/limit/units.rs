//! A quota of units over time, such as tokens, of which one request costs more than another, and nobody knows how much before it is
//! answered.
//!
//! Each request reserves what requests cost on the average. When its answer says what it cost, the difference is taken or given
//! back. A reservation of the most that a request may cost would leave most of the quota unused.

use super::pace::LATENESS_S;

/// The share of the quota that is spent. The rest covers what is reserved too little while many requests are in flight.
const SHARE: f64 = 0.99;

/// Costs over which the mean is taken: enough to forget a part of the input that costs more, few enough to follow it.
const MEAN_OVER: f64 = 64.0;

/// Requests in flight at most while no cost is known yet.
const UNKNOWN_MAX: usize = 8;

/// Keeps to a quota of units. Times are seconds from the start of the run.
#[derive(Clone, Debug)]
pub(super) struct Units {
    /// Units a second that are spent.
    rate: f64,
    /// Units that were reserved or spent and are not earned back yet; below 0, what was given back and is not reserved again.
    debt: f64,
    /// When the debt was that large.
    at: f64,
    /// The mean cost of a request; `None` before the first is known.
    mean: Option<f64>,
}

impl Units {
    /// Keeps to so many units a second, more than 0.
    pub(super) fn new(quota: f64) -> Units {
        Units {
            rate: SHARE * quota,
            debt: 0.0,
            at: 0.0,
            mean: None,
        }
    }

    /// How many requests may be in flight, if that is bounded.
    pub(super) fn in_flight_max(&self) -> Option<usize> {
        match self.mean {
            Some(_) => None,
            None => Some(UNKNOWN_MAX),
        }
    }

    /// When the next request may be sent: when the debt is earned back.
    pub(super) fn next(&self) -> f64 {
        self.at + self.debt.max(0.0) / self.rate
    }

    /// A request is sent now; what is reserved for it.
    pub(super) fn sent(&mut self, now: f64) -> f64 {
        let reserved = self.mean.unwrap_or(0.0);
        self.owe(now, reserved);
        reserved
    }

    /// A request for which so much was reserved has cost so much.
    pub(super) fn cost(&mut self, now: f64, reserved: f64, cost: f64) {
        self.owe(now, cost - reserved);
        let mean = self.mean.get_or_insert(cost);
        *mean += (cost - *mean) / MEAN_OVER;
    }

    /// A request was refused, and so cost nothing.
    pub(super) fn refused(&mut self, now: f64, reserved: f64) {
        self.owe(now, -reserved);
    }

    fn owe(&mut self, now: f64, units: f64) {
        let earned = (now - self.at).max(0.0) * self.rate;
        // What was given back is kept, and what was earned while the first answers were waited for. A timer that woke
        // late is made up for; another time without work is not: a burst would be refused where the quota is counted by the second.
        let least = match self.mean {
            Some(_) => self.debt.min(-LATENESS_S * self.rate),
            None => f64::NEG_INFINITY,
        };
        let left = (self.debt - earned).max(least);
        self.debt = left + units;
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for so long with answers after `latency`; the units that were spent for each that the quota gave.
    fn spent(
        quota: f64,
        latency: f64,
        lasting: f64,
        cost: impl Fn(&mut fastrand::Rng) -> f64,
    ) -> f64 {
        let mut units = Units::new(quota);
        let mut random = fastrand::Rng::with_seed(7);
        let (mut flying, mut spent) = (std::collections::VecDeque::new(), 0.0);
        let mut now: f64 = 0.0;
        while now < lasting {
            while flying.front().is_some_and(|(ends, _)| *ends <= now) {
                let (_, reserved) = flying.pop_front().unwrap();
                let cost = cost(&mut random);
                spent += cost;
                units.cost(now, reserved, cost);
            }
            let room = units.in_flight_max().is_none_or(|most| flying.len() < most);
            if room && units.next() <= now {
                flying.push_back((now + latency, units.sent(now)));
            }
            now += 1e-3;
        }
        spent / (quota * (lasting - latency))
    }

    #[test]
    fn the_quota_is_used_up_and_kept() {
        for (quota, latency) in [(3000.0, 0.8), (3000.0, 5.0), (100_000.0, 0.8)] {
            let lognormal = |random: &mut fastrand::Rng| {
                let sum: f64 = (0..12).map(|_| random.f64()).sum();
                400.0 * (0.8 * (sum - 6.0)).exp()
            };
            let share = spent(quota, latency, 120.0, lognormal);
            assert!(
                (0.97..=1.005).contains(&share),
                "{quota} {latency}: {share}"
            );
        }
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let mut units = Units::new(100.0);
        units.cost(0.0, 0.0, 50.0);
        let reserved = units.sent(1.0);
        assert_eq!(reserved, 50.0);
        let next = units.next();
        units.refused(1.0, reserved);
        assert!(units.next() < next);
    }

    #[test]
    fn before_a_cost_is_known_few_are_sent() {
        let mut units = Units::new(100.0);
        assert_eq!(units.in_flight_max(), Some(UNKNOWN_MAX));
        units.cost(1.0, 0.0, 10.0);
        assert_eq!(units.in_flight_max(), None);
    }
}
