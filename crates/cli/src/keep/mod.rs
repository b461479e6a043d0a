//! What outlives a run: its journal, its recording, and what it learnt of services.

pub(crate) mod about;
pub(crate) mod journal;
pub(crate) mod profiles;
pub(crate) mod recording;
pub(crate) mod state;
