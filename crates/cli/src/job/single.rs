//! One item at a time, outside of the engine: for whoever wants to see what a job does before it is run.
//!
//! Nothing is tried again, nothing is kept, and each item has the index that it would have in a run.

use std::io;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use inflight::{
    Connection, Counts, Fact, Fault, InFlightLimit, Options, Record, Reply, Service, Source, Stop,
    Strategy,
};
use inflight_connectors::{Input, Payload, Preview, RequestPreview, Sink};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};
use crate::job::fetch::Fetch;
use crate::job::opened::Opened;

/// A job whose items are looked at.
pub(crate) struct Single<'a> {
    opened: &'a Opened<'a>,
    options: Options,
    fetch: Option<Fetch>,
    sink: Sink,
    runtime: Runtime,
}

impl<'a> Single<'a> {
    /// Checks sink and fetch as a run would.
    ///
    /// # Errors
    /// As [`Opened::sink`] and [`Opened::fetcher`].
    pub(crate) fn new(opened: &'a Opened<'a>, options: &Options) -> Result<Single<'a>> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Single {
            opened,
            options: Options {
                strategy: Strategy::Sequential,
                jobs: 1,
                in_flight: InFlightLimit::Fixed(1),
                retries: 0,
                halt: None,
                deadline: None,
                keep_order: false,
                learnt_fetch: None,
                learnt_save: None,
                ..options.clone()
            },
            fetch: opened.fetcher()?,
            sink: opened.sink(Strategy::Sequential, 0)?,
            runtime: runtime.context("failed to prepare for requests")?,
        })
    }

    /// The request that would fetch; `None` where nothing is fetched.
    ///
    /// # Errors
    /// Why none can be made of the item.
    pub(crate) fn preview_fetch(
        &self,
        item: &Record<Payload>,
    ) -> Result<Option<RequestPreview>, Fault> {
        let fetch = self.fetch.as_ref();
        let preview = fetch.map(|fetch| fetch.preview(item)).transpose()?;
        Ok(preview.flatten())
    }

    /// What would be saved.
    ///
    /// # Errors
    /// Why this result cannot be.
    pub(crate) fn preview_save(&self, result: &Record<Payload>) -> Result<Preview, Fault> {
        self.sink.preview(result)
    }

    /// Fetches, for real; an item for which nothing is fetched stays as it is.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn fetch(&self, item: &Record<Payload>) -> Result<Payload, Fault> {
        match &self.fetch {
            Some(fetch) => self.ask(fetch, item),
            None => Ok(item.value.clone()),
        }
    }

    /// Saves, for real.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn save(&self, result: &Record<Payload>) -> Result<(), Fault> {
        self.ask(&self.sink, result)?;
        let durable = self.sink.durable();
        let synced = durable.map(|mut durable| durable.sync()).transpose();
        synced.map(drop).map_err(|cause| {
            let what = format!("{} cannot be written: {cause}", self.sink);
            Fault::storage(what)
        })
    }

    /// Computes, for real.
    ///
    /// # Errors
    /// What is wrong with the item, or why the engine could not go on.
    pub(crate) fn compute(&self, fetched: Payload) -> Result<Payload, Unfinished> {
        let why = Arc::new(Mutex::new(None));
        let told = Arc::clone(&why);
        let watch = move |fact: &Fact, _: &Counts| {
            if let Fact::Dead { fault, .. } = fact {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
            }
        };
        let stop = Stop::new();
        let results = self
            .opened
            .compute_some(vec![fetched], &self.options, watch, &stop)?;
        let why = why.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = results.into_iter().next();
        let nothing = || why.unwrap_or_else(|| Fault::permanent("nothing came of it"));
        Ok(result.ok_or_else(nothing)?)
    }

    fn ask<S: Service<Payload>>(
        &self,
        service: &S,
        record: &Record<Payload>,
    ) -> Result<S::Answer, Fault> {
        let (connecting, waiting) = (self.options.connect_timeout, self.options.timeout);
        self.runtime.block_on(async {
            let late = |what: &str| Fault::transient(format!("the service {what}"));
            let connection = tokio::time::timeout(connecting, service.connect()).await;
            let mut connection =
                connection.map_err(|_| late("let nobody in within --connect-timeout"))??;
            let reply = tokio::time::timeout(waiting, connection.send(slice::from_ref(record)));
            let reply = reply
                .await
                .map_err(|_| late("did not answer within --timeout"))??;
            let answer = match reply {
                Reply::All(answers) => answers.into_iter().next().map(Ok),
                Reply::Each(outcomes) => outcomes.into_iter().next(),
            };
            answer.unwrap_or_else(|| Err(late("answered to no record")))
        })
    }
}

/// Why a step of one item did not come to its end.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The item would be a dead letter.
    Dead(Fault),
    /// The command itself cannot go on.
    Broken(Error),
}

impl From<Fault> for Unfinished {
    fn from(fault: Fault) -> Unfinished {
        Unfinished::Dead(fault)
    }
}

impl From<Error> for Unfinished {
    fn from(error: Error) -> Unfinished {
        Unfinished::Broken(error)
    }
}

impl From<io::Error> for Unfinished {
    fn from(error: io::Error) -> Unfinished {
        Unfinished::Broken(error.into())
    }
}

/// The first items of an input, with their indexes; of one that is none, why.
///
/// # Errors
/// When the input cannot be opened or read.
pub(crate) fn first(input: &Input, count: usize) -> Result<Vec<Result<Record<Payload>, Fault>>> {
    let mut source = input.open().map_err(Error::unread)?;
    let mut items = Vec::new();
    while items.len() < count {
        let before = items.len();
        source
            .read(count - before, &mut items)
            .map_err(|fault| Error::internal(format_args!("failed to read the input: {fault}")))?;
        if items.len() == before {
            break;
        }
    }
    let numbered = (0..).zip(items);
    Ok(numbered
        .map(|(index, item)| item.map(|item| Record::new(index, item)))
        .collect())
}
