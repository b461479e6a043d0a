//! What a run says of itself, held against what is known of it: jobs whose bottleneck is staged, played by the real engine
//! in simulated time.
//!
//! [`staged`] plays a job, [`situations`] says what must be said of each, and [`forecasts`] how far the forecasts of many
//! jobs were off. `cargo xtask insight` plays all of them and writes the tables into
//! `docs/bottlenecks.md` and `docs/forecast.md`.

mod forecasts;
mod situations;
mod staged;
mod table;
