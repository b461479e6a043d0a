//! What a stage needs to know of the run, and of the values that pass it. Plain data.

use std::sync::Arc;

use crate::brake::Brake;
use crate::clock::Clock;
use crate::fact::Step;
use crate::journal::Horizon;
use crate::log::Log;
use crate::options::Options;
use crate::payload::Showing;
use crate::record::Record;
use crate::stop::Stop;

/// Where a stage delivers the answers of the items it has finished.
pub(crate) type Deliver<A> = Box<dyn Fn(Vec<Record<A>>)>;

/// What a stage needs to know of the values that pass it: what one holds on the heap, and looks like.
pub(crate) struct Weights<Q, A> {
    pub(crate) record: fn(&Q) -> usize,
    pub(crate) answer: fn(&A) -> usize,
    /// What a dead letter shows of a record.
    pub(crate) show: Showing<Q>,
}

/// What a stage needs to know of the run.
pub(crate) struct Context<'a> {
    pub(crate) step: Step,
    pub(crate) options: &'a Options,
    /// What may be ready to be sent, in records.
    pub(crate) ready_max: usize,
    /// Whether an earlier run of the job has saved something.
    pub(crate) succeeded_before: bool,
    /// How far answers may get ahead of the journal, if there is one.
    pub(crate) horizon: Option<Arc<Horizon>>,
    /// The run's own: a fault may be its end.
    pub(crate) stop: Stop,
    /// What holds the run back at times.
    pub(crate) brake: Brake,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}
