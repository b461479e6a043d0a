//! `cargo xtask torture`: the long form of what CI tries: more seeds, more kills, by optimised code.

use crate::shell::{cargo, run};

/// Losses of power of the journal alone, lives of the whole engine, and kills of the real program. About two hours on two cores.
const LOSSES: &str = "1000000";
const LIVES: &str = "50000";
const KILLS: &str = "2000";
/// Seconds of a bad network between a job and each kind of service.
const NETWORK_S: &str = "60";

/// Tries everything; stops at the first failure, which names its seed.
///
/// # Errors
/// When a test fails.
pub(crate) fn torture() -> Result<(), String> {
    let test = ["test", "--release", "--locked"];
    let engine = |filter, seeds| {
        run(cargo(test)
            .args(["--package", "inflight", "--lib", filter])
            .env("INFLIGHT_SEEDS", seeds))
    };
    engine("journal::", LOSSES)?;
    engine("simulation::", LIVES)?;
    run(cargo(test)
        .args([
            "--package",
            "inflight-connectors",
            "--test",
            "it",
            "network::",
        ])
        .env("INFLIGHT_NETWORK_S", NETWORK_S))?;
    run(cargo(test)
        .args(["--package", "inflight-cli", "--test", "cli", "crash::"])
        .env("INFLIGHT_KILLS", KILLS))
}
