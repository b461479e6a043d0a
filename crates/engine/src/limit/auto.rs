//! The limit that finds itself: which phase it is in, and what leads from one to the next.

use std::time::Duration;

use super::arm::Arm;
use super::backoff::{Cap, LEFT};
use super::decision::{Decision, Reason};
use super::learnt::Learnt;
use super::outcome::Sent;
use super::probe::Probe;
use super::start::{self, FIRST, Start, Step};
use super::turn::Turn;

/// Requests in a row that were not answered in time, after which the service is taken for gone: one alone means nothing.
const TIMEOUTS_MAX: u32 = 3;
/// Round trips in which the limit kept nothing back, after which it is lowered to twice what was used.
const UNUSED_ROUNDS: f64 = 8.0;
/// What a remembered latency counts for, in samples: less than a turn of new ones.
const REMEMBERED: f64 = 8.0;
/// A remembered limit is not believed when the first answers, this many at least, take so many times as long as remembered; and
/// nothing else that was, when they are as many times quicker.
const DOUBTED: f64 = 2.0;
const DOUBTED_ANSWERS: u32 = 8;
/// A limit so near to the ceiling was not found but allowed.
const AT_CEILING: f64 = 0.95;

/// Finds how many requests to have in flight.
#[derive(Clone, Debug)]
pub(super) struct Auto {
    phase: Phase,
    /// The user's.
    ceiling: f64,
    cap: Option<Cap>,
    /// Requests sent up to then tell nothing new: there was a reaction since.
    reacted_at: f64,
    /// The limit when the service fell silent, until it was found anew.
    lost: Option<f64>,
    timeouts: u32,
    doubt: Option<Doubt>,
    /// When the limit last kept a request from being sent.
    blocked_at: f64,
    /// Running mean of ln(latency).
    ln_latency: Option<f64>,
    peak: f64,
    /// What the clock on the wall showed at the start of the run, in seconds.
    wall: f64,
    /// The limit in force in whole requests, and what is owed to its fraction.
    whole: usize,
    owed: f64,
}

/// What the first answers say of a limit that was remembered.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// ln(latency), as it was remembered.
    ln_latency: f64,
    answers: u32,
    sum: f64,
}

impl Doubt {
    /// ln(latency), as it is now.
    fn mean(&self) -> f64 {
        self.sum / f64::from(self.answers)
    }

    /// How many times as long as remembered answers take, if that is another service than was remembered.
    fn answered(&mut self, ln_latency: f64) -> Option<f64> {
        self.answers += 1;
        self.sum += ln_latency;
        let times = (self.mean() - self.ln_latency).exp();
        let is_other = !(DOUBTED.recip()..=DOUBTED).contains(&times);
        (self.answers >= DOUBTED_ANSWERS && is_other).then_some(times)
    }
}

#[derive(Clone, Debug)]
enum Phase {
    /// Doubles up to `most`.
    Start {
        start: Box<Start>,
        limit: f64,
        most: f64,
        /// Answers since the limit last kept anything back, and the most in flight meanwhile.
        unused: f64,
        peak: f64,
    },
    Probe(Box<Probe>),
}

impl Auto {
    pub(super) fn new(ceiling: usize, wall: f64, learnt: Option<Learnt>) -> Auto {
        let ceiling = ceiling.max(1) as f64;
        let mut doubt = None;
        let phase = match learnt {
            Some(learnt) if learnt.is_rising => Phase::start(learnt.limit.max(FIRST), ceiling),
            Some(learnt) => {
                // In this order, so that what is not a number becomes one.
                let limit = learnt.limit.max(1.0).min(ceiling);
                let ln_latency = learnt.latency.as_secs_f64().max(1e-6).ln();
                doubt = Some(Doubt {
                    ln_latency,
                    answers: 0,
                    sum: 0.0,
                });
                let reference = Arm::known(REMEMBERED, ln_latency, limit);
                // With fewer than were needed for it, less would be no sign of anything.
                let goodput = learnt.goodput.filter(|_| learnt.limit <= ceiling);
                Phase::probe(Probe::remembered(limit, reference, goodput))
            }
            None => Phase::start(FIRST, ceiling),
        };
        let mut auto = Auto {
            phase,
            ceiling,
            cap: None,
            reacted_at: f64::NEG_INFINITY,
            lost: None,
            timeouts: 0,
            doubt,
            blocked_at: f64::NEG_INFINITY,
            ln_latency: None,
            peak: 0.0,
            wall,
            whole: 1,
            owed: 0.0,
        };
        auto.settle_fraction(0.0);
        auto
    }

    /// How many may be in flight now.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// The limit that was found so far.
    pub(super) fn limit(&self) -> f64 {
        match &self.phase {
            Phase::Start { limit, .. } => *limit,
            Phase::Probe(probe) => probe.limit(),
        }
    }

    /// Whether the limit still doubles, and nobody knows how many pay.
    pub(super) fn is_searching(&self) -> bool {
        matches!(self.phase, Phase::Start { .. })
    }

    /// The latency as it is now, in seconds.
    pub(super) fn latency(&self) -> Option<f64> {
        self.ln_latency.map(f64::exp)
    }

    pub(super) fn blocked(&mut self, now: f64) {
        self.blocked_at = now;
    }

    pub(super) fn sent(&mut self, in_flight: usize) {
        self.peak = self.peak.max(in_flight as f64);
    }

    /// Something was answered, so the service is there.
    pub(super) fn answered(&mut self) {
        self.timeouts = 0;
    }

    pub(super) fn succeeded(&mut self, now: f64, sent: &Sent) -> Option<Decision> {
        let (sent_at, in_flight) = (sent.at.as_secs_f64(), sent.in_flight as f64);
        self.answered();
        let ln_latency = (now - sent_at).max(1e-6).ln();
        let memory = self.limit().max(4.0);
        let known = self.ln_latency.get_or_insert(ln_latency);
        *known += (ln_latency - *known) / memory;
        let is_bound = self.blocked_at >= sent.allowed.as_secs_f64();
        let from = self.limit();
        if let Some(doubt) = &mut self.doubt {
            match doubt.answered(ln_latency) {
                Some(times) if times > 1.0 => return self.disbelieve(now, times),
                Some(_) => {
                    let reference = Arm::known(f64::from(doubt.answers), doubt.mean(), from);
                    self.phase = Phase::probe(Probe::with_large_steps(from, reference));
                    self.doubt = None;
                }
                // All that were sent at first were heard.
                None if f64::from(doubt.answers) > from.max(f64::from(DOUBTED_ANSWERS)) => {
                    self.doubt = None;
                }
                None => {}
            }
        }
        let mut lowered = None;
        let left = match &mut self.phase {
            // It was sent before there was reason to begin anew.
            Phase::Start { .. } if sent.allowed.as_secs_f64() <= self.reacted_at => None,
            Phase::Start {
                start,
                limit,
                most,
                unused,
                peak,
            } => {
                *unused = if is_bound { 0.0 } else { *unused + 1.0 };
                *peak = if is_bound { 0.0 } else { peak.max(in_flight) };
                if *unused > UNUSED_ROUNDS * *limit {
                    let needed = limit.min((2.0 * *peak).max(FIRST));
                    lowered = (needed < *limit).then_some(Decision {
                        from,
                        to: needed,
                        reason: Reason::Unused,
                    });
                    (*unused, *peak, *limit) = (0.0, 0.0, needed);
                }
                match start.succeeded(now, sent_at, in_flight) {
                    Step::Leave { limit, reason, arm } => Some((limit.min(*most), reason, arm)),
                    Step::More if is_bound && *limit + 1.0 > *most => {
                        let reason = match self.lost {
                            Some(_) => Reason::Back,
                            None => Reason::Ceiling,
                        };
                        Some((*most, reason, Arm::default()))
                    }
                    Step::More if is_bound => {
                        *limit += start::more(*limit);
                        None
                    }
                    Step::More | Step::Stay => None,
                }
            }
            Phase::Probe(probe) => {
                probe.succeeded(sent_at, ln_latency, in_flight, is_bound);
                None
            }
        };
        let decision = left.map(|(to, reason, arm)| {
            self.phase = Phase::probe(match reason {
                // Goodput still rose: go on doubling, but look each time what all who probe at once make of it.
                Reason::Slower { .. } => Probe::with_large_steps(to, arm),
                Reason::Crowded { .. } => Probe::full(to),
                _ => Probe::new(to, Arm::default()),
            });
            Decision { from, to, reason }
        });
        let probed = self.tick(now);
        self.settle_fraction(now);
        decision.or(lowered).or(probed)
    }

    /// The service is not the one that was remembered: looks for the limit as if none were known.
    fn disbelieve(&mut self, now: f64, times: f64) -> Option<Decision> {
        let from = self.limit();
        (self.doubt, self.reacted_at) = (None, now);
        self.phase = Phase::start(FIRST.min(from), self.ceiling);
        self.settle_fraction(now);
        let (to, reason) = (self.limit(), Reason::Forgotten { times });
        Some(Decision { from, to, reason })
    }

    /// The service refused because too much was inside.
    pub(super) fn refused(&mut self, now: f64, allowed: f64, in_flight: f64) -> Option<Decision> {
        if allowed <= self.reacted_at {
            return None;
        }
        self.reacted_at = now;
        let latency = self.latency().unwrap_or_default();
        self.cap = Some(Cap::new(in_flight, now, latency));
        let from = self.limit();
        let to = from.min(LEFT * in_flight).min(in_flight - 1.0).max(1.0);
        match &mut self.phase {
            Phase::Probe(probe) => probe.lower(to),
            Phase::Start { .. } => self.phase = Phase::probe(Probe::new(to, Arm::default())),
        }
        self.settle_fraction(now);
        let reason = Reason::Refused;
        Some(Decision { from, to, reason })
    }

    /// The service refused by quota: how many are in flight is not what it minds, so the start is over.
    pub(super) fn over_quota(&mut self) {
        if let Phase::Start { limit, .. } = self.phase {
            self.phase = Phase::probe(Probe::new(limit, Arm::default()));
        }
    }

    pub(super) fn timed_out(&mut self, now: f64, allowed: f64) -> Option<Decision> {
        if allowed <= self.reacted_at {
            return None;
        }
        self.timeouts += 1;
        if self.timeouts < TIMEOUTS_MAX {
            return None;
        }
        (self.timeouts, self.reacted_at) = (0, now);
        let from = self.limit();
        if let Phase::Probe(_) = self.phase {
            self.lost = None;
        }
        // Silent again before it was found anew, it is still what it was lost at.
        let most = *self.lost.get_or_insert(from);
        self.phase = Phase::start(1.0, most);
        self.ln_latency = None;
        self.settle_fraction(now);
        let (to, reason) = (1.0, Reason::TimedOut);
        Some(Decision { from, to, reason })
    }

    /// Time passes: ends a turn when it is over.
    pub(super) fn tick(&mut self, now: f64) -> Option<Decision> {
        let from = self.limit();
        let Phase::Probe(probe) = &mut self.phase else {
            return None;
        };
        let wall = self.wall + now;
        if wall < probe.turn_ends_at() {
            return None;
        }
        let ln_recent = self.ln_latency.or(probe.ln_latency())?;
        let latency = probe.ln_latency().unwrap_or(ln_recent).exp();
        let reason = probe.turn(now, Turn::at(wall, latency), ln_recent, self.ceiling);
        let decision = reason.map(|reason| Decision {
            from,
            to: probe.limit(),
            reason,
        });
        self.settle_fraction(now);
        decision
    }

    /// What the next run may begin with.
    pub(super) fn learnt(&self) -> Option<Learnt> {
        let latency = self.latency()?;
        let (limit, latency, goodput, is_rising) = match &self.phase {
            // It was still climbing, or there was nothing to climb for: what was used is known to do no harm.
            Phase::Start { start, limit, .. } => {
                let base = start.base_latency().unwrap_or(latency);
                (limit.min(self.peak), base, None, true)
            }
            Phase::Probe(probe) => (
                probe.limit(),
                probe.ln_latency().map_or(latency, f64::exp),
                probe.goodput(),
                probe.limit() >= AT_CEILING * self.ceiling,
            ),
        };
        Some(Learnt {
            limit,
            latency: Duration::try_from_secs_f64(latency).unwrap_or(Duration::MAX),
            goodput,
            rate: None,
            is_rising,
            bulk: None,
            records: 1.0,
        })
    }

    /// Makes whole requests of the limit in force: one more now and then, so that its fraction counts too.
    fn settle_fraction(&mut self, now: f64) {
        let in_force = match &self.phase {
            Phase::Start { limit, .. } => *limit,
            Phase::Probe(probe) => probe.current(),
        };
        let cap = self.cap.and_then(|cap| cap.now(now));
        let in_force = cap
            .map_or(in_force, |cap| cap.min(in_force))
            .clamp(1.0, self.ceiling);
        self.owed += in_force.fract();
        let extra = self.owed >= 1.0;
        if extra {
            self.owed -= 1.0;
        }
        self.whole = in_force as usize + usize::from(extra);
    }
}

impl Phase {
    fn probe(probe: Probe) -> Phase {
        Phase::Probe(Box::new(probe))
    }

    fn start(limit: f64, most: f64) -> Phase {
        Phase::Start {
            start: Box::new(Start::new()),
            limit: limit.min(most),
            most,
            unused: 0.0,
            peak: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: f64 = 0.11;

    fn sent(at: f64, in_flight: usize) -> Sent {
        let at = Duration::from_secs_f64(at);
        Sent {
            in_flight,
            ..Sent::first(at)
        }
    }

    /// Plays a service that handles so many at once, in rounds of everything that may be in flight; the limit each second.
    fn play(
        auto: &mut Auto,
        capacity: impl Fn(f64) -> f64,
        is_blocked: bool,
        lasting: f64,
    ) -> Vec<f64> {
        let (mut now, mut limits) = (0.0, Vec::new());
        while now < lasting {
            let sent_at = now;
            let in_flight = auto.whole();
            if is_blocked {
                auto.blocked(now);
            }
            // To the nanosecond, as times come in.
            now += LATENCY * (in_flight as f64 / capacity(now)).max(1.0);
            now = Duration::from_secs_f64(now).as_secs_f64();
            for n in 1..=in_flight {
                auto.sent(n);
                auto.succeeded(now, &sent(sent_at, in_flight));
            }
            limits.resize(now as usize, auto.limit());
        }
        limits
    }

    #[test]
    fn it_finds_the_knee_and_stays() {
        let mut auto = Auto::new(1000, 0.0, None);
        let limits = play(&mut auto, |_| 100.0, true, 120.0);
        assert!(
            limits[5..]
                .iter()
                .all(|limit| (70.0..160.0).contains(limit)),
            "{limits:?}"
        );
        assert!(
            auto.learnt()
                .and_then(|learnt| learnt.goodput)
                .is_some_and(|goodput| (800.0..1000.0).contains(&goodput))
        );
    }

    #[test]
    fn it_follows_a_service_that_shrinks_and_grows() {
        let mut auto = Auto::new(1000, 3.0, None);
        let capacity = |now: f64| {
            if (60.0..120.0).contains(&now) {
                30.0
            } else {
                150.0
            }
        };
        let limits = play(&mut auto, capacity, true, 180.0);
        assert!(
            limits[75..118].iter().all(|limit| *limit < 50.0),
            "{limits:?}"
        );
        assert!(
            limits[150..].iter().all(|limit| *limit > 110.0),
            "{limits:?}"
        );
    }

    #[test]
    fn what_nothing_needs_does_not_rise() {
        let mut auto = Auto::new(1000, 0.0, None);
        let limits = play(&mut auto, |_| 100.0, false, 60.0);
        assert!(limits.iter().all(|limit| *limit <= FIRST), "{limits:?}");
    }

    #[test]
    fn the_ceiling_ends_the_start() {
        let mut auto = Auto::new(20, 0.0, None);
        let limits = play(&mut auto, |_| 100.0, true, 30.0);
        assert!(
            limits[5..]
                .iter()
                .all(|limit| (15.0..=20.0).contains(limit)),
            "{limits:?}"
        );
    }

    #[test]
    fn what_is_remembered_is_not_believed_of_another_service() {
        let begin = |limit: f64, is_rising| {
            let learnt = Learnt {
                limit,
                latency: Duration::from_secs_f64(LATENCY),
                goodput: None,
                rate: None,
                is_rising,
                bulk: None,
                records: 1.0,
            };
            Auto::new(1000, 0.0, Some(learnt))
        };
        // It has become small.
        let limits = play(&mut begin(300.0, false), |_| 10.0, true, 15.0);
        assert!(limits[5..].iter().all(|limit| *limit < 25.0), "{limits:?}");
        // All that a short run, or one that was allowed no more, could say.
        for known in [1.0, 10.0] {
            let limits = play(&mut begin(known, true), |_| 100.0, true, 15.0);
            assert!(limits[4..].iter().all(|limit| *limit > 70.0), "{limits:?}");
        }
        let mut auto = Auto::new(10, 0.0, None);
        play(&mut auto, |_| 100.0, true, 30.0);
        assert!(auto.learnt().unwrap().is_rising);
        let mut auto = Auto::new(1000, 0.0, None);
        play(&mut auto, |_| 100.0, true, 30.0);
        assert!(!auto.learnt().unwrap().is_rising);
    }

    #[test]
    fn what_the_service_gave_at_best_is_believed_while_it_is_as_quick_as_it_was() {
        let learnt = |latency: f64| Learnt {
            limit: 20.0,
            latency: Duration::from_secs_f64(latency),
            goodput: Some(100.0),
            rate: None,
            is_rising: false,
            bulk: None,
            records: 1.0,
        };
        let goodput = |ceiling, latency| {
            let mut auto = Auto::new(ceiling, 0.0, Some(learnt(latency)));
            // Nothing is held back, so nothing new is learnt of it.
            play(&mut auto, |_| 100.0, false, 3.0);
            auto.learnt().unwrap().goodput
        };
        assert_eq!(goodput(1000, LATENCY), Some(100.0));
        assert_eq!(goodput(1000, 3.0 * LATENCY), None);
        assert_eq!(goodput(10, LATENCY), None, "fewer than it needed");
    }

    #[test]
    fn three_timeouts_in_a_row_begin_anew_and_one_does_not() {
        let mut auto = Auto::new(1000, 0.0, None);
        play(&mut auto, |_| 100.0, true, 20.0);
        let before = auto.limit();
        assert_eq!(auto.timed_out(20.1, 20.0), None);
        auto.succeeded(20.2, &sent(20.1, 10));
        assert_eq!(auto.timed_out(20.3, 20.1), None);
        assert_eq!(auto.timed_out(20.3, 20.1), None);
        let decision = auto.timed_out(20.3, 20.1).unwrap();
        assert_eq!((decision.from, decision.to), (before, 1.0));
        assert_eq!(auto.timed_out(20.4, 20.1), None, "it was sent before that");
        let again = [30.0, 30.1, 30.2].map(|sent_at| auto.timed_out(40.0, sent_at));
        assert_eq!(again[2].unwrap().to, 1.0);
        let limits = play(&mut auto, |_| 100.0, true, 60.0);
        assert!(*limits.last().unwrap() > 0.6 * before, "{limits:?}");
    }
}
