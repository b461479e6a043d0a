//! How a run goes while it goes: [`now`] says what limits it, [`line`] puts as many figures as fit into a line, [`watch`]
//! shows both. The engine works out all figures.

mod line;
mod now;
mod watch;

pub(crate) use now::Known;
pub(crate) use watch::{DEAD_SHOWN_MAX, Shape, Watch};
