//! Where what compute gets comes from: straight from the source, or through a fetch.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::task::spawn_local;

use crate::job::{Sizes, Types};
use crate::queue::{Level, Receiver, Sender, queue};
use crate::record::{Chunk, Record};
use crate::stage::{Context, Stage, Weights};

/// The way from the source to the computation.
pub(crate) enum Intake<W: Types> {
    Direct(Receiver<W::Input>),
    Fetched(Fetching<W>),
}

/// A fetch stage between two queues.
pub(crate) struct Fetching<W: Types> {
    pub(super) items: Receiver<W::Item>,
    pub(super) fetch: Stage<W::Item, W::Fetch>,
    pub(super) fetched: Receiver<W::Input>,
    /// Fills `fetched`, for the stage's deliveries. Taken away when all is delivered: that ends the queue.
    outlet: Outlet<W::Input>,
}

type Outlet<Q> = Rc<RefCell<Option<Sender<Q>>>>;

impl<W: Types> Intake<W> {
    /// The stage that fetches, if one does.
    pub(crate) fn fetch(&self) -> Option<Stage<W::Item, W::Fetch>> {
        match self {
            Intake::Direct(_) => None,
            Intake::Fetched(fetching) => Some(fetching.fetch.clone()),
        }
    }

    /// How much waits to be computed.
    pub(crate) fn level(&self) -> Level<W::Input> {
        match self {
            Intake::Direct(items) => items.level(),
            Intake::Fetched(fetching) => fetching.fetched.level(),
        }
    }

    /// Everything, as it comes; a fetch goes on beside.
    pub(super) fn stream(self) -> Receiver<W::Input> {
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

impl<W: Types> Fetching<W> {
    pub(crate) fn start(
        items: Receiver<W::Item>,
        service: W::Fetch,
        sizes: &Sizes<W::Item, W::Input, W::Result>,
        context: Context<'_>,
    ) -> Fetching<W> {
        let (sender, fetched) = queue(context.options.queue_bytes);
        let outlet = Rc::new(RefCell::new(Some(sender)));
        let deliver = {
            let (outlet, size, delivered) = (Rc::clone(&outlet), sizes.fetched, Cell::new(0));
            Box::new(move |answers: Vec<Record<W::Input>>| {
                if let Some(outlet) = &*outlet.borrow() {
                    let number = delivered.replace(delivered.get() + 1);
                    outlet.push(Chunk::new(answers, size).numbered(number));
                }
            })
        };
        let weights = Weights {
            record: sizes.item,
            answer: sizes.fetched,
            show: sizes.item_shown.with_payload(context.options.dead_payload),
        };
        Fetching {
            items,
            fetch: Stage::start(service, weights, deliver, context),
            fetched,
            outlet,
        }
    }

    /// Sends items as there is room for them, and none while what was fetched piles up: an answer may be much larger than
    /// its item, so only what is in flight or about to be may exceed the bound of the queue.
    async fn pump(self) {
        let Some(outlet) = self.outlet.borrow().clone() else {
            return;
        };
        // Held here, it would keep the queue open when nobody computes any more.
        drop(self.fetched);
        'items: while let Some(chunk) = self.items.recv_async().await {
            let mut records = chunk.records.into_iter();
            while records.len() > 0 {
                let ready = outlet.room().await.and(self.fetch.room().await);
                if ready.is_err() {
                    break 'items;
                }
                let fitting = records.by_ref().take(self.fetch.fitting());
                self.fetch.offer_all(fitting.collect());
            }
        }
        drop(self.items);
        self.fetch.idle().await;
        self.outlet.borrow_mut().take();
    }
}
