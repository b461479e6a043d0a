//! How a run goes while it goes: [`pace`] decides what holds it up and how long it will take, [`line`] puts that into as
//! many words as fit, [`watch`] shows it.

mod in_flight;
mod line;
mod pace;
mod watch;

pub(crate) use pace::Pace;
pub(crate) use watch::{DEAD_SHOWN_MAX, Shape, Watch};
