//! How many requests may be in flight, and when the next may be sent: pure laws.
//!
//! Times and outcomes come in, a limit and a moment come out; no clock, lock or channel in here. [`Gate`] is what
//! a stage asks before it sends, and tells what came of it; a simulation plays the same gate in virtual time. Behind
//! it, `front` joins the limit, the pace and the pauses that the service asks for; `auto` finds the limit: it begins with `start`, goes on with `probe` in `turn`s, judging by the elasticity
//! of `arm`s, and yields to refusals with `backoff`; `pace` spaces what is sent, `units` too where requests cost more and less of a quota, `told` where the service says what is left. [`BulkSize`] says before that how many records
//! travel in one request. `docs/limit.md` says why.

mod arm;
mod auto;
mod backoff;
mod bulk;
mod decision;
mod front;
mod gate;
mod learnt;
mod outcome;
mod pace;
mod probe;
mod start;
mod told;
mod turn;
mod units;

pub use bulk::BulkSize;
pub use decision::{Decision, Reason};
pub use front::LimitSettings;
pub(crate) use front::PAUSE_MAX;
pub use gate::{Changed, Gate};
pub use learnt::Learnt;
pub use outcome::{Outcome, Sent};
pub use start::FIRST;
