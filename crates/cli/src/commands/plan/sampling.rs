//! Takes the sample: reads the first items, fetches and computes some, and climbs the ladder of saves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use inflight::forecast::{Figure, Ladder, Sample, Traffic, Work};
use inflight::{Counts, Fact, InFlightLimit, Options, Quota, Source, Stop, Strategy};
use inflight_connectors::Payload;

use super::ladder::{Probed, Probing};
use super::traffic;
use crate::error::{Error, Result};
use crate::job::opened::{Opened, cores};
use crate::job::work;
use crate::terminal::messages::Messages;
use crate::terminal::signals::Signals;

/// Items that are computed, at most: enough for a mean that is good to a few percent.
const ITEMS_MAX: usize = 256;
/// What they may hold together, in bytes; larger ones are fewer.
const BYTES_MAX: usize = 16 << 20;
/// How long items are computed on one thread, and how long on all.
const COMPUTING: Duration = Duration::from_secs(1);
/// Requests in flight while the sample is fetched: few, and quick enough.
const FETCHING: usize = 4;

/// A sample of a job.
pub(crate) struct Sampling<'a> {
    job: &'a work::Work,
    opened: &'a Opened<'a>,
    options: &'a Options,
    signals: &'a Signals,
    began: Instant,
    /// Items in the whole input.
    items: u64,
    /// Fetching, if the job does.
    fetched: Sample,
    alone: Sample,
    beside: Sample,
    results: Vec<Payload>,
    probed: Option<Probed>,
}

impl<'a> Sampling<'a> {
    /// Computes some items.
    ///
    /// # Errors
    /// When the input cannot be read or counted, or none of its first items can be fetched and computed.
    pub(crate) fn begin(
        job: &'a work::Work,
        opened: &'a Opened<'a>,
        options: &'a Options,
        signals: &'a Signals,
    ) -> Result<Sampling<'a>> {
        let (first, items) = read(job)?;
        let mut sampling = Sampling {
            job,
            opened,
            options,
            signals,
            began: Instant::now(),
            items,
            fetched: Sample::default(),
            alone: Sample::default(),
            beside: Sample::default(),
            results: Vec::new(),
            probed: None,
        };
        if items > 0 {
            sampling.compute(first)?;
        }
        Ok(sampling)
    }

    /// Saves some results, with more and more in flight.
    ///
    /// # Errors
    /// When no save was answered.
    pub(crate) fn probe(&mut self, messages: &Messages) -> Result<()> {
        if self.results.is_empty() || self.signals.exit().is_some() {
            return Ok(());
        }
        let beside = self.beside.computed.mean.max(1e-9);
        let probing = Probing {
            job: self.job,
            opened: self.opened,
            options: self.options,
            signals: self.signals,
            results: &self.results,
            arriving_per_s: self.options.jobs as f64 / beside,
        };
        self.probed = Some(probing.climb(messages)?);
        Ok(())
    }

    /// What the job costs, by all that is known now; what is not is assumed.
    pub(crate) fn work(&self) -> Work {
        let opened = self.opened;
        let nothing = Figure::declared(0.0);
        let compute = self.alone.computed.figure().unwrap_or(nothing);
        let fetch = opened.fetch.as_ref().map(|place| Traffic {
            spread: self.fetched.fetch.spread(),
            ..traffic::of_fetch(place, &self.fetched.fetch)
        });
        Work {
            items: self.items,
            compute,
            compute_beside: self.beside.computed.figure().unwrap_or(compute),
            fetch,
            save: traffic::of_save(
                opened,
                self.job.abilities,
                self.options,
                self.probed.as_ref(),
            ),
        }
    }

    /// Items that were computed, saves that were answered, and how long the sample took.
    pub(crate) fn size(&self) -> (u64, u64, f64) {
        let computed = self.alone.computed.count + self.beside.computed.count;
        let saves = self.probed.as_ref().map_or(0, |probed| probed.answered);
        (computed, saves, self.began.elapsed().as_secs_f64())
    }

    /// The ladder that was climbed, if one was.
    pub(crate) fn ladder(&self) -> Option<&Ladder> {
        self.probed.as_ref().map(|probed| &probed.ladder)
    }

    fn compute(&mut self, first: Vec<Payload>) -> Result<()> {
        let watch = Watch::new(self.signals);
        let options = Options {
            in_flight: InFlightLimit::Fixed(FETCHING.min(self.options.in_flight_max())),
            ..self.sampled(Strategy::Parallel)
        };
        let inputs =
            self.opened
                .fetch_some(first, &options, watch.observer(), self.signals.stop())?;
        self.fetched = watch.sample();
        if inputs.is_empty() {
            return Err(watch.unanswered("none of the first items could be fetched"));
        }
        let watch = Watch::new(self.signals);
        let options = self.sampled(Strategy::Sequential);
        self.results = self.run(inputs.clone(), &options, &watch)?;
        self.alone = watch.sample();
        if self.results.is_empty() && self.alone.computed.count == 0 {
            return Err(watch.error("none of the first items could be computed"));
        }
        if self.options.jobs < 2 || self.signals.exit().is_some() {
            self.beside = self.alone.clone();
            return Ok(());
        }
        let watch = Watch::new(self.signals);
        let options = self.sampled(Strategy::Parallel);
        let results = self.run(inputs, &options, &watch)?;
        self.beside = watch.sample();
        if results.len() > self.results.len() {
            self.results = results;
        }
        if self.results.is_empty() {
            return Err(watch.error("none of the first items could be computed"));
        }
        Ok(())
    }

    fn run(&self, items: Vec<Payload>, options: &Options, watch: &Watch) -> Result<Vec<Payload>> {
        let stop = self.signals.stop();
        self.opened
            .compute_some(items, options, watch.observer(), stop)
    }

    /// The options by which a sample is computed.
    fn sampled(&self, strategy: Strategy) -> Options {
        Options {
            strategy,
            save_quota: Quota::default(),
            halt: None,
            keep_order: false,
            in_flight: InFlightLimit::Fixed(self.options.in_flight_max().min(cores().max(8))),
            learnt_fetch: None,
            learnt_save: None,
            deadline: Some(COMPUTING),
            ..self.options.clone()
        }
    }
}

/// The first items, and how many there are. What is no item is left to a run to complain of.
fn read(job: &work::Work) -> Result<(Vec<Payload>, u64)> {
    let mut source = job.input.open().map_err(Error::unread)?;
    let known = source.remaining();
    let (mut items, mut bytes, mut seen) = (Vec::new(), 0, 0);
    while items.len() < ITEMS_MAX && bytes < BYTES_MAX {
        let mut read = Vec::new();
        source
            .read(ITEMS_MAX - items.len(), &mut read)
            .map_err(|fault| Error::internal(format_args!("failed to read the input: {fault}")))?;
        if read.is_empty() {
            break;
        }
        seen += read.len() as u64;
        for item in read.into_iter().flatten() {
            bytes += item.bytes().len();
            items.push(item);
        }
    }
    let all = known.or_else(|| source.count_rest().map(|rest| seen + rest));
    let all = all.ok_or_else(|| {
        Error::usage(format_args!(
            "the items of {} cannot be counted without reading all of it, which only a run may do; write it to a file \
             first",
            job.input
        ))
    })?;
    Ok((items, all))
}

/// Watches one run of a sample, and ends it when it was told enough.
pub(super) struct Watch {
    seen: Arc<Mutex<Watched>>,
    signals: Signals,
}

#[derive(Default)]
struct Watched {
    sample: Sample,
    fault: Option<String>,
}

impl Watch {
    pub(super) fn new(signals: &Signals) -> Watch {
        Watch {
            seen: Arc::default(),
            signals: signals.clone(),
        }
    }

    /// An observer that folds what happens.
    pub(super) fn observer(&self) -> impl FnMut(&Fact, &Counts) + Send + 'static + use<> {
        let seen = Arc::clone(&self.seen);
        move |fact: &Fact, _: &Counts| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.sample.add(fact);
            if let Fact::Dead { fault, .. } | Fact::OutageBegan { fault, .. } = fact {
                seen.fault.get_or_insert_with(|| fault.to_string());
            }
        }
    }

    /// The same, which stops the run at the first refusal, and when a signal has arrived; at once at the second.
    pub(super) fn polite_observer(
        &self,
        stop: &Stop,
    ) -> impl FnMut(&Fact, &Counts) + Send + 'static + use<> {
        let (mut observe, stop) = (self.observer(), stop.clone());
        let (signals, mut stops) = (self.signals.clone(), 0);
        move |fact: &Fact, counts: &Counts| {
            observe(fact, counts);
            let asked = match counts.rejected > 0 || signals.exit().is_some() {
                true => 1 + u32::from(signals.is_urgent()),
                false => 0,
            };
            while stops < asked {
                stops += 1;
                stop.now();
            }
        }
    }

    pub(super) fn sample(&self) -> Sample {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sample.clone()
    }

    /// Why there is nothing to go by.
    pub(super) fn error(&self, what: &str) -> Error {
        Error::internal(self.why(what))
    }

    /// The same where a service is the reason.
    pub(super) fn unanswered(&self, what: &str) -> Error {
        Error::Away(self.why(what))
    }

    fn why(&self, what: &str) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &seen.fault {
            Some(fault) => format!("{what}: {fault}"),
            None => what.to_owned(),
        }
    }
}
