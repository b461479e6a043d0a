//! `cargo xtask insight`: stages jobs of which the bottleneck is known and checks what each run says of itself, forecasts
//! two hundred jobs, and writes the tables into docs/bottlenecks.md and docs/forecast.md.

use crate::shell::{cargo, run};

/// The tests that play them; in simulated time, but optimised, for some have millions of items.
const PLAY: [&str; 9] = [
    "test",
    "--release",
    "--locked",
    "--package",
    "inflight",
    "--lib",
    "insight::",
    "--",
    "--include-ignored",
];

/// Plays all of them, writes the tables, and checks what was said.
///
/// # Errors
/// When a run says what is not true of it, or forecasts that are shown are too far off.
pub(crate) fn insight() -> Result<(), String> {
    run(&mut cargo(PLAY))
}
