//! Everything that knows a service: sources, computations, fetchers and sinks, one file each.
//!
//! A job of the command line is built from text: [`Input`] says where items come from, [`Task`] what is
//! computed, [`Sink`] where results are saved, and [`Payload`] is the one value that travels between them.
//! Each can be used alone. Nothing here retries, waits to try again or counts: a connector makes one request
//! and says with a verdict how it went.
//!
//! ```
//! use inflight::{Job, Options};
//! use inflight_connectors::{Input, Payload, Sink, SinkSettings, Task};
//!
//! let input = Input::parse("0..100", None, None)?;
//! let task = Task::parse("sha256")?;
//! let sink = Sink::parse("null:", &SinkSettings::default())?;
//! let job = Job::new(input.open()?)
//!     .try_compute(move |item: Payload| task.run(item))
//!     .save_to(sink);
//! # let _ = job;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod block;
#[cfg(any(feature = "sqlite", feature = "file"))]
mod blocking;
#[cfg(any(feature = "http", feature = "exec", feature = "postgres"))]
mod brake;
mod called;
mod columns;
mod csv;
mod cutter;
mod decode;
mod elements;
mod error;
#[cfg(feature = "exec")]
mod exec;
mod existing;
#[cfg(feature = "file")]
mod file;
mod file_id;
mod fingerprint;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod going_on;
#[cfg(feature = "http")]
mod http;
mod input;
mod item_key;
mod items;
mod jq;
mod jsonl;
mod kind;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod ledger;
#[cfg(any(feature = "http", feature = "file"))]
mod line_maker;
mod line_place;
mod lines;
mod nearest;
mod null;
#[cfg(any(feature = "http", feature = "file"))]
mod open_file;
#[cfg(any(feature = "http", feature = "file"))]
mod open_pipe;
#[cfg(any(feature = "http", feature = "file"))]
mod output;
#[cfg(any(feature = "http", feature = "file"))]
mod packing;
#[cfg(any(feature = "sqlite", feature = "file"))]
mod path;
mod payload;
#[cfg(feature = "postgres")]
mod postgres;
mod preview;
mod range;
mod row;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row_key;
#[cfg(any(feature = "http", feature = "postgres"))]
mod secret;
mod secret_name;
mod settings;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod table;
#[cfg(any(feature = "http", feature = "file"))]
mod tail;
mod task;
#[cfg(any(feature = "http", feature = "postgres"))]
mod tls;
mod window;

pub use address::{Abilities, Address, Scheme};
#[cfg(any(feature = "http", feature = "exec", feature = "postgres"))]
pub use brake::{BrakeGauge, BrakeReading};
pub use called::{Answering, Called, Callee, Raised, Supply};
pub use columns::{Cell, Columns};
pub use error::Error;
#[cfg(feature = "exec")]
pub use exec::{Crew, CrewSettings, Exec};
#[cfg(feature = "file")]
pub use file::{FileConnection, FileSink};
pub use file_id::{FileId, full_path, keeps, look};
pub use format::Format;
#[cfg(feature = "http")]
pub use http::{
    AnswerChecks, AnswerSchema, BodySource, FetchConnection, FetchSettings, Fields, HttpConnection,
    HttpFetch, HttpSink, StatusChanges,
};
pub use input::Input;
pub use item_key::ItemKey;
pub use items::Items;
pub use jq::{Jq, JqInput};
pub use kind::Kind;
pub use null::NullSink;
pub use payload::Payload;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConnection, PostgresSink};
pub use preview::{HeaderPreview, Preview, RequestPreview};
pub use row::{Header, Row, Value};
pub use secret_name::is_secret;
pub use settings::{ANSWER_BYTES_MAX, Ledger, Resume, SinkSettings};
pub use sink::{Sink, SinkConnection};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteConnection, SqliteSink};
pub use task::Task;
