//! Saves each result with one HTTP request, `POST` unless told otherwise.

use std::sync::Arc;

use inflight::{Connection, Declared, Durable, Fault, Record, Reply, Service};

use super::answer::Bounds;
use super::request::{Links, Request, Spec};
use super::responses::Responses;
use crate::kind::Kind;
use crate::payload::Payload;
use crate::preview::RequestPreview;
use crate::settings::{ANSWER_BYTES_MAX, SinkSettings};

/// Bytes of a response that are read where it is not kept. The answer to a save is short; one that is not is given up,
/// and still says that the result was saved.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Saves each result with a request of its own, `POST` unless told otherwise.
///
/// Every request carries an `Idempotency-Key` of 32 hex digits that depends on the job and the item only, so
/// that a service can tell a repeated save. What statuses mean says [`StatusChanges::table`]; a wait that an answer asks
/// for is kept, whatever its status. A connection that breaks after the request was sent leaves it in doubt.
///
/// [`StatusChanges::table`]: crate::StatusChanges::table
///
/// ```
/// use inflight_connectors::{HttpSink, SinkSettings};
///
/// let sink = HttpSink::new("https://example.com/add?token=1", &SinkSettings::default())?;
/// assert_eq!(sink.to_string(), "https://example.com/add");
/// # Ok::<(), String>(())
/// ```
pub struct HttpSink(Arc<Inner>);

struct Inner {
    request: Request,
    declared: Declared,
    kind: Kind,
    responses: Option<Responses>,
    answer_bytes_max: usize,
    counts_tokens: bool,
    /// Whether answers are looked into, though they may not be kept.
    reads_answers: bool,
}

impl HttpSink {
    /// A sink at this address, `[METHOD ]URL`, with `{}` for the item and `{name}` for a field in its path or query. Reads secrets
    /// and certificates; connects to nothing.
    ///
    /// # Errors
    /// A sentence that names the address or setting at fault. Credentials for another machine need `https:`.
    pub fn new(address: &str, settings: &SinkSettings) -> Result<HttpSink, String> {
        let reads_answers = settings.counts_tokens || settings.checks.reads_answers();
        let request = Request::new(&Spec {
            address,
            is_fetch: false,
            headers: &settings.headers,
            body: settings.body.as_ref(),
            columns: Some(&settings.columns),
            fields: &settings.fields,
            statuses: &settings.statuses,
            checks: &settings.checks,
            ca_file: settings.ca_file.as_deref(),
            proxy: settings.proxy.as_deref(),
            job: settings.job,
            reads_answers: reads_answers || settings.responses.is_some(),
            is_item_gone: settings.is_item_gone,
        })?;
        let responses = settings.responses.clone();
        Ok(HttpSink(Arc::new(Inner {
            request,
            declared: settings.declared,
            kind: if settings.idempotent {
                Kind::Keyed
            } else {
                Kind::Append
            },
            answer_bytes_max: settings.answer_bytes_max.unwrap_or(ANSWER_BYTES_MAX),
            counts_tokens: settings.counts_tokens,
            reads_answers,
            responses: responses.map(|path| Responses::new(path, settings)),
        })))
    }

    /// Whether the sink can be used, as far as can be told without sending anything: looks at the file of
    /// responses.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be written, or is not what the journal knows.
    pub fn check(&self) -> Result<(), String> {
        let responses = self.0.responses.as_ref();
        responses.map_or(Ok(()), Responses::check)
    }

    /// The request that saves this result, as it would be sent.
    ///
    /// # Errors
    /// Permanent, when none can be made of it.
    pub fn preview(&self, record: &Record<Payload>) -> Result<RequestPreview, Fault> {
        self.0.request.preview(record)
    }

    /// What is promised of a result that is saved here: no more than the service promises.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

impl std::fmt::Display for HttpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.request.shown())
    }
}

impl Service<Payload> for HttpSink {
    /// The line that is kept of the response, where that is asked for.
    type Answer = Option<Box<[u8]>>;
    type Connection = HttpConnection;

    async fn connect(&self) -> Result<HttpConnection, Fault> {
        self.0.responses.as_ref().map_or(Ok(()), Responses::open)?;
        Ok(HttpConnection {
            links: self.0.request.connect().await?,
            sink: Arc::clone(&self.0),
            tokens: None,
        })
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        self.0.responses.as_ref()?.durable()
    }

    fn keep(&self, answers: &[Record<Self::Answer>]) -> Result<Option<u64>, Fault> {
        let Some(responses) = &self.0.responses else {
            return Ok(None);
        };
        responses.keep(answers.iter().filter_map(|answer| answer.value.as_deref()))
    }

    fn answer_bytes(answer: &Self::Answer) -> usize {
        answer.as_ref().map_or(0, |line| line.len())
    }

    fn declared(&self) -> Declared {
        self.0.declared
    }
}

/// One connection of an [`HttpSink`].
pub struct HttpConnection {
    links: Links,
    sink: Arc<Inner>,
    /// What the last answer has cost.
    tokens: Option<f64>,
}

impl Connection<Payload> for HttpConnection {
    type Answer = Option<Box<[u8]>>;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Self::Answer>, Fault> {
        let [record] = bulk else {
            return Err(Fault::permanent("an HTTP save takes one record"));
        };
        let is_kept = self.sink.responses.is_some();
        let (keep, most) = if is_kept || self.sink.reads_answers {
            (self.sink.answer_bytes_max, self.sink.answer_bytes_max)
        } else {
            (0, RESPONSE_BYTES_MAX)
        };
        let bounds = Bounds { keep, most };
        let request = &self.sink.request;
        self.tokens = None;
        let answer = request.ask(&mut self.links, record, bounds).await?;
        if self.sink.counts_tokens {
            self.tokens = request.tokens(&answer);
        }
        let line = || Responses::line(record, answer.head.status, &answer.body);
        Ok(Reply::one(is_kept.then(line)))
    }

    fn is_open(&mut self) -> bool {
        self.links.is_open()
    }

    fn cost(&self) -> Option<f64> {
        self.tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let check = |url: &str, headers: &[&str], method: &str, part: &str| {
            let address = format!("{method} {url}");
            let settings = SinkSettings {
                headers: headers.iter().map(|line| (*line).to_owned()).collect(),
                ..SinkSettings::default()
            };
            let message = HttpSink::new(&address, &settings).err().unwrap_or_default();
            assert!(message.contains(part), "{url} {headers:?}: {message}");
            assert!(!message.contains("canary"), "{message}");
        };
        check("http://u:canary@10.0.0.1/", &[], "POST", "unencrypted");
        check(
            "http://10.0.0.1/",
            &["Authorization: env:PATH"],
            "POST",
            "unencrypted",
        );
        check(
            "http://u:p@127.0.0.1/",
            &["Authorization: env:PATH"],
            "POST",
            "both",
        );
        check(
            "http://127.0.0.1/",
            &["Idempotency-Key: 1"],
            "POST",
            "leave it out",
        );
        check(
            "http://127.0.0.1/",
            &["Expect: 100-continue"],
            "POST",
            "leave it out",
        );
        check(
            "http://127.0.0.1/",
            &["Host: a", "Host: b"],
            "POST",
            "there twice",
        );
        check("http://127.0.0.1/", &[], "GE(T", "cannot be used");
        check("http://127.0.0.1/", &["Authorization: env:PATH"], "PUT", "");
    }
}
