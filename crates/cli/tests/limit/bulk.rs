//! Row 25: the size of bulks and the number in flight, at services of which neither is known.

use inflight_cli::simulate::play;
use inflight_lab::Scenario;

/// Services that are tried.
const SERVICES: u64 = 25;
/// Requests that each handles at once, and the most records it takes in one.
const CAPACITY: f64 = 10.0;
const MAX: f64 = 1000.0;

/// A service with its own cost of a request and of a record drawn at random, from 1 to 200 ms and from 10 µs to 5 ms; what
/// it can do at best, in records a second.
fn service(seed: u64) -> (Scenario, f64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn = |least: f64, most: f64| least * (most / least).powf(random.f64());
    let (own, each) = (drawn(1e-3, 0.2), drawn(1e-5, 5e-3));
    let text = format!(
        "name = 'bulk-{seed}'\nduration = '60s'\nwarmup = '10s'\n[bulk]\nmax = {MAX}\nper_record = '{}us'\n\
         [service]\nnetwork = '1ms'\nlatency = 'lognormal:{}us,0.2'\ncapacity = {CAPACITY}\n\
         [expect]\noptimum = 1.0\nknee = 10\n",
        (each * 1e6) as u64,
        ((own + each) * 1e6) as u64,
    );
    let best = CAPACITY * MAX / (own + each * MAX);
    (Scenario::parse(&text).unwrap(), best)
}

#[test]
fn most_of_the_best_is_reached_whatever_a_request_costs() {
    let shares = (1..=SERVICES).map(|seed| {
        let (scenario, best) = service(seed);
        (
            100.0 * play(&scenario, seed).simulated.throughput / best,
            seed,
        )
    });
    let mut shares: Vec<(f64, u64)> = shares.collect();
    shares.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (median, worst) = (shares[shares.len() / 2].0, shares[0].0);
    assert!(
        median >= 90.0 && worst >= 60.0,
        "median {median:.1} %, worst {worst:.1} %: {shares:?}"
    );
}
