//! Probing: after the start, small steps up and down in turns, each judged by the elasticity it shows.
//!
//! A step up is kept when at least a fifth of it came back as goodput; a step down is kept when less than a quarter of it was
//! missed. Between the two, the limit stays about where the last requests in flight stop to pay.

use super::arm::{Arm, Elasticity};
use super::decision::Reason;
use super::start::ELASTICITY_MIN;
use super::turn::{Kind, Turn};

/// A step up is kept when more than this share of it came back as goodput.
const UP_PAYS: f64 = 0.2;
/// A step down is kept when less than this share of it was missed: more than `UP_PAYS`, or both would be undone for ever.
const DOWN_COSTS: f64 = 0.25;
/// More than this share came back: there is room, so the next step may be larger, and come at once.
const ROOM: f64 = 0.75;
/// More than this share of a step down was missed: the limit may well be too low, so a step up is next.
const MOST: f64 = 0.6;
/// Less than this share was missed: nothing at all, so more can go, and at once.
const NOTHING: f64 = 0.1;
/// The smallest step: what it costs is little if it was in vain, and what it shows can still be told from chance.
const STEP_MIN: f64 = 1.1;
/// The largest step to look: of a service that answers very unevenly.
const STEP_LOOK_MAX: f64 = 1.5;
/// The largest step up while there is room.
const STEP_MAX: f64 = 2.0;
/// The largest step down, when the service has become slower.
const STEP_DOWN_MAX: f64 = 4.0;
/// Steps up that are left out after one that cost goodput: it would cost the same again.
const SPARED: u32 = 2;
/// Answers that take so many times as long as before with as many in flight, or that are so many times quicker: the service
/// has changed.
const SLOWER: f64 = 1.5;
const QUICKER: f64 = 1.05;
/// How sure that must be, in standard errors.
const SURE: f64 = 3.0;
/// What a reference counts for, one turn later.
const KEEP: f64 = 0.7;
/// Latencies that pass before what a new limit does can be measured.
const SETTLE: f64 = 0.75;
/// Latencies before the end of a turn after which nothing that is sent counts: the slow ones would be missing.
const RETURN: f64 = 2.0;
/// The fewest samples of an arm.
const SAMPLES_MIN: f64 = 3.0;
/// Arms after which a decision must fall, however unsure.
const ARMS_MAX: u32 = 6;
/// Turns in which the limit was not needed, after which it is lowered.
const UNUSED_TURNS: u32 = 8;

/// The limit, and the experiments on it.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    limit: f64,
    /// The limit in force: what this turn tries.
    current: f64,
    /// What latencies are at the limit.
    reference: Arm,
    evidence: Evidence,
    /// What the next turn tries, whatever its place, and by what factor: until it was long enough to be measured.
    next: Option<(Kind, f64)>,
    turn: Option<(Turn, Kind)>,
    arm: Arm,
    /// Only what is sent between these counts: when the new limit has settled, and early enough to come back in this turn.
    settled_at: f64,
    last_sent_at: f64,
    unused: u32,
    peak: f64,
    /// Answers in this turn, and when it began.
    answers: u32,
    began: f64,
    /// Requests answered a second at the limit, in the last turns that held it.
    goodput: Option<f64>,
    is_full: bool,
}

/// What turns up and down have shown since the limit was last changed.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    up: Pooled,
    down: Pooled,
    /// Steps up still to be left out.
    spared: u32,
}

/// Elasticities of several arms, each weighed by how sure it is.
#[derive(Clone, Copy, Debug, Default)]
struct Pooled {
    arms: u32,
    weights: f64,
    weighted: f64,
}

impl Pooled {
    fn add(&mut self, e: Elasticity) {
        let weight = 1.0 / (e.se * e.se);
        self.arms += 1;
        self.weights += weight;
        self.weighted += weight * e.value;
    }

    /// What is known, once that is enough to say on which side of the threshold it lies.
    fn decided(&self, threshold: f64) -> Option<Elasticity> {
        let e = Elasticity {
            value: self.weighted / self.weights,
            se: self.weights.powf(-0.5),
        };
        let sure = (e.value - threshold).abs() > 2.0 * e.se || e.se < 0.1;
        (sure || self.arms >= ARMS_MAX).then_some(e)
    }
}

impl Probe {
    /// Begins at this limit. `reference` may tell what latencies are there.
    pub(super) fn new(limit: f64, reference: Arm) -> Probe {
        Probe {
            limit,
            current: limit,
            reference,
            evidence: Evidence::default(),
            next: None,
            turn: None,
            arm: Arm::default(),
            settled_at: 0.0,
            last_sent_at: 0.0,
            unused: 0,
            peak: 0.0,
            answers: 0,
            began: 0.0,
            goodput: None,
            is_full: false,
        }
    }

    /// The same, as an earlier run has left it: at best the service gave so much, if it was seen to give no more.
    pub(super) fn remembered(limit: f64, reference: Arm, goodput: Option<f64>) -> Probe {
        Probe {
            is_full: goodput.is_some(),
            goodput,
            ..Probe::new(limit, reference)
        }
    }

    /// The same, beginning with a large step up.
    pub(super) fn with_large_steps(limit: f64, reference: Arm) -> Probe {
        Probe {
            next: Some((Kind::Up, STEP_MAX)),
            ..Probe::new(limit, reference)
        }
    }

    /// The same, where more in flight were seen to bring little.
    pub(super) fn full(limit: f64) -> Probe {
        Probe {
            is_full: true,
            ..Probe::new(limit, Arm::default())
        }
    }

    /// The limit in force.
    pub(super) fn current(&self) -> f64 {
        self.current
    }

    /// The limit that steps are taken from.
    pub(super) fn limit(&self) -> f64 {
        self.limit
    }

    /// The latency at the limit, as a logarithm, if it was measured.
    pub(super) fn ln_latency(&self) -> Option<f64> {
        (self.reference.count > 0.0).then_some(self.reference.ln_latency)
    }

    /// Requests answered a second at best, once more in flight have been seen to bring little more.
    pub(super) fn goodput(&self) -> Option<f64> {
        self.goodput.filter(|_| self.is_full)
    }

    /// Lowers the limit for a reason from elsewhere.
    pub(super) fn lower(&mut self, limit: f64) {
        self.limit = self.limit.min(limit);
        self.current = self.current.min(limit);
        self.evidence = Evidence::default();
        self.next = None;
    }

    /// A success.
    pub(super) fn succeeded(
        &mut self,
        sent_at: f64,
        ln_latency: f64,
        in_flight: f64,
        is_bound: bool,
    ) {
        self.answers += 1;
        self.peak = self.peak.max(in_flight);
        if (self.settled_at..=self.last_sent_at).contains(&sent_at) {
            self.arm.add(ln_latency, in_flight, is_bound);
        }
    }

    /// When the turn is over, by the clock on the wall.
    pub(super) fn turn_ends_at(&self) -> f64 {
        self.turn
            .map_or(f64::NEG_INFINITY, |(turn, _)| turn.ends_at())
    }

    /// A turn is over and another begins. `ln_recent` is what latency was lately, whatever was sent when. Says why the limit
    /// is another now, if it is.
    pub(super) fn turn(
        &mut self,
        now: f64,
        turn: Turn,
        ln_recent: f64,
        ceiling: f64,
    ) -> Option<Reason> {
        let reason = self
            .turn
            .and_then(|(_, kind)| self.judge(now, kind, ln_recent));
        let latency = self.ln_latency().unwrap_or(ln_recent).exp();
        self.limit = self.limit.clamp(1.0, ceiling);
        self.begin(now, turn, latency, ceiling);
        reason
    }

    fn begin(&mut self, now: f64, turn: Turn, latency: f64, ceiling: f64) {
        let (kind, step) = self
            .next
            .unwrap_or_else(|| (self.in_its_place(turn), self.step_to_look()));
        let wanted = match kind {
            Kind::Hold => self.limit,
            Kind::Up => self.limit * step.max(1.0 + least_more(self.limit) / self.limit),
            Kind::Down => self.limit / step,
        };
        let wanted = wanted.clamp(1.0, ceiling);
        self.last_sent_at = now + turn.left - RETURN * latency;
        let moved = wanted != self.current;
        self.settled_at = if moved { now + SETTLE * latency } else { now };
        self.current = wanted;
        self.turn = Some((turn, kind));
        self.arm = Arm::default();
        (self.answers, self.began) = (0, now);
    }

    /// What this turn tries by its place. Without anything to compare with, a step would show nothing.
    fn in_its_place(&mut self, turn: Turn) -> Kind {
        let kind = turn.kind();
        if self.reference.count == 0.0 {
            return Kind::Hold;
        }
        if kind == Kind::Up && self.evidence.spared > 0 {
            self.evidence.spared -= 1;
            return Kind::Hold;
        }
        kind
    }

    fn judge(&mut self, now: f64, kind: Kind, ln_recent: f64) -> Option<Reason> {
        let arm = self.arm;
        if arm.count < SAMPLES_MIN {
            return None;
        }
        self.next = None;
        if arm.bound < 0.5 * arm.count || arm.in_flight < 0.75 * self.current.floor() {
            return self.not_needed();
        }
        (self.unused, self.peak) = (0, 0.0);
        if self.is_slower(&arm, ln_recent) || (kind == Kind::Hold && self.is_quicker(&arm)) {
            return None;
        }
        match kind {
            Kind::Hold => {
                self.reference = self.reference.decayed(KEEP).merged(arm);
                let seen = f64::from(self.answers) / (now - self.began);
                self.goodput = Some(self.goodput.map_or(seen, |known| 0.5 * (known + seen)));
                None
            }
            Kind::Up => self.judge_up(&arm),
            Kind::Down => self.judge_down(&arm),
        }
    }

    /// The limit did not keep anything back, so nothing was measured.
    fn not_needed(&mut self) -> Option<Reason> {
        self.unused += 1;
        if self.unused < UNUSED_TURNS {
            return None;
        }
        let enough = (0.75 * self.limit).max(2.0 * self.peak);
        (self.unused, self.peak) = (0, 0.0);
        (enough < self.limit).then(|| {
            self.lower(enough);
            Reason::Unused
        })
    }

    /// Answers take much longer than they should at any goodput: is it crowded now, or only slower? Fewer in flight will
    /// tell, next turn: if latency follows, they are enough.
    fn is_slower(&mut self, arm: &Arm, ln_recent: f64) -> bool {
        if self.reference.count == 0.0 {
            return false;
        }
        let (longer, se) = arm.longer_than(&self.reference);
        let by_more = (arm.in_flight / self.reference.in_flight).ln().max(0.0);
        if longer - by_more - SURE * se < SLOWER.ln() {
            return false;
        }
        // The arm may have seen both, before and after; what came back last is after.
        let after = ln_recent.max(arm.ln_latency);
        let times = (after - self.reference.ln_latency).exp();
        self.reference = arm.with_latency(after);
        self.evidence = Evidence::default();
        self.next = Some((Kind::Down, times.clamp(STEP_MIN, STEP_DOWN_MAX)));
        true
    }

    /// Answers are quicker than before with as many in flight: there may be room for more, next turn will tell.
    fn is_quicker(&mut self, arm: &Arm) -> bool {
        if self.reference.count == 0.0 {
            return false;
        }
        let (longer, se) = arm.longer_than(&self.reference);
        if longer + SURE * se > -QUICKER.ln() {
            return false;
        }
        self.reference = *arm;
        self.evidence = Evidence::default();
        self.next = Some((Kind::Up, self.step_to_look().max(STEP_MIN.powi(3))));
        true
    }

    fn judge_up(&mut self, arm: &Arm) -> Option<Reason> {
        let up = &mut self.evidence.up;
        up.add(arm.elasticity(&self.reference)?);
        let e = up.decided(UP_PAYS)?;
        self.evidence.up = Pooled::default();
        if e.value <= UP_PAYS {
            self.is_full = true;
            if e.value + 2.0 * e.se < 0.0 {
                self.evidence.spared = SPARED;
            }
            return None;
        }
        self.evidence = Evidence::default();
        // What came back is worth having; that the service gives little more is as true as before.
        self.is_full &= e.value < ELASTICITY_MIN;
        if e.value - 2.0 * e.se > ROOM {
            let larger = (self.current / self.limit).powi(3).min(STEP_MAX);
            self.next = Some((Kind::Up, larger));
        }
        self.limit = self.current.max(self.limit + least_more(self.limit));
        self.reference = *arm;
        Some(Reason::Rises {
            elasticity: e.value,
        })
    }

    fn judge_down(&mut self, arm: &Arm) -> Option<Reason> {
        let down = &mut self.evidence.down;
        down.add(arm.elasticity(&self.reference)?);
        let e = down.decided(DOWN_COSTS)?;
        self.evidence.down = Pooled::default();
        let elasticity = e.value;
        if e.value < DOWN_COSTS {
            self.evidence = Evidence::default();
            self.is_full = true;
            self.limit = self.current;
            self.reference = *arm;
            if e.value < NOTHING {
                self.next = Some((Kind::Down, self.step_to_look().powi(2)));
            }
            return Some(Reason::Enough { elasticity });
        }
        if e.value > MOST && self.evidence.spared == 0 {
            self.next = Some((Kind::Up, self.step_to_look()));
        }
        // A little more than was needed: where others share the service, those with less take more this way.
        self.limit += (0.25 * self.limit.sqrt()).min(0.25 * self.limit);
        Some(Reason::Needed { elasticity })
    }

    /// A step large enough that its effect can be told from chance.
    fn step_to_look(&self) -> f64 {
        (2.0 * self.reference.se())
            .exp()
            .clamp(STEP_MIN, STEP_LOOK_MAX)
    }
}

/// The least that is added to a limit: of a small one, a tenth would be too little to tell.
fn least_more(limit: f64) -> f64 {
    0.35 * limit.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step up from 100 in flight of which this share comes back; whether goodput is known before and after.
    fn known_after_a_step_up(elasticity: f64) -> (bool, bool) {
        let ln_latency = 0.1_f64.ln();
        let mut probe = Probe {
            reference: Arm::known(1e4, ln_latency, 100.0),
            current: 110.0,
            goodput: Some(950.0),
            ..Probe::full(100.0)
        };
        let before = probe.goodput().is_some();
        let slower = (1.0 - elasticity) * 1.1_f64.ln();
        let reason = probe.judge_up(&Arm::known(1e4, ln_latency + slower, 110.0));
        assert!(matches!(reason, Some(Reason::Rises { .. })), "{reason:?}");
        (before, probe.goodput().is_some())
    }

    #[test]
    fn a_step_that_pays_a_little_does_not_make_a_full_service_an_empty_one() {
        assert_eq!(known_after_a_step_up(0.3), (true, true));
        assert_eq!(known_after_a_step_up(0.9), (true, false));
    }
}
