//! What of the command line can be used without it: scenarios in virtual time, for tests and figures.
//!
//! Everything else is the binary's; see `inflight --help`.

pub mod simulate;
