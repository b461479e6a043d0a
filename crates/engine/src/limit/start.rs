//! The start: doubles every round trip, above 64 a little slower, until more in flight bring little.
//!
//! A job that ends cannot wait for a careful climb. Each success that did not take long allows one more, or nearly, as long as the
//! limit is what holds requests back. Latencies are kept by the number in flight at the send, in octaves (1–3, 4–7, 8–15, …), so that the first
//! burst already tells how the service answers to a crowd.

use super::arm::{Arm, Elasticity};
use super::decision::Reason;

/// How many may be in flight when nothing is known of a service: enough that a job of a second does not spend it climbing, few
/// enough for the smallest service.
pub const FIRST: f64 = 8.0;
/// Above this, an answer allows less than one more. What comes of a limit shows a round trip later, when it has been raised
/// again: of a service that a crowd slows down, the last step costs the more the larger it is.
const CAREFUL: f64 = 64.0;
const MORE_WHEN_CAREFUL: f64 = 0.6;
/// Octaves up to the highest limit there is.
const OCTAVES: usize = 17;
/// Doubling that brings less than this much more goodput goes too far: half of the additional requests would only wait.
pub(super) const ELASTICITY_MIN: f64 = 0.5;
/// Answers that take so many times as long as at first, and longer by so many standard deviations, allow no more; if the mean
/// does, the start is over. Clients that share a service each see nearly all of what they add come back, and would all go on.
const SLOWER: f64 = 1.1;
const SLOWER_SDS: f64 = 0.5;
/// Below this, latency is that of an empty service.
const ELEVATED: f64 = 1.15;
/// More than this share of the last answers were slow: the service is crowded, not only uneven.
const CROWDED_SHARE: f64 = 0.6;
const SHARE_OVER: f64 = 16.0;
/// Latencies over which an octave must have been seen before it ends the start.
const ROUNDS: f64 = 1.5;
/// The fewest samples of an octave that say anything.
const SAMPLES_MIN: f64 = 3.0;
/// What is believed of the spread of ln(latency) before anything was measured, and for how many samples that counts.
const PRIOR_VARIANCE: f64 = 0.05;
const PRIOR_WEIGHT: f64 = 3.0;
/// Octaves whose in flight differ by less, as a logarithm, say nothing about each other.
const APART_MIN: f64 = 0.1;
/// How sure it must be, in standard errors. It looks after each answer, so by less it would often be deceived.
const SURE: f64 = 3.0;
/// How much more than were served at once it leaves with: in a crowd that makes the service slower they are fewer than could be.
const MARGIN: f64 = 1.05;
/// Latencies in the highest octave there was, after which it is stuck if answers are slow: they allow no more.
const LONG: f64 = 3.0;
/// How sure of that it must be then, and the less the longer it lasts: of a lower octave nothing more will be seen.
const SURE_WHEN_STUCK: f64 = 1.5;
/// An octave was as quick as the quickest, unless it took longer by more standard errors than this.
const ALIKE: f64 = 1.0;

/// Latencies by octave of in flight.
#[derive(Clone, Debug)]
pub(super) struct Start {
    octaves: [Arm; OCTAVES],
    /// When each was first seen.
    since: [f64; OCTAVES],
    /// Running share of answers that were slow.
    slow_share: f64,
    /// Only what was sent after this allows more: by then the service was crowded.
    crowded_at: f64,
}

/// What an answer says about doubling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// One more.
    More,
    /// No more for this answer, which took long.
    Stay,
    /// Far enough: go on by probing from this limit, knowing this arm.
    Leave {
        limit: f64,
        reason: Reason,
        arm: Arm,
    },
}

/// How many more an answer allows that did not take long.
pub(super) fn more(limit: f64) -> f64 {
    if limit < CAREFUL {
        1.0
    } else {
        MORE_WHEN_CAREFUL
    }
}

impl Start {
    pub(super) fn new() -> Start {
        Start {
            octaves: [Arm::default(); OCTAVES],
            since: [0.0; OCTAVES],
            slow_share: 0.0,
            crowded_at: f64::NEG_INFINITY,
        }
    }

    /// A success, sent with so many in flight.
    pub(super) fn succeeded(&mut self, now: f64, sent_at: f64, in_flight: f64) -> Step {
        let ln_latency = (now - sent_at).max(1e-6).ln();
        let octave = (in_flight.max(2.0).log2() as usize).min(OCTAVES - 1);
        if self.octaves[octave].count == 0.0 {
            self.since[octave] = now;
        }
        self.octaves[octave].add(ln_latency, in_flight, true);
        let variance = self.variance();
        let base = self.base(octave, variance, ALIKE);
        if let Some(step) = self.too_far(now, octave, &base, variance) {
            return step;
        }
        // Of the lowest octave nothing is known to be slow.
        let is_slow = base.count > 0.0 && ln_latency - base.ln_latency > slower(variance);
        self.slow_share += (f64::from(is_slow) - self.slow_share) / SHARE_OVER;
        if self.slow_share > CROWDED_SHARE {
            self.crowded_at = now;
        }
        match is_slow || sent_at < self.crowded_at {
            true => Step::Stay,
            false => Step::More,
        }
    }

    /// The latency of the service while it is not crowded, in seconds.
    pub(super) fn base_latency(&self) -> Option<f64> {
        let base = self.base(OCTAVES, self.variance(), ALIKE);
        (base.count > 0.0).then(|| base.ln_latency.exp())
    }

    fn too_far(&self, now: f64, octave: usize, base: &Arm, variance: f64) -> Option<Step> {
        let here = &self.octaves[octave];
        // What comes back together has waited together: only two rounds tell what is chance.
        let seen = (now - self.since[octave]) / here.ln_latency.exp();
        if here.count < (f64::from(1 << octave) / 8.0).max(SAMPLES_MIN) || seen < ROUNDS {
            return None;
        }
        let longer = here.ln_latency - base.ln_latency;
        let is_highest = self.octaves[octave + 1..]
            .iter()
            .all(|arm| arm.count == 0.0);
        let surely_longer = longer - SURE_WHEN_STUCK * se(here, base, variance);
        let is_stuck = is_highest && seen > LONG && surely_longer > slower(variance);
        let sure = if is_stuck {
            SURE_WHEN_STUCK * LONG / seen
        } else {
            SURE
        };
        let lower = self.octaves[..octave]
            .iter()
            .filter(|arm| arm.count >= SAMPLES_MIN);
        let mut against_lower = lower.filter_map(|before| {
            let longer = match is_stuck {
                true => waited(here, before),
                false => here.ln_latency - before.ln_latency,
            };
            elasticity(here, before, longer, variance)
        });
        if let Some(e) = against_lower
            .clone()
            .find(|e| e.value + sure * e.se < ELASTICITY_MIN)
        {
            let limit = if is_stuck {
                // Nothing moves, so means are to be had, which Little's law is about: of octaves in which nobody waited.
                let served = self.base(octave, variance, 0.0).latency;
                here.in_flight * (served / here.latency).min(1.0)
            } else {
                MARGIN * self.served_at_once(octave, base)
            };
            let elasticity = e.value;
            return Some(Step::Leave {
                limit: limit.max(1.0),
                reason: Reason::Crowded { elasticity },
                arm: *here,
            });
        }
        let last = against_lower.next_back()?;
        let pays = last.value - SURE * last.se > ELASTICITY_MIN;
        let is_slower = longer - SURE * se(here, base, variance) > slower(variance);
        (is_slower && pays).then_some(Step::Leave {
            limit: here.in_flight,
            reason: Reason::Slower {
                times: longer.exp(),
            },
            arm: *here,
        })
    }

    /// Bandwidth × delay at its best: how many were being served, the others waited. With fewer in flight, all were.
    fn served_at_once(&self, octave: usize, base: &Arm) -> f64 {
        let seen = self.octaves[..=octave]
            .iter()
            .filter(|arm| arm.count >= SAMPLES_MIN);
        seen.map(|arm| arm.in_flight * (-waited(arm, base).max(0.0)).exp())
            .fold(1.0, f64::max)
    }

    /// The octaves below this one that were not crowded, as one arm: those about as quick as the one that surely was. The lowest
    /// have so few samples that a single quick answer would make all others look crowded.
    fn base(&self, below: usize, variance: f64, alike: f64) -> Arm {
        let all = &self.octaves[..below];
        let arms = all.iter().filter(|arm| arm.count >= SAMPLES_MIN);
        let at_most = |arm: &Arm| arm.ln_latency + SURE * (variance / arm.count).sqrt();
        let quick = arms
            .clone()
            .min_by(|one, other| at_most(one).total_cmp(&at_most(other)));
        let Some(quick) = quick else {
            return all
                .iter()
                .fold(Arm::default(), |base, arm| base.merged(*arm));
        };
        let most = |arm: &Arm| ELEVATED.ln() + alike * se(arm, quick, variance);
        arms.filter(|arm| arm.ln_latency - quick.ln_latency <= most(arm))
            .fold(Arm::default(), |base, arm| base.merged(*arm))
    }

    /// How much latencies vary with about the same number in flight.
    fn variance(&self) -> f64 {
        let (mut squares, mut count) = (PRIOR_WEIGHT * PRIOR_VARIANCE, PRIOR_WEIGHT);
        for arm in self.octaves.iter().filter(|arm| arm.count > 1.0) {
            squares += arm.squares();
            count += arm.count - 1.0;
        }
        squares / count
    }
}

/// How much longer answers took here, as a logarithm: by the mean of logarithms, or by plain means where some waited much longer
/// than others, which the former hardly sees.
fn waited(here: &Arm, before: &Arm) -> f64 {
    let by_plain_means = (here.latency / before.latency).ln();
    by_plain_means.max(here.ln_latency - before.ln_latency)
}

/// What more in flight did to goodput, if there were enough more to tell, where answers took so much longer. How sure that is
/// follows from the spread in all octaves: one alone has too few samples in the start.
fn elasticity(here: &Arm, before: &Arm, longer: f64, variance: f64) -> Option<Elasticity> {
    let apart = (here.in_flight / before.in_flight).ln();
    (apart > APART_MIN).then(|| Elasticity {
        value: 1.0 - longer / apart,
        se: se(here, before, variance) / apart,
    })
}

/// How much longer than at first, as a logarithm, is slower.
fn slower(variance: f64) -> f64 {
    SLOWER.ln() + SLOWER_SDS * variance.sqrt()
}

/// How unsure the difference of two means is.
fn se(one: &Arm, other: &Arm, variance: f64) -> f64 {
    (variance * (1.0 / one.count + 1.0 / other.count)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubles at a service whose latency depends on the number in flight, one answer after the other; the limit it leaves
    /// with, and after how many answers.
    fn climb(latency: impl FnMut(f64) -> f64) -> (Option<f64>, u32) {
        climb_from(FIRST, latency)
    }

    fn climb_from(first: f64, mut latency: impl FnMut(f64) -> f64) -> (Option<f64>, u32) {
        let mut start = Start::new();
        let (mut now, mut limit) = (0.0, first);
        for n in 1..=40_000 {
            let took = latency(limit);
            now += took / limit;
            match start.succeeded(now, now - took, limit) {
                Step::Leave { limit, .. } => return (Some(limit), n),
                Step::More => limit += 1.0,
                Step::Stay => {}
            }
            if limit > 4000.0 {
                break;
            }
        }
        (None, 0)
    }

    #[test]
    fn it_steps_back_to_bandwidth_times_delay() {
        let (limit, after) = climb(|n| 0.11 * (n / 110.0).max(1.0));
        let limit = limit.unwrap();
        assert!(
            (100.0..130.0).contains(&limit) && after < 1500,
            "{limit} {after}"
        );
    }

    #[test]
    fn where_some_wait_much_longer_than_others_it_leaves_too() {
        // Who waits is drawn by lot, as where threads take turns at a lock: the mean of logarithms grows slowly.
        let mut random = fastrand::Rng::with_seed(7);
        let (limit, after) = climb(|n| {
            let waits = 0.03 * (n / 20.0 - 1.0).max(0.0);
            0.03 - waits * random.f64().max(1e-9).ln()
        });
        let limit = limit.unwrap();
        assert!(
            (15.0..28.0).contains(&limit) && after < 1000,
            "{limit} {after}"
        );
    }

    #[test]
    fn where_half_wait_for_the_others_it_leaves_too() {
        // Half are served at once, whoever came before them: by the mean of logarithms goodput would seem to rise for ever.
        let mut n_th = 0;
        let (limit, after) = climb(|n| {
            n_th += 1;
            let waits = 0.03 * (n / 20.0 - 1.0).max(0.0);
            0.03 + 2.0 * waits * f64::from(n_th % 2)
        });
        let limit = limit.unwrap();
        assert!(
            (15.0..28.0).contains(&limit) && after < 1000,
            "{limit} {after}"
        );
    }

    #[test]
    fn it_goes_on_while_there_is_room() {
        assert_eq!(climb(|_| 0.1).0, None);
    }

    #[test]
    fn it_climbs_from_one_at_a_slow_service_too() {
        for latency in [0.001, 1.0, 2.0, 20.0] {
            let (limit, _) = climb_from(1.0, |n| latency * (n / 110.0).max(1.0));
            let limit = limit.unwrap();
            assert!((100.0..130.0).contains(&limit), "{latency}: {limit}");
        }
    }

    #[test]
    fn answers_that_slow_down_smoothly_end_it_too() {
        let (limit, after) = climb(|n| 0.1 * n.powf(0.3));
        assert!(limit.is_some() && after < 200, "{after}");
    }

    /// As many requests as the limit allows at a service that serves all at once, each for a time of its own: the slow ones of
    /// a burst come back when most of those that are in flight were sent much later. Up to this limit; whether it came so far.
    fn climbs_to(
        most: f64,
        random: &mut fastrand::Rng,
        takes: fn(&mut fastrand::Rng) -> f64,
    ) -> bool {
        let mut start = Start::new();
        let (mut now, mut limit) = (0.0, FIRST);
        let mut in_flight: Vec<(f64, f64, f64)> = Vec::new();
        while limit < most {
            while (in_flight.len() as f64) < limit.floor() {
                let with = in_flight.len() as f64 + 1.0;
                in_flight.push((now + takes(random), now, with));
            }
            let next = (0..in_flight.len())
                .min_by(|one, other| in_flight[*one].0.total_cmp(&in_flight[*other].0));
            let (at, sent_at, with) = in_flight.swap_remove(next.unwrap());
            now = at;
            match start.succeeded(now, sent_at, with) {
                Step::Leave { .. } => return false,
                Step::More => limit += more(limit),
                Step::Stay => {}
            }
        }
        true
    }

    #[test]
    fn slow_answers_of_long_ago_do_not_end_it() {
        // The logarithm is normal with a standard deviation of 1.
        fn wildly(random: &mut fastrand::Rng) -> f64 {
            let (one, other) = (1.0 - random.f64(), random.f64());
            0.1 * ((-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()).exp()
        }
        let ended = (0..400).filter(|seed| {
            let mut random = fastrand::Rng::with_seed(*seed);
            !climbs_to(400.0, &mut random, wildly)
        });
        let ended: Vec<u64> = ended.collect();
        assert!(ended.len() <= 12, "{} of 400: {ended:?}", ended.len());
    }

    #[test]
    fn answers_that_vary_do_not_end_it() {
        let mut random = fastrand::Rng::with_seed(3);
        let ended = (0..100).filter(|_| climb(|_| (random.f64() * 4.0).exp()).0.is_some());
        assert!(ended.count() <= 2);
    }
}
