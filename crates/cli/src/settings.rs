//! What connectors are told besides an address, and the connectors made of both.

use inflight::Strategy;
use inflight_connectors::{FetchSettings, HttpFetch, Sink, SinkSettings};

use crate::args::JobArgs;
use crate::exit::Usage;
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
                append: args.append,
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
    /// A usage error: a scheme that does not exist, a header that is none, a file that is not empty.
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
        sink.check().map_err(Usage::error)?;
        Ok(sink)
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
