//! Items, fetches and saves that are code of the program around us, where this library is part of a larger one.
//!
//! The program gives objects; here they become a source and a service like any other. What they do, and in which language, is
//! not known here.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use inflight::{Connection, Fault, Record, Reply, Service, Source};

use crate::payload::Payload;

/// Where the items of the program come from.
pub trait Supply: Send + Sync + 'static {
    /// What the input is called in messages.
    fn name(&self) -> String;

    /// Begins to give items, from the first on.
    ///
    /// # Errors
    /// When there are none to be had, or they can be had only once and that was before.
    fn open(&self) -> io::Result<Box<dyn Source<Item = Payload>>>;

    /// What the input is now, as a line of text; `None` where it can be read only once.
    fn fingerprint(&self) -> Option<String>;

    /// Whether the input still is what this fingerprint was taken of, or has grown at its end.
    ///
    /// # Errors
    /// A sentence that says what differs.
    fn continues(&self, earlier: &str) -> Result<(), String>;
}

/// What comes back of one call, once it does.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply<Payload>, Fault>> + Send>>;

/// An error that code of the program raised: the cause of a [`Fault`].
#[derive(Clone, Debug)]
pub struct Raised {
    /// Of which type it is.
    pub name: String,
    /// What it says.
    pub message: String,
    /// Where it was raised, for people; empty where that is not known.
    pub traceback: String,
    /// The error itself, in a form that only the program reads.
    pub object: Option<Bytes>,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Raised {}

/// Code of the program that fetches or saves.
pub trait Callee: Send + Sync + 'static {
    /// Asks it for these records. Dropping what is returned gives the call up.
    fn call(&self, bulk: &[Record<Payload>]) -> Answering;

    /// The most records of one call. Default 1.
    fn bulk_max(&self) -> usize {
        1
    }

    /// The most calls at once, whatever the limit. Default: no bound of its own.
    fn calls_max(&self) -> usize {
        usize::MAX
    }
}

/// A [`Callee`] as a service. It keeps nothing between two calls, so it is its own connection.
#[derive(Clone)]
pub struct Called(Arc<dyn Callee>);

impl Called {
    /// The service that is this code.
    pub fn new(callee: Arc<dyn Callee>) -> Called {
        Called(callee)
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Called")
    }
}

impl Service<Payload> for Called {
    type Answer = Payload;
    type Connection = Called;

    async fn connect(&self) -> Result<Called, Fault> {
        Ok(self.clone())
    }

    fn bulk_max(&self) -> usize {
        self.0.bulk_max()
    }

    fn connections_max(&self) -> usize {
        self.0.calls_max()
    }
}

impl Connection<Payload> for Called {
    type Answer = Payload;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Payload>, Fault> {
        self.0.call(bulk).await
    }
}
