//! The tasks of a stage: the life of a slot, and the timer that wakes what waits.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::slot::{Answered, Slot};
use super::{Inner, Stage};
use crate::fault::Fault;
use crate::journal::Horizon;
use crate::service::Service;

/// An idle connection is closed after this: longer than a pause in the work, shorter than most servers keep it.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A slot that waits. Owned by the stage; the slot itself holds the other end of `call`.
pub(super) struct Idle {
    pub(super) call: Rc<Notify>,
    since: Duration,
    close: Rc<Cell<bool>>,
}

/// The life of a slot: take what is ready, send it, say how it went; wait to be called when nothing is.
pub(super) async fn serve<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>) {
    let inner = &stage.0;
    let mut slot = Slot::new(inner.clock, &inner.connections);
    let call = Rc::new(Notify::new());
    let close = Rc::new(Cell::new(false));
    let is_opening = Cell::new(true);
    let opened = || {
        if is_opening.replace(false) {
            stage.opened();
        }
    };
    inner.called.set(inner.called.get() - 1);
    while !close.get() {
        let now = inner.clock.now();
        let Some((mut sent, bulk)) = stage.take(now) else {
            inner.idle.borrow_mut().push(Idle {
                call: Rc::clone(&call),
                since: now,
                close: Rc::clone(&close),
            });
            opened();
            call.notified().await;
            if !close.get() {
                inner.called.set(inner.called.get() - 1);
            }
            continue;
        };
        let answered = {
            let told = |at| {
                sent.at = at;
                opened();
            };
            let attempt = pin!(slot.attempt(&inner.service, &bulk, inner.deadlines, told));
            caught(attempt).await
        };
        let answered = answered.unwrap_or_else(|panic| {
            // What the connection was at when it panicked, nobody knows.
            slot = Slot::new(inner.clock, &inner.connections);
            Answered::from(Fault::panicked(&*panic))
        });
        let is_over = answered.is_without_connection() && inner.connections.count() > 0;
        if is_over {
            // The others go on; another slot may start in this one's place, when there can be more.
            inner.slots.set(inner.slots.get() - 1);
        }
        let settling = AssertUnwindSafe(|| stage.settle(sent, bulk, answered));
        if let Err(panic) = catch_unwind(settling) {
            let fault = Fault::panicked(&*panic);
            stage.give_up(format!("delivering an answer {fault}"));
        }
        opened();
        if is_over {
            return;
        }
    }
}

/// Wakes the stage when a wait is over, a pause ends or a probe is due, and closes what is idle for long.
pub(super) async fn timer<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>) {
    let inner = &stage.0;
    loop {
        let now = inner.clock.now();
        let gave_up = inner.dispatch.borrow_mut().advance(now);
        if let Some(why) = gave_up {
            stage.give_up(why);
        }
        // In this order: a slot that is called now is not idle any more.
        stage.call_slots(now);
        close_idle(inner, now);
        let due = inner.dispatch.borrow().wake_at(now);
        let due = due.map_or(now + IDLE_MAX, |at| at.min(now + IDLE_MAX));
        // Times out when something is due; returns early when something else became due before that.
        let _ = timeout_at(inner.clock.at(due), inner.rescheduled.notified()).await;
    }
}

/// Calls the slots again when the journal has followed.
pub(super) async fn follow<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>, horizon: Arc<Horizon>) {
    loop {
        horizon.advanced().await;
        stage.call_slots(stage.0.clock.now());
    }
}

fn close_idle<Q, S: Service<Q>>(inner: &Inner<Q, S>, now: Duration) {
    let mut idle = inner.idle.borrow_mut();
    let stale = idle.partition_point(|idle| idle.since + IDLE_MAX < now);
    for idle in idle.drain(..stale) {
        idle.close.set(true);
        idle.call.notify_one();
    }
    // They count no longer: another may start in their place before they have gone.
    inner.slots.set(inner.slots.get() - stale);
}

/// The future's outcome, or its panic: one in a user's connection must not take its records with it. Pinned by whoever
/// calls, because a future that makes a request is kilobytes large, and would be copied here for each.
async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> std::thread::Result<T> {
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
            .map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
    })
    .await
}
