//! What a stage waits for, and who waits for it: whether more will be offered, whether all is finished, or all but items about which
//! others have to show something first.

use std::time::Duration;

use super::Stage;
use crate::service::Service;

/// What a stage may still be offered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// More, as there is room.
    More,
    /// More, when all that was offered is finished.
    Turn,
    Nothing,
}

impl<Q: 'static, S: Service<Q>> Stage<Q, S> {
    /// When all was offered: waits until nothing is ready, waiting or in flight; after a stop, until nothing is in flight.
    pub(crate) async fn idle(&self) {
        self.finished(Awaits::Nothing).await;
    }

    /// Waits until the next turn may begin: until all is finished, but for items about which others have to show something first.
    pub(crate) async fn at_rest(&self) {
        if self.0.order.is_some() {
            // What waits for an item in the journal is promised to be no more than a turn.
            return self.turn_over().await;
        }
        while !self.0.dispatch.borrow().is_at_rest() {
            self.0.changed.notified().await;
        }
    }

    /// Waits until all of this turn is finished, before more is offered.
    pub(crate) async fn turn_over(&self) {
        self.finished(Awaits::Turn).await;
    }

    async fn finished(&self, awaits: Awaits) {
        self.0.awaits.set(awaits);
        // Items that waited for others may have nobody left to wait for.
        self.0.rescheduled.notify_one();
        while !self.0.dispatch.borrow().is_idle() {
            self.0.changed.notified().await;
        }
    }

    /// Waits until the stage has stopped.
    pub(crate) async fn stopped(&self) {
        while !self.is_stopped() {
            self.0.changed.notified().await;
        }
    }

    /// Tells the dispatch what else there is to come.
    pub(super) fn expect(&self) {
        let awaits = self.0.awaits.get();
        let may_come = awaits == Awaits::More && self.has_room();
        let order = self.0.order.as_ref();
        let is_stuck = order.is_some_and(|order| order.borrow().awaited_by_too_many().is_some());
        let mut dispatch = self.0.dispatch.borrow_mut();
        dispatch.expect(may_come, awaits == Awaits::Nothing, is_stuck);
    }

    /// Judges items about which no other can show anything. Where the order is kept none dies here: that would let others go.
    pub(super) fn judge_alone(&self, now: Duration) {
        self.expect();
        let facts = self.0.dispatch.borrow_mut().judge_alone(now);
        if !facts.is_empty() {
            self.log().note(now, facts);
            self.tell_room();
            self.tell_rest();
        }
    }

    /// Wakes who waits until all is finished, or may go on.
    pub(super) fn tell_rest(&self) {
        let is_at_rest = self.0.dispatch.borrow().is_at_rest();
        if is_at_rest || self.0.dispatch.borrow().is_idle() {
            self.0.changed.notify_waiters();
        }
    }
}
