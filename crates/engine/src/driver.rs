//! Where the parts of a run live that may block: on threads of their own, or, where time is simulated, as tasks on the one
//! thread that serves I/O. Chosen once, in `run.rs`; the parts do the same either way.

use crate::clock::Clock;

/// What drives those who read, and who compute in `parallel`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Driver {
    /// A thread for each.
    Threads,
    /// A task for each, so that time can be paused and a run be repeated.
    #[cfg(test)]
    Simulated {
        /// How long computing takes a worker, for each item.
        compute: std::time::Duration,
        /// How long it takes to read an item.
        read: std::time::Duration,
        /// Whether facts tell of the time that computing takes.
        is_told: bool,
    },
}

impl Driver {
    /// The clock of a run that begins now.
    pub(crate) fn clock(self) -> Clock {
        match self {
            Driver::Threads => Clock::start(),
            // Whoever repeats a run does so at another time of the day.
            #[cfg(test)]
            Driver::Simulated { .. } => Clock::start_at(std::time::Duration::ZERO),
        }
    }
}
