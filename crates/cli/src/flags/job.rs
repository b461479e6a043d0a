//! What was typed of the job itself: what is done with each item.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::flags::headings::JOB;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::value;

/// What is done with each item.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = JOB)]
pub(crate) struct JobArgs {
    /// What the input is made of [default: jsonl for *.jsonl and *.ndjson, else text]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// Compute on this field of each JSON line [default: the whole line]
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,

    /// Fetch what compute gets, `{}` being the item: http(s)://URL, or lab:?latency=100ms
    #[arg(long, value_name = "URL")]
    pub(crate) fetch: Option<String>,

    /// HTTP method of a save [default: POST]
    #[arg(long)]
    pub(crate) method: Option<String>,

    /// HTTP header of every save, may be repeated; a value env:NAME or file:PATH is read from there
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The same for every fetch, so that no service gets what belongs to the other
    #[arg(long = "fetch-header", value_name = "NAME: VALUE")]
    pub(crate) fetch_headers: Vec<String>,

    /// HTTP body of a save: the result's bytes (raw), a JSON record, or a form with one field [default: raw]
    #[arg(long, value_name = "raw|json|form:FIELD")]
    pub(crate) body: Option<String>,

    /// Keep what the service answered to each save in this file, as JSON lines
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

    /// Let file: add to a file that is not empty
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

/// What saves usually are.
pub(crate) const METHOD: &str = "POST";

/// What was computed and nothing else.
pub(crate) const BODY: &str = "raw";

impl JobArgs {
    /// The method of a save, as given or by default.
    pub(crate) fn method(&self) -> &str {
        self.method.as_deref().unwrap_or(METHOD)
    }

    /// Every setting of the group.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let JobArgs {
            format,
            field,
            fetch,
            method,
            headers,
            fetch_headers,
            body,
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
        let given =
            |value: &Option<String>, default| value.clone().filter(|value| value != default);
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        // The first rows are hashed in this order into the names of jobs, which must never change; what is new goes below them.
        vec![
            Setting::new("fetch", results, Report::Address, fetch),
            Setting::new("format", results, whole, format.map(Format::name)),
            Setting::new("field", results, whole, field),
            Setting::new("method", results, whole, given(method, METHOD)),
            Setting::new("body", results, whole, given(body, BODY)),
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
        ]
    }

    /// The body of a save, as given or by default.
    pub(crate) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or(BODY)
    }
}

/// What the input is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Jsonl,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Jsonl => "jsonl",
        }
    }
}
