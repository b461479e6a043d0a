//! Refuses flags that would do nothing where the job saves: whoever gives one expects something of it.
//!
//! A scheme that is none passes: what is wrong with it is said where addresses are read.

use std::fmt::Display;

use crate::error::Usage;
use crate::flags::job::JobArgs;
use crate::flags::pace::PaceArgs;
use crate::flags::secrets::public;
use crate::flags::typed::Typed;
use crate::flags::value::OrAuto;

/// What a sink does with flags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A request for each record: `http:`, `https:`, `lab:`.
    Http,
    File,
    /// `postgres:`, `postgresql:`.
    Postgres,
    /// `sqlite:`, `null:`.
    Other,
}

impl Kind {
    fn of(sink: &str) -> Option<Kind> {
        let scheme = sink.split_once(':')?.0;
        // `PUT https://…`
        match scheme.rsplit_once(' ').map_or(scheme, |(_, scheme)| scheme) {
            "http" | "https" | "lab" => Some(Kind::Http),
            "file" => Some(Kind::File),
            "postgres" | "postgresql" => Some(Kind::Postgres),
            "sqlite" | "null" => Some(Kind::Other),
            _ => None,
        }
    }
}

/// Whether each flag means something to this sink.
///
/// # Errors
/// A usage error: a sentence that names the flag and why it would do nothing.
pub(super) fn check(typed: &Typed<'_>) -> anyhow::Result<()> {
    let Typed {
        save, job, pace, ..
    } = *typed;
    if !job.fetch_headers.is_empty() && job.fetch.is_none() {
        return Err(Usage::error(
            "--fetch-header goes with every fetch, and nothing is fetched; add --fetch URL",
        ));
    }
    if !pace.fetch_quotas.is_empty() && job.fetch.is_none() {
        return Err(Usage::error(
            "--fetch-quota is kept by the fetches, and nothing is fetched; add --fetch URL, or write --save-quota",
        ));
    }
    if job.fetch_body.is_some() && job.fetch.is_none() {
        return Err(Usage::error(
            "--fetch-body goes with every fetch, and nothing is fetched; add --fetch URL",
        ));
    }
    let sink = public(save);
    let kind = Kind::of(save);
    if kind.is_some_and(|kind| kind != Kind::Postgres) {
        refuse(
            job.create,
            format_args!("--create makes a missing table in Postgres; {sink} is none"),
        )?;
    }
    match kind {
        None => Ok(()),
        Some(Kind::Http) => one_record(&sink, pace)
            .and_then(|()| no_file(&sink, job))
            .and_then(|()| no_lines(&sink, job)),
        Some(Kind::File) => no_http(&sink, job),
        Some(Kind::Postgres | Kind::Other) => no_http(&sink, job)
            .and_then(|()| no_file(&sink, job))
            .and_then(|()| no_lines(&sink, job)),
    }
}

fn one_record(sink: &str, pace: &PaceArgs) -> anyhow::Result<()> {
    let is_many = matches!(pace.bulk, OrAuto::Count(2..));
    refuse(
        is_many,
        format_args!("--bulk puts several records in one request; {sink} takes one"),
    )
}

fn no_file(sink: &str, job: &JobArgs) -> anyhow::Result<()> {
    refuse(
        job.append && job.responses.is_none(),
        format_args!("--append lets file: and --responses add to a file; {sink} is none"),
    )
}

fn no_lines(sink: &str, job: &JobArgs) -> anyhow::Result<()> {
    refuse(
        job.keep_order && job.responses.is_none(),
        format_args!(
            "--keep-order is that of the lines in file: or --responses; {sink} writes none"
        ),
    )
}

fn no_http(sink: &str, job: &JobArgs) -> anyhow::Result<()> {
    refuse(
        job.responses.is_some(),
        format_args!("--responses keeps what an HTTP service answers; {sink} has none"),
    )?;
    refuse(
        !job.headers.is_empty(),
        format_args!("--header goes with an HTTP request; {sink} gets none"),
    )?;
    refuse(
        job.idempotent,
        format_args!("--idempotent is a promise of an HTTP service; {sink} is none"),
    )?;
    refuse(
        job.answer_max.is_some() && job.fetch.is_none(),
        format_args!("--answer-max is about the answers of an HTTP service; {sink} is none"),
    )?;
    refuse(
        job.save_body.is_some(),
        format_args!("--save-body is that of an HTTP request; {sink} gets none"),
    )?;
    refuse(
        job.statuses.is_given() && job.fetch.is_none(),
        format_args!(
            "--retry-status, --ok-status and --fail-status are about HTTP; {sink} answers with none"
        ),
    )?;
    // A fetch is always over HTTP, goes the same way and trusts the same certificates.
    refuse(
        job.proxy.is_some() && job.fetch.is_none(),
        format_args!("--proxy is a way to HTTP services; {sink} is not reached that way"),
    )?;
    refuse(
        job.ca_file.is_some() && job.fetch.is_none(),
        format_args!("--ca-file says whom to trust over HTTPS; {sink} is not reached that way"),
    )
}

fn refuse(is_idle: bool, sentence: impl Display) -> anyhow::Result<()> {
    if is_idle {
        return Err(Usage::error(sentence));
    }
    Ok(())
}
