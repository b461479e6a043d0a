//! Saves results with more and more in flight, for as long as that tells something: the engine's ladder decides, this waits.

use std::time::{Duration, Instant};

use inflight::forecast::{Figure, Ladder, LadderSettings, Top};
use inflight::{InFlightLimit, Options, Service, Stop, Strategy, Summary};
use inflight_connectors::{Payload, Sink};

use super::sampling::Watch;
use crate::error::{Error, Result};
use crate::job::copies::Copies;
use crate::job::opened::Opened;
use crate::job::work;
use crate::terminal::messages::Messages;
use crate::terminal::signals::Signals;

/// Nobody is asked with more in flight than this, whatever the job could use.
pub(super) const LADDER_MAX: usize = 256;
/// How long all of it may take.
const CLIMBING: Duration = Duration::from_secs(4);
/// The least that is left to one rung: a slow service answers once in it.
const RUNG_MIN: Duration = Duration::from_secs(1);
/// Full requests that are sent to find what one more record in a request costs, and between which numbers of records.
const FULL: usize = 3;
const RECORDS: usize = 4096;
const RECORDS_MAX: usize = 65_536;
/// Requests that are sent to find what one costs the thread that serves I/O, where the ladder was too short and it does no harm,
/// and how many at once.
const HANDLED: usize = 64;
const HANDLED_IN_FLIGHT: usize = 4;
/// Answers from which it is believed what one costs the thread that serves I/O.
const HANDLED_MIN: u64 = 24;

/// What is saved, and where.
pub(super) struct Probing<'a> {
    pub(super) job: &'a work::Work,
    pub(super) opened: &'a Opened<'a>,
    pub(super) options: &'a Options,
    pub(super) signals: &'a Signals,
    pub(super) results: &'a [Payload],
    /// Results that computing brings in a second.
    pub(super) arriving_per_s: f64,
}

/// What came of it.
pub(crate) struct Probed {
    pub(crate) ladder: Ladder,
    /// Requests that were answered.
    pub(crate) answered: u64,
    /// Seconds of CPU that a request costs the thread that serves I/O, if there were enough to tell.
    pub(crate) handling: Option<Figure>,
    /// Seconds that one more record in a request costs.
    pub(crate) per_record: Figure,
}

impl Probing<'_> {
    /// Climbs to the top.
    ///
    /// # Errors
    /// When no save was answered, or the sink cannot be opened.
    pub(super) fn climb(self, messages: &Messages) -> Result<Probed> {
        let mut sinks = Sinks::new(self.opened)?;
        let sink = sinks.next()?;
        let is_bulk = sink.bulk_max() > 1;
        let most = self.options.in_flight_max().min(sink.connections_max());
        // Nothing is learnt of nothing by asking it more often.
        let most = match self.job.abilities.is_nothing {
            true => 1,
            false => most.min(LADDER_MAX),
        };
        drop(sink);
        if !self.job.abilities.may_be_repeated {
            messages.say(format_args!(
                "saving a sample to {}: up to {} requests, up to {most} in flight",
                self.job.save_shown,
                Ladder::requests_max(most)
            ));
        }
        let began = Instant::now();
        let mut probed = Probed {
            ladder: Ladder::new(LadderSettings {
                in_flight_max: most,
                together: self.options.batch,
                arriving_per_s: self.arriving_per_s,
                lasting: CLIMBING,
            }),
            answered: 0,
            handling: None,
            per_record: Figure::NOTHING,
        };
        while let Some((in_flight, requests)) = probed.ladder.next() {
            if self.signals.exit().is_some() {
                return Ok(probed);
            }
            let watch = Watch::new(self.signals);
            let rung = Rung {
                in_flight,
                records: requests,
                bulk: Some(1),
                left: CLIMBING.saturating_sub(began.elapsed()),
            };
            let summary = self.try_rung(rung, sinks.next()?, &watch)?;
            let seen = watch.sample().save;
            probed.answered += seen.answered();
            if let Some(handling) = handling(&summary, seen.answered()) {
                probed.handling = Some(handling);
            }
            probed.ladder.tried(in_flight, seen, began.elapsed());
            if self.signals.exit().is_some() {
                return Ok(probed);
            }
            let what = match probed.ladder.top() {
                Some(Top::Failed) => "no save of the sample succeeded",
                Some(Top::Refused) => {
                    "the service refused the sample, and asks for less (429, 503 or the like)"
                }
                _ => continue,
            };
            if probed.ladder.latency().is_none() {
                return Err(watch.unanswered(&format!(
                    "{what}; --no-probe plans without asking {}",
                    self.job.save_shown
                )));
            }
        }
        if probed.handling.is_none() && self.job.abilities.may_be_repeated {
            self.handle_some(&mut probed, sinks.next()?)?;
        }
        if is_bulk {
            self.fill_bulks(&mut probed, sinks.next()?)?;
        }
        Ok(probed)
    }

    fn try_rung(&self, rung: Rung, sink: Sink, watch: &Watch) -> Result<Summary> {
        let stop = Stop::new();
        let options = Options {
            strategy: Strategy::Parallel,
            jobs: 1,
            in_flight: InFlightLimit::Fixed(rung.in_flight),
            bulk: rung.bulk,
            retries: 0,
            halt: None,
            keep_order: false,
            learnt_fetch: None,
            learnt_save: None,
            deadline: Some(rung.left.max(RUNG_MIN)),
            ..self.options.clone()
        };
        let results = self.results.iter().cycle().take(rung.records);
        let observer = watch.polite_observer(&stop);
        Opened::save_some(results.cloned().collect(), sink, &options, observer, &stop)
    }

    /// Finds what a request costs the thread that serves I/O, where the ladder was too short to tell.
    fn handle_some(&self, probed: &mut Probed, sink: Sink) -> Result<()> {
        let watch = Watch::new(self.signals);
        let rung = Rung {
            in_flight: HANDLED_IN_FLIGHT.min(self.options.in_flight_max()),
            records: HANDLED,
            bulk: Some(1),
            left: Duration::ZERO,
        };
        let summary = self.try_rung(rung, sink, &watch)?;
        let answered = watch.sample().save.answered();
        probed.answered += answered;
        probed.handling = handling(&summary, answered);
        Ok(())
    }

    /// Finds what one more record in a request costs, where a request takes several.
    fn fill_bulks(&self, probed: &mut Probed, sink: Sink) -> Result<()> {
        let watch = Watch::new(self.signals);
        let rung = Rung {
            in_flight: 1,
            records: FULL
                .saturating_mul(sink.bulk_max())
                .clamp(RECORDS, RECORDS_MAX),
            bulk: self.options.bulk,
            left: CLIMBING,
        };
        self.try_rung(rung, sink, &watch)?;
        let seen = watch.sample().save;
        let records = seen.records as f64 / seen.answered().max(1) as f64;
        if let (Some(one), Some(bulk)) = (probed.ladder.latency(), seen.latency.figure())
            && records > 1.0
        {
            let more = (bulk.value - one.value).max(0.0);
            // Each is off by two standard errors.
            let se = (bulk.value * bulk.off).hypot(one.value * one.off) / 2.0;
            probed.per_record = Figure::measured(more / (records - 1.0), se / (records - 1.0));
        }
        probed.answered += seen.answered();
        Ok(())
    }
}

/// What is tried once.
struct Rung {
    in_flight: usize,
    records: usize,
    bulk: Option<usize>,
    left: Duration,
}

/// What a request cost the thread that serves I/O, and those that hand it over.
fn handling(summary: &Summary, answered: u64) -> Option<Figure> {
    let spent = summary.cores_busy * summary.elapsed_s - summary.compute_s;
    (answered >= HANDLED_MIN).then(|| Figure::measured(spent.max(0.0) / answered as f64, 0.0))
}

/// Where each rung saves: under keys of its own, and a copy of its own if the sink is a local file.
struct Sinks<'a> {
    opened: &'a Opened<'a>,
    copies: Option<Copies>,
    made: u64,
}

impl<'a> Sinks<'a> {
    fn new(opened: &'a Opened<'a>) -> Result<Sinks<'a>> {
        let address = &opened.save.address;
        let copies = Copies::of(address).map_err(|error| {
            Error::usage(format_args!(
                "failed to make temporary copies beside {address}: {error}"
            ))
        })?;
        Ok(Sinks {
            opened,
            copies,
            made: 0,
        })
    }

    fn next(&mut self) -> Result<Sink> {
        self.made += 1;
        match &mut self.copies {
            Some(copies) => self.opened.sink_at(&copies.next()?, Strategy::Parallel),
            None => self.opened.sink(Strategy::Parallel, self.made),
        }
    }
}
