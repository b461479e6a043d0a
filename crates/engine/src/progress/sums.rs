//! What was done up to some time, and between two times.

use std::time::Duration;

use crate::bottleneck::Bottleneck;
use crate::fact::Attempt;

/// What was done up to some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) at: Duration,
    pub(super) finished: u64,
    pub(super) rejected: u64,
    pub(super) computed: u64,
    pub(super) computing: Duration,
    pub(super) cost: Duration,
    pub(super) fetch: Requests,
    pub(super) save: Requests,
    pub(super) limited: Limited,
}

/// Requests that ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Requests {
    pub(super) count: u64,
    pub(super) busy: Duration,
}

/// Seconds by what limited the run in them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limited([f64; Bottleneck::ALL.len()]);

impl Sums {
    pub(super) fn since(&self, before: &Sums) -> Sums {
        Sums {
            at: self.at.saturating_sub(before.at),
            finished: self.finished.saturating_sub(before.finished),
            rejected: self.rejected.saturating_sub(before.rejected),
            computed: self.computed - before.computed,
            computing: self.computing - before.computing,
            cost: self.cost - before.cost,
            fetch: self.fetch.since(&before.fetch),
            save: self.save.since(&before.save),
            limited: self.limited.since(&before.limited),
        }
    }
}

impl Requests {
    pub(super) fn add(&mut self, attempt: &Attempt) {
        self.count += 1;
        self.busy += attempt.took;
    }

    fn since(&self, before: &Requests) -> Requests {
        Requests {
            count: self.count - before.count,
            busy: self.busy - before.busy,
        }
    }

    /// How long one took in the mean; `None` if there was none.
    pub(super) fn latency(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.busy.div_f64(self.count as f64))
    }
}

impl Limited {
    pub(super) fn add(&mut self, bottleneck: Bottleneck, time: Duration) {
        self.0[bottleneck as usize] += time.as_secs_f64();
    }

    /// Seconds that this limited the run.
    pub(crate) fn by(&self, bottleneck: Bottleneck) -> f64 {
        self.0[bottleneck as usize]
    }

    /// What limited it longest, if anything did.
    pub(crate) fn most(&self) -> Option<Bottleneck> {
        let seen = Bottleneck::ALL
            .into_iter()
            .filter(|one| self.by(*one) > 0.0);
        seen.max_by(|one, other| self.by(*one).total_cmp(&self.by(*other)))
    }

    /// Each that limited it for some time.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Bottleneck, f64)> {
        let each = Bottleneck::ALL.into_iter().map(|one| (one, self.by(one)));
        each.filter(|(_, s)| *s > 0.0)
    }

    fn since(&self, before: &Limited) -> Limited {
        let mut since = *self;
        since
            .0
            .iter_mut()
            .zip(before.0)
            .for_each(|(now, before)| *now -= before);
        since
    }
}
