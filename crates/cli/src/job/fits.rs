//! Refuses flags that would do nothing where the job saves: whoever gives one expects something of it.
//!
//! What a sink can do with a flag, its kind says of itself.

use std::fmt::Display;

use inflight_connectors::{Abilities, BodySource};

use crate::error::{Error, Result};
use crate::flags::job::JobArgs;
use crate::flags::pace::PaceArgs;
use crate::flags::secrets::public;
use crate::flags::typed::Typed;
use crate::flags::value::OrAuto;

/// Whether each flag means something to this sink.
///
/// # Errors
/// A usage error: a sentence that names the flag and why it would do nothing.
pub(super) fn check(typed: &Typed<'_>, able: Abilities) -> Result<()> {
    let Typed {
        save, job, pace, ..
    } = *typed;
    if !job.fetch_headers.is_empty() && job.fetch.is_none() {
        return Err(Error::usage(
            "--fetch-header goes with every fetch, and nothing is fetched; add --fetch URL",
        ));
    }
    if !pace.fetch_quotas.is_empty() && job.fetch.is_none() {
        return Err(Error::usage(
            "--fetch-quota is kept by the fetches, and nothing is fetched; add --fetch URL, or write --save-quota",
        ));
    }
    if job.fetch_body.is_some() && job.fetch.is_none() {
        return Err(Error::usage(
            "--fetch-body goes with every fetch, and nothing is fetched; add --fetch URL",
        ));
    }
    in_order(job)?;
    refuse(
        job.skip_existing && job.key.is_none(),
        "--skip-existing asks which keys are there, and items have none; add --key NAME",
    )?;
    let sink = public(save);
    refuse(
        job.create && !able.makes_tables,
        format_args!("--create makes a missing table in Postgres; {sink} is none"),
    )?;
    if !able.is_http {
        no_http(&sink, job)?;
    }
    let body = job.save_body.as_ref().filter(|_| able.is_http);
    if !able.takes_bulks && !body.is_some_and(BodySource::is_bulk) {
        one_record(&sink, job, pace)?;
    }
    if !able.appends {
        no_file(&sink, job)?;
    }
    let is_json_body = body.is_some_and(|body| body.holds_columns());
    let is_kept = job.responses.is_some();
    if !able.appends && !able.keeps_account && !is_json_body && !is_kept {
        no_columns(&sink, job)?;
    }
    refuse(
        job.columns.is_some() && is_json_body && is_kept,
        "--columns would be of both the body and --responses; write the body as a template, such as '{\"id\": \"{id}\"}'",
    )?;
    if !able.keeps_order {
        no_lines(&sink, job)?;
    }
    Ok(())
}

/// Which orders there can be.
fn in_order(job: &JobArgs) -> Result<()> {
    refuse(
        job.order_by.is_some() && job.keep_order,
        "--keep-order lets no item overtake, and --order-by all that have another value; leave one of them out",
    )?;
    refuse(
        job.halt_key && job.order_by.is_none(),
        "--halt-key halts a value of --order-by, and there is none; add --order-by NAME",
    )?;
    refuse(
        job.halt_key && job.key.is_none(),
        "--halt-key needs --key NAME, by which a later run knows which items are dead",
    )
}

fn one_record(sink: &str, job: &JobArgs, pace: &PaceArgs) -> Result<()> {
    let is_many = matches!(pace.bulk, OrAuto::Count(2..));
    refuse(
        is_many,
        format_args!(
            "--bulk puts several records in one request; {sink} takes one, unless --save-body is array or ndjson"
        ),
    )?;
    refuse(
        job.each.is_some() || job.lines_before.is_some(),
        format_args!(
            "--each and --lines-before are about requests with many records; add --save-body array or ndjson"
        ),
    )
}

fn no_file(sink: &str, job: &JobArgs) -> Result<()> {
    refuse(
        job.append && job.responses.is_none(),
        format_args!("--append lets file: and --responses add to a file; {sink} is none"),
    )
}

fn no_columns(sink: &str, job: &JobArgs) -> Result<()> {
    refuse(
        job.columns.is_some(),
        format_args!(
            "--columns is of what file:, sqlite:, postgres:, --responses and --save-body json, array and ndjson hold; {sink} gets nothing of it"
        ),
    )
}

fn no_lines(sink: &str, job: &JobArgs) -> Result<()> {
    refuse(
        job.keep_order && job.responses.is_none(),
        format_args!(
            "--keep-order is that of the lines in file: or --responses; {sink} writes none"
        ),
    )
}

fn no_http(sink: &str, job: &JobArgs) -> Result<()> {
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
    refuse(
        job.each.is_some() || job.lines_before.is_some(),
        format_args!(
            "--each and --lines-before are about HTTP requests with many records; {sink} gets none"
        ),
    )?;
    let filters = [&job.fail_if, &job.retry_if, &job.tokens];
    let is_checked = filters.into_iter().any(Option::is_some) || job.check.is_some();
    refuse(
        is_checked && job.fetch.is_none(),
        format_args!(
            "--fail-if, --retry-if, --check and --tokens are about answers over HTTP; {sink} gives none"
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

fn refuse(is_idle: bool, sentence: impl Display) -> Result<()> {
    if is_idle {
        return Err(Error::usage(sentence));
    }
    Ok(())
}
