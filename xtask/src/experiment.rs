//! `cargo xtask experiment`: builds the tool, and lets the bench package measure and write the page.

use crate::shell::{cargo, run};

/// Measures the statements of the experiment and writes `docs/experiment.md`; the bench package reads the arguments.
///
/// # Errors
/// When the build or a measurement fails.
pub(crate) fn experiment(arguments: &[String]) -> Result<(), String> {
    let release = ["build", "--release", "--locked"];
    run(cargo(release).args(["--package", "inflight-cli", "--package", "bench"]))?;
    let measure = ["run", "--quiet", "--release", "--locked"];
    run(cargo(measure)
        .args(["--package", "bench", "--bin", "experiment", "--"])
        .args(arguments))
}
