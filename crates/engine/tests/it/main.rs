//! The engine as its users call it: every strategy, threads and time that are real, services of known behaviour.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod brake;
mod model;
mod order;
mod strategies;
mod worker;
