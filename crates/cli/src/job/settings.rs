//! What connectors are told besides an address, and the connectors made of both.

use inflight::Strategy;
use inflight_connectors::{
    AnswerChecks, Columns, FetchSettings, Fields, HttpFetch, Ledger, Resume, Sink, SinkSettings,
    StatusChanges,
};

use crate::error::{Error, Result};
use crate::flags::job::{JobArgs, LAB, StatusArgs};
use crate::flags::pace::PaceArgs;
use crate::flags::value::QuotaOf;
use crate::job::fetch::Fetch;
use crate::job::identity::name_of;
use crate::job::target::Place;
use crate::job::work::usage;

/// The settings of all sinks and fetches of one job.
#[derive(Debug)]
pub(crate) struct Settings {
    sink: SinkSettings,
    fetch: FetchSettings,
}

/// What is known of the items before any is read.
#[derive(Debug)]
pub(crate) struct Items {
    /// Which fields they have.
    pub(crate) fields: Fields,
    /// Whether what is saved is something else than the item.
    pub(crate) is_gone: bool,
}

/// What the flags make of the statuses of answers.
///
/// # Errors
/// A usage error that names what is no status.
pub(crate) fn changes(args: &StatusArgs) -> Result<StatusChanges> {
    let list = |list: &Option<String>| list.clone().unwrap_or_default();
    let (retry, ok, fail) = (
        list(&args.retry_status),
        list(&args.ok_status),
        list(&args.fail_status),
    );
    StatusChanges::parse(&retry, &ok, &fail).map_err(|why| {
        Error::usage(format_args!(
            "--retry-status, --ok-status, --fail-status: {why}"
        ))
    })
}

/// What is known of the earlier runs of a job.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// What they have written into the file of results or responses; `None` where there is none, and before the first.
    pub(crate) resume: Option<Resume>,
    /// The name that the first of them gave to the job.
    pub(crate) job_id: u64,
    /// By what services know the items.
    pub(crate) keys_id: u64,
    /// The number of the next one, from 1.
    pub(crate) epoch_next: u64,
    /// Whether the journal knew any when it was opened, though it may begin anew.
    pub(crate) is_known: bool,
}

impl Settings {
    /// What the flags say; `job` tells this job from others in idempotency keys.
    ///
    /// # Errors
    /// A usage error: a status that is none.
    pub(crate) fn new(
        args: &JobArgs,
        job: u64,
        items: Items,
        columns: Columns,
    ) -> Result<Settings> {
        let changes = changes(&args.statuses)?;
        // Where both are over HTTP, the answer that is wanted is that to the fetch, unless saves say what became of each record.
        let fetches = args.fetch.is_some();
        let (fetch_statuses, save_statuses) = match fetches {
            true => (changes, StatusChanges::default()),
            false => (StatusChanges::default(), changes),
        };
        let judges_fetches = fetches && args.each.is_none();
        let checks = |is_fetch: bool| {
            let judges = is_fetch == judges_fetches;
            let fail_if = args.fail_if.as_deref().filter(|_| judges);
            let retry_if = args.retry_if.as_deref().filter(|_| judges);
            let tokens = args.tokens.as_deref().filter(|_| is_fetch == fetches);
            let schema = args.check.clone().filter(|_| judges);
            let checks = AnswerChecks::compile(fail_if, retry_if, tokens);
            checks.map(|checks| checks.with_schema(schema))
        };
        let fetch_checks = checks(true).map_err(Error::usage)?;
        let save_checks = checks(false)
            .and_then(|checks| checks.with_each(args.each.as_deref()))
            .map_err(Error::usage)?;
        Ok(Settings {
            sink: SinkSettings {
                headers: args.headers.clone(),
                body: args.save_body.clone(),
                lines_before: args.lines_before.clone(),
                statuses: save_statuses,
                checks: save_checks,
                fields: items.fields.clone(),
                is_item_gone: items.is_gone,
                columns,
                responses: args.responses.clone(),
                ca_file: args.ca_file.clone(),
                proxy: args.proxy.clone(),
                answer_bytes_max: args.answer_max,
                create: args.create,
                append: args.append,
                idempotent: args.idempotent,
                job,
                more_schemes: &[LAB],
                ..SinkSettings::default()
            },
            fetch: FetchSettings {
                headers: args.fetch_headers.clone(),
                body: args.fetch_body.clone(),
                statuses: fetch_statuses,
                checks: fetch_checks,
                fields: items.fields,
                ca_file: args.ca_file.clone(),
                proxy: args.proxy.clone(),
                answer_bytes_max: args.answer_max,
                job,
                ..FetchSettings::default()
            },
        })
    }

    /// The same, with answers that are searched for tokens where a quota counts those.
    pub(crate) fn counting(mut self, pace: &PaceArgs) -> Settings {
        let of_tokens = |quotas: &[QuotaOf]| {
            let mut quotas = quotas.iter();
            quotas.any(|quota| matches!(quota, QuotaOf::Tokens(_)))
        };
        self.fetch.counts_tokens = of_tokens(&pace.fetch_quotas);
        self.sink.counts_tokens = of_tokens(&pace.save_quotas);
        self
    }

    /// A sink at this place, for a run with this strategy.
    ///
    /// `repeat` counts the runs before it that saved the same: it is part of the idempotency keys, so that no service
    /// answers a later run for free.
    ///
    /// # Errors
    /// A usage error: a scheme that does not exist, a header that is none, a file that is not empty. A server that is away
    /// is an error of its own.
    pub(crate) fn sink(&self, place: &Place, strategy: Strategy, repeat: u64) -> Result<Sink> {
        let settings = SinkSettings {
            job: self.sink.job.wrapping_add(repeat),
            inline: strategy.is_one_thread(),
            declared: place.declared,
            ..self.sink.clone()
        };
        if let Some(called) = &place.called {
            return Ok(Sink::Called(called.clone()));
        }
        let address = place.address_of("/add");
        let sink = Sink::parse(&address, &settings).map_err(Error::usage)?;
        sink.check().map_err(Error::unfit)?;
        Ok(sink)
    }

    /// The same for a run that goes on from a journal, and for the first run of a new one.
    pub(super) fn after(&self, earlier: &Earlier) -> Settings {
        Settings {
            sink: SinkSettings {
                resume: earlier.resume.clone(),
                ledger: Some(Ledger {
                    job: name_of(earlier.job_id),
                    epoch: earlier.epoch_next,
                    is_known: earlier.is_known,
                }),
                job: earlier.keys_id,
                ..self.sink.clone()
            },
            fetch: FetchSettings {
                job: earlier.keys_id,
                ..self.fetch.clone()
            },
        }
    }

    /// What is saved of each item.
    pub(crate) fn columns(&self) -> &Columns {
        &self.sink.columns
    }

    /// The name that a run gives to this job where none before it has.
    pub(crate) fn job_id(&self) -> u64 {
        self.sink.job
    }

    /// A fetch from this place.
    ///
    /// # Errors
    /// A usage error: an address that is none, a header that is none.
    pub(crate) fn fetch(&self, place: &Place) -> Result<Fetch> {
        if let Some(called) = &place.called {
            return Ok(Fetch::Called(called.clone()));
        }
        let settings = FetchSettings {
            declared: place.declared,
            ..self.fetch.clone()
        };
        let fetch = HttpFetch::new(&place.address_of("/items/{}"), &settings);
        fetch.map(Fetch::Http).map_err(usage("--fetch"))
    }
}
