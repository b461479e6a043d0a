//! `inflight plan`: says how long a job will take with each strategy, before it is run.
//!
//! [`asked`] is what was typed, understood, and the way through; [`sampling`] computes a few items, [`ladder`] saves some,
//! [`traffic`] says what is known of a service. The engine's `forecast` makes the rest; [`document`] and [`table`] show it.

mod asked;
mod document;
mod ladder;
mod sampling;
mod table;
mod traffic;

pub(crate) use asked::{plan, plan_for};
