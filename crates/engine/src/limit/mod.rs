//! How many requests may be in flight, and when the next may be sent: pure laws.
//!
//! Times and outcomes come in, a limit and a moment come out; no clock, lock or channel in here. The gate of a stage
//! enforces what is decided, and a simulation can play the same laws in virtual time. [`Limit`] is what both hold. Behind
//! it, `auto` finds the limit: it begins with `start`, goes on with `probe` in `turn`s, judging by the elasticity
//! of `arm`s, and yields to refusals with `backoff`; `pace` spaces what is sent. [`BulkSize`] says before that how many records
//! travel in one request. `docs/limit.md` says why.

mod arm;
mod auto;
mod backoff;
mod bulk;
mod decision;
mod front;
mod learnt;
mod outcome;
mod pace;
mod probe;
mod start;
mod turn;

pub use bulk::BulkSize;
pub use decision::{Decision, Reason};
pub(crate) use front::PAUSE_MAX;
pub use front::{Limit, LimitSettings};
pub use learnt::Learnt;
pub use outcome::{Outcome, Sent};
pub use start::FIRST;
