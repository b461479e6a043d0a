//! A job whose services are there: runs it, once or several times.
//!
//! The one place where source, computation and sink become an engine's job.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use inflight::{
    Brake, Fault, Job, Journal, Key, KeySet, Observer, Options, Service, Stop, Strategy, Summary,
};
use inflight_connectors::{Items, Payload, Sink};

use crate::error::{Error, Result};
use crate::job::computation::Computer;
use crate::job::fetch::Fetch;
use crate::job::settings::Earlier;
use crate::job::target::Place;
use crate::job::work::Work;
use crate::terminal::messages::Messages;

/// A job ready to be run.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    work: &'a Work,
    /// Where it saves.
    pub(crate) save: Place,
    /// Where it fetches, if it does.
    pub(crate) fetch: Option<Place>,
    /// What computes. Workers end with it.
    computer: Computer,
}

impl<'a> Opened<'a> {
    /// Starts the labs that the job needs, and a first worker if others compute.
    ///
    /// # Errors
    /// When a lab or a worker cannot be started.
    pub(crate) fn new(work: &'a Work, messages: &Messages) -> Result<Opened<'a>> {
        Ok(Opened {
            work,
            save: work.save.open()?,
            fetch: work.fetch.as_ref().map(|fetch| fetch.open()).transpose()?,
            computer: work.computation.open(messages)?,
        })
    }

    /// Forgets what earlier runs have done to the labs.
    pub(crate) fn reset(&self) {
        self.save.reset();
        if let Some(fetch) = &self.fetch {
            fetch.reset();
        }
    }

    /// Where the job itself saves; `repeat` counts the runs that did so before.
    ///
    /// # Errors
    /// A usage error: a scheme that does not exist, a file that is not empty.
    pub(crate) fn sink(&self, strategy: Strategy, repeat: u64) -> Result<Sink> {
        self.work.settings.sink(&self.save, strategy, repeat)
    }

    /// Where a run saves that knows of earlier ones, or will be known by later ones.
    ///
    /// # Errors
    /// As [`Opened::sink`]; also when what the sink holds is not what was recorded.
    pub(crate) fn sink_after(&self, earlier: &Earlier, strategy: Strategy) -> Result<Sink> {
        let settings = self.work.settings.after(earlier);
        settings.sink(&self.save, strategy, 0)
    }

    /// What fetches, if the job does.
    ///
    /// # Errors
    /// As [`Settings::fetch`](crate::job::settings::Settings::fetch).
    pub(crate) fn fetcher(&self) -> Result<Option<Fetch>> {
        let fetch = self.fetch.as_ref();
        fetch
            .map(|place| self.work.settings.fetch(place))
            .transpose()
    }

    /// Another sink, with the settings of the job.
    ///
    /// # Errors
    /// As [`Opened::sink`].
    pub(crate) fn sink_at(&self, address: &str, strategy: Strategy) -> Result<Sink> {
        self.work
            .settings
            .sink(&Place::elsewhere(address), strategy, 0)
    }

    /// Fetches these items, if the job fetches, and computes them, as far as time allows; gives what came of them.
    ///
    /// # Errors
    /// When the engine could not go on.
    pub(crate) fn compute_some(
        &self,
        items: Vec<Payload>,
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
    ) -> Result<Vec<Payload>> {
        let results = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&results);
        let job = Job::new(items.into_iter()).observed_by(watch);
        let job = self.computer.join(job).save(async move |result: &Payload| {
            keep.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result.clone());
            Ok::<(), Fault>(())
        });
        job.stopped_by(stop).run(options)?;
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *results))
    }

    /// Fetches these items and computes nothing; gives what was fetched.
    ///
    /// # Errors
    /// When the fetch is none, or the engine could not go on.
    pub(crate) fn fetch_some(
        &self,
        items: Vec<Payload>,
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
    ) -> Result<Vec<Payload>> {
        let Some(place) = &self.fetch else {
            return Ok(items);
        };
        let fetched = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&fetched);
        Job::new(items.into_iter())
            .observed_by(watch)
            .fetch_from(self.work.settings.fetch(place)?)
            .compute(|fetched: Payload| fetched)
            .save(async move |fetched: &Payload| {
                keep.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(fetched.clone());
                Ok::<(), Fault>(())
            })
            .stopped_by(stop)
            .run(options)?;
        let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *fetched))
    }

    /// Saves these results as they are.
    ///
    /// # Errors
    /// When the engine could not go on.
    pub(crate) fn save_some(
        results: Vec<Payload>,
        sink: Sink,
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
    ) -> Result<Summary> {
        let job = Job::new(results.into_iter())
            .observed_by(watch)
            .compute(|result: Payload| result)
            .result_bytes(Payload::heap_bytes)
            .save_to(sink);
        Ok(job.stopped_by(stop).run(options)?)
    }

    /// The job with these items, so that nothing can be wrong with what was typed any more.
    ///
    /// # Errors
    /// A usage error, when nothing can be fetched from there.
    pub(crate) fn ready(&self, items: Items) -> Result<Ready> {
        let fetch = self.fetch.as_ref();
        let fetch = fetch.map(|place| self.work.settings.fetch(place));
        Ok(Ready {
            items,
            fetch: fetch.transpose()?,
            skipped: None,
            brake: Brake::new(),
        })
    }

    /// The keys that are there where it saves, if items with these are left out.
    ///
    /// # Errors
    /// When they cannot be read or kept, or the sink cannot tell what it has.
    pub(crate) fn existing(&self, sink: &Sink) -> Result<Option<KeySet>> {
        if !self.work.skips_existing {
            return Ok(None);
        }
        let mut keys = KeySet::new().context("failed to make a temporary file for keys")?;
        sink.existing(|key| keys.insert(Key::of(key)))
            .map_err(Error::unfit)?;
        Ok(Some(keys))
    }

    /// Runs the job into this sink, from its first item.
    ///
    /// # Errors
    /// When the input cannot be opened, or the engine could not go on.
    pub(crate) fn run(
        &self,
        sink: Sink,
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
    ) -> Result<Summary> {
        let items = self.work.input.open().map_err(Error::unread)?;
        self.run_ready(self.ready(items)?, sink, options, watch, stop, None)
    }

    /// Runs the job into this sink.
    ///
    /// # Errors
    /// When the engine could not go on.
    pub(crate) fn run_ready(
        &self,
        Ready {
            items,
            fetch,
            skipped,
            brake,
        }: Ready,
        sink: Sink,
        options: &Options,
        watch: impl Observer,
        stop: &Stop,
        journal: Option<Journal>,
    ) -> Result<Summary> {
        let how = How {
            computer: &self.computer,
            sink,
            options,
            stop,
        };
        let mut job = Job::new(items)
            .item_bytes(Payload::heap_bytes)
            .item_payload(Payload::shown)
            .item_key(Payload::key_shown)
            .braked_by(&brake)
            .observed_by(watch);
        if self.work.is_keyed {
            job = job.keyed_by(|item| Key(item.key));
        }
        if let Some(skipped) = skipped {
            job = job.skipping(skipped);
        }
        if let Some((value, halts)) = self.work.order.clone() {
            let value = move |item: &Payload| value.order_of(item);
            job = match halts {
                true => job.ordered_until_dead(value),
                false => job.ordered_by(value),
            };
        }
        if let Some(journal) = journal {
            job = job.recorded_in(journal);
        }
        match fetch {
            Some(fetch) => {
                let job = job.fetch_from(fetch);
                how.run(
                    job.fetched_bytes(Payload::heap_bytes)
                        .input_payload(Payload::shown)
                        .input_key(Payload::key_shown),
                )
            }
            None => {
                let job = job.input_payload(Payload::shown);
                how.run(job.input_key(Payload::key_shown))
            }
        }
    }
}

/// A job whose input is open, and of which nothing has been done yet.
pub(crate) struct Ready {
    items: Items,
    fetch: Option<Fetch>,
    /// Keys of items that are left out.
    pub(crate) skipped: Option<KeySet>,
    /// What holds the run back.
    pub(crate) brake: Brake,
}

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    Options::default().jobs
}

/// What is the same with and without a fetch.
struct How<'a> {
    computer: &'a Computer,
    sink: Sink,
    options: &'a Options,
    stop: &'a Stop,
}

impl How<'_> {
    fn run<F: Service<Payload, Answer = Payload>>(
        self,
        job: Job<Payload, Payload, F>,
    ) -> Result<Summary> {
        let summary = self
            .computer
            .join(job)
            .result_bytes(Payload::heap_bytes)
            .result_payload(Payload::shown)
            .result_key(Payload::key_shown)
            .save_to(self.sink)
            .stopped_by(self.stop)
            .run(self.options)?;
        Ok(summary)
    }
}
