//! The same work done by inflight and by its peers, in one run.
//!
//! The binary `bench` measures; the binaries beside it, and what lies in `peers/`, are measured. All that they share is
//! here: the line in which one run says what it did.

mod outcome;

pub use outcome::{Outcome, timed};
