//! The tasks of a stage: the life of a slot, and what wakes those that wait.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::Stage;
use super::slot::Answered;
use crate::brake::Brake;
use crate::fault::Fault;
use crate::journal::Horizon;
use crate::service::Service;

/// The life of a slot: take what is ready, send it, say how it went; wait to be called when nothing is.
pub(super) async fn serve<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>) {
    let seat = stage.pool().seat();
    let mut slot = stage.pool().slot();
    let opened = || {
        if seat.opened() {
            // Another may open its own.
            stage.call_slots(stage.now());
        }
    };
    while !seat.is_closed() {
        let now = stage.now();
        let Some((mut sent, bulk)) = stage.take(now) else {
            seat.rest(now);
            opened();
            seat.called().await;
            continue;
        };
        let answered = {
            let told = |at| {
                sent.at = at;
                opened();
            };
            caught(pin!(stage.attempt(&mut slot, &bulk, told))).await
        };
        let answered = answered.unwrap_or_else(|panic| {
            // What the connection was at when it panicked, nobody knows.
            slot = stage.pool().slot();
            Answered::from(Fault::panicked(&*panic))
        });
        let is_over = answered.is_without_connection() && stage.pool().connections() > 0;
        if is_over {
            // The others go on; another slot may start in this one's place, when there can be more.
            seat.leave();
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

/// Does what is due whenever something is: a wait is over, a pause ends, a probe may be sent, a connection was idle for long.
pub(super) async fn timer<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>) {
    loop {
        stage.advance().await;
    }
}

/// Calls the slots again when the journal has followed.
pub(super) async fn follow<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>, horizon: Arc<Horizon>) {
    loop {
        horizon.advanced().await;
        stage.call_slots(stage.now());
    }
}

/// Calls the slots again when the brake lets go.
pub(super) async fn go_on<Q: 'static, S: Service<Q>>(stage: Stage<Q, S>, brake: Brake) {
    loop {
        brake.released().await;
        let now = stage.now();
        stage.call_slots(now);
        stage.reschedule_if_held_back(now);
    }
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
