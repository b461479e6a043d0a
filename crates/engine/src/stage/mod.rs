//! An I/O stage: records in, one attempt after the other on slots that own connections, answers out.
//!
//! Fetch and save are this one type. All of it lives on the I/O thread, so its parts share plain cells; no
//! borrow is held across an await. [`dispatch`] decides, [`slot`] sends, [`tasks`]
//! keep it going, and [`reorder`] lets go of what is finished in order, where that is asked for.

mod awaits;
mod backlog;
mod blame;
mod context;
mod dispatch;
mod limits;
mod load;
mod pool;
mod reorder;
mod settled;
mod slot;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;
mod trail;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout_at;

use crate::brake::Brake;
use crate::clock::Clock;
use crate::fact::{Attempt, Fact, Step};
use crate::indexes::Indexes;
use crate::journal::Horizon;
use crate::limit::Sent;
use crate::log::Log;
use crate::queue::{Closed, Receiver};
use crate::record::{Chunk, Record};
use crate::score::Known;
use crate::service::Service;
use crate::stop::{Reason, Stop};
use awaits::Awaits;
pub(crate) use context::{Context, Deliver, Weights};
use dispatch::Dispatch;
use limits::Limits;
use pool::{IDLE_MAX, SlotPool};
use reorder::{Bounds, Reorder};
use settled::Settled;
use slot::{Answered, Slot};

/// A handle on a stage; clones are the same stage.
pub(crate) struct Stage<Q, S: Service<Q>>(Rc<Inner<Q, S>>);

struct Inner<Q, S: Service<Q>> {
    step: Step,
    service: S,
    /// The most requests in flight that the user allows.
    limit: usize,
    size: fn(&Q) -> usize,
    clock: Clock,
    deliver: Deliver<S::Answer>,
    log: RefCell<Log>,
    dispatch: RefCell<Dispatch<Q>>,
    /// Where what is finished early waits, if the order is kept.
    order: Option<RefCell<Reorder<S::Answer>>>,
    /// Whether answers could not be kept: then no later ones are.
    unkept: Cell<bool>,
    pool: SlotPool,
    /// Wakes the timer when something is due earlier than it thought.
    rescheduled: Notify,
    /// Wakes who waits for room, or for the end.
    changed: Notify,
    room_wanted: Cell<bool>,
    unavailable: RefCell<Option<String>>,
    /// What else there is to come.
    awaits: Cell<Awaits>,
    horizon: Option<Arc<Horizon>>,
    run: Stop,
    brake: Brake,
    /// Records that were answered with success.
    saved: Cell<u64>,
}

impl<Q, S: Service<Q>> Clone for Stage<Q, S> {
    fn clone(&self) -> Self {
        Stage(Rc::clone(&self.0))
    }
}

impl<Q: 'static, S: Service<Q>> Stage<Q, S> {
    /// Starts a stage on the current `LocalSet`; its tasks end with that.
    pub(crate) fn start(
        service: S,
        weights: Weights<Q, S::Answer>,
        deliver: Deliver<S::Answer>,
        context: Context<'_>,
    ) -> Stage<Q, S> {
        let options = context.options;
        // The option is about saves; what one fetch may carry is for its service to say.
        let asked = options.bulk.filter(|_| context.step == Step::Save);
        let limits = Limits {
            connections: service.connections_max().max(1),
            wall: context.clock.wall(),
            bulk: service.bulk_max().min(asked.unwrap_or(usize::MAX)).max(1),
            bytes: options.queue_bytes,
            ready: context.ready_max,
        };
        let size = weights.record;
        let bounds = Bounds {
            items: options.order_window(),
            bytes: options.queue_bytes,
            size: weights.answer,
        };
        let stage = Stage(Rc::new(Inner {
            step: context.step,
            limit: options.in_flight_max(),
            size,
            clock: context.clock,
            deliver,
            log: RefCell::new(context.log),
            dispatch: RefCell::new(
                Dispatch::new(context.step, options, limits, size)
                    .after(context.succeeded_before)
                    .showing(weights.show),
            ),
            order: options
                .keep_order
                .then(|| RefCell::new(Reorder::new(bounds))),
            unkept: Cell::new(false),
            pool: SlotPool::new(context.clock, options),
            rescheduled: Notify::new(),
            changed: Notify::new(),
            room_wanted: Cell::new(false),
            unavailable: RefCell::new(None),
            awaits: Cell::new(Awaits::More),
            horizon: context.horizon,
            run: context.stop,
            brake: context.brake,
            saved: Cell::new(0),
            service,
        }));
        spawn_local(tasks::timer(stage.clone()));
        spawn_local(tasks::go_on(stage.clone(), stage.0.brake.clone()));
        if let Some(horizon) = stage.0.horizon.clone() {
            spawn_local(tasks::follow(stage.clone(), horizon));
        }
        stage
    }

    /// Hands over records to be sent. Ask for [`Stage::room`] first.
    pub(crate) fn offer(&self, chunk: Chunk<Q>) {
        let now = self.now();
        self.0.awaits.set(Awaits::More);
        if let Some(order) = &self.0.order {
            let indexes = chunk.records.iter().map(|record| record.index);
            order.borrow_mut().offered(indexes);
        }
        self.0.dispatch.borrow_mut().offer(now, chunk);
        self.call_slots(now);
        self.reschedule_if_held_back(now);
    }

    /// Hands over records whose size nobody has added up yet.
    pub(crate) fn offer_all(&self, records: Vec<Record<Q>>) {
        self.offer(Chunk::new(records, self.0.size));
    }

    /// Hands over a single record.
    pub(crate) fn offer_one(&self, record: Record<Q>) {
        self.offer(Chunk::new(vec![record], self.0.size));
    }

    /// Waits until what waits here is below its bound. Fails when the stage has stopped.
    pub(crate) async fn room(&self) -> Result<(), Closed> {
        loop {
            if self.is_stopped() {
                return Err(Closed);
            }
            if self.has_room() {
                return Ok(());
            }
            self.0.room_wanted.set(true);
            self.0.changed.notified().await;
        }
    }

    /// Records that may be offered at once when there is room, at least one.
    pub(crate) fn fitting(&self) -> usize {
        match self.0.order {
            // What waits for the first of them is counted one by one.
            Some(_) => 1,
            None => self.0.dispatch.borrow().fitting().max(1),
        }
    }

    fn has_room(&self) -> bool {
        let order = self.0.order.as_ref();
        let is_held_up = order.is_some_and(|order| !order.borrow().has_room());
        !is_held_up && self.0.dispatch.borrow().has_room()
    }

    /// Sends all that comes out of the queue; ends when all of it is finished, or the stage has stopped.
    pub(crate) async fn drain(&self, queue: Receiver<Q>) {
        while self.room().await.is_ok()
            && let Some(chunk) = queue.recv_async().await
        {
            self.offer(chunk);
        }
        // Whoever fills the queue is told now, not after the last answers.
        drop(queue);
        self.idle().await;
    }

    /// Sends nothing more.
    pub(crate) fn stop(&self) {
        self.0.dispatch.borrow_mut().stop();
        self.0.changed.notify_waiters();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.dispatch.borrow().is_stopped()
    }

    /// Why the stage stopped by itself, if it did.
    pub(crate) fn unavailable(&self) -> Option<String> {
        self.0.unavailable.borrow().clone()
    }

    /// What is known of the service, and the limits in force.
    pub(crate) fn known(&self) -> Known {
        let dispatch = self.0.dispatch.borrow();
        let gate = dispatch.gate();
        Known {
            limit: self.0.limit,
            limit_final: gate.found().round() as usize,
            learnt: gate.learnt(),
            connections_max: Some(self.0.service.connections_max())
                .filter(|max| *max < self.0.limit),
            declared: self.0.service.declared(),
        }
    }

    pub(crate) fn records_in_flight(&self) -> usize {
        self.0.dispatch.borrow().in_flight_records()
    }

    /// Records that were answered, and wait for one before them that was not.
    pub(crate) fn held(&self) -> usize {
        let order = self.0.order.as_ref();
        order.map_or(0, |order| order.borrow().held())
    }

    /// What there is to tell of requests. Whoever drives the stage sees to it that it is handed over in time.
    pub(crate) fn log(&self) -> RefMut<'_, Log> {
        self.0.log.borrow_mut()
    }

    /// Hands over what there is to tell.
    pub(crate) fn hand_over_facts(&self) {
        self.log().hand_over(self.now());
    }

    /// Calls as many slots as there are requests that could be sent now.
    fn call_slots(&self, now: Duration) {
        let inner = &self.0;
        if self.must_wait() {
            return;
        }
        let dispatch = inner.dispatch.borrow();
        let started = inner
            .pool
            .call(dispatch.sendable(now), dispatch.gate().limit());
        for _ in 0..started {
            spawn_local(tasks::serve(self.clone()));
        }
    }

    fn pool(&self) -> &SlotPool {
        &self.0.pool
    }

    /// One attempt of a slot, which tells when it was sent.
    fn attempt(
        &self,
        slot: &mut Slot<S::Connection>,
        bulk: &[Record<Q>],
        sent_at: impl FnMut(Duration),
    ) -> impl Future<Output = Answered<S::Answer>> {
        slot.attempt(&self.0.service, bulk, sent_at)
    }

    fn now(&self) -> Duration {
        self.0.clock.now()
    }

    /// Does what is due; waits until something else may be.
    async fn advance(&self) {
        let inner = &self.0;
        let now = self.now();
        self.judge_alone(now);
        let gave_up = inner.dispatch.borrow_mut().advance(now);
        if let Some(why) = gave_up {
            self.give_up(why);
        }
        // In this order: a slot that is called now is not idle any more.
        self.call_slots(now);
        inner.pool.close_idle(now);
        let due = inner.dispatch.borrow().wake_at(now);
        let due = due.map_or(now + IDLE_MAX, |at| at.min(now + IDLE_MAX));
        // Times out when something is due; returns early when something else became due before that.
        let _ = timeout_at(inner.clock.at(due), inner.rescheduled.notified()).await;
    }

    /// Records are ready, and only time keeps them from being sent: the timer must know when.
    fn reschedule_if_held_back(&self, now: Duration) {
        if self.0.dispatch.borrow().is_held_back(now) {
            self.0.rescheduled.notify_one();
        }
    }

    /// Whether nothing may be sent now, whatever the limit allows.
    fn must_wait(&self) -> bool {
        self.0.brake.is_held() || self.is_too_far_ahead() || self.is_held_up()
    }

    /// Whether the journal has to follow before more may be sent. Asking makes [`tasks::follow`] tell when it has.
    fn is_too_far_ahead(&self) -> bool {
        let Some(horizon) = &self.0.horizon else {
            return false;
        };
        let is_too_far = !horizon.allows(self.0.saved.get());
        if is_too_far {
            // The journal knows nothing of what is still here.
            self.hand_over_facts();
        }
        is_too_far
    }

    /// Whether so much waits for one item that no other may be sent, and it cannot be sent either: it is in flight, or
    /// waits for another try. If it can be, it is the next.
    fn is_held_up(&self) -> bool {
        let order = self.0.order.as_ref();
        let awaited = order.and_then(|order| order.borrow().awaited_by_too_many());
        awaited.is_some_and(|index| !self.0.dispatch.borrow_mut().bring_forward(index))
    }

    fn take(&self, now: Duration) -> Option<(Sent, Vec<Record<Q>>)> {
        if self.must_wait() {
            return None;
        }
        let taken = self.0.dispatch.borrow_mut().take(now)?;
        self.tell_room();
        // There may be work for others: what was called for was counted before this was taken.
        self.call_slots(now);
        self.reschedule_if_held_back(now);
        Some(taken)
    }

    fn settle(&self, sent: Sent, bulk: Vec<Record<Q>>, answer: Answered<S::Answer>) {
        let inner = &self.0;
        let now = self.now();
        let Answered {
            outcome,
            mark,
            in_doubt,
            usage,
        } = answer;
        let sent = Sent { usage, ..sent };
        let first = bulk[0].index;
        let trail = &bulk[0].trail;
        let ready_at = Duration::from_nanos(trail.ready_ns);
        let is_again = trail.attempts + trail.overloads > 0;
        self.expect();
        let mut settled = {
            let mut dispatch = inner.dispatch.borrow_mut();
            dispatch.connected(inner.pool.connections());
            if dispatch.has_held() {
                // They may be let go of.
                inner.rescheduled.notify_one();
            }
            dispatch.settle(now, sent, bulk, outcome)
        };
        let was_held_up = inner.order.is_some() && !self.has_room();
        settled.done = self.in_order(settled.done, &settled.facts);
        let kept = self.keep(&mut settled);
        let attempt = Attempt {
            step: inner.step,
            at: sent.at,
            took: now - sent.at,
            waited: sent.allowed.saturating_sub(ready_at),
            is_again,
            in_flight: sent.in_flight,
            records: sent.records,
            first,
            done: settled
                .done
                .iter()
                .map(|record| record.index)
                .collect::<Indexes>(),
            mark: kept.or(mark),
            in_doubt: settled.in_doubt + in_doubt,
            units: usage.cost.unwrap_or(0.0),
            verdict: settled.verdict,
        };
        self.tell(now, attempt, settled);
        if was_held_up {
            self.call_slots(now);
            self.reschedule_if_held_back(now);
        }
    }

    /// What is finished with these: where the order is kept, only what has nothing unfinished before it.
    fn in_order(&self, done: Vec<Record<S::Answer>>, facts: &[Fact]) -> Vec<Record<S::Answer>> {
        let Some(order) = &self.0.order else {
            return done;
        };
        let mut order = order.borrow_mut();
        done.into_iter().for_each(|record| order.done(record));
        for fact in facts {
            if let Fact::Dead { index, .. } = fact {
                order.dead(*index);
            }
        }
        order.release()
    }

    /// Keeps what came back, where the service does, and says how far its output has come with that. If that fails, the
    /// records took effect, and no run will know: the run ends, and one that goes on sends them again.
    fn keep(&self, settled: &mut Settled<S::Answer>) -> Option<u64> {
        let inner = &self.0;
        if settled.done.is_empty() {
            return None;
        }
        if !inner.unkept.get() {
            match inner.service.keep(&settled.done) {
                Ok(mark) => return mark,
                Err(fault) => {
                    inner.unkept.set(true);
                    let reason =
                        Reason::of(&fault).unwrap_or_else(|| Reason::Storage(fault.to_string()));
                    settled.ends_run.get_or_insert(reason);
                }
            }
        }
        settled.in_doubt += settled.done.len();
        settled.done.clear();
        None
    }

    /// Answers are delivered before the facts say that they are there.
    fn tell(&self, now: Duration, attempt: Attempt, settled: Settled<S::Answer>) {
        let inner = &self.0;
        inner
            .saved
            .set(inner.saved.get() + settled.done.len() as u64);
        if !settled.done.is_empty() {
            (inner.deliver)(settled.done);
        }
        // Whatever is not finished is ready again, or waits for a time that the timer must know.
        let is_whole = attempt.done.len() == attempt.records as u64;
        let eventful = !is_whole || attempt.verdict.is_some() || !settled.facts.is_empty();
        // An item that died may have let others go.
        let attempt = std::iter::once(Fact::Attempt(attempt));
        self.log().note(now, attempt.chain(settled.facts));
        if let Some(why) = settled.unavailable {
            self.give_up(why);
        }
        if let Some(reason) = settled.ends_run {
            inner.run.because(reason);
            // At once, not when the run has come round to it: the next attempt would fail as well.
            self.stop();
        }
        if eventful {
            inner.rescheduled.notify_one();
        }
        self.tell_room();
        self.tell_rest();
    }

    /// Wakes who waits for room, if there is some: records were taken, or finished.
    fn tell_room(&self) {
        let inner = &self.0;
        if inner.room_wanted.get() && self.has_room() {
            inner.room_wanted.set(false);
            inner.changed.notify_waiters();
        }
    }

    /// Stops by itself, for this reason.
    fn give_up(&self, why: String) {
        self.0.unavailable.borrow_mut().get_or_insert(why);
        self.stop();
    }
}
