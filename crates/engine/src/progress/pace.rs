//! Adds up what a run does, and says how it goes now.

use std::collections::VecDeque;
use std::time::Duration;

use super::estimate::{Estimate, Forecast};
use super::moment::{Moment, bottleneck, takes_turns};
use super::sums::{Limited, Sums};
use crate::bottleneck::Bottleneck;
use crate::fact::{Fact, Step};
use crate::load::Load;
use crate::options::{ComputeClock, InFlightLimit, Options, Strategy};
use crate::tally::Counts;

/// Stretches that are remembered; when there are more, every other one is forgotten.
const PAST_MAX: usize = 64;
/// What was done "of late", as a share of the run so far: long enough to be steady, short enough to follow a change.
const RECENT_SHARE: f64 = 0.5;
/// Longer than a minute ago is over.
const RECENT_MAX: Duration = Duration::from_secs(60);
/// The same of what limits the run: that may change at once.
const NOW_SHARE: f64 = 0.1;
const NOW_MAX: Duration = Duration::from_secs(10);
/// Nothing shorter is steady: a save takes that long.
const RECENT_MIN: Duration = Duration::from_secs(1);

/// How a run goes now: what was done of late, in at least a second and at most a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// What limits the run; `None` before anything can be said.
    pub bottleneck: Option<Bottleneck>,
    /// Items finished a second.
    pub per_second: f64,
    /// Requests refused a second.
    pub refused_per_second: f64,
    /// Cores that compute, in the mean; `None` where computing is measured by time that passes, and may wait.
    pub cores: Option<f64>,
    /// How long a fetch takes; `None` if none ended.
    pub fetch: Option<Duration>,
    /// How long a save takes; `None` if none ended.
    pub save: Option<Duration>,
    /// How much longer the run takes if it goes on like this; `None` where that cannot be said.
    pub left: Option<Duration>,
}

/// A run on its way.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    strategy: Strategy,
    threads: usize,
    is_set: bool,
    may_wait: bool,
    sums: Sums,
    past: VecDeque<Sums>,
    /// Items that can be computed: read, or fetched.
    computable: u64,
    read: u64,
    is_read: bool,
    has_fetch: bool,
    /// When the last item was finished, and whether something was finished since the last computation.
    finished_at: Duration,
    is_batch_over: bool,
    estimate: Estimate,
}

impl Progress {
    /// Of a run with these options.
    pub(crate) fn new(options: &Options) -> Progress {
        Progress {
            strategy: options.strategy,
            threads: options.compute_threads(),
            is_set: matches!(options.in_flight, InFlightLimit::Fixed(_)),
            may_wait: options.compute_clock == ComputeClock::Elapsed,
            sums: Sums::default(),
            past: VecDeque::new(),
            computable: 0,
            read: 0,
            is_read: false,
            has_fetch: false,
            finished_at: Duration::ZERO,
            is_batch_over: false,
            estimate: Estimate::default(),
        }
    }

    /// Something happened, and the counts have it; so many items were finished before this run.
    pub(crate) fn fold(&mut self, fact: &Fact, counts: &Counts, before: u64) {
        let finished = counts.saved + counts.dead - before;
        match fact {
            Fact::Read { items } => self.read += items,
            Fact::InputEnded { .. } => self.is_read = true,
            Fact::Dead {
                step: Step::Read, ..
            } => self.read = self.read.saturating_sub(1),
            Fact::Computed {
                items,
                at,
                took,
                cost,
                ..
            } => {
                if self.is_batch_over && self.strategy == Strategy::Batched {
                    self.estimate.point(at.as_secs_f64(), finished);
                }
                self.is_batch_over = false;
                self.sums.computed += u64::from(*items);
                self.sums.computing += *took;
                self.sums.cost += *cost;
            }
            Fact::Attempt(attempt) => match attempt.step {
                Step::Fetch => {
                    self.sums.fetch.add(attempt);
                    self.has_fetch = true;
                    self.computable += attempt.done.len();
                }
                _ => {
                    self.sums.save.add(attempt);
                    if !attempt.done.is_empty() {
                        self.finished_at = self.finished_at.max(attempt.at + attempt.took);
                        self.is_batch_over = true;
                    }
                }
            },
            Fact::Beat { at, load, .. } => self.beat(*at, load, counts, finished),
            _ => {}
        }
    }

    fn beat(&mut self, at: Duration, load: &Load, counts: &Counts, finished: u64) {
        let before = self.past.back().copied().unwrap_or_default();
        self.sums.at = at;
        self.sums.finished = finished;
        self.sums.rejected = counts.rejected;
        let time = at.saturating_sub(before.at);
        let now = bottleneck(load, &self.moment(counts));
        let computing = match takes_turns(self.strategy) {
            true => (self.sums.computing - before.computing).min(time),
            false => Duration::ZERO,
        };
        self.sums.limited.add(Bottleneck::Cpu, computing);
        self.sums.limited.add(now, time - computing);
        if self.past.len() == PAST_MAX {
            let mut place = 0;
            self.past.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        self.past.push_back(self.sums);
        if self.strategy != Strategy::Batched {
            // A dead letter finishes an item too.
            self.finished_at = match self.sums.save.count {
                0 => at,
                _ => self.finished_at,
            };
            self.estimate
                .point(self.finished_at.as_secs_f64(), finished);
        }
        if let Some(total) = counts.total {
            let total = total.saturating_sub(counts.saved + counts.dead - finished);
            self.estimate.forecast(at.as_secs_f64(), total);
        }
    }

    fn moment(&self, counts: &Counts) -> Moment {
        let computable = match self.has_fetch {
            true => self.computable,
            false => self.read,
        };
        Moment {
            strategy: self.strategy,
            is_set: self.is_set,
            is_away: counts.outage_since.is_some(),
            is_read: self.is_read,
            has_begun: self.sums.computed > 0,
            in_compute: computable.saturating_sub(self.sums.computed),
        }
    }

    /// How it goes now.
    pub(crate) fn pace(&self, counts: &Counts, before: u64) -> Pace {
        let recent = self.recent(RECENT_SHARE, RECENT_MAX);
        let span_s = recent.at.as_secs_f64().max(1e-9);
        Pace {
            bottleneck: match counts.outage_since {
                Some(_) => Some(Bottleneck::Outage),
                None => self.recent(NOW_SHARE, NOW_MAX).limited.most(),
            },
            per_second: recent.finished as f64 / span_s,
            refused_per_second: recent.rejected as f64 / span_s,
            // What ends now may have begun before.
            cores: (!self.may_wait)
                .then(|| (recent.cost.as_secs_f64() / span_s).min(self.threads as f64)),
            fetch: recent.fetch.latency(),
            save: recent.save.latency(),
            left: self.left(counts, before),
        }
    }

    fn left(&self, counts: &Counts, before: u64) -> Option<Duration> {
        let total = counts.total?.saturating_sub(before);
        if counts.outage_since.is_some() {
            return None;
        }
        let left_s = self.estimate.left_s(self.sums.at.as_secs_f64(), total)?;
        Duration::try_from_secs_f64(left_s).ok()
    }

    /// Seconds by what limited the run in them.
    pub(crate) fn limited(&self) -> &Limited {
        &self.sums.limited
    }

    /// What a run that took so long was forecast to take, if that was sure enough.
    pub(crate) fn forecast(&self, elapsed_s: f64) -> Option<Forecast> {
        self.estimate.shown(elapsed_s)
    }

    /// What was done of late.
    fn recent(&self, share: f64, most: Duration) -> Sums {
        let now = self.sums.at;
        let span = now.mul_f64(share).clamp(RECENT_MIN, most);
        let from = now.saturating_sub(span);
        let before = self.past.iter().rev().find(|sums| sums.at <= from);
        self.sums.since(&before.copied().unwrap_or_default())
    }
}
