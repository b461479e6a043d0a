//! Many seeds, four ways.

use std::collections::BTreeMap;

use super::life::simulate;
use super::scenario::Scenario;
use super::{are_all_tried, each_seed, seeds};
use crate::options::Strategy;

/// Seeds in an ordinary run of the tests, over all strategies.
const SEEDS: u64 = 1000;

/// Tries the seeds with one strategy; over all of them each of these must have happened.
fn check(test: &str, strategy: Strategy) {
    let mut seen: BTreeMap<&str, u64> = SOMETIMES.map(|what| (what, 0)).into();
    each_seed(test, seeds(SEEDS) / Strategy::ALL.len() as u64, |seed| {
        match simulate(Scenario::of(seed, strategy)) {
            Ok(world) => {
                for what in world.seen().0 {
                    *seen.entry(what).or_default() += 1;
                }
            }
            // Not by `panic!`: what it prints would not say the seed.
            Err(wrong) => std::panic::resume_unwind(Box::new(wrong)),
        }
    });
    println!("in so many seeds: {seen:#?}");
    if are_all_tried() {
        let missing: Vec<_> = seen.iter().filter(|(_, count)| **count == 0).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// What must have happened in one seed or another, or the tests would show less than they seem to.
const SOMETIMES: [&str; 40] = [
    "429",
    "429 until",
    "500",
    "a key was there before",
    "an item died of its retries",
    "a worker broke by accident",
    "a worker broke at its item",
    "answered and not recorded",
    "busy",
    "completion",
    "crash",
    "crash before the first answer",
    "crash between effect and answer",
    "crash in a later life",
    "crash in a pause",
    "crash while fetching",
    "crash while reading",
    "crash while saving",
    "crash with nothing in flight",
    "cut after it took effect",
    "cut before it took effect",
    "cut in an outage",
    "disk failure",
    "given up by its sender",
    "kept connection found dead",
    "kept connection closed on a request",
    "left behind a dead one",
    "loss of power",
    "one after the other",
    "outage of the fetch",
    "outage of the sink",
    "part of a bulk",
    "reading went on at a place",
    "refusal to start",
    "refused connection",
    "stall after it took effect",
    "stall before it took effect",
    "stop",
    "unavailable",
    "wrong number of outcomes",
];

#[test]
fn sequential_loses_nothing() {
    check("sequential_loses_nothing", Strategy::Sequential);
}

#[test]
fn batched_loses_nothing() {
    check("batched_loses_nothing", Strategy::Batched);
}

#[test]
fn async_loses_nothing() {
    check("async_loses_nothing", Strategy::Async);
}

#[test]
fn parallel_loses_nothing() {
    check("parallel_loses_nothing", Strategy::Parallel);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for strategy in Strategy::ALL {
        for seed in 0..10 {
            let trace = || simulate(Scenario::of(seed, strategy)).unwrap().seen().1;
            assert_eq!(trace(), trace(), "seed {seed}, {}", strategy.name());
        }
    }
}
