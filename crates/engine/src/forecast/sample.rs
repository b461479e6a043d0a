//! What a few items and requests cost, folded from facts: counts, means and spreads, of constant size.

use std::time::Duration;

use super::figure::Figure;
use crate::fact::{Attempt, Fact, Step};
use crate::fault::Verdict;

/// What is believed of the spread, as a share of the mean, before anything was measured: one sample's worth.
const PRIOR_SPREAD: f64 = 0.2;

/// What was seen of a job, or of the beginning of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds of one computation, as time that passed.
    pub computed: Moments,
    /// Requests that fetched.
    pub fetch: Requests,
    /// Requests that saved.
    pub save: Requests,
}

/// How many numbers there were, their mean and how they vary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    squares: f64,
}

/// The requests of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Requests {
    /// Seconds from sent to answered of those that succeeded.
    pub latency: Moments,
    ln_latency: Moments,
    /// Records they carried.
    pub records: u64,
    /// Requests refused with 429 or 503.
    pub refused: u64,
    /// Requests that failed otherwise.
    pub failed: u64,
    /// The most in flight at once.
    pub in_flight_max: usize,
    /// When the first was sent, and the last answered.
    span: Option<(Duration, Duration)>,
}

impl Sample {
    /// Takes one fact into account.
    pub fn add(&mut self, fact: &Fact) {
        match fact {
            Fact::Computed { items, took, .. } => {
                let each = took.as_secs_f64() / f64::from((*items).max(1));
                self.computed.add_many(u64::from(*items), each);
            }
            Fact::Attempt(attempt) => match attempt.step {
                Step::Fetch => self.fetch.add(attempt),
                _ => self.save.add(attempt),
            },
            _ => {}
        }
    }
}

impl Moments {
    fn add_many(&mut self, count: u64, value: f64) {
        let (before, added) = (self.count as f64, count as f64);
        let apart = value - self.mean;
        self.count += count;
        let share = added / (self.count as f64).max(1.0);
        self.mean += apart * share;
        self.squares += apart * apart * before * share;
    }

    /// The standard deviation of one.
    pub fn sd(&self) -> f64 {
        (self.squares / (self.count.saturating_sub(1).max(1)) as f64).sqrt()
    }

    /// The mean as a figure; `None` of nothing. A few that were alike may be so by chance.
    pub fn figure(&self) -> Option<Figure> {
        let (count, prior) = (self.count as f64, PRIOR_SPREAD * self.mean);
        let variance = (self.squares + prior * prior) / count;
        (self.count > 0).then(|| Figure::measured(self.mean, (variance / count).sqrt()))
    }
}

impl Requests {
    fn add(&mut self, attempt: &Attempt) {
        self.in_flight_max = self.in_flight_max.max(attempt.in_flight);
        match attempt.verdict {
            None => {}
            Some(Verdict::Overload) => {
                self.refused += 1;
                return;
            }
            Some(_) => {
                self.failed += 1;
                return;
            }
        }
        let took = attempt.took.as_secs_f64();
        self.latency.add_many(1, took);
        self.ln_latency.add_many(1, took.max(1e-9).ln());
        self.records += attempt.records as u64;
        let ended = attempt.at + attempt.took;
        let (from, until) = self.span.unwrap_or((attempt.at, ended));
        self.span = Some((from.min(attempt.at), until.max(ended)));
    }

    /// Requests that succeeded.
    pub fn answered(&self) -> u64 {
        self.latency.count
    }

    /// Standard deviation of ln(latency).
    pub fn spread(&self) -> f64 {
        self.ln_latency.sd()
    }

    /// Over how many seconds they were answered.
    pub fn lasted_s(&self) -> f64 {
        self.span
            .map_or(0.0, |(from, until)| (until - from).as_secs_f64())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::indexes::Indexes;

    /// A save that was answered.
    pub(crate) fn saved(at_ms: u64, took_ms: u64, in_flight: usize) -> Fact {
        Fact::Attempt(Attempt {
            step: Step::Save,
            at: Duration::from_millis(at_ms),
            took: Duration::from_millis(took_ms),
            waited: Duration::ZERO,
            is_again: false,
            in_flight,
            records: 1,
            first: 0,
            done: Indexes::default(),
            mark: None,
            in_doubt: 0,
            units: 0.0,
            verdict: None,
        })
    }

    /// Items that were computed together.
    pub(crate) fn computed(items: u32, at_ms: u64, took_ms: u64) -> Fact {
        let took = Duration::from_millis(took_ms);
        Fact::Computed {
            first: 0,
            last: u64::from(items) - 1,
            items,
            at: Duration::from_millis(at_ms),
            took,
            cost: took,
        }
    }

    #[test]
    fn means_and_spreads() {
        let mut sample = Sample::default();
        for fact in [
            computed(2, 0, 20),
            computed(2, 20, 60),
            saved(10, 100, 1),
            saved(20, 200, 2),
        ] {
            sample.add(&fact);
        }
        assert_eq!(sample.computed.count, 4);
        assert!((sample.computed.mean - 0.020).abs() < 1e-12);
        assert!((sample.computed.sd() - 0.01155).abs() < 1e-4);
        let save = sample.save;
        assert_eq!((save.answered(), save.in_flight_max), (2, 2));
        assert!((save.lasted_s() - 0.21).abs() < 1e-9);
        assert!((save.spread() - 0.490).abs() < 1e-3);
    }

    #[test]
    fn a_few_that_were_alike_are_not_sure() {
        let off = |count| {
            let mut moments = Moments::default();
            moments.add_many(count, 0.1);
            moments.figure().unwrap().off
        };
        assert!((off(1) - 0.4).abs() < 1e-9 && (off(4) - 0.1).abs() < 1e-9);
        assert!((off(1000) - 0.03).abs() < 1e-9);
    }

    #[test]
    fn what_was_refused_says_nothing_of_latency() {
        let mut sample = Sample::default();
        let Fact::Attempt(attempt) = saved(0, 1, 1) else {
            panic!("it is one")
        };
        for verdict in [Verdict::Overload, Verdict::Transient] {
            let verdict = Some(verdict);
            sample.add(&Fact::Attempt(Attempt {
                verdict,
                ..attempt.clone()
            }));
        }
        assert_eq!((sample.save.refused, sample.save.failed), (1, 1));
        assert_eq!(sample.save.latency.figure(), None);
    }
}
