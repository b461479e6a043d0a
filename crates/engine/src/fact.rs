//! The closed list of what can happen in a run. All of it passes one channel to one recorder.

use std::time::Duration;

use crate::fault::{Fault, Verdict};
use crate::indexes::Indexes;
use crate::limit::Decision;
use crate::load::Load;
use crate::source::Place;

/// A step of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Reading an item from the source.
    Read,
    /// Getting what the computation needs.
    Fetch,
    /// The CPU work.
    Compute,
    /// Storing the result.
    Save,
}

impl Step {
    /// The name used in messages and dead letters.
    pub fn name(self) -> &'static str {
        match self {
            Step::Read => "read",
            Step::Fetch => "fetch",
            Step::Compute => "compute",
            Step::Save => "save",
        }
    }
}

/// One thing that happened. Times are counted from the start of the run.
#[derive(Clone, Debug)]
pub enum Fact {
    /// This many items came from the source.
    Read {
        /// How many.
        items: u64,
    },
    /// So many items were left out, because their keys are done already.
    Skipped {
        /// How many.
        items: u64,
    },
    /// Reading has come to this place, from which a later run can go on.
    ReadTo {
        /// The next item.
        index: u64,
        /// Where it is.
        place: Place,
    },
    /// The input ended, or reading was stopped with this many items left; `None` if nobody knows.
    InputEnded {
        /// Items never read.
        left: Option<u64>,
        /// Time spent in reading.
        reading: Duration,
    },
    /// Items were computed, one after the other on one thread.
    Computed {
        /// The first of them; they need not be neighbours.
        first: u64,
        /// The last of them: of a chunk from the source all that lie between, but for bad items.
        last: u64,
        /// How many.
        items: u32,
        /// When the first began.
        at: Duration,
        /// Time that passed, for all of them.
        took: Duration,
        /// What it cost by the clock of the job: CPU time, or time that passed.
        cost: Duration,
    },
    /// One request was answered, failed or was given up.
    Attempt(Attempt),
    /// An item will be tried again, which counts as an attempt.
    Retry {
        /// Which step.
        step: Step,
        /// Which item.
        index: u64,
        /// Why the last attempt failed.
        fault: Fault,
    },
    /// An item will not be tried again.
    Dead {
        /// Which item.
        index: u64,
        /// The step that failed.
        step: Step,
        /// How many attempts counted against it.
        attempts: u16,
        /// Why the last one failed.
        fault: Fault,
        /// How the key of the item is spelled, where items have keys and the job says how; of one whose computation hangs it is not
        /// known.
        key: Option<String>,
        /// What the item was at that step, where [`Options::dead_payload`](crate::Options::dead_payload) asks for it and the
        /// job says how.
        payload: Option<String>,
    },
    /// An item broke whoever computed it, and is not computed again: it will be dead if anything else can be computed.
    Accused {
        /// Which item.
        index: u64,
    },
    /// The service went away; one probe at a time goes out until it is back.
    OutageBegan {
        /// Which step.
        step: Step,
        /// When it was noticed.
        at: Duration,
        /// The fault that showed it.
        fault: Fault,
    },
    /// No further connection can be had, because the service has too many clients or the process too many open files. The stage
    /// goes on with those it has, and tries for more every 30 s. Told once.
    NoMoreConnections {
        /// Which step.
        step: Step,
        /// When.
        at: Duration,
        /// Connections that were open or being opened.
        connections: usize,
        /// What was said.
        fault: Fault,
    },
    /// Attempts that had been counted against an item were the service's fault, and no longer count.
    Forgiven {
        /// Which step.
        step: Step,
        /// How many.
        attempts: u16,
    },
    /// The service is back.
    OutageEnded {
        /// Which step.
        step: Step,
        /// How long it was away.
        lasted: Duration,
    },
    /// The thread that serves I/O is alive; also the tick by which an observer can show time passing.
    Beat {
        /// When.
        at: Duration,
        /// The longest time since the last beat in which that thread served nothing.
        stall: Duration,
        /// What each step has to do now.
        load: Load,
    },
    /// Requests were abandoned because the run was told to stop at once, and their effect is unknown; or they were answered,
    /// and an item before theirs was not when the run stopped, so that a run that keeps the order sends them again.
    Abandoned {
        /// Records they carried.
        items: u64,
    },
    /// The limit of requests in flight was changed.
    Limit {
        /// Which step.
        step: Step,
        /// When.
        at: Duration,
        /// From what to what, and why.
        decision: Decision,
    },
    /// The most records in a request were found, or lowered because the service refused more.
    Bulk {
        /// Which step.
        step: Step,
        /// When.
        at: Duration,
        /// So many from now on.
        records: usize,
    },
    /// A thread of the engine ended, having used this much CPU time.
    ThreadEnded {
        /// CPU time of the thread.
        cpu: Duration,
    },
}

/// One request: when, how long, how many, how it went.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which step.
    pub step: Step,
    /// When it was sent.
    pub at: Duration,
    /// From sent to answered.
    pub took: Duration,
    /// How long its oldest record had waited for a slot.
    pub waited: Duration,
    /// Whether its oldest record had been sent before.
    pub is_again: bool,
    /// Requests in flight when it was sent, itself included.
    pub in_flight: usize,
    /// Records it carried.
    pub records: usize,
    /// The item of its oldest record; names who was in a request that finished none.
    pub first: u64,
    /// The items it finished.
    pub done: Indexes,
    /// How far the service's own output has come with them; see [`Connection::mark`](crate::Connection::mark).
    pub mark: Option<u64>,
    /// Records of which nobody knows whether they took effect.
    pub in_doubt: usize,
    /// Units of a quota that it has cost, such as tokens, where its answer said so.
    pub units: f64,
    /// How the request failed, if none of its records was taken.
    pub verdict: Option<Verdict>,
}
