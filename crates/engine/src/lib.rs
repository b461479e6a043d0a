//! Runs jobs of the shape **fetch → compute → save** as close to the physical limit as can be, loses no
//! item silently, and shows what limited them.
//!
//! Each item may have to be fetched from a service, costs CPU time, and its result has to reach a service.
//! Done one after the other, such a job waits most of the time. Here every core computes while a bounded number
//! of requests is in flight. Items flow from left to right, facts flow down, and only "stop" travels back:
//!
//! ```text
//!  source ──> [ fetch ] ──> compute ──> [ save ]
//!                 └────────────┴───────────┘
//!                        facts ──> summary
//! ```
//!
//! A [`Job`] says what is done, [`Options`] how, and the [`Summary`] what it came to:
//!
//! ```
//! use inflight::{Fault, Job, Options};
//!
//! let summary = Job::new(1..=1000)
//!     .fetch(async |id: &u64| Ok::<_, Fault>(format!("page {id}"))) // waiting: many at once
//!     .compute(|page: String| page.len())                           // CPU work: on all cores
//!     .save(async |length: &usize| {
//!         if *length > 5 { Ok(()) } else { Err(Fault::permanent("an empty page")) }
//!     })
//!     .run(&Options::default())?;
//!
//! assert_eq!(summary.items, summary.saved + summary.dead + summary.left);
//! println!("{} saved in {:.2} s; {}", summary.saved, summary.elapsed_s, summary.sentence);
//! # assert_eq!(summary.saved, 1000);
//! # Ok::<(), inflight::Error>(())
//! ```
//!
//! The public names, by what they are for:
//!
//! - **what is done**: [`Job`], from a [`Source`] (any iterator is one);
//! - **how**: [`Options`] with its [`Strategy`], [`InFlightLimit`] and [`ComputeClock`]; [`limit`] finds the number in flight;
//!   [`Brake`] holds a run back, [`Stop`] ends it early, [`Halt`] one that fails;
//! - **reaching a service**: [`Service`], its [`Connection`]s, the [`Record`]s these send and the [`Reply`] they
//!   bring; [`Declared`] says what is known beforehand. [`FromFn`] makes one of an async function, and [`NoFetch`]
//!   stands where none is;
//! - **going on after a stop or a crash**: an [`OpenedJournal`] says what was [`Found`] and by which run ([`Began`], with its [`Command`]); as a
//!   [`Journal`] a run records in it; a [`KeySet`] holds the keys of what is done already; a [`Place`] is where a source goes on, a [`Durable`] what a sink makes safe first;
//!   a [`DeadLetter`] is what is kept of an item that was given up;
//! - **what went wrong**: a [`Fault`] with its [`Verdict`] for an item, an [`Error`] with its [`ErrorKind`] for the run itself;
//! - **knowing beforehand**: [`forecast`] says how long a job will take with each strategy;
//! - **watching**: an [`Observer`] sees each [`Fact`] ([`Step`], [`Attempt`], [`Indexes`], [`Load`], [`StageLoad`], [`Held`]) and the [`Counts`] with the [`Pace`];
//! - **what came of it**: [`Summary`] with its [`Ending`], its [`Bottleneck`], the [`Term`]s of the bound ([`Basis`], [`QuotaTerm`]) and the
//!   figures ([`Dist`], [`InFlight`], [`Bulk`]); [`compare`] sets several runs against one bound.

mod ahead;
mod batch_size;
mod bottleneck;
mod bound;
mod brake;
mod clock;
mod conclusion;
mod cores;
mod cpu;
mod diagnosis;
mod driver;
mod ended;
mod error;
mod fact;
mod fault;
pub mod forecast;
mod halt;
mod health;
mod heartbeat;
mod indexes;
mod inlet;
#[cfg(test)]
mod insight;
mod job;
mod journal;
mod key;
mod keys;
pub mod limit;
mod line;
mod load;
mod log;
mod memory;
mod observer;
mod options;
mod order;
mod outage;
mod payload;
mod planted;
mod post;
mod progress;
mod queue;
mod quota;
mod reader;
mod record;
mod recorder;
mod request_cost;
mod retry;
mod run;
mod score;
mod sentence;
mod service;
#[cfg(test)]
mod simulation;
mod source;
mod stage;
mod stop;
mod strategy;
mod summary;
mod tally;
mod times;
mod worker;

pub use bottleneck::Bottleneck;
pub use bound::{Basis, QuotaTerm, Term};
pub use brake::Brake;
pub use error::{Error, ErrorKind};
pub use fact::{Attempt, Fact, Step};
pub use fault::{Fault, Verdict};
pub use halt::Halt;
pub use indexes::Indexes;
pub use job::{Job, Types};
#[cfg(any(test, fuzzing))]
pub use journal::fuzzing;
pub use journal::{Began, Command, DeadLetter, Found, Journal, OpenedJournal};
pub use key::Key;
pub use keys::KeySet;
pub use load::{Held, Load, StageLoad};
pub use observer::Observer;
pub use options::{ComputeClock, InFlightLimit, Options, Strategy};
pub use progress::Pace;
pub use quota::{Allowance, Quota, Usage};
pub use record::Record;
pub use score::compare;
pub use service::{Connection, Declared, Durable, FromFn, NoFetch, Reply, Service};
pub use source::{Place, Source};
pub use stop::Stop;
pub use summary::{Bulk, Ending, InFlight, Straggler, Summary};
pub use tally::Counts;
pub use times::Dist;
