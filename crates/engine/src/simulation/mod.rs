//! The real engine in simulated time: one thread, seeded faults, crashes, losses of power, and an oracle.
//!
//! A seed stands for a [`scenario`]: a job, the weather at its services, its bad items, and how each life of the machine
//! ends. [`life`] runs it: the engine as it is, with its parts that block as tasks ([`Driver`](crate::driver::Driver)),
//! until it is done, stopped, or its [`plug`] is pulled; then again, from the disks that are left. [`service`] and
//! [`source`] are what it works with; [`oracle`] sees what they see and knows what must not be.

mod keyed;
mod life;
mod nth_call;
mod oracle;
mod outages;
mod planted_bugs;
mod plug;
mod scenario;
mod seeds;
mod service;
mod source;
mod tests;

pub(crate) use plug::{Effect, Plug};
pub(crate) use seeds::{are_all_tried, each_seed, seeds};
