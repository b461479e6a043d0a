//! Lets a client that blocks live on a thread of its own, or block the thread that serves I/O.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use inflight::{Fault, Record, Reply};
use tokio::sync::oneshot;

use crate::payload::Payload;

/// A client that blocks while it saves.
pub(crate) trait Writer: Sized + 'static {
    /// What is needed to open one.
    type Plan: Send + 'static;

    /// Opens it, on the thread that it will live on.
    fn open(plan: Self::Plan) -> Result<Self, Fault>;

    /// Saves these records.
    fn write(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault>;
}

/// A client that blocks, as seen from async code. Dropping it closes the client and joins its thread; that
/// waits for the save that is under way, if there is one.
pub(crate) enum Blocking<W> {
    /// On the thread that serves I/O: what a strategy with one thread is like.
    Inline(W),
    /// On a thread of its own.
    Thread(Thread),
}

/// The far end of a thread that saves.
pub(crate) struct Thread {
    /// Holds one bulk: a connection sends one at a time and waits for its answer. Dropped to end the thread.
    bulks: Option<SyncSender<Order>>,
    /// Joined on drop; `None` only while that happens.
    thread: Option<JoinHandle<()>>,
}

struct Order {
    bulk: Vec<Record<Payload>>,
    answer: oneshot::Sender<Result<Reply<()>, Fault>>,
}

impl<W: Writer> Blocking<W> {
    /// Opens the client where it shall live.
    pub(crate) async fn open(plan: W::Plan, is_inline: bool) -> Result<Blocking<W>, Fault> {
        if is_inline {
            return W::open(plan).map(Blocking::Inline);
        }
        let (bulks, orders) = sync_channel(1);
        let (opened, is_open) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("save".into())
            .spawn(move || serve::<W>(plan, opened, &orders))
            .map_err(|cause| Fault::unreached("cannot start a thread to save on").because(cause))?;
        let thread = Thread {
            bulks: Some(bulks),
            thread: Some(thread),
        };
        match is_open.await {
            Ok(outcome) => outcome.map(|()| Blocking::Thread(thread)),
            Err(_) => Err(gone()),
        }
    }

    /// Saves these records.
    pub(crate) async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<()>, Fault> {
        match self {
            Blocking::Inline(writer) => writer.write(bulk),
            Blocking::Thread(thread) => {
                let (answer, answered) = oneshot::channel();
                let bulk = bulk.to_vec();
                let bulks = thread.bulks.as_ref().expect("taken only on drop");
                // Never full: whoever gave up on an earlier bulk has dropped this connection.
                bulks.try_send(Order { bulk, answer }).map_err(|_| gone())?;
                answered.await.map_err(|_| gone())?
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.bulks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already: the bulk it was at got no answer.
            let _ = thread.join();
        }
    }
}

fn serve<W: Writer>(
    plan: W::Plan,
    opened: oneshot::Sender<Result<(), Fault>>,
    orders: &Receiver<Order>,
) {
    let mut writer = match W::open(plan) {
        Ok(writer) => writer,
        Err(fault) => {
            // Nobody waits any more when the connect deadline has passed.
            let _ = opened.send(Err(fault));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    for Order { bulk, answer } in orders {
        let _ = answer.send(writer.write(&bulk));
    }
}

fn gone() -> Fault {
    Fault::in_doubt("the thread that saves has stopped")
}
