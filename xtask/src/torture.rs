//! `cargo xtask torture`: the long form of what CI tries: more seeds, more kills, by optimised code.

use crate::shell::{cargo, run, step};

/// Losses of power of the journal alone, lives of the whole engine, and kills of the real program. About two hours on two cores.
const LOSSES: &str = "1000000";
const LIVES: &str = "50000";
const KILLS: &str = "2000";
/// Seconds of a bad network between a job and each kind of service.
const NETWORK_S: &str = "60";

/// One kind of trouble: its name, and what tries it.
type Part = (&'static str, fn() -> Result<(), String>);

/// In this order, each of which can also be tried alone.
const PARTS: [Part; 6] = [
    ("outage", outage),
    ("journal", journal),
    ("simulation", simulation),
    ("network", network),
    ("kills", kills),
    ("fuzz", fuzz),
];

/// Tries every part, or the one that is named; stops at the first failure, which names its seed.
///
/// # Errors
/// When a test fails, or there is no such part.
pub(crate) fn torture(part: Option<&str>) -> Result<(), String> {
    for (name, action) in named(part)? {
        step(name, action)?;
    }
    Ok(())
}

fn named(part: Option<&str>) -> Result<impl Iterator<Item = &'static Part>, String> {
    if let Some(part) = part
        && !PARTS.iter().any(|(name, _)| *name == part)
    {
        let names = PARTS.map(|(name, _)| name).join(", ");
        return Err(format!("no such part: {part}; the parts are {names}"));
    }
    let part = part.map(str::to_owned);
    let is_named = move |name: &str| part.as_deref().is_none_or(|part| part == name);
    Ok(PARTS.iter().filter(move |(name, _)| is_named(name)))
}

/// Plays bad items and outages, and prints a table of what came of them.
fn outage() -> Result<(), String> {
    let played = ["--package", "inflight", "--lib", "table_of_outages"];
    run(test().args(played).args(["--", "--ignored", "--nocapture"]))
}

/// Seconds for each target of the fuzzer.
const FUZZ_S: &str = "-max_total_time=60";

/// What the fuzzer tries.
const TARGETS: [&str; 5] = ["journal", "csv", "http_answer", "template", "worker_answer"];

fn fuzz() -> Result<(), String> {
    for target in TARGETS {
        let seeds = format!("fuzz/seeds/{target}");
        run(cargo(["fuzz", "run", "--sanitizer", "none", target]).args([&seeds, "--", FUZZ_S]))
            .map_err(|why| format!("{why}; the fuzzer comes with `cargo install cargo-fuzz`"))?;
    }
    Ok(())
}

fn journal() -> Result<(), String> {
    engine("journal::", LOSSES)
}

fn simulation() -> Result<(), String> {
    engine("simulation::", LIVES)
}

fn network() -> Result<(), String> {
    let network = ["--package", "inflight-connectors", "--test", "it"];
    run(test()
        .args(network)
        .arg("network::")
        .env("INFLIGHT_NETWORK_S", NETWORK_S))
}

fn kills() -> Result<(), String> {
    let crash = ["--package", "inflight-cli", "--test", "cli", "crash::"];
    run(test().args(crash).env("INFLIGHT_KILLS", KILLS))
}

fn engine(filter: &str, seeds: &str) -> Result<(), String> {
    run(test()
        .args(["--package", "inflight", "--lib", filter])
        .env("INFLIGHT_SEEDS", seeds))
}

fn test() -> std::process::Command {
    cargo(["test", "--release", "--locked"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_can_be_tried_alone() {
        let names = |part| -> Vec<&str> {
            let parts = named(part).unwrap();
            parts.map(|(name, _)| *name).collect()
        };
        assert_eq!(names(Some("network")), ["network"]);
        assert_eq!(names(None).len(), PARTS.len());
        let unknown = named(Some("netwrok")).err().unwrap();
        assert!(unknown.contains("journal, simulation"), "{unknown}");
    }
}
