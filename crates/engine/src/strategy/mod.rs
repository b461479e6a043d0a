//! Where steps run and in what order. The steps are the same for all; only who drives differs.

mod batched;
mod event_loop;
mod parallel;
mod sequential;

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::spawn_local;

use crate::cpu::Cpu;
use crate::error::Error;
use crate::job::Sizes;
use crate::options::{Options, Strategy};
use crate::queue::{Receiver, Sender, queue};
use crate::record::{Chunk, Record};
use crate::service::Service;
use crate::stage::{Context, Stage};

/// The steps of a job, ready to be driven on the I/O thread.
pub(crate) struct Steps<T, Q, R, F: Service<T>, S: Service<R>> {
    pub(crate) intake: Intake<T, Q, F>,
    pub(crate) cpu: Cpu<Q, R>,
    pub(crate) save: Stage<R, S>,
}

/// Where what compute gets comes from: straight from the source, or through a fetch.
pub(crate) enum Intake<T, Q, F: Service<T>> {
    Direct(Receiver<Q>),
    Fetched(Fetching<T, Q, F>),
}

/// A fetch stage between two queues.
pub(crate) struct Fetching<T, Q, F: Service<T>> {
    items: Receiver<T>,
    fetch: Stage<T, F>,
    fetched: Receiver<Q>,
    /// Fills `fetched`, for the stage's deliveries. Taken away when all is delivered: that ends the queue.
    outlet: Outlet<Q>,
}

type Outlet<Q> = Rc<RefCell<Option<Sender<Q>>>>;

impl<T: 'static, Q: 'static, F: Service<T, Answer = Q>> Fetching<T, Q, F> {
    pub(crate) fn start(
        items: Receiver<T>,
        service: F,
        sizes: &Sizes<T, Q, impl Sized>,
        context: Context<'_>,
    ) -> Fetching<T, Q, F> {
        let (sender, fetched) = queue(context.options.queue_bytes);
        let outlet: Outlet<Q> = Rc::new(RefCell::new(Some(sender)));
        let size = sizes.fetched;
        let deliver = {
            let outlet = Rc::clone(&outlet);
            Box::new(move |answers: Vec<Record<Q>>| {
                if let Some(outlet) = &*outlet.borrow() {
                    outlet.push(Chunk::new(answers, size));
                }
            })
        };
        let fetch = Stage::start(service, sizes.item, deliver, context);
        Fetching {
            items,
            fetch,
            fetched,
            outlet,
        }
    }

    pub(crate) fn stage(&self) -> Stage<T, F> {
        self.fetch.clone()
    }

    /// Sends items one by one, and none while what was fetched piles up: an answer may be much larger than
    /// its item, so only what is in flight or about to be may exceed the bound of the queue.
    async fn pump(self) {
        let Some(outlet) = self.outlet.borrow().clone() else {
            return;
        };
        // Held here, it would keep the queue open when nobody computes any more.
        drop(self.fetched);
        'items: while let Some(chunk) = self.items.recv_async().await {
            for record in chunk.records {
                let ready = outlet.room().await.and(self.fetch.room().await);
                if ready.is_err() {
                    break 'items;
                }
                self.fetch.offer_one(record);
            }
        }
        drop(self.items);
        self.fetch.idle().await;
        self.outlet.borrow_mut().take();
    }
}

impl<T: 'static, Q: 'static, F: Service<T, Answer = Q>> Intake<T, Q, F> {
    /// Everything, as it comes; a fetch goes on beside.
    fn stream(self) -> Receiver<Q> {
        match self {
            Intake::Direct(items) => items,
            Intake::Fetched(fetching) => {
                let fetched = fetching.fetched.clone();
                spawn_local(fetching.pump());
                fetched
            }
        }
    }
}

/// Drives the steps until every item is finished or the stages have stopped.
pub(crate) async fn drive<T, Q, R, F, S>(
    steps: Steps<T, Q, R, F, S>,
    options: &Options,
) -> Result<(), Error>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    match options.strategy {
        Strategy::Sequential => sequential::drive(steps).await,
        Strategy::Batched => batched::drive(steps, options.batch).await,
        Strategy::Async => event_loop::drive(steps, options.yield_every).await,
        Strategy::Parallel => parallel::drive(steps, options).await?,
    }
    Ok(())
}
