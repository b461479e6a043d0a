//! What a scenario came to, measured against what is best: the object that `--json` writes.

use std::time::Duration;

use inflight_lab::{Expected, Length, Scenario};

use super::sweep::sweep;
use super::trace::{STEP_S, Trace};

/// Seconds over which goodput must have come near the optimum to have converged.
const CONVERGED_OVER_S: f64 = 5.0;
const CONVERGED: f64 = 0.9;

/// What a scenario came to. Field names are those of the JSON object; what nobody can say is not a number there.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Simulated {
    /// The version of this object's shape.
    pub version: u32,
    /// The scenario.
    pub name: String,
    /// Where chance began.
    pub seed: u64,
    /// The time that was measured: without the warm-up.
    pub elapsed_s: f64,
    /// The time below which it could not have come.
    pub bound_s: f64,
    /// `bound_s ÷ elapsed_s`.
    pub attainment: f64,
    /// Saves a second.
    pub throughput: f64,
    /// The most there could be, over all phases, without the time in which the service answered nothing.
    pub optimum: f64,
    /// The smallest number in flight that gives 97 % of that.
    pub knee: f64,
    /// `throughput ÷ optimum`.
    pub throughput_ratio: f64,
    /// Mean in flight, all clients together, over the knee.
    pub in_flight_over_knee: f64,
    /// The most ever in flight, from the start, over the largest knee.
    pub peak_over_knee: f64,
    /// Refused requests for each saved item.
    pub rejected_ratio: f64,
    /// The first second after which 5 s average at least 90 % of the optimum; not a number if there is none.
    pub converge_s: f64,
    /// Jain's index of what the clients saved: 1 if all the same.
    pub jain: f64,
    /// The limits of all clients together, at the end.
    pub limit_final: f64,
}

impl Simulated {
    pub(super) fn new(
        scenario: &Scenario,
        seed: u64,
        trace: &Trace,
        end: Duration,
        limit_final: f64,
    ) -> Simulated {
        let (from, until) = (scenario.warmup.as_secs_f64(), end.as_secs_f64());
        let best = Best::new(scenario);
        let (optimum, knee) = best.between(from, until);
        let elapsed_s = until - from;
        let steps = trace.between(from, until);
        let saved: f64 = steps.iter().map(|step| f64::from(step.saved)).sum();
        let throughput = saved / elapsed_s;
        let refused: f64 = steps.iter().map(|step| f64::from(step.refused)).sum();
        let peak = trace.steps.iter().map(|step| step.in_flight_max).max();
        let in_flight = best.in_flight(trace, from, until);
        let bound_s = bound_s(scenario, saved, optimum);
        Simulated {
            version: 1,
            name: scenario.name.clone(),
            seed,
            elapsed_s,
            bound_s,
            attainment: bound_s / elapsed_s,
            throughput,
            optimum,
            knee,
            throughput_ratio: throughput / optimum,
            in_flight_over_knee: in_flight / knee,
            peak_over_knee: peak.unwrap_or(0) as f64 / best.knee_max(),
            rejected_ratio: refused / saved.max(1.0),
            converge_s: best.converge_s(trace, until),
            jain: jain(&trace.saved_by),
            limit_final,
        }
    }
}

/// What is best, phase by phase.
struct Best {
    /// From when on, and what.
    phases: Vec<(f64, Expected)>,
    /// Times in which the service answers nothing.
    frozen: Vec<(f64, f64)>,
}

impl Best {
    fn new(scenario: &Scenario) -> Best {
        let changes = scenario.service.changes();
        let expected = match scenario.expected.is_empty() {
            false => scenario.expected.clone(),
            true => sweep(scenario),
        };
        let starts = std::iter::once(0.0).chain(changes.iter().map(|c| c.at.as_secs_f64()));
        let frozen = changes.iter().filter(|change| !change.frozen.is_zero());
        Best {
            phases: starts.zip(expected).collect(),
            frozen: frozen
                .map(|change| {
                    let at = change.at.as_secs_f64();
                    (at, at + change.frozen.as_secs_f64())
                })
                .collect(),
        }
    }

    fn at(&self, time: f64) -> Expected {
        let phase = self.phases.iter().rfind(|(from, _)| *from <= time);
        phase.map_or(self.phases[0].1, |(_, expected)| *expected)
    }

    fn is_frozen(&self, time: f64) -> bool {
        self.frozen
            .iter()
            .any(|(from, until)| (*from..*until).contains(&time))
    }

    /// The middles of all steps of this time.
    fn times(from: f64, until: f64) -> impl Iterator<Item = f64> {
        let steps = ((until - from) / STEP_S).round().max(1.0) as usize;
        (0..steps).map(move |step| from + (step as f64 + 0.5) * STEP_S)
    }

    /// Mean optimum over this time, in which nothing is expected while nothing is answered; mean knee over the rest.
    fn between(&self, from: f64, until: f64) -> (f64, f64) {
        let (mut optimum, mut knee, mut answering, mut all) = (0.0, 0.0, 0.0_f64, 0.0_f64);
        for time in Best::times(from, until) {
            all += 1.0;
            if !self.is_frozen(time) {
                answering += 1.0;
                optimum += self.at(time).optimum;
                knee += self.at(time).knee;
            }
        }
        (optimum / all.max(1.0), knee / answering.max(1.0))
    }

    fn in_flight(&self, trace: &Trace, from: f64, until: f64) -> f64 {
        let steps = Best::times(from, until).zip(trace.between(from, until));
        let answering: Vec<f64> = steps
            .filter(|(time, _)| !self.is_frozen(*time))
            .map(|(_, step)| step.in_flight)
            .collect();
        answering.iter().sum::<f64>() / answering.len().max(1) as f64
    }

    fn knee_max(&self) -> f64 {
        self.phases
            .iter()
            .map(|(_, expected)| expected.knee)
            .fold(0.0, f64::max)
    }

    fn converge_s(&self, trace: &Trace, until: f64) -> f64 {
        let last = (until - CONVERGED_OVER_S).floor().max(0.0) as usize;
        let converged = (0..=last).find(|second| {
            let from = *second as f64;
            let (optimum, _) = self.between(from, from + CONVERGED_OVER_S);
            trace.goodput(from, from + CONVERGED_OVER_S) >= CONVERGED * optimum
        });
        converged.map_or(f64::NAN, |second| second as f64)
    }
}

/// The time below which it could not have come: the slower of cores and service, and what cannot overlap.
fn bound_s(scenario: &Scenario, saved: f64, optimum: f64) -> f64 {
    let clients = &scenario.clients;
    let service = saved / optimum;
    let Length::Items(_) = scenario.length else {
        return service;
    };
    let cpu = saved * clients.compute.as_secs_f64() / (clients.cores * clients.count) as f64;
    let ends = clients.compute + scenario.service.declared().latency;
    cpu.max(service) + ends.as_secs_f64()
}

/// Jain's index: 1 if all have the same, 1 ÷ n if one has all.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}
