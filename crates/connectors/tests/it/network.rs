//! A network that cuts, stalls and delays at random bytes between a job and its service: nothing is lost, nothing saved twice,
//! and no answer goes to the wrong item.
//!
//! `INFLIGHT_NETWORK_S=60` tries for so many seconds, `INFLIGHT_SEED=N` one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use inflight::{Counts, Ending, Fact, InFlightLimit, Options, Stop, Strategy};
use inflight_testbed::{Network, Proxy};

use crate::places::{self, Place, begin, expected};

/// How long each kind of service is tried, unless told otherwise.
const TIME: Duration = Duration::from_secs(5);

const ITEMS: u64 = 3000;

/// Rounds that no time is too short for: so that each fault is seen.
const ROUNDS_MIN: u64 = 4;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A job over a bad network, one seed after the other.
fn check(test: &str, make: fn() -> Place) {
    let time = number("INFLIGHT_NETWORK_S").map_or(TIME, Duration::from_secs);
    let only = number("INFLIGHT_SEED");
    let (begun, mut seed) = (Instant::now(), only.unwrap_or(1));
    let (mut cuts, mut delays, mut stalls) = (0, 0, 0);
    loop {
        let outcome = catch_unwind(AssertUnwindSafe(|| round(make(), seed)));
        let done = outcome.unwrap_or_else(|panic| {
            let again = format!(
                "again: INFLIGHT_SEED={seed} cargo test -p inflight-connectors --test it network::{test}"
            );
            panic!("{again}\n{:?}", panic.downcast_ref::<String>())
        });
        (cuts, delays, stalls) = (cuts + done.0, delays + done.1, stalls + done.2);
        let is_over = seed >= ROUNDS_MIN && begun.elapsed() >= time;
        if only.is_some() || is_over {
            break;
        }
        seed += 1;
    }
    if only.is_none() {
        assert!(
            cuts > 0 && delays > 0 && stalls > 0,
            "{cuts} cuts, {delays} delays, {stalls} stalls: each must have happened"
        );
    }
}

fn round(mut place: Place, seed: u64) -> (u64, u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let network = Network {
        cut_bytes: random.u64(20_000..200_000),
        delay_bytes: random.u64(5_000..50_000),
        delay: Duration::from_millis(random.u64(1..20)),
        stall_bytes: random.u64(200_000..600_000),
        seed,
    };
    let port = place.port.expect("it has a server");
    let proxy = Proxy::to(port, network);
    let (from, to) = (format!(":{port}/"), format!(":{}/", proxy.port()));
    place.address = place.address.replace(&from, &to);
    let options = Options {
        strategy: Strategy::ALL[random.usize(..Strategy::ALL.len())],
        in_flight: InFlightLimit::Fixed(random.usize(1..8)),
        bulk: Some(random.usize(1..400)),
        batch: random.usize(1..400),
        // Some of the faults are the network's alone, again and again.
        retries: 1000,
        backoff: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        ..Options::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let nobody = |_: &Fact, _: &Counts| {};
    // Whoever cannot even look at the place does not begin.
    proxy.fails(false);
    let begun = begin(&place, folder.path(), &options);
    proxy.fails(true);
    let summary = begun.run(ITEMS, &[], &options, nobody, &Stop::new(), |_| ());
    assert_eq!(summary.saved + summary.dead + summary.left, ITEMS);
    assert_eq!(summary.ending, Ending::Complete, "{network:?}");
    assert_eq!(summary.dead, 0, "{network:?}");
    assert_eq!((place.saved)(), expected(ITEMS, &[]), "{network:?}");
    proxy.done()
}

#[test]
fn postgres_gets_each_result_once() {
    check("postgres_gets", places::postgres);
}

#[test]
fn a_service_that_knows_keys_gets_each_result_once() {
    check("a_service", places::http);
}
