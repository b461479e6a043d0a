//! What happened over time, in steps of a tenth of a second.

use std::time::Duration;

use inflight::limit::Decision;

/// The length of a step, in seconds.
pub(super) const STEP_S: f64 = 0.1;

/// What happened in each step, all clients together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// One after the other, from time 0.
    pub steps: Vec<Step>,
    /// Items saved by each client within the measured time.
    pub saved_by: Vec<u64>,
    /// What the first client's law decided, and when.
    pub decisions: Vec<(Duration, Decision)>,
    /// Requests in flight now, and since when.
    in_flight: usize,
    since: Duration,
}

/// One step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Items saved.
    pub saved: u32,
    /// Requests refused.
    pub refused: u32,
    /// Mean requests in flight.
    pub in_flight: f64,
    /// The most requests in flight.
    pub in_flight_max: usize,
    /// The limits of all clients together, at its end.
    pub limit: f64,
    /// Sum of the latencies of what was saved, in seconds.
    pub latency_s: f64,
}

impl Trace {
    pub(super) fn new(clients: usize) -> Trace {
        Trace {
            saved_by: vec![0; clients],
            ..Trace::default()
        }
    }

    pub(super) fn step(&mut self, now: Duration) -> &mut Step {
        let number = (now.as_secs_f64() / STEP_S) as usize;
        if self.steps.len() <= number {
            let limit = self.steps.last().map_or(0.0, |step| step.limit);
            let step = Step {
                limit,
                ..Step::default()
            };
            self.steps.resize(number + 1, step);
        }
        &mut self.steps[number]
    }

    /// So many more are in flight from now on.
    pub(super) fn in_flight_by(&mut self, now: Duration, change: isize) {
        self.advance(now);
        self.in_flight = self.in_flight.saturating_add_signed(change);
        let in_flight = self.in_flight;
        let step = self.step(now);
        step.in_flight_max = step.in_flight_max.max(in_flight);
    }

    /// Adds what was in flight until now.
    pub(super) fn advance(&mut self, now: Duration) {
        let (mut from, to) = (self.since.as_secs_f64(), now.as_secs_f64());
        let in_flight = self.in_flight as f64;
        while from < to {
            // Sums of tenths are not exact: a step ends where the next begins.
            let number = (from / STEP_S + 1e-9) as usize;
            let until = to.min((number + 1) as f64 * STEP_S);
            let step = self.step(Duration::from_secs_f64(from + 1e-9));
            step.in_flight += in_flight * (until - from) / STEP_S;
            from = until.max(from + 1e-9);
        }
        self.since = now;
    }

    /// The steps of this time, in seconds.
    pub fn between(&self, from_s: f64, until_s: f64) -> &[Step] {
        let number = |time: f64| ((time / STEP_S).round() as usize).min(self.steps.len());
        &self.steps[number(from_s)..number(until_s).max(number(from_s))]
    }

    /// When something was saved last, in seconds; 0 if nothing was.
    pub fn saved_until_s(&self) -> f64 {
        let last = self.steps.iter().rposition(|step| step.saved > 0);
        last.map_or(0.0, |number| (number + 1) as f64 * STEP_S)
    }

    /// Items saved a second in this time.
    pub fn goodput(&self, from_s: f64, until_s: f64) -> f64 {
        let steps = self.between(from_s, until_s);
        let saved: u64 = steps.iter().map(|step| u64::from(step.saved)).sum();
        saved as f64 / (steps.len().max(1) as f64 * STEP_S)
    }

    /// Mean requests in flight in this time.
    pub fn in_flight(&self, from_s: f64, until_s: f64) -> f64 {
        let steps = self.between(from_s, until_s);
        let sum: f64 = steps.iter().map(|step| step.in_flight).sum();
        sum / steps.len().max(1) as f64
    }
}
