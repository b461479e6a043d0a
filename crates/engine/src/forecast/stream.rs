//! How long many requests take, so many at a time: together, or as they become ready.
//!
//! Requests of about the same length go in waves, as many at a time as the narrower of limit and capacity lets through; where
//! lengths vary, each place takes the next as soon as it is free, and only the last wait for the slowest.

use super::plain::Requests;

/// Below this spread of ln(latency), requests that begin together end together.
const EVEN: f64 = 0.1;

/// Requests of one stage, and how many of them may be in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream<'a> {
    pub(super) of: &'a Requests,
    /// The user's limit.
    pub(super) in_flight: f64,
}

impl Stream<'_> {
    /// As many as are served at once.
    pub(super) fn at_once(&self) -> f64 {
        let narrowest = self.in_flight.min(self.of.connections);
        narrowest.min(self.of.capacity).max(1.0)
    }

    /// Whether the service is what keeps more from being served at once.
    pub(super) fn is_service_narrower(&self) -> bool {
        self.of.capacity.min(self.of.connections) <= self.in_flight
    }

    /// Everything is ready at once; seconds until all is answered.
    pub(super) fn together(&self, records: f64, bulk: f64) -> f64 {
        let requests = (records / bulk).ceil();
        let at_once = self.at_once().min(requests);
        let crowd = self.crowd(requests);
        let each = self.of.taking(bulk.min(records)) * crowd;
        let slowest = slowest(each, self.of.spread, at_once);
        let before = (self.waves(requests, at_once) - 1.0) * self.freed(bulk.min(records)) * crowd;
        // One thread sends them, one after the other.
        let waiting = before + slowest + at_once * self.of.handling;
        let sending = requests * self.of.handling + each;
        waiting.max(sending).max(self.by_quota(requests) + each)
    }

    /// One more is ready every `apart` seconds; seconds from the first until all is answered.
    pub(super) fn one_by_one(&self, records: f64, bulk: f64, apart: f64) -> f64 {
        let requests = (records / bulk).ceil();
        let at_once = self.at_once();
        let crowd = self.crowd(requests);
        let each = self.of.taking(bulk) * crowd;
        // The last wave begins as the first did: one by one.
        let place = (requests - 1.0).max(0.0) % at_once;
        let flying = at_once.min(requests).min((each / apart.max(1e-9)).max(1.0));
        let slowest = slowest(each, self.of.spread, flying);
        let before = (self.waves(requests, at_once) - 1.0) * self.freed(bulk) * crowd;
        before + place * apart * bulk + slowest
    }

    /// Seconds after which a place that was taken is free for the next: the service hands it on by itself where more requests
    /// wait inside; else we have to hear of it first.
    fn freed(&self, records: f64) -> f64 {
        match self.of.capacity < self.in_flight {
            true => self.of.holding(records),
            false => self.of.taking(records),
        }
    }

    /// Seconds by which answers are noticed late, because they are looked for once a turn for as long as the thread is busy.
    /// What waits inside the service does not mind: only where the limit is what holds requests back does each wave lose by it.
    pub(super) fn noticed_late(&self, requests: f64, turn: f64, busy: f64) -> f64 {
        if turn <= 0.0 || self.of.capacity < self.in_flight {
            return 0.0;
        }
        let noticed = (self.of.latency / turn).ceil() * turn;
        let waves = (requests / self.at_once()).ceil() - 1.0;
        waves.min(busy / noticed).max(0.0) * (noticed - self.of.latency)
    }

    /// Seconds that so many requests take at the quota, beside the first.
    pub(super) fn by_quota(&self, requests: f64) -> f64 {
        (requests - 1.0).max(0.0) / self.of.quota
    }

    /// How many times as long a request takes because so many more are there, beyond waiting for its turn.
    fn crowd(&self, requests: f64) -> f64 {
        let in_flight = requests.min(self.in_flight);
        match in_flight > self.of.capacity {
            true => (in_flight / self.of.capacity).powf(-self.of.crowding),
            false => 1.0,
        }
    }

    fn waves(&self, requests: f64, at_once: f64) -> f64 {
        let waves = requests / at_once;
        match self.of.spread < EVEN && at_once.fract() == 0.0 {
            true => waves.ceil(),
            false => waves.max(1.0),
        }
    }
}

/// The mean of the slowest of so many, where ln(latency) is normal with this spread and the mean latency is known.
fn slowest(mean: f64, spread: f64, of: f64) -> f64 {
    if spread < EVEN || of <= 1.0 {
        return mean;
    }
    let median = mean * (-spread * spread / 2.0).exp();
    (median * (spread * normal_quantile(of / (of + 1.0))).exp()).max(mean)
}

/// The quantile of the standard normal distribution, for shares of at least a half (Abramowitz and Stegun, 26.2.23; to 5
/// parts in 10,000).
fn normal_quantile(share: f64) -> f64 {
    let t = (-2.0 * (1.0 - share).max(1e-12).ln()).sqrt();
    let above = 2.515517 + t * (0.802853 + t * 0.010328);
    let below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::plain::{Corner, Plain};
    use crate::forecast::{Figure, Traffic, Work};

    /// 100 ms, ten at once.
    fn requests(change: impl FnOnce(&mut Requests)) -> Requests {
        let ten = Some(Figure::declared(10.0));
        let traffic = Traffic {
            capacity: ten,
            ..Traffic::taking(Figure::declared(0.1))
        };
        let work = Work {
            items: 1,
            compute: Figure::declared(0.0),
            compute_beside: Figure::declared(0.0),
            fetch: None,
            save: traffic,
        };
        let mut requests = Plain::of(&work, Corner::Likely).save;
        change(&mut requests);
        requests
    }

    #[track_caller]
    fn check(seconds: f64, expected: f64) {
        assert!((seconds - expected).abs() < 1e-6, "{seconds}");
    }

    #[test]
    fn requests_of_one_length_go_in_waves() {
        let of = &requests(|_| {});
        let wide = Stream {
            of,
            in_flight: 100.0,
        };
        check(wide.together(10.0, 1.0), 0.1);
        check(wide.together(11.0, 1.0), 0.2);
        check(wide.together(100.0, 10.0), 0.1);
        let narrow = Stream { of, in_flight: 4.0 };
        check(narrow.together(10.0, 1.0), 0.3);
        assert!(wide.is_service_narrower() && !narrow.is_service_narrower());
    }

    #[test]
    fn what_becomes_ready_one_by_one_ends_one_by_one() {
        let of = &requests(|_| {});
        let stream = Stream {
            of,
            in_flight: 100.0,
        };
        // The tenth begins at 0.045; the twentieth when that has ended.
        check(stream.one_by_one(20.0, 1.0, 0.005), 0.245);
        check(stream.one_by_one(11.0, 1.0, 0.0), 0.2);
    }

    #[test]
    fn the_way_there_and_back_holds_no_place() {
        let of = &requests(|requests| (requests.latency, requests.capacity) = (0.15, 1.0));
        let stream = Stream { of, in_flight: 9.0 };
        check(stream.together(9.0, 1.0), 0.95);
        check(stream.one_by_one(9.0, 1.0, 0.01), 0.95);
        let alone = Stream { of, in_flight: 1.0 };
        check(alone.together(9.0, 1.0), 1.35);
    }

    #[test]
    fn a_crowd_and_a_quota_take_longer() {
        let of = &requests(|requests| requests.crowding = -1.0);
        let crowded = Stream {
            of,
            in_flight: 20.0,
        };
        check(crowded.together(20.0, 1.0), 0.4);
        let of = &requests(|requests| requests.quota = 50.0);
        let slow = Stream {
            of,
            in_flight: 20.0,
        };
        check(slow.together(101.0, 1.0), 2.1);
    }

    #[test]
    fn many_wait_for_the_slowest() {
        let of = &requests(|requests| (requests.spread, requests.capacity) = (0.5, f64::INFINITY));
        let stream = Stream {
            of,
            in_flight: 100.0,
        };
        let seconds = stream.together(100.0, 1.0);
        // The mean of the largest of 100: e^(0.5 · 2.5) times the median.
        assert!((0.27..0.32).contains(&seconds), "{seconds}");
        assert!((normal_quantile(0.975) - 1.96).abs() < 1e-3);
    }
}
