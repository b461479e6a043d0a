//! The slots of a stage: how many there are, which of them wait, and which were called.
//!
//! Counts alone: what a slot does is in [`tasks`](super::tasks), what there is to do in [`dispatch`](super::dispatch).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use super::slot::{Connections, Deadlines, Slot};
use crate::clock::Clock;
use crate::options::Options;

/// Slots that may open their first connections at a time. More would overflow the queue in which a service keeps whom it
/// has not accepted yet, often 511 or less long: those are made to wait a second and more. And who is connected would
/// send nothing while the others are being opened.
pub(super) const OPENING_MAX: usize = 256;

/// An idle connection is closed after this: longer than a pause in the work, shorter than most servers keep it.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);

/// The slots of one stage.
pub(super) struct SlotPool {
    /// Slots that wait for work; the last to come is the first to go, so that few connections stay busy.
    idle: RefCell<Vec<Idle>>,
    /// Slots there are.
    slots: Cell<usize>,
    /// Slots among them that were called and have not come yet.
    called: Cell<usize>,
    /// Slots among them that were started and have had no connection yet.
    opening: Cell<usize>,
    /// The connections of all slots.
    connections: Connections,
    clock: Clock,
    deadlines: Deadlines,
}

/// A slot that waits; its seat holds the other end of both.
struct Idle {
    call: Rc<Notify>,
    is_closed: Rc<Cell<bool>>,
    since: Duration,
}

impl SlotPool {
    pub(super) fn new(clock: Clock, options: &Options) -> SlotPool {
        SlotPool {
            idle: RefCell::default(),
            slots: Cell::default(),
            called: Cell::default(),
            opening: Cell::default(),
            connections: Connections::default(),
            clock,
            deadlines: Deadlines {
                connect: options.connect_timeout,
                attempt: options.timeout,
            },
        }
    }

    /// Calls slots until `wanted` are on their way; of these, the slots that must be started, so that there are at most
    /// `limit`. Each that is started takes a [`Seat`].
    pub(super) fn call(&self, wanted: usize, limit: usize) -> usize {
        let mut started = 0;
        while self.called.get() < wanted {
            match self.idle.borrow_mut().pop() {
                Some(idle) => idle.call.notify_one(),
                None if self.slots.get() < limit && self.opening.get() < OPENING_MAX => {
                    add(&self.slots);
                    add(&self.opening);
                    started += 1;
                }
                None => break,
            }
            add(&self.called);
        }
        started
    }

    /// The place of a slot that was started, and has come.
    pub(super) fn seat(&self) -> Seat<'_> {
        take(&self.called, 1);
        Seat {
            pool: self,
            call: Rc::default(),
            is_closed: Rc::default(),
            is_opening: Cell::new(true),
        }
    }

    /// Closes the slots that have waited for long.
    pub(super) fn close_idle(&self, now: Duration) {
        let mut idle = self.idle.borrow_mut();
        let stale = idle.partition_point(|idle| idle.since + IDLE_MAX < now);
        for idle in idle.drain(..stale) {
            idle.is_closed.set(true);
            idle.call.notify_one();
        }
        // They count no longer: another may start in their place before they have gone.
        take(&self.slots, stale);
    }

    /// Slots that are opening a connection.
    pub(super) fn opening(&self) -> usize {
        self.opening.get()
    }

    /// Connections there are, those that are being opened included.
    pub(super) fn connections(&self) -> usize {
        self.connections.count()
    }

    /// A slot whose connection counts here.
    pub(super) fn slot<C>(&self) -> Slot<C> {
        Slot::new(self.clock, self.deadlines, &self.connections)
    }
}

/// The place of one slot in the pool.
pub(super) struct Seat<'a> {
    pool: &'a SlotPool,
    call: Rc<Notify>,
    is_closed: Rc<Cell<bool>>,
    /// Whether the slot has had no connection yet.
    is_opening: Cell<bool>,
}

impl Seat<'_> {
    /// Whether the slot has waited too long, and is to end.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// The slot has its first connection, or will not have one now. Whether that is news.
    pub(super) fn opened(&self) -> bool {
        let is_news = self.is_opening.replace(false);
        if is_news {
            take(&self.pool.opening, 1);
        }
        is_news
    }

    /// The slot has nothing to do: from now on it may be called.
    pub(super) fn rest(&self, now: Duration) {
        self.pool.idle.borrow_mut().push(Idle {
            call: Rc::clone(&self.call),
            is_closed: Rc::clone(&self.is_closed),
            since: now,
        });
    }

    /// Waits until the slot that rests is called, or closed.
    pub(super) async fn called(&self) {
        self.call.notified().await;
        if !self.is_closed() {
            take(&self.pool.called, 1);
        }
    }

    /// The slot ends; another may start in its place.
    pub(super) fn leave(&self) {
        take(&self.pool.slots, 1);
    }
}

fn add(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

fn take(count: &Cell<usize>, gone: usize) {
    count.set(count.get() - gone);
}
