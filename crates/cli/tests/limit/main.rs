//! The law held against what it promises: every scenario in virtual time, five seeds each. `cargo xtask limit` writes the
//! same figures into docs/limit.md.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod bulk;
mod forecast;
mod measure;
mod rows;
mod table;

use inflight_cli::simulate::play;
use measure::{Bar, Measure};
use rows::{ROWS, Row, scenario};

const SEEDS: u64 = 5;

/// Plays a row with every seed, and says which of its bars were missed.
fn missed(row: &Row) -> Vec<String> {
    let figures = row.play(SEEDS);
    let bars = row.bars.iter().zip(&figures);
    bars.filter(|(bar, seen)| !bar.holds(seen))
        .map(|(bar, seen)| format!("row {} {}: {}", row.number, row.scenario, bar.shown(seen)))
        .collect()
}

#[test]
fn every_bar_is_met() {
    let gates = ROWS.iter().filter(|row| row.is_gate);
    let missed: Vec<String> = gates.flat_map(missed).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn clients_that_probe_at_the_same_moments_crowd_a_service_less() {
    let in_flight = |name: &str| {
        let scenario = scenario(name);
        let played: Vec<_> = (1..=SEEDS).map(|seed| play(&scenario, seed)).collect();
        Bar::AtMost(Measure::InFlight, 1.0).seen(&played).median
    };
    for name in ["fifty-clients", "fifty-clients-degrading"] {
        let unaligned = name.replace("fifty-clients", "fifty-clients-unaligned");
        let (together, apart) = (in_flight(name), in_flight(&unaligned));
        assert!(
            together < apart,
            "or nothing shows why turns follow the clock on the wall: {name} {together}, {apart}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for name in ["lognormal-one", "refusing", "quota"] {
        let scenario = scenario(name);
        assert_eq!(play(&scenario, 7).trace, play(&scenario, 7).trace);
        assert_ne!(play(&scenario, 7).trace, play(&scenario, 8).trace);
    }
}

#[test]
fn every_scenario_is_in_the_table() {
    for entry in std::fs::read_dir(rows::FOLDER).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".toml").unwrap();
        assert!(ROWS.iter().any(|row| row.scenario == name), "{name}");
    }
}

#[test]
#[ignore = "writes docs/limit.md; `cargo xtask limit` does it"]
fn write_the_table() {
    table::write(SEEDS);
}

#[test]
#[ignore = "takes a minute; `cargo xtask limit` does it"]
fn what_is_expected_is_what_a_sweep_finds() {
    rows::sweep_all();
}
