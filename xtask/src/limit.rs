//! `cargo xtask limit`: holds the law of the limit against every scenario, writes its figures into docs/limit.md, and holds
//! forecasts against what is measured.

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

/// What is predicted, held against what is then measured, at a size that takes minutes.
const PLAN: [&str; 10] = [
    "test",
    "--release",
    "--locked",
    "--package",
    "inflight-cli",
    "--test",
    "cli",
    "--",
    "--ignored",
    "plan::every_strategy_takes_what_was_predicted_at_full_size",
];

/// Checks what scenarios say of their services by trying fixed limits, writes the figures, then checks the bars.
///
/// # Errors
/// When a scenario expects what no fixed limit gives, the law misses a bar, or a forecast is too far from what was measured.
pub(crate) fn limit() -> Result<(), String> {
    run(cargo(TARGET).args(["--", "--ignored"]))?;
    run(&mut cargo(TARGET))?;
    run(&mut cargo(PLAN))
}
