//! A scenario in virtual time: the engine's law against the lab's model, without sockets, threads or waiting.
//!
//! Neither of the two knows the other; what joins them is here. `world` plays the `events`, `client`s hold the law,
//! `trace` writes down what happens, and `outcome` says what it came to. [`sweep()`] finds what is best by trying fixed
//! limits; [`svg()`] draws. Same scenario and seed, same trace.

mod client;
mod events;
mod outcome;
mod requests;
mod svg;
mod sweep;
mod trace;
mod world;

pub use outcome::Simulated;
pub use svg::svg;
pub use sweep::sweep;
pub use trace::{Step, Trace};
pub use world::{Played, play};
