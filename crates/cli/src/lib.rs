//! The command line as a library: what the `inflight` program does, for the program itself and for others that offer the same
//! in another language.
//!
//! [`run_program`] is the whole program. [`embed`] does one job for a program around it, which says what it wants by the names of the
//! flags and may give code of its own for source, fetch, computation and save. `simulate` plays scenarios in virtual time.

mod commands;
pub mod embed;
mod error;
mod exit;
mod flags;
mod job;
mod keep;
mod program;
mod show;
pub mod simulate;
mod terminal;

pub use program::run_program;
