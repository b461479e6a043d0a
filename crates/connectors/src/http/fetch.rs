//! Fetches what compute gets: one request for each item, `GET` unless told otherwise.

use std::path::PathBuf;
use std::sync::Arc;

use inflight::{Connection, Declared, Fault, Record, Reply, Service, Usage};

use super::answer::Bounds;
use super::body::BodySource;
use super::checks::AnswerChecks;
use super::item::Fields;
use super::request::{Links, Request, Spec};
use super::verdict::StatusChanges;
use crate::error::Error;
use crate::payload::Payload;
use crate::preview::RequestPreview;
use crate::settings::{ANSWER_BYTES_MAX, shown_bytes};

/// How items are fetched, besides from where.
#[derive(Clone, Debug, Default)]
pub struct FetchSettings {
    /// Headers, as in [`SinkSettings::headers`](crate::SinkSettings::headers). Default none.
    pub headers: Vec<String>,
    /// What is sent. Default nothing with `GET`, else the item as it is.
    pub body: Option<BodySource>,
    /// What statuses mean, where that is not what the table says. Default as the table says.
    pub statuses: StatusChanges,
    /// What is asked of the content of answers. Default nothing.
    pub checks: AnswerChecks,
    /// Which fields items have, so that a template that names another is refused at once. Default: that is not known.
    pub fields: Fields,
    /// Certificates (PEM) that are trusted besides those of the system. Default none.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy to use, as `http://[USER:PASSWORD@]HOST:PORT`, or `env:NAME` or `file:PATH` where that is to be found;
    /// `none` for none. Default: the one that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but for
    /// `NO_PROXY`); this machine is never reached by way of that.
    pub proxy: Option<String>,
    /// What tells this job from others; part of the idempotency key of a fetch that is no `GET`. Default 0.
    pub job: u64,
    /// Bytes of an answer at most; a longer one is a permanent fault. Default [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: Option<usize>,
    /// Whether answers are searched for the tokens that they have cost, for a quota of tokens. Default: no.
    pub counts_tokens: bool,
    /// What is known of the service. Default nothing: it is measured.
    pub declared: Declared,
}

/// Fetches an answer for each item: the body at a URL, or what a service says to a request of any method.
///
/// Statuses mean what they mean to an [`HttpSink`](crate::HttpSink). A `GET` has no effect, so it is never in doubt, and follows
/// at most 5 redirects; to another origin no header goes along that was given here. A body over
/// [`FetchSettings::answer_bytes_max`] is a permanent fault. What a service packed (gzip, br, zstd, deflate) is unpacked; a text
/// in another charset becomes UTF-8.
///
/// ```
/// use inflight_connectors::{FetchSettings, HttpFetch};
///
/// let fetch = HttpFetch::new("http://127.0.0.1:8080/items/{}?token=1", &FetchSettings::default())?;
/// assert_eq!(fetch.to_string(), "http://127.0.0.1:8080/items/{}");
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
pub struct HttpFetch(Arc<Inner>);

struct Inner {
    request: Request,
    declared: Declared,
    answer_bytes_max: usize,
    counts_tokens: bool,
}

impl HttpFetch {
    /// A fetch from this address, `[METHOD ]URL`, with `{}` for the item and `{name}` for a field in its path or query.
    ///
    /// # Errors
    /// A sentence that names the address or setting at fault.
    pub fn new(address: &str, settings: &FetchSettings) -> Result<HttpFetch, Error> {
        let request = Request::new(&Spec {
            address,
            is_fetch: true,
            headers: &settings.headers,
            body: settings.body.as_ref(),
            lines_before: None,
            columns: None,
            fields: &settings.fields,
            statuses: &settings.statuses,
            checks: &settings.checks,
            ca_file: settings.ca_file.as_deref(),
            proxy: settings.proxy.as_deref(),
            job: settings.job,
            reads_answers: true,
            is_item_gone: false,
        })?;
        if request.many().is_some() {
            return Err("a fetch asks for one item; array and ndjson are bodies of saves".into());
        }
        Ok(HttpFetch(Arc::new(Inner {
            request,
            declared: settings.declared,
            answer_bytes_max: settings.answer_bytes_max.unwrap_or(ANSWER_BYTES_MAX),
            counts_tokens: settings.counts_tokens,
        })))
    }

    /// The request that fetches for this item, as it would be sent.
    ///
    /// # Errors
    /// Permanent, when none can be made of it.
    pub fn preview(&self, record: &Record<Payload>) -> Result<RequestPreview, Fault> {
        self.0.request.preview(record)
    }
}

impl std::fmt::Display for HttpFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.request.shown())
    }
}

impl Service<Payload> for HttpFetch {
    type Answer = Payload;
    type Connection = FetchConnection;

    async fn connect(&self) -> Result<FetchConnection, Fault> {
        Ok(FetchConnection {
            links: self.0.request.connect().await?,
            fetch: Arc::clone(&self.0),
            usage: Usage::default(),
        })
    }

    fn declared(&self) -> Declared {
        self.0.declared
    }
}

/// One connection of an [`HttpFetch`].
pub struct FetchConnection {
    links: Links,
    fetch: Arc<Inner>,
    /// What the last answer says of quotas.
    usage: Usage,
}

impl Connection<Payload> for FetchConnection {
    type Answer = Payload;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Payload>, Fault> {
        let [record] = bulk else {
            return Err(Fault::permanent("an HTTP fetch takes one record"));
        };
        let most = self.fetch.answer_bytes_max;
        let bounds = Bounds { keep: most, most };
        let request = &self.fetch.request;
        self.usage = Usage::default();
        let answer = request.ask(&mut self.links, record, bounds).await?;
        self.usage = request.usage(&answer, self.fetch.counts_tokens);
        if answer.body.is_cut {
            let why = format!(
                "answered more than {}; --answer-max takes more",
                shown_bytes(most)
            );
            return Err(Fault::permanent(format!("{} {why}", request.title())).counted_as(why));
        }
        Ok(Reply::one(record.value.clone().becomes(answer.body.bytes)))
    }

    fn is_open(&mut self) -> bool {
        self.links.is_open()
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}
