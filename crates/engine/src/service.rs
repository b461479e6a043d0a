//! What a user implements to reach a service: how to connect, and how to send one request.
//!
//! The same two traits serve fetching and saving. They know nothing of retries, limits or strategies;
//! a connection makes one request at a time and says how it went.

use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;
use crate::quota::Usage;
use crate::record::Record;

/// A service, as configured: hands out connections.
///
/// Its connections are opened on the thread that serves I/O and never leave it, so neither they nor their
/// futures need to be `Send`.
///
/// ```
/// use inflight::{Connection, Fault, Job, Options, Record, Reply, Service};
///
/// struct Shelf;
/// struct Hand;
///
/// impl Service<u64> for Shelf {
///     type Answer = ();
///     type Connection = Hand;
///     async fn connect(&self) -> Result<Hand, Fault> {
///         Ok(Hand)
///     }
///     fn bulk_max(&self) -> usize {
///         100
///     }
/// }
///
/// impl Connection<u64> for Hand {
///     type Answer = ();
///     async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
///         Ok(Reply::done(bulk.len()))
///     }
/// }
///
/// let summary = Job::new(0..1000).compute(|n: u64| n * n).save_to(Shelf).run(&Options::default())?;
/// assert_eq!(summary.saved, 1000);
/// # Ok::<(), inflight::Error>(())
/// ```
pub trait Service<Q>: Send + 'static {
    /// What comes back for one record: the fetched value, or the response to a save (often `()`).
    type Answer: Send + 'static;
    /// One connection; a slot owns it.
    type Connection: Connection<Q, Answer = Self::Answer>;

    /// Opens a connection. Called on the I/O thread, within the connect deadline.
    ///
    /// # Errors
    /// Whatever the verdict, a failure here means that nothing was sent: it is never an item's attempt.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Fault>>;

    /// The most records one request may carry. Default 1.
    fn bulk_max(&self) -> usize {
        1
    }

    /// The most connections the service can use, whatever the limit. Default: no bound of its own.
    ///
    /// A database with a single writer says 1.
    fn connections_max(&self) -> usize {
        usize::MAX
    }

    /// What makes results durable that are only with the system when they are answered; asked once, before the first
    /// connection. Default: nothing, an answer is good for ever.
    fn durable(&self) -> Option<Box<dyn Durable>> {
        None
    }

    /// Keeps what came back for these records where the service keeps such a thing, before the run calls them done. Called on
    /// the I/O thread, for each record once, and in the order of the items if [`Options::keep_order`](crate::Options::keep_order)
    /// says so. Returns how far what is kept has come, as [`Connection::mark`] does, which it replaces. Default: nothing.
    ///
    /// # Errors
    /// When it cannot be kept. The run ends then, whatever the verdict: what was saved is saved again by the run that goes
    /// on, and its answer kept.
    fn keep(&self, answers: &[Record<Self::Answer>]) -> Result<Option<u64>, Fault> {
        let _ = answers;
        Ok(None)
    }

    /// What an answer to a save holds on the heap, in bytes, so that those that wait for others before them are bounded by
    /// what they really hold. Default: nothing.
    fn answer_bytes(answer: &Self::Answer) -> usize {
        let _ = answer;
        0
    }

    /// What is known of the service beforehand; what is not is measured. Default: nothing.
    fn declared(&self) -> Declared {
        Declared::default()
    }
}

/// Makes durable what a service has answered. Lives on the recorder's thread.
pub trait Durable: Send + std::fmt::Debug {
    /// Waits until everything answered so far would survive a loss of power, and looks whether it still is where it was
    /// asked for. Called some times a second, before the journal calls the items saved, and at the end of every run.
    ///
    /// # Errors
    /// When it would not, or is not there. It is not called again then, and the run stops.
    fn sync(&mut self) -> std::io::Result<()>;

    /// Where the output of the service stands before the first save, for one that appends. Asked once and before that,
    /// by a run whose journal has no [`Connection::mark`] yet: were the run killed before the first save is recorded,
    /// nobody could say else which part of the output is its own. Default: nothing.
    ///
    /// # Errors
    /// When the output cannot be opened. The run does not begin then.
    fn mark(&mut self) -> std::io::Result<Option<u64>> {
        Ok(None)
    }

    /// Whether what the journal does not know has no effect when a run goes on after a crash: it is cut off, or saved in
    /// the same place. Then saving need not wait for the journal; else what a crash may repeat is bounded. Default: no.
    fn repeats_nothing(&self) -> bool {
        false
    }
}

/// What a service says of itself before the first request; it enters the bound as "declared".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Declared {
    /// The mean time of one request when nothing else is in flight.
    pub latency: Option<Duration>,
    /// How many requests it handles at once.
    pub capacity: Option<usize>,
    /// The most requests it completes in a second.
    pub goodput: Option<f64>,
}

/// One connection to a service. Dropping it closes it.
pub trait Connection<Q>: 'static {
    /// What comes back for one record.
    type Answer;

    /// Makes one request that carries these records, and says how it went.
    ///
    /// Dropping the future abandons the request; the connection is not used again after that, nor after
    /// an answer in doubt.
    ///
    /// # Errors
    /// A fault of the request as a whole. Faults of single records belong into [`Reply::Each`].
    fn send(
        &mut self,
        bulk: &[Record<Q>],
    ) -> impl Future<Output = Result<Reply<Self::Answer>, Fault>>;

    /// Whether a kept connection can still be used; asked before every request. Default: yes.
    ///
    /// One that says no is closed and opened anew, which costs no attempt.
    fn is_open(&mut self) -> bool {
        true
    }

    /// How far the output of the service has come with the last answer, for one that appends: the journal keeps the
    /// number beside the items, and a run that goes on may cut there what a crash left behind. Asked after every
    /// answer. Default: nothing.
    fn mark(&self) -> Option<u64> {
        None
    }

    /// What the last answer says of quotas: what its request has cost, and what is left. Asked after every answer; a cost means
    /// something where [`Quota::units`](crate::Quota::units) is set, or units are told. Default: nothing.
    fn usage(&self) -> Usage {
        Usage::default()
    }
}

/// What a service answered to one request.
#[derive(Debug)]
pub enum Reply<A> {
    /// All records were taken; one answer for each, in their order.
    All(Vec<A>),
    /// One outcome for each record, in their order; only the failed ones are tried again.
    Each(Vec<Result<A, Fault>>),
}

impl Reply<()> {
    /// All `count` records were taken, and there is nothing to tell about them.
    pub fn done(count: usize) -> Reply<()> {
        Reply::All(vec![(); count])
    }
}

impl<A> Reply<A> {
    /// The answer to a request that carried one record.
    pub fn one(answer: A) -> Reply<A> {
        Reply::All(vec![answer])
    }

    /// One outcome for each record, in their order.
    pub fn into_outcomes(self) -> Vec<Result<A, Fault>> {
        match self {
            Reply::All(answers) => answers.into_iter().map(Ok).collect(),
            Reply::Each(outcomes) => outcomes,
        }
    }

    /// How many records this answers.
    pub(crate) fn len(&self) -> usize {
        match self {
            Reply::All(answers) => answers.len(),
            Reply::Each(answers) => answers.len(),
        }
    }
}

/// An async function of one value, made a service. It keeps nothing between two requests, so it is its
/// own connection.
pub struct FromFn<F>(Arc<F>);

impl<F> FromFn<F> {
    pub(crate) fn new(function: F) -> FromFn<F> {
        FromFn(Arc::new(function))
    }
}

impl<Q, A, E, F> Service<Q> for FromFn<F>
where
    A: Send + 'static,
    E: Into<Fault>,
    F: AsyncFn(&Q) -> Result<A, E> + Send + Sync + 'static,
{
    type Answer = A;
    type Connection = FromFn<F>;

    async fn connect(&self) -> Result<FromFn<F>, Fault> {
        Ok(FromFn(Arc::clone(&self.0)))
    }
}

impl<Q, A, E, F> Connection<Q> for FromFn<F>
where
    E: Into<Fault>,
    F: AsyncFn(&Q) -> Result<A, E> + 'static,
{
    type Answer = A;

    async fn send(&mut self, bulk: &[Record<Q>]) -> Result<Reply<A>, Fault> {
        let mut answers = Vec::with_capacity(bulk.len());
        for record in bulk {
            answers.push((self.0)(&record.value).await.map_err(Into::into)?);
        }
        Ok(Reply::All(answers))
    }
}

/// Stands where a job has no fetch; it has no values, so none can ever be asked.
pub enum NoFetch {}

impl<Q: Send + 'static> Service<Q> for NoFetch {
    type Answer = Q;
    type Connection = NoFetch;

    async fn connect(&self) -> Result<NoFetch, Fault> {
        match *self {}
    }
}

impl<Q> Connection<Q> for NoFetch {
    type Answer = Q;

    async fn send(&mut self, _: &[Record<Q>]) -> Result<Reply<Q>, Fault> {
        match *self {}
    }
}
