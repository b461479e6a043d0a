//! How a run goes: what limits it now and over the whole of it, and how much longer it takes. Pure, from facts.
//!
//! [`moment`] says what limits a run at one moment, from what each step has to do then. [`Progress`] adds up moments and
//! work, and [`Estimate`] says when the run will end.

mod estimate;
mod moment;
mod pace;
mod sums;
#[cfg(test)]
mod tests;

pub use pace::Pace;
pub(crate) use pace::Progress;
