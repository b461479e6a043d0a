//! Runs jobs of the shape **fetch → compute → save** as close to the physical limit as can be, loses no
//! item silently, and shows what the wall was.

mod bound;
mod clock;
mod cpu;
mod error;
mod fact;
mod fault;
mod heartbeat;
mod indexes;
mod job;
mod log;
mod observer;
mod options;
mod outage;
mod queue;
mod reader;
mod record;
mod recorder;
mod retry;
mod run;
mod sentence;
mod service;
mod source;
mod stage;
mod stop;
mod strategy;
mod summary;
mod tally;

pub use error::Error;
pub use fact::{Attempt, Fact, Step};
pub use fault::{Fault, Verdict};
pub use indexes::Indexes;
pub use job::Job;
pub use observer::Observer;
pub use options::{ComputeClock, Options, Strategy};
pub use record::Record;
pub use service::{Connection, Declared, FromFn, NoFetch, Reply, Service};
pub use source::Source;
pub use stop::Stop;
pub use summary::{Basis, Bulk, Counts, Dist, Ending, InFlight, Summary, Term, Wall, compare};
