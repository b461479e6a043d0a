//! The same work done by inflight and by its peers, in one run.
//!
//! The binary `bench` measures; the binaries beside it, and what lies in `peers/`, are measured. All that they share is
//! here: the line in which one run says what it did, and what is said of the machine. The binary `experiment` writes the page
//! of that name.

mod machine;
mod outcome;

pub use machine::Machine;
pub use outcome::{Outcome, timed};
