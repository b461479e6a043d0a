//! Finds what a service gives at best, by trying fixed limits: slow, exact, and how the figures in scenarios were made.

use std::time::Duration;

use inflight_lab::{ClientLimit, Clients, Expected, Length, Scenario};

use super::world::play;

/// A knee gives this share of the best goodput.
const KNEE: f64 = 0.97;
/// Limits that are tried: each so many times the one before.
const RATIO: f64 = 1.1;
const LIMIT_MAX: f64 = 30_000.0;
/// Requests that are measured at each limit, and the most virtual time they may take.
const REQUESTS: f64 = 30_000.0;
const LASTING_MAX_S: f64 = 4000.0;

/// What the service of each phase gives at best to one client that has always something to send.
///
/// A quota is what it says, so it is not tried but taken into account. The knee of a service that never gets slower is the
/// highest limit tried.
pub fn sweep(scenario: &Scenario) -> Vec<Expected> {
    let first = std::iter::once(&scenario.service);
    let changes = scenario
        .service
        .changes()
        .iter()
        .map(|change| &change.config);
    first
        .chain(changes)
        .map(|service| {
            let mut phase = scenario.clone();
            phase.service = service.without_changes();
            sweep_phase(phase)
        })
        .collect()
}

fn sweep_phase(mut phase: Scenario) -> Expected {
    let quota = phase.service.quota().unwrap_or(f64::INFINITY);
    phase.service.set("rate", "none").expect("it is a rate");
    let mut tried: Vec<(usize, f64)> = Vec::new();
    let (mut limit, mut best) = (1.0_f64, 0.0_f64);
    while limit < LIMIT_MAX {
        let whole = limit.round() as usize;
        let goodput = goodput(&phase, whole).min(quota);
        tried.push((whole, goodput));
        best = best.max(goodput);
        // Three times as many in flight for nothing: the rest is no better.
        let long_ago = tried.iter().find(|(_, seen)| *seen >= KNEE * best);
        if long_ago.is_some_and(|(knee, _)| whole > 3 * knee + 8) {
            break;
        }
        limit = (limit * RATIO).max(limit + 1.0);
    }
    let reached = |(_, seen): &(usize, f64)| *seen >= KNEE * best;
    let index = tried.iter().position(reached).unwrap_or(0);
    let (above, seen) = tried[index];
    // Between two that were tried, goodput is nearly a straight line.
    let knee = match index.checked_sub(1).map(|before| tried[before]) {
        Some((below, less)) => {
            let share = (KNEE * best - less) / (seen - less);
            below as f64 + share * (above - below) as f64
        }
        None => above as f64,
    };
    Expected {
        optimum: best,
        knee,
    }
}

/// Saves a second with this limit.
fn goodput(phase: &Scenario, limit: usize) -> f64 {
    let declared = phase.service.declared();
    let latency = declared.latency.as_secs_f64().max(1e-3);
    let rate = (limit as f64 / latency).min(declared.goodput.unwrap_or(f64::INFINITY));
    let lasting = (REQUESTS / rate)
        .max(20.0 * latency * limit as f64 / (rate * latency))
        .min(LASTING_MAX_S);
    let warmup = lasting * 0.5;
    let fixed = Scenario {
        name: phase.name.clone(),
        length: Length::Lasting(Duration::from_secs_f64(warmup + lasting)),
        warmup: Duration::from_secs_f64(warmup),
        clients: Clients {
            count: 1,
            start_spread: Duration::ZERO,
            compute: Duration::ZERO,
            produce: None,
            stall: None,
            limit: ClientLimit::Fixed(limit),
            remembers: false,
            ..phase.clients.clone()
        },
        bulk: phase.bulk,
        service: phase.service.clone(),
        // The optimum is what is looked for, so nothing is measured against it.
        expected: vec![Expected {
            optimum: 1.0,
            knee: 1.0,
        }],
    };
    play(&fixed, 1).simulated.throughput
}
