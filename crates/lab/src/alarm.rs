//! An alarm of the system that wakes the runtime at a moment to the microsecond. Linux has one.

#[cfg(target_os = "linux")]
pub(crate) use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub(crate) use none::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use std::future::pending;
    use std::io;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::net::unix::pipe::Receiver;

    #[derive(Debug)]
    pub(crate) struct Alarm {
        timer: TimerFd,
        /// The same timer, to be awaited: reading it is like reading a pipe into which it writes when it rings.
        rings: Receiver,
    }

    impl Alarm {
        /// # Errors
        /// When descriptors have run out.
        pub(crate) fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let same = timer.as_fd().try_clone_to_owned()?;
            Ok(Self {
                timer,
                rings: Receiver::from_owned_fd_unchecked(same)?,
            })
        }

        /// Rings then, or at once if that is past, and no more for any earlier setting.
        pub(crate) fn set_to(&self, moment: Instant) {
            let left = moment.saturating_duration_since(Instant::now());
            // Zero would switch it off.
            let left = Expiration::OneShot(left.max(Duration::from_nanos(1)).into());
            let set = self.timer.set(left, TimerSetTimeFlags::empty());
            set.expect("an alarm takes any time ahead");
        }

        /// Waits until it rings.
        pub(crate) async fn rings(&self) {
            if self.rings.readable().await.is_err() {
                // The runtime ends.
                return pending().await;
            }
            // Read, it is silent until it rings again; if it was read before, it is silent already.
            let _ = self.rings.try_read(&mut [0; 8]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::io;
    use std::time::Instant;

    #[derive(Debug)]
    pub(crate) enum Alarm {}

    impl Alarm {
        pub(crate) fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn set_to(&self, _moment: Instant) {
            match *self {}
        }

        pub(crate) async fn rings(&self) {
            match *self {}
        }
    }
}
