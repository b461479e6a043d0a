//! Time since the start of the run, for threads and for the event loop alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Counts from the start of the run. Follows tokio's clock, so paused time is obeyed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What the clock on the wall showed then, from 1970. Asked once: it may jump, and all it is for is that several workers take
    /// their turns together.
    wall: Duration,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            start: Instant::now(),
            // A clock that is set before 1970 is as good as any.
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// With the clock on the wall at this time.
    #[cfg(test)]
    pub(crate) fn start_at(wall: Duration) -> Clock {
        let start = Instant::now();
        Clock { start, wall }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The instant at which this much time will have passed since the start.
    pub(crate) fn at(&self, since_start: Duration) -> Instant {
        self.start + since_start
    }

    /// What the clock on the wall showed at the start.
    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }
}

/// CPU time this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    // Fails only where the clock does not exist; Linux and macOS both have it.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
