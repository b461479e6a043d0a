//! With how many in flight a service is asked next, and when enough is known of it: a polite ladder of saves.
//!
//! It doubles, as long as that brings more: 1, 2, 4, 8, … It never goes past what the job could use, stops at the first
//! refusal, and does not climb for longer than a few seconds. Pure; whoever sends waits.

use std::time::Duration;

use super::figure::Figure;
use super::sample::Requests;

/// Doubling that brings less than this much more is the end: a fifth of what it could.
const RISE_MIN: f64 = 1.2;
/// How sure that must be where latencies vary, in standard errors: 95 %, by Student's t for the spread of six requests.
const SURE: f64 = 2.57;
/// Requests on the first rung: enough for a mean that is good to a few percent at most services.
const FIRST: usize = 6;
/// Requests on each further rung, for each in flight: the first and the last of them do not see the crowd.
const EACH: usize = 3;
/// A failure is bad luck; more than this share of a rung and there is nothing to measure.
const FAILED_MAX: f64 = 0.2;

/// How far a ladder may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LadderSettings {
    /// The most in flight that the user allows, at least 1.
    pub in_flight_max: usize,
    /// So many are sent together at times, however slowly they arrive on the whole.
    pub together: usize,
    /// Results that computing brings in a second: in flight there need be no more than twice what arrives while one is answered.
    pub arriving_per_s: f64,
    /// How long all rungs may take together.
    pub lasting: Duration,
}

/// One rung: what came of asking with so many in flight.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Rung {
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests refused with 429 or 503.
    pub refused: u64,
    /// Mean time from sent to answered, in milliseconds.
    pub latency_ms: f64,
    /// Requests answered in a second.
    pub per_s: f64,
}

/// Why a ladder ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Top {
    /// More in flight brought no more.
    Full,
    /// The service refused.
    Refused,
    /// The job could not use more, or the user does not allow more.
    Enough,
    /// It took long enough.
    Time,
    /// Requests failed.
    Failed,
}

/// A ladder on its way up.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    settings: LadderSettings,
    rungs: Vec<Rung>,
    unloaded: Requests,
    top: Option<Top>,
}

impl Ladder {
    /// One that has not begun.
    pub fn new(settings: LadderSettings) -> Ladder {
        Ladder {
            settings,
            rungs: Vec::new(),
            unloaded: Requests::default(),
            top: None,
        }
    }

    /// The most requests that it can ever send.
    pub fn requests_max(in_flight_max: usize) -> usize {
        let rungs = std::iter::successors(Some(2_usize), |rung| Some(rung * 2));
        let more = rungs.take_while(|rung| *rung < in_flight_max.max(2));
        let last = if in_flight_max > 1 { in_flight_max } else { 0 };
        FIRST + EACH * (more.sum::<usize>() + last)
    }

    /// The next rung: how many in flight, how many requests; `None` at the top.
    pub fn next(&self) -> Option<(usize, usize)> {
        if self.top.is_some() {
            return None;
        }
        match self.rungs.last() {
            None => Some((1, FIRST)),
            Some(rung) => {
                let in_flight = (rung.in_flight * 2).min(self.in_flight_max());
                Some((in_flight, EACH * in_flight))
            }
        }
    }

    /// A rung has been tried; `passed` is the time since the first began.
    pub fn tried(&mut self, in_flight: usize, seen: Requests, passed: Duration) {
        if self.rungs.is_empty() {
            self.unloaded = seen;
        }
        let before = self.rungs.last().copied();
        let rung = Rung {
            in_flight,
            answered: seen.answered(),
            refused: seen.refused,
            latency_ms: seen.latency.mean * 1e3,
            per_s: seen.answered() as f64 / seen.lasted_s().max(1e-9),
        };
        self.rungs.push(rung);
        let asked = (seen.answered() + seen.failed).max(1) as f64;
        self.top = if seen.refused > 0 {
            Some(Top::Refused)
        } else if seen.answered() == 0 || seen.failed as f64 > FAILED_MAX * asked {
            Some(Top::Failed)
        } else if before.is_some_and(|before| self.rise_at_most(&before, &rung) < RISE_MIN) {
            Some(Top::Full)
        } else if in_flight >= self.in_flight_max() {
            Some(Top::Enough)
        } else {
            (passed >= self.settings.lasting).then_some(Top::Time)
        };
    }

    /// How many times as much the upper of two rungs brought, were chance against it. By in flight ÷ latency, since how long a rung
    /// lasted is up to its slowest request.
    fn rise_at_most(&self, before: &Rung, rung: &Rung) -> f64 {
        let per_ms = |rung: &Rung| rung.in_flight as f64 / rung.latency_ms.max(1e-6);
        per_ms(rung) / per_ms(before) * (SURE * self.rise_se(before, rung)).exp()
    }

    /// How unsure that is, as a logarithm: few requests of uneven length say little.
    fn rise_se(&self, before: &Rung, rung: &Rung) -> f64 {
        let one = |rung: &Rung| self.spread().powi(2) / (rung.answered as f64).max(1.0);
        (one(before) + one(rung)).sqrt()
    }

    /// The most in flight that the job could use.
    fn in_flight_max(&self) -> usize {
        let latency = self.latency().map_or(0.0, |latency| latency.value);
        let arriving = (2.0 * self.settings.arriving_per_s * latency).ceil();
        let needed = (arriving as usize).max(self.settings.together);
        needed.clamp(1, self.settings.in_flight_max.max(1))
    }

    /// What was tried, from below.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Why it ended, once it has.
    pub fn top(&self) -> Option<Top> {
        self.top
    }

    /// The latency of the service while it is not crowded, in seconds; `None` if it never answered.
    pub fn latency(&self) -> Option<Figure> {
        self.unloaded.latency.figure()
    }

    /// Standard deviation of ln(latency) while it is not crowded.
    pub fn spread(&self) -> f64 {
        self.unloaded.spread()
    }

    /// How many the service handles at once, if the ladder came to that: its best goodput times its unloaded latency.
    pub fn capacity(&self) -> Option<Figure> {
        let best = self.rungs.iter().filter(|rung| rung.refused == 0);
        let best = best.map(|rung| rung.per_s).fold(0.0, f64::max);
        let capacity = (best * self.latency()?.value).max(1.0);
        match self.top? {
            Top::Full => Some(Figure {
                // The next rung may have been a little better or worse by chance, and so may the latency.
                off: 0.1 + SURE * self.spread() / (self.unloaded.answered() as f64).sqrt(),
                ..Figure::measured(capacity, 0.0)
            }),
            // It lies between the last two rungs.
            Top::Refused if best > 0.0 => Some(Figure {
                off: 0.5,
                ..Figure::measured(capacity, 0.0)
            }),
            _ => None,
        }
    }

    /// How goodput answered to more in flight than the service handles: 0 if they only waited, less if it slowed down.
    pub fn crowding(&self) -> f64 {
        match (self.top, self.rungs.as_slice()) {
            (Some(Top::Full), [.., before, last]) => {
                let doubled = last.in_flight as f64 / before.in_flight as f64;
                (self.rise_at_most(before, last).ln() / doubled.ln()).clamp(-2.0, 0.0)
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Attempt, Fact};
    use crate::fault::Verdict;
    use crate::forecast::Sample;
    use crate::forecast::sample::tests::saved;

    /// Climbs at a service that handles so many at once and takes 100 ms, refusing beyond `refuses`.
    fn climb(capacity: usize, slower: f64, refuses: usize, most: usize) -> Ladder {
        let mut ladder = Ladder::new(LadderSettings {
            in_flight_max: usize::MAX,
            together: most,
            arriving_per_s: 0.0,
            lasting: Duration::from_secs(5),
        });
        let mut passed = Duration::ZERO;
        while let Some((in_flight, requests)) = ladder.next() {
            let mut sample = Sample::default();
            let crowd = (in_flight as f64 / capacity as f64).max(1.0).powf(slower);
            let took = (100.0 * crowd * (in_flight as f64 / capacity as f64).max(1.0)) as u64;
            for n in 0..requests {
                let at = (n / in_flight) as u64 * took;
                let mut fact = saved(at, took, in_flight);
                if let Fact::Attempt(Attempt { verdict, .. }) = &mut fact
                    && in_flight > refuses
                {
                    *verdict = Some(Verdict::Overload);
                }
                sample.add(&fact);
            }
            passed += Duration::from_millis(took * 3);
            ladder.tried(in_flight, sample.save, passed);
        }
        ladder
    }

    #[track_caller]
    fn check(ladder: &Ladder, top: Top, capacity: Option<f64>) {
        assert_eq!(ladder.top(), Some(top), "{ladder:?}");
        match (ladder.capacity(), capacity) {
            (Some(found), Some(expected)) => {
                assert!(
                    (found.low()..=found.high()).contains(&expected),
                    "{found:?}"
                );
            }
            (found, expected) => assert_eq!(found.is_some(), expected.is_some(), "{found:?}"),
        }
        let sent: usize = ladder
            .rungs()
            .iter()
            .map(|rung| rung.answered as usize)
            .sum();
        assert!(sent <= Ladder::requests_max(ladder.settings.together));
    }

    #[test]
    fn it_stops_where_more_brings_no_more() {
        let full = climb(10, 0.0, usize::MAX, 1000);
        check(&full, Top::Full, Some(10.0));
        assert_eq!(full.rungs().last().unwrap().in_flight, 32);
        assert!(full.crowding() > -0.1);
        check(&climb(1, 0.0, usize::MAX, 1000), Top::Full, Some(1.0));
    }

    #[test]
    fn it_sees_that_a_crowd_slows_the_service_down() {
        let slower = climb(16, 1.0, usize::MAX, 1000);
        check(&slower, Top::Full, Some(16.0));
        assert!(
            (slower.crowding() + 1.0).abs() < 0.1,
            "{}",
            slower.crowding()
        );
    }

    #[test]
    fn it_does_not_go_past_a_refusal_nor_past_what_is_needed() {
        check(&climb(1000, 0.0, 20, 1000), Top::Refused, Some(18.0));
        let enough = climb(1000, 0.0, usize::MAX, 12);
        check(&enough, Top::Enough, None);
        assert_eq!(enough.rungs().last().unwrap().in_flight, 12);
        let slow = climb(1_000_000, 0.0, usize::MAX, 1_000_000);
        check(&slow, Top::Time, None);
    }

    /// Climbs at a service that handles 50 at once, each for a time of its own: how many it seems to handle, and what a crowd
    /// seems to do.
    fn climb_unevenly(spread: f64, seed: u64) -> (Option<Figure>, f64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut takes = move || {
            let (one, other) = (1.0 - random.f64(), random.f64());
            let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
            50.0 * (spread * normal).exp()
        };
        let mut ladder = Ladder::new(LadderSettings {
            in_flight_max: 256,
            together: 256,
            arriving_per_s: 0.0,
            lasting: Duration::from_secs(30),
        });
        while let Some((in_flight, requests)) = ladder.next() {
            let mut sample = Sample::default();
            // When each of those who send, and each place in the service, is free again.
            let (mut senders, mut places) = (vec![0.0_f64; in_flight], vec![0.0_f64; 50]);
            let first = |free: &[f64]| (0..free.len()).min_by(|a, b| free[*a].total_cmp(&free[*b]));
            for _ in 0..requests {
                let (sender, place) = (first(&senders).unwrap(), first(&places).unwrap());
                let sent = senders[sender];
                let done = places[place].max(sent) + takes();
                (senders[sender], places[place]) = (done, done);
                sample.add(&saved(sent as u64, (done - sent) as u64, in_flight));
            }
            ladder.tried(in_flight, sample.save, Duration::ZERO);
        }
        (ladder.capacity(), ladder.crowding())
    }

    #[test]
    fn uneven_answers_do_not_look_like_a_full_service() {
        for spread in [0.5, 0.8] {
            let seeds = 0..200;
            let misled = seeds.clone().filter(|seed| {
                let (capacity, crowding) = climb_unevenly(spread, *seed);
                capacity.is_some_and(|capacity| capacity.high() < 25.0) || crowding < -0.3
            });
            let misled: Vec<u64> = misled.collect();
            assert!(misled.len() <= 6, "{spread}: {misled:?}");
            let found = seeds.filter(|seed| climb_unevenly(spread, *seed).0.is_some());
            assert!(found.count() >= 100, "{spread}");
        }
    }

    #[test]
    fn it_goes_no_further_than_what_arrives_makes_worth_while() {
        let mut ladder = Ladder::new(LadderSettings {
            in_flight_max: 1000,
            together: 1,
            arriving_per_s: 70.0,
            lasting: Duration::from_secs(5),
        });
        let mut sample = Sample::default();
        sample.add(&saved(0, 100, 1));
        ladder.tried(1, sample.save, Duration::ZERO);
        // Seven arrive in 100 ms.
        assert_eq!(ladder.in_flight_max(), 14);
    }

    #[test]
    fn a_service_that_never_answers_tells_nothing() {
        let mut ladder = Ladder::new(LadderSettings {
            in_flight_max: 10,
            together: 10,
            arriving_per_s: 0.0,
            lasting: Duration::from_secs(5),
        });
        ladder.tried(1, Requests::default(), Duration::ZERO);
        assert_eq!((ladder.top(), ladder.next()), (Some(Top::Failed), None));
        assert_eq!(ladder.latency(), None);
        assert_eq!(
            (Ladder::requests_max(1), Ladder::requests_max(8)),
            (6, 6 + 3 * 14)
        );
    }
}
