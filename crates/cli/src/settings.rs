//! What connectors are told besides an address, and the connectors made of both.

use inflight::Strategy;
use inflight_connectors::{FetchSettings, HttpFetch, Ledger, Resume, Sink, SinkSettings};

use crate::args::JobArgs;
use crate::exit::{Usage, unfit};
use crate::job_id::name_of;
use crate::keep::Kept;
use crate::plan::usage;
use crate::target::{LAB, Place};

/// The settings of all sinks and fetches of one job.
#[derive(Debug)]
pub(crate) struct Settings {
    sink: SinkSettings,
    fetch: FetchSettings,
}

impl Settings {
    /// What the flags say; `job` tells this job from others in idempotency keys.
    pub(crate) fn new(args: &JobArgs, job: u64) -> Settings {
        Settings {
            sink: SinkSettings {
                method: args.method().to_owned(),
                headers: args.headers.clone(),
                body: args.body().to_owned(),
                responses: args.responses.clone(),
                ca_file: args.ca_file.clone(),
                create: args.create,
                append: args.append,
                idempotent: args.idempotent,
                job,
                more_schemes: &[LAB],
                ..SinkSettings::default()
            },
            fetch: FetchSettings {
                headers: args.fetch_headers.clone(),
                ca_file: args.ca_file.clone(),
                ..FetchSettings::default()
            },
        }
    }

    /// A sink at this place, for a run with this strategy.
    ///
    /// `repeat` counts the runs before it that saved the same: it is part of the idempotency keys, so that no service
    /// answers a later run for free.
    ///
    /// # Errors
    /// A usage error: a scheme that does not exist, a header that is none, a file that is not empty. A server that is away
    /// is an error of its own.
    pub(crate) fn sink(
        &self,
        place: &Place,
        strategy: Strategy,
        repeat: u64,
    ) -> anyhow::Result<Sink> {
        let settings = SinkSettings {
            job: self.sink.job.wrapping_add(repeat),
            inline: strategy.is_one_thread(),
            declared: place.declared,
            ..self.sink.clone()
        };
        let address = place.address_of("/add");
        let sink = Sink::parse(&address, &settings).map_err(Usage::error)?;
        sink.check().map_err(unfit)?;
        Ok(sink)
    }

    /// The same for a run that goes on from a journal, and for the first run of a new one.
    ///
    /// # Errors
    /// As [`Settings::sink`]; also when what the sink holds is not what the journal says.
    pub(crate) fn sink_kept(
        &self,
        place: &Place,
        strategy: Strategy,
        kept: &Kept,
    ) -> anyhow::Result<Sink> {
        let found = kept.found();
        let settings = Settings {
            sink: SinkSettings {
                resume: found.and_then(|found| Resume::of(&found)),
                ledger: Some(Ledger {
                    job: name_of(kept.job_id),
                    epoch: kept.epoch_next(),
                }),
                job: kept.job_id,
                ..self.sink.clone()
            },
            fetch: self.fetch.clone(),
        };
        settings.sink(place, strategy, 0)
    }

    /// The name that a run gives to this job where none before it has.
    pub(crate) fn job_id(&self) -> u64 {
        self.sink.job
    }

    /// A fetch from this place.
    ///
    /// # Errors
    /// A usage error: an address that is none, a header that is none.
    pub(crate) fn fetch(&self, place: &Place) -> anyhow::Result<HttpFetch> {
        let settings = FetchSettings {
            declared: place.declared,
            ..self.fetch.clone()
        };
        HttpFetch::new(&place.address_of("/items/{}"), &settings).map_err(usage("--fetch"))
    }
}
