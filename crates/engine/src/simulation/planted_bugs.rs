//! Bugs on purpose: each is found by the simulation, within its budget of seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::life::simulate;
use super::outages::trial;
use super::scenario::Scenario;
use crate::fault::Fault;
use crate::journal::tests::lose_power;
use crate::options::Strategy;
use crate::planted::{Bug, with};

/// Seeds that may be needed to find one, each tried four ways: as many as an ordinary run tries.
const BUDGET: u64 = 250;
/// Losses of power in which the journal alone is tried, for each of these seeds: 1,000 of 20,000 in an ordinary run.
const LOSSES: u64 = 10;

/// Trials of bad items and outages, for each of these seeds.
const TRIALS: u64 = 20;

/// Which seed finds the bug, where, and what it says.
struct Found {
    seed: u64,
    by: &'static str,
    wrong: String,
}

fn found(bug: Bug) -> Option<Found> {
    (0..BUDGET).find_map(|seed| {
        let simulated = Strategy::ALL.into_iter().find_map(|strategy| {
            let work = || simulate(Scenario::of(seed, strategy)).map(drop);
            Some((strategy.name(), planted(bug, work)?))
        });
        let lost = || {
            (seed * LOSSES..(seed + 1) * LOSSES).find_map(|loss| {
                let work = || {
                    lose_power(loss);
                    Ok(())
                };
                Some(("losses of power", planted(bug, work)?))
            })
        };
        let outages = || {
            // Others may keep a trial from ever coming to its end.
            let of_outages = [Bug::StaleProbes, Bug::JudgedByItself, Bug::NoDoubt];
            of_outages.contains(&bug).then_some(())?;
            let work = || (seed * TRIALS..(seed + 1) * TRIALS).try_for_each(trial);
            Some(("bad items and outages", planted(bug, work)?))
        };
        let (by, wrong) = simulated.or_else(outages).or_else(lost)?;
        Some(Found { seed, by, wrong })
    })
}

/// What is wrong while the bug is planted, if anything is.
fn planted(bug: Bug, work: impl FnOnce() -> Result<(), String>) -> Option<String> {
    let worked = catch_unwind(AssertUnwindSafe(|| with(bug, work)));
    worked.map_or_else(
        |panic| Some(Fault::panicked(&*panic).to_string()),
        Result::err,
    )
}

/// Whether the bug is found; prints where.
fn is_found(bug: Bug) -> bool {
    let found = found(bug);
    if let Some(Found { seed, by, wrong }) = &found {
        let first = wrong.lines().next().unwrap_or_default();
        println!("{bug:?}: seeds tried {}, found by {by}: {first}", seed + 1);
    }
    found.is_some()
}

#[test]
fn each_planted_bug_is_found() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let missed: Vec<Bug> = std::thread::scope(|scope| {
        let hunts: Vec<_> = (0..threads)
            .map(|first| {
                let bugs = Bug::ALL.into_iter().skip(first).step_by(threads);
                scope.spawn(|| bugs.filter(|bug| !is_found(*bug)).collect::<Vec<_>>())
            })
            .collect();
        let missed = hunts.into_iter().map(|hunt| hunt.join().unwrap());
        missed.flatten().collect()
    });
    assert!(
        missed.is_empty(),
        "not found within {BUDGET} seeds: {missed:?}"
    );
}
