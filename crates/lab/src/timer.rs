//! Waits until a moment, to the microsecond where the system can: what a service is told to take is what it takes.
//!
//! The runtime's own timers count whole milliseconds, rounded up twice, which is up to 2 % of a service time of 100 ms.
//! So an alarm of the system is set to the earliest moment that anybody waits for, less what it takes to be woken by it,
//! which is a tenth of a millisecond where the processor sleeps; where there is none, the runtime's timers have to do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::hint::spin_loop;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::alarm::Alarm;

/// The most that an alarm rings ahead: who is woken later than this was not asleep but busy.
const LEAD_MAX: Duration = Duration::from_micros(200);

/// A moment that somebody waits for, and a number that tells those who wait for the same moment apart.
type Place = (Instant, u64);

#[derive(Debug)]
pub(crate) struct Timer {
    alarm: Option<Alarm>,
    waiting: RefCell<BTreeMap<Place, Waker>>,
    places: Cell<u64>,
    /// When the alarm rings,
    rings_at: Cell<Instant>,
    /// and how long that is before the moment that is waited for: what waking up was last seen to take, smoothed.
    lead: Cell<Duration>,
}

impl Timer {
    /// Call it on the runtime that [runs](Self::run) it.
    pub(crate) fn new() -> Self {
        Self {
            alarm: Alarm::new().ok(),
            waiting: RefCell::default(),
            places: Cell::new(0),
            rings_at: Cell::new(Instant::now()),
            lead: Cell::new(Duration::ZERO),
        }
    }

    /// Wakes those whose moment has come, for as long as this is awaited. Never ends.
    pub(crate) async fn run(&self) {
        let Some(alarm) = &self.alarm else {
            return pending().await;
        };
        loop {
            alarm.rings().await;
            self.wake_due(alarm);
        }
    }

    /// Waits until then, and never less.
    pub(crate) async fn until(&self, due: Instant) {
        let Some(alarm) = &self.alarm else {
            return sleep_until(due.into()).await;
        };
        self.places.set(self.places.get() + 1);
        let waits = Waits {
            timer: self,
            place: (due, self.places.get()),
        };
        poll_fn(|context| {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            waiting.insert(waits.place, context.waker().clone());
            if waiting.keys().next() == Some(&waits.place) {
                self.set(alarm, due);
            }
            Poll::Pending
        })
        .await;
    }

    fn set(&self, alarm: &Alarm, due: Instant) {
        self.rings_at.set(due - self.lead.get());
        alarm.set_to(self.rings_at.get());
    }

    fn wake_due(&self, alarm: &Alarm) {
        let mut now = Instant::now();
        let lead = self.lead.get();
        let late = now.saturating_duration_since(self.rings_at.get());
        self.lead.set((lead * 7 + late.min(LEAD_MAX)) / 8);
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.first_entry() {
            let (due, _) = *first.key();
            if due > now + lead {
                return self.set(alarm, due);
            }
            // Woken faster than was expected.
            while now < due {
                spin_loop();
                now = Instant::now();
            }
            first.remove().wake();
        }
    }
}

/// One that waits, until it is woken or goes away.
struct Waits<'a> {
    timer: &'a Timer,
    place: Place,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.timer.waiting.borrow_mut().remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_at_its_moment_whoever_else_waits_or_has_gone() {
        let timer = Timer::new();
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_micros(1000 * ms + 300);
        let wait = async |ms| {
            timer.until(at(ms)).await;
            Instant::now().duration_since(at(ms))
        };
        let all = async {
            let mut gone = Box::pin(wait(4));
            // Whatever comes of it: on a busy machine its moment may be past.
            let _ = poll_fn(|context| Poll::Ready(gone.as_mut().poll(context))).await;
            drop(gone);
            tokio::join!(wait(30), wait(10), wait(10), wait(20), wait(0))
        };
        let late = tokio::select! {
            late = all => late,
            () = timer.run() => unreachable!("it never ends"),
        };
        // `duration_since` is 0 for one that is early.
        let now = Instant::now();
        assert!(now >= at(30), "the last was early");
        let latest = [late.0, late.1, late.2, late.3].into_iter().max();
        assert!(latest < Some(Duration::from_secs(1)), "{late:?}");
        assert!(timer.waiting.borrow().is_empty());
    }
}
