//! The model service: behaves as well or as badly as it is told to.
//!
//! A job needs something to save to before it needs the real thing. The lab is an HTTP service on loopback whose latency,
//! capacity, quota and faults are set by hand, so that what a strategy gains and what overload costs can be measured
//! against numbers that are known. [`Config`] says how it behaves, [`Lab`] runs it on a thread of its own, [`Stats`] says
//! what happened. It decides in pure code (`model.rs`) that takes time as an input, and depends on nothing else of ours.
//!
//! ```
//! use inflight_lab::{Config, Lab};
//!
//! let mut config = Config::default();
//! config.set("latency", "100ms")?;
//! config.set("capacity", "100")?;
//! assert_eq!(config.declared().goodput, Some(1000.0));
//!
//! let lab = Lab::start(config, ([127, 0, 0, 1], 0).into())?;
//! println!("http://{}/add", lab.address());
//! assert_eq!(lab.stats().received, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alarm;
mod body;
mod bulk;
mod config;
mod error;
mod fault;
mod key;
mod lab;
mod latency;
mod model;
mod openai;
mod overload;
mod quota;
mod quota_headers;
mod routes;
mod scenario;
mod server;
mod service;
mod stats;
mod store;
mod things;
mod timer;
mod tokens;
mod value;

pub use config::{Change, Config, Declared};
pub use error::{ConfigError, ScenarioError};
pub use fault::Outcome;
pub use key::Key;
pub use lab::{Lab, Stopper};
pub use model::{Arrival, Decision, Model, Rejection, Ticket, Work};
pub use scenario::{Bulks, Busy, ClientLimit, Clients, Expected, Length, Scenario};
pub use stats::{Distribution, Stats};
