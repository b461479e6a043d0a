//! Which failures count against an item: those that happened while the service was there, as the oracle sees it.

use std::time::Duration;

/// What one service answered in one life.
#[derive(Default)]
pub(super) struct Blame {
    successes: Vec<Duration>,
    /// When, and which item.
    failures: Vec<(Duration, u64)>,
    outages: Vec<Outage>,
    /// When the last request ended of which the facts tell.
    told_until: Duration,
}

/// A time in which failures were the service's.
struct Outage {
    /// The last success before it, or other sign that the service was there.
    since: Option<Duration>,
    until: Duration,
}

impl Blame {
    /// A request succeeded, for one of its records at least.
    pub(super) fn succeeded(&mut self, now: Duration) {
        self.successes.push(now);
    }

    /// An item failed in a way that may count against it.
    pub(super) fn failed(&mut self, now: Duration, index: u64) {
        self.failures.push((now, index));
    }

    /// The facts tell of a request that ended then.
    pub(super) fn told(&mut self, until: Duration) {
        self.told_until = until;
    }

    /// The facts tell of an outage that was seen then: what failed since the last success counts no longer.
    pub(super) fn outage_began(&mut self, at: Duration) {
        let before = self.successes.partition_point(|success| *success <= at);
        let success = before.checked_sub(1).map(|last| self.successes[last]);
        self.outages.push(Outage {
            since: success.max(self.outages.last().map(|outage| outage.until)),
            until: Duration::MAX,
        });
    }

    /// And of its end, with the request they told of before.
    pub(super) fn outage_ended(&mut self) {
        if let Some(outage) = self.outages.last_mut() {
            outage.until = self.told_until;
        }
    }

    /// How often an item has failed, as far as that counts.
    pub(super) fn counted(&self, index: u64) -> usize {
        let is_forgiven = |at: Duration| {
            self.outages
                .iter()
                .any(|outage| outage.since.is_none_or(|since| since < at) && at < outage.until)
        };
        let failures = self.failures.iter();
        failures
            .filter(|(at, item)| *item == index && !is_forgiven(*at))
            .count()
    }
}
