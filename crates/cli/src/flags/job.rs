//! What was typed of the job itself: what is done with each item.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inflight_connectors::{AnswerSchema, BodySource};

use crate::flags::headings::JOB;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::value;

/// What is done with each item.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = JOB)]
pub(crate) struct JobArgs {
    /// What the input is made of, packed with gzip or zstd or not; empty lines are skipped [default: what its name ends in,
    /// such as .csv or .jsonl.gz, else text]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// The first record of CSV or TSV is an item like all others, and fields are called 1, 2 and so on
    #[arg(long)]
    pub(crate) no_header: bool,

    /// Know items by this field, or by what a jq filter gives, such as '.a+"-"+.b': the input may then be reordered, edited and extended
    /// between runs, and the same command does what is not done [default: by their place in the input]
    #[arg(long, value_name = "NAME|FILTER")]
    pub(crate) key: Option<String>,

    /// With --key: ask the table or file of --save which keys it has, and leave out the items that have one of these; saved, dead and
    /// left then speak of the others
    #[arg(long)]
    pub(crate) skip_existing: bool,

    /// Do items with the same value of this field, or jq filter, one after the other in the order of the input; others overtake. The next
    /// one begins when the one before it is saved or dead [default: no order]
    #[arg(long, value_name = "NAME|FILTER")]
    pub(crate) order_by: Option<String>,

    /// With --order-by and --key: when an item is dead, leave the later ones of its value, until dead-letters retry has saved it
    #[arg(long)]
    pub(crate) halt_key: bool,

    /// Compute on this field of each row [default: the whole row, as JSON]
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,

    /// What file:, sqlite: and postgres: save of each item, and --responses of each answer: fields of its row, index, result, key,
    /// or NAME=FILTER, a jq filter of the result or answer [default: index,result]
    #[arg(long, value_name = "NAME[=FILTER],…")]
    pub(crate) columns: Option<String>,

    /// Fetch what compute gets: [METHOD ]http(s)://URL, GET by default, with {} for the item and {name} for a field (RFC 6570:
    /// {+name}, {?name}); or lab:?latency=100ms
    #[arg(long, value_name = "[METHOD ]URL")]
    pub(crate) fetch: Option<String>,

    /// HTTP header of every save, may be repeated; a value env:NAME, file:PATH or exec:COMMAND is read from there, also after
    /// Bearer; {name} is a field
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The same for every fetch, so that no service gets what belongs to the other
    #[arg(long = "fetch-header", value_name = "NAME: VALUE")]
    pub(crate) fetch_headers: Vec<String>,

    /// HTTP body of a save: the result (raw), {"index":…,"result":…} or --columns (json), the fields of the row (form), form:FIELD,
    /// form:a={x}&b={y}, a JSON template such as '{"id":"{id}"}', jq:FILTER, @FILE with a template, or none; for many records in one
    /// request array or ndjson, also with a template: array:'{"id":"{id}"}' [default: raw]
    // As it was called before there was one for fetches.
    #[arg(long, alias = "body", value_name = "BODY", value_parser = BodySource::read)]
    pub(crate) save_body: Option<BodySource>,

    /// What stands before each line of --save-body ndjson: jq:FILTER or a JSON template, such as 'jq:{index:{_id:$row.id}}'
    #[arg(long, value_name = "BODY", value_parser = BodySource::read)]
    pub(crate) lines_before: Option<BodySource>,

    /// Where the answer to a request with many records says what became of each: a jq filter that gives one value for each, such as
    /// '.items[].index'; --fail-if and --retry-if are then asked of each value
    #[arg(long, value_name = "FILTER")]
    pub(crate) each: Option<String>,

    /// HTTP body of every fetch, as --save-body [default: none with GET, else raw]
    #[arg(long, value_name = "BODY", value_parser = BodySource::read)]
    pub(crate) fetch_body: Option<BodySource>,

    #[command(flatten)]
    pub(crate) statuses: StatusArgs,

    /// Make a dead letter of an answer for which this jq filter is true, such as .error; of the fetch if there is one, else of the
    /// save. $status, $headers, $row and $index can be used
    #[arg(long, value_name = "FILTER")]
    pub(crate) fail_if: Option<String>,

    /// Try again where this jq filter on the answer is true, such as '.error.code == "overloaded"'
    #[arg(long, value_name = "FILTER")]
    pub(crate) retry_if: Option<String>,

    /// Make a dead letter of an answer that has not the shape of this JSON Schema
    #[arg(long, value_name = "FILE", value_parser = AnswerSchema::read)]
    pub(crate) check: Option<AnswerSchema>,

    /// Where an answer says how many tokens it has cost, for a quota of tokens [default: .usage.total_tokens]
    #[arg(long, value_name = "FILTER")]
    pub(crate) tokens: Option<String>,

    /// Keep what the service answered to each save in this file, as JSON lines or, with --columns, as CSV; one that is not empty
    /// needs --append
    #[arg(long, value_name = "FILE")]
    pub(crate) responses: Option<PathBuf>,

    /// Longest answer that is taken, unpacked [default: 16MiB]; a longer one is a dead letter, or in --responses is cut and says so
    #[arg(long, value_name = "SIZE", value_parser = value::bytes)]
    pub(crate) answer_max: Option<usize>,

    /// Promise that the service knows idempotency keys: what a crash has sent again then counts once
    #[arg(long)]
    pub(crate) idempotent: bool,

    /// Write the lines of file: or --responses in the order of the items; what is early waits, at most 1 MiB at each step
    #[arg(long)]
    pub(crate) keep_order: bool,

    /// Make the table of postgres: where it is missing: "index" bigint PRIMARY KEY, result text
    #[arg(long)]
    pub(crate) create: bool,

    /// Let file: and --responses add to a file that is not empty
    #[arg(long)]
    pub(crate) append: bool,

    /// Trust the certificates in this PEM file besides those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// HTTP proxy, or none [default: that of HTTP_PROXY, HTTPS_PROXY and NO_PROXY]; with a password, say env:NAME or file:PATH
    #[arg(long, value_name = "URL|none")]
    pub(crate) proxy: Option<String>,
}

/// A service in this process: the scheme of its addresses.
pub(crate) const LAB: &str = "lab:";

/// What was computed and nothing else.
const RAW: &str = "raw";

impl JobArgs {
    /// Every setting of the group.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let JobArgs {
            format,
            no_header,
            key,
            skip_existing,
            order_by,
            halt_key,
            field,
            columns,
            fetch,
            headers,
            fetch_headers,
            save_body,
            lines_before,
            each,
            fetch_body,
            statuses:
                StatusArgs {
                    retry_status,
                    ok_status,
                    fail_status,
                },
            fail_if,
            retry_if,
            check,
            tokens,
            responses,
            idempotent,
            keep_order,
            create,
            append,
            ca_file,
            answer_max,
            proxy,
        } = self;
        let (results, course) = (Decides::Results, Decides::Course);
        let whole = Report::Whole;
        // By what a file held, not by its name alone.
        let body = |body: &Option<BodySource>| {
            let body = body.as_ref().filter(|body| body.typed() != RAW);
            body.map(|body| body.identity().into_owned())
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        // The first rows are hashed in this order into the names of jobs, which must never change; what is new goes below them.
        vec![
            Setting::new("fetch", results, Report::Address, fetch),
            Setting::new("format", results, whole, format.map(Format::name)),
            Setting::new("field", results, whole, field),
            Setting::new("save-body", results, whole, body(save_body)),
            Setting::new("fetch-header", results, Report::Header, fetch_headers),
            Setting::new("header", results, Report::Header, headers),
            Setting::new("responses", Decides::Journal, whole, path(responses)),
            Setting::switch("idempotent", course, whole, *idempotent),
            Setting::switch("keep-order", course, whole, *keep_order),
            Setting::switch("create", course, whole, *create),
            Setting::switch("append", course, whole, *append),
            Setting::new("ca-file", course, whole, path(ca_file)),
            Setting::new("proxy", course, Report::Address, proxy.clone()),
            Setting::new(
                "answer-max",
                course,
                whole,
                answer_max.map(value::shown_bytes),
            ),
            Setting::new("fetch-body", results, whole, body(fetch_body)),
            Setting::new("retry-status", course, whole, retry_status),
            Setting::new("ok-status", results, whole, ok_status),
            Setting::new("fail-status", course, whole, fail_status),
            Setting::switch("no-header", results, whole, *no_header),
            Setting::new("columns", results, whole, columns),
            Setting::new("key", results, whole, key),
            Setting::new("fail-if", results, whole, fail_if),
            Setting::new("retry-if", results, whole, retry_if),
            Setting::new("tokens", course, whole, tokens),
            Setting::new("lines-before", results, whole, body(lines_before)),
            Setting::new("each", results, whole, each),
            Setting::switch("skip-existing", course, whole, *skip_existing),
            Setting::new("order-by", course, whole, order_by),
            Setting::switch("halt-key", course, whole, *halt_key),
            Setting::new(
                "check",
                results,
                whole,
                check.as_ref().map(AnswerSchema::identity),
            ),
        ]
    }
}

/// What the statuses of answers mean, where that is not what `inflight explain` says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = JOB)]
pub(crate) struct StatusArgs {
    /// Statuses to try again, such as 409,425; of the fetch if there is one, else of the save
    #[arg(long, value_name = "STATUS,…")]
    pub(crate) retry_status: Option<String>,

    /// Statuses that are a success, such as 404
    #[arg(long, value_name = "STATUS,…")]
    pub(crate) ok_status: Option<String>,

    /// Statuses that make a dead letter at once, such as 5xx
    #[arg(long, value_name = "STATUS,…")]
    pub(crate) fail_status: Option<String>,
}

impl StatusArgs {
    /// Whether any is given.
    pub(crate) fn is_given(&self) -> bool {
        self.retry_status.is_some() || self.ok_status.is_some() || self.fail_status.is_some()
    }
}

/// What the input is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Jsonl,
    Csv,
    Tsv,
    Json,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
        }
    }
}
