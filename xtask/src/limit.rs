//! `cargo xtask limit`: holds the law of the limit against every scenario, and writes its figures into docs/limit.md.

use crate::shell::{cargo, run};

/// The target that knows the scenarios and what each must come to.
const TARGET: [&str; 6] = [
    "test",
    "--locked",
    "--package",
    "inflight-cli",
    "--test",
    "limit",
];

/// Checks what scenarios say of their services by trying fixed limits, writes the figures, then checks the bars.
///
/// # Errors
/// When a scenario expects what no fixed limit gives, or the law misses a bar.
pub(crate) fn limit() -> Result<(), String> {
    run(cargo(TARGET).args(["--", "--ignored"]))?;
    run(&mut cargo(TARGET))
}
