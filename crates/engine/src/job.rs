//! What the user gives: a source, perhaps a fetch, a computation, a save. Closures are enough.

use std::borrow::Cow;
use std::sync::Arc;

use crate::brake::Brake;
use crate::error::Error;
use crate::fault::Fault;
use crate::journal::Journal;
use crate::key::Key;
use crate::keys::KeySet;
use crate::observer::Observer;
use crate::options::Options;
use crate::payload::Showing;
use crate::record::Record;
use crate::run;
use crate::service::{FromFn, NoFetch, Reply, Service};
use crate::source::Source;
use crate::stop::Stop;
use crate::summary::Summary;
use crate::worker::Make;

/// A job: items from a source, what is done with each, and where the results go.
///
/// Built step by step: [`Job::new`], then perhaps [`fetch`](Job::fetch), then [`compute`](Job::compute),
/// then [`save`](Job::save), and [`run`](Job::run). The types are the item `T`, what compute gets `Q`, the
/// result `R`, and the services that fetch and save.
///
/// ```
/// use inflight::{Fault, Job, Options};
///
/// let summary = Job::new(1..=100)
///     .fetch(async |id: &u32| Ok::<_, Fault>(format!("page {id}")))
///     .compute(|page: String| page.len())
///     .save(async |length: &usize| if *length > 0 { Ok(()) } else { Err(Fault::permanent("empty")) })
///     .run(&Options::default())?;
/// assert_eq!(summary.saved, 100);
/// # Ok::<(), inflight::Error>(())
/// ```
#[must_use = "a job does nothing until it is run"]
pub struct Job<T, Q = T, F = NoFetch, R = (), S = ()> {
    pub(crate) source: Box<dyn Source<Item = T>>,
    pub(crate) key: Option<KeyOf<T>>,
    pub(crate) skipped: Option<KeySet>,
    pub(crate) order: Option<Ordering<T>>,
    pub(crate) fetch: Fetch<F>,
    pub(crate) compute: Compute<Q, R>,
    pub(crate) save: S,
    pub(crate) sizes: Sizes<T, Q, R>,
    pub(crate) watch: Watch,
}

/// By which key an item is known.
pub(crate) type KeyOf<T> = Box<dyn Fn(&T) -> Key + Send>;

/// How items of one value go one after the other.
pub(crate) struct Ordering<T> {
    pub(crate) value: ValueOf<T>,
    /// Whether those behind a dead one are left.
    pub(crate) halts: bool,
}

/// What an item is ordered by.
pub(crate) type ValueOf<T> = Box<dyn Fn(&T) -> Result<Key, Fault> + Send>;

/// How an item becomes what compute gets.
pub(crate) enum Fetch<F> {
    /// As it is: `T` and `Q` are one type.
    Direct,
    Service(F),
}

/// How what compute gets becomes a result.
pub(crate) enum Compute<Q, R> {
    /// One function for all threads.
    Each(Each<Q, R>),
    /// Each thread makes its own.
    With(Make<Q, R>),
}

pub(crate) type Each<Q, R> = Arc<dyn Fn(Q) -> Result<R, Fault> + Send + Sync>;

/// What one value occupies on the heap, in bytes, at each point of its way; and what a dead letter shows of it.
#[derive(Clone, Copy)]
pub(crate) struct Sizes<T, Q, R> {
    pub(crate) item: fn(&T) -> usize,
    pub(crate) fetched: fn(&Q) -> usize,
    pub(crate) result: fn(&R) -> usize,
    pub(crate) item_shown: Showing<T>,
    pub(crate) input_shown: Showing<Q>,
    pub(crate) result_shown: Showing<R>,
}

#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) observer: Option<Box<dyn Observer>>,
    pub(crate) journal: Option<Journal>,
    pub(crate) stop: Stop,
    pub(crate) brake: Brake,
}

impl<T: Send + 'static> Job<T> {
    /// A job over these items: any iterator, or a [`Source`].
    pub fn new(source: impl Source<Item = T>) -> Job<T> {
        Job {
            source: Box::new(source),
            key: None,
            skipped: None,
            order: None,
            fetch: Fetch::Direct,
            compute: Compute::Each(Arc::new(|_| Ok(()))),
            save: (),
            sizes: Sizes {
                item: |_| 0,
                fetched: |_| 0,
                result: |_| 0,
                item_shown: Showing::NOTHING,
                input_shown: Showing::NOTHING,
                result_shown: Showing::NOTHING,
            },
            watch: Watch::default(),
        }
    }

    /// Fetches what compute gets with an async function of the item.
    pub fn fetch<Q, E, F>(self, fetch: F) -> Job<T, Q, FromFn<F>>
    where
        Q: Send + 'static,
        E: Into<Fault>,
        F: AsyncFn(&T) -> Result<Q, E> + Send + Sync + 'static,
    {
        self.fetch_from(FromFn::new(fetch))
    }

    /// Fetches what compute gets from a service with connections of its own.
    pub fn fetch_from<F: Service<T>>(self, service: F) -> Job<T, F::Answer, F> {
        Job {
            source: self.source,
            key: self.key,
            skipped: self.skipped,
            order: self.order,
            fetch: Fetch::Service(service),
            compute: Compute::Each(Arc::new(|_| Ok(()))),
            save: (),
            sizes: Sizes {
                item: self.sizes.item,
                fetched: |_| 0,
                result: |_| 0,
                item_shown: self.sizes.item_shown,
                input_shown: Showing::NOTHING,
                result_shown: Showing::NOTHING,
            },
            watch: self.watch,
        }
    }
}

impl<T, Q: Send + 'static, F> Job<T, Q, F> {
    /// The CPU work on one item. A panic makes that item a dead letter and harms no other.
    pub fn compute<R: Send + 'static>(
        self,
        compute: impl Fn(Q) -> R + Send + Sync + 'static,
    ) -> Job<T, Q, F, R> {
        self.try_compute(move |value| Ok::<R, Fault>(compute(value)))
    }

    /// The CPU work on one item, which may fail. Whatever the verdict, it is not computed again: the same
    /// input would fail the same way.
    pub fn try_compute<R: Send + 'static, E: Into<Fault>>(
        self,
        compute: impl Fn(Q) -> Result<R, E> + Send + Sync + 'static,
    ) -> Job<T, Q, F, R> {
        self.computed_by(Compute::Each(Arc::new(move |value| {
            compute(value).map_err(Into::into)
        })))
    }

    /// The work on many items at once, by something that each compute thread keeps for itself: a process, a
    /// model, a large buffer. `make` makes it, on the thread that will use it, when its first items are there.
    ///
    /// It answers as a service does, for all records or for each, and here the verdict matters. A permanent fault
    /// makes an item a dead letter. After a transient one or an overload the item is computed again, within
    /// [`Options::retries`] and after the usual backoff. In doubt means that whoever computes broke (a process died,
    /// a panic): `make` makes another, and the items are computed again, each alone. One that breaks two fresh ones, alone,
    /// is a dead letter once something else could be computed. Unreached says nothing of the items: they are computed again.
    /// When five items in a row break it, or nobody is there many times in a row, the run ends as
    /// [`Ending::Unavailable`](crate::Ending::Unavailable), and what was not computed is left.
    ///
    /// ```
    /// use inflight::{Fault, Job, Options, Record, Reply};
    ///
    /// let squares = || {
    ///     let mut seen = 0; // what this thread keeps
    ///     move |bulk: &[Record<u64>]| {
    ///         seen += bulk.len();
    ///         Ok(Reply::All(bulk.iter().map(|record| record.value * record.value).collect()))
    ///     }
    /// };
    /// let summary = Job::new(0..1000_u64)
    ///     .compute_with(squares)
    ///     .save(async |_: &u64| Ok::<(), Fault>(()))
    ///     .run(&Options::default())?;
    /// assert_eq!(summary.saved, 1000);
    /// # Ok::<(), inflight::Error>(())
    /// ```
    pub fn compute_with<R, C>(self, make: impl Fn() -> C + Send + Sync + 'static) -> Job<T, Q, F, R>
    where
        R: Send + 'static,
        C: FnMut(&[Record<Q>]) -> Result<Reply<R>, Fault> + Send + 'static,
    {
        self.compute_until_stopped(move |_| make())
    }

    /// The same for what may take long: `make` gets a handle of the run, whose [`Stop::is_wanted`] says when the run ends. What
    /// is given up then is unreached: its items are left, to be computed by the next run.
    pub fn compute_until_stopped<R, C>(
        self,
        make: impl Fn(&Stop) -> C + Send + Sync + 'static,
    ) -> Job<T, Q, F, R>
    where
        R: Send + 'static,
        C: FnMut(&[Record<Q>]) -> Result<Reply<R>, Fault> + Send + 'static,
    {
        self.computed_by(Compute::With(Arc::new(move |stop: &Stop| {
            Box::new(make(stop))
        })))
    }

    fn computed_by<R>(self, compute: Compute<Q, R>) -> Job<T, Q, F, R> {
        Job {
            source: self.source,
            key: self.key,
            skipped: self.skipped,
            order: self.order,
            fetch: self.fetch,
            compute,
            save: (),
            sizes: Sizes {
                item: self.sizes.item,
                fetched: self.sizes.fetched,
                result: |_| 0,
                item_shown: self.sizes.item_shown,
                input_shown: self.sizes.input_shown,
                result_shown: Showing::NOTHING,
            },
            watch: self.watch,
        }
    }
}

impl<T, Q, F, R: Send + 'static> Job<T, Q, F, R> {
    /// Saves each result with an async function of it.
    pub fn save<A, E, S>(self, save: S) -> Job<T, Q, F, R, FromFn<S>>
    where
        A: Send + 'static,
        E: Into<Fault>,
        S: AsyncFn(&R) -> Result<A, E> + Send + Sync + 'static,
    {
        self.save_to(FromFn::new(save))
    }

    /// Saves results at a service with connections of its own, in bulk if it takes more than one.
    pub fn save_to<S: Service<R>>(self, service: S) -> Job<T, Q, F, R, S> {
        Job {
            source: self.source,
            key: self.key,
            skipped: self.skipped,
            order: self.order,
            fetch: self.fetch,
            compute: self.compute,
            save: service,
            sizes: self.sizes,
            watch: self.watch,
        }
    }
}

impl<T, Q, F, R, S> Job<T, Q, F, R, S> {
    /// What an item holds on the heap, in bytes, so that queues are bounded by what they really hold.
    /// Default: nothing.
    pub fn item_bytes(mut self, size: fn(&T) -> usize) -> Self {
        self.sizes.item = size;
        self
    }

    /// The same for what compute gets, where it was fetched.
    pub fn fetched_bytes(mut self, size: fn(&Q) -> usize) -> Self {
        self.sizes.fetched = size;
        self
    }

    /// The same for a result.
    pub fn result_bytes(mut self, size: fn(&R) -> usize) -> Self {
        self.sizes.result = size;
        self
    }

    /// What a dead letter shows of an item that could not be fetched, with [`Options::dead_payload`]. Default: nothing.
    pub fn item_payload(mut self, show: fn(&T) -> Cow<'_, [u8]>) -> Self {
        self.sizes.item_shown.payload = Some(show);
        self
    }

    /// The same for what compute gets, fetched or not, where it could not be computed. A computation that hangs keeps
    /// what it got, and its letter shows nothing.
    pub fn input_payload(mut self, show: fn(&Q) -> Cow<'_, [u8]>) -> Self {
        self.sizes.input_shown.payload = Some(show);
        self
    }

    /// The same for a result that could not be saved.
    pub fn result_payload(mut self, show: fn(&R) -> Cow<'_, [u8]>) -> Self {
        self.sizes.result_shown.payload = Some(show);
        self
    }

    /// Knows items by keys of their own instead of by their place in the input: what a journal calls finished stays finished wherever
    /// the item stands then, so the input may be reordered, edited and extended between two runs. [`Record::index`] is the
    /// number of the key then. Default: no keys.
    ///
    /// Of several items with one key the first is done, and each of the others becomes a dead letter. An item that the source could
    /// not hand over is known by [`Fault::of_item`].
    ///
    /// ```
    /// use inflight::{Fault, Job, Key, Options};
    ///
    /// let users = ["ann", "bob", "ann"];
    /// let job = Job::new(users.into_iter()).keyed_by(|name| Key::of(name)).compute(|name: &str| name.len());
    /// let summary = job.save(async |_: &usize| Ok::<(), Fault>(())).run(&Options::default())?;
    /// assert_eq!((summary.saved, summary.dead), (2, 1));
    /// # Ok::<(), inflight::Error>(())
    /// ```
    pub fn keyed_by(mut self, key: impl Fn(&T) -> Key + Send + 'static) -> Self {
        self.key = Some(Box::new(key));
        self
    }

    /// Leaves out the items with these keys: whoever they go to has them already. They are counted by themselves
    /// ([`Summary::skipped`]) and are no part of the job. Needs [`Job::keyed_by`]. Default: none.
    ///
    /// ```
    /// use inflight::{Fault, Job, Key, KeySet, Options};
    ///
    /// let mut there = KeySet::new()?;
    /// there.insert(Key::of("ann"))?;
    /// let job = Job::new(["ann", "bob"].into_iter()).keyed_by(|name| Key::of(name)).skipping(there);
    /// let job = job.compute(|name: &str| name.len()).save(async |_: &usize| Ok::<(), Fault>(()));
    /// let summary = job.run(&Options::default())?;
    /// assert_eq!((summary.saved, summary.skipped), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skipping(mut self, keys: KeySet) -> Self {
        self.skipped = Some(keys);
        self
    }

    /// Lets items of one value go one after the other, in the order of the input: an item is fetched when the one before it of the same
    /// value is dead, or saved and recorded as that where there is a journal. Items of other values overtake. Default: all go as they come.
    ///
    /// What waits is bounded by [`Options::order_bytes`]. An item whose value cannot be told becomes a dead letter with this fault.
    ///
    /// ```
    /// use inflight::{Fault, Job, Key, Options};
    ///
    /// let events = [("ann", 1), ("bob", 1), ("ann", 2)];
    /// let job = Job::new(events.into_iter()).ordered_by(|event| Ok(Key::of(event.0))).compute(|event| event);
    /// let summary = job.save(async |_: &(&str, i32)| Ok::<(), Fault>(())).run(&Options::default())?;
    /// assert_eq!(summary.saved, 3);
    /// # Ok::<(), inflight::Error>(())
    /// ```
    pub fn ordered_by(mut self, value: impl Fn(&T) -> Result<Key, Fault> + Send + 'static) -> Self {
        self.order = Some(Ordering {
            value: Box::new(value),
            halts: false,
        });
        self
    }

    /// The same, but items behind a dead one of the same value are left, instead of going when it is dead. The run ends as
    /// [`Ending::Halted`](crate::Ending::Halted) then, and each later run leaves them too, until the dead item was tried again and
    /// saved. Needs [`Job::keyed_by`], by which a later run knows the dead item.
    pub fn ordered_until_dead(
        self,
        value: impl Fn(&T) -> Result<Key, Fault> + Send + 'static,
    ) -> Self {
        let mut job = self.ordered_by(value);
        job.order.iter_mut().for_each(|order| order.halts = true);
        job
    }

    /// How the key of an item is spelled, which a dead letter shows of one that could not be read, or fetched. Default: not at all.
    pub fn item_key(mut self, show: fn(&T) -> Option<Cow<'_, str>>) -> Self {
        self.sizes.item_shown.key = Some(show);
        self
    }

    /// The same for what compute gets.
    pub fn input_key(mut self, show: fn(&Q) -> Option<Cow<'_, str>>) -> Self {
        self.sizes.input_shown.key = Some(show);
        self
    }

    /// The same for a result.
    pub fn result_key(mut self, show: fn(&R) -> Option<Cow<'_, str>>) -> Self {
        self.sizes.result_shown.key = Some(show);
        self
    }

    /// Shows every fact of the run to this observer.
    pub fn observed_by(mut self, observer: impl Observer) -> Self {
        self.watch.observer = Some(Box::new(observer));
        self
    }

    /// Records in this journal which items are finished, and does only what it does not call finished. Default: no
    /// journal; a run that was stopped starts over.
    pub fn recorded_in(mut self, journal: Journal) -> Self {
        self.watch.journal = Some(journal);
        self
    }

    /// Lets this handle hold the run back.
    pub fn braked_by(mut self, brake: &Brake) -> Self {
        self.watch.brake = brake.clone();
        self
    }

    /// Lets this handle stop the run.
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.watch.stop = stop.clone();
        self
    }
}

impl<T, Q, F, R, S> Job<T, Q, F, R, S>
where
    Self: Types<Item = T, Input = Q, Fetch = F, Result = R, Save = S>,
{
    /// Runs the job to its end. This thread serves I/O, and computes unless the strategy is `parallel`; others read and
    /// record. May be called from async code that can afford to block, and then another thread serves;
    /// [`Job::run_async`] does not block.
    ///
    /// # Errors
    /// When an option is out of bounds, or the engine itself failed. Failed items, a service that went away
    /// and a run that was stopped are no errors: the summary tells of them.
    pub fn run(self, options: &Options) -> Result<Summary, Error> {
        run::run::<Self>(self, options)
    }

    /// The same for async callers, on any runtime: the run has threads of its own, and this waits for them.
    /// Dropping the future drains the run.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub async fn run_async(self, options: &Options) -> Result<Summary, Error> {
        run::run_async::<Self>(self, options).await
    }
}

/// The types of a job under one name: what the parts of the engine are generic over.
///
/// Every complete [`Job`] has it; there is nothing to implement.
pub trait Types: Sized + 'static {
    /// What the source gives.
    type Item: Send + 'static;
    /// What compute gets: the item, or what was fetched for it.
    type Input: Send + 'static;
    /// What compute gives.
    type Result: Send + 'static;
    /// The service that fetches; [`NoFetch`] if none does.
    type Fetch: Service<Self::Item, Answer = Self::Input>;
    /// The service that saves.
    type Save: Service<Self::Result>;
}

impl<T, Q, F, R, S> Types for Job<T, Q, F, R, S>
where
    T: Send + 'static,
    Q: Send + 'static,
    R: Send + 'static,
    F: Service<T, Answer = Q>,
    S: Service<R>,
{
    type Item = T;
    type Input = Q;
    type Result = R;
    type Fetch = F;
    type Save = S;
}

/// The job with these types.
pub(crate) type JobOf<W> = Job<
    <W as Types>::Item,
    <W as Types>::Input,
    <W as Types>::Fetch,
    <W as Types>::Result,
    <W as Types>::Save,
>;
