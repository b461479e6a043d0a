//! Saves each result with one HTTP request, or many with one, `POST` unless told otherwise.

use std::mem::take;
use std::sync::Arc;

use inflight::{Connection, Declared, Durable, Fault, Record, Reply, Service, Usage};

use super::answer::{Bounds, Text};
use super::body::BodySource;
use super::bulk::{BULK_MAX, BulkBody};
use super::request::{Answer, Links, Load, Request, Spec};
use super::responses::Responses;
use crate::columns::Columns;
use crate::error::Error;
use crate::kind::Kind;
use crate::payload::Payload;
use crate::preview::RequestPreview;
use crate::settings::{ANSWER_BYTES_MAX, SinkSettings};

/// Bytes of a response that are read where it is not kept. The answer to a save is short; one that is not is given up,
/// and still says that the result was saved.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Saves each result with a request of its own, `POST` unless told otherwise. With a body `array` or `ndjson` a request holds many
/// results; a refusal of such a request has it halved until the bad record is alone, unless the answer has a part for each
/// ([`AnswerChecks::with_each`](crate::AnswerChecks::with_each)).
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
/// # Ok::<(), inflight_connectors::Error>(())
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

impl Inner {
    /// How much of an answer is read, after one that said this: where units are told, the next says what it has cost.
    fn bounds(&self, before: Usage) -> Bounds {
        let is_wanted = self.responses.is_some() || self.reads_answers || before.units.is_some();
        let (keep, most) = if is_wanted {
            (self.answer_bytes_max, self.answer_bytes_max)
        } else {
            (0, RESPONSE_BYTES_MAX)
        };
        Bounds { keep, most }
    }
}

impl HttpSink {
    /// A sink at this address, `[METHOD ]URL`, with `{}` for the item and `{name}` for a field in its path or query. Reads secrets
    /// and certificates; connects to nothing.
    ///
    /// # Errors
    /// A sentence that names the address or setting at fault. Credentials for another machine need `https:`.
    pub fn new(address: &str, settings: &SinkSettings) -> Result<HttpSink, Error> {
        let reads_answers = settings.counts_tokens || settings.checks.reads_answers();
        let request = Request::new(&Spec {
            address,
            is_fetch: false,
            headers: &settings.headers,
            body: settings.body.as_ref(),
            lines_before: settings.lines_before.as_ref(),
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
        if request.many().is_some() && settings.responses.is_some() && !settings.checks.has_parts()
        {
            return Err(
                "responses of requests with many records are kept for each record; --each says which part is whose".into(),
            );
        }
        // A body that holds them has them, else what is kept of responses.
        let is_of_body = settings
            .body
            .as_ref()
            .is_some_and(BodySource::holds_columns);
        let columns = if is_of_body {
            Columns::default()
        } else {
            settings.columns.clone()
        };
        let responses = settings.responses.clone();
        let responses = responses.map(|path| Responses::new(path, columns, settings));
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
            responses: responses.transpose()?,
        })))
    }

    /// Whether the sink can be used, as far as can be told without sending anything: looks at the file of
    /// responses.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be written, or is not what the journal knows.
    pub fn check(&self) -> Result<(), Error> {
        let responses = self.0.responses.as_ref();
        Ok(responses.map_or(Ok(()), Responses::check)?)
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
            usage: Usage::default(),
        })
    }

    fn bulk_max(&self) -> usize {
        self.0.request.many().map_or(1, |_| BULK_MAX)
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
    /// What the last answer says of quotas.
    usage: Usage,
}

impl Connection<Payload> for HttpConnection {
    type Answer = Option<Box<[u8]>>;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Self::Answer>, Fault> {
        let sink = Arc::clone(&self.sink);
        if let Some(many) = sink.request.many() {
            return Box::pin(self.send_many(bulk, many)).await;
        }
        let [record] = bulk else {
            return Err(Fault::permanent("an HTTP save takes one record"));
        };
        let bounds = sink.bounds(take(&mut self.usage));
        let answer = sink.request.ask(&mut self.links, record, bounds).await?;
        self.usage = sink.request.usage(&answer, sink.counts_tokens);
        let line = |responses: &Responses| responses.line(sink.request.title(), record, &answer);
        let line = sink.responses.as_ref().map(line).transpose()?;
        Ok(Reply::one(line))
    }

    fn is_open(&mut self) -> bool {
        self.links.is_open()
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

type Outcome = Result<Option<Box<[u8]>>, Fault>;

impl HttpConnection {
    /// One request with many records. Those that have no form are refused by themselves.
    async fn send_many(
        &mut self,
        bulk: &[Record<Payload>],
        many: &BulkBody,
    ) -> Result<Reply<Option<Box<[u8]>>>, Fault> {
        let made = many.of(bulk);
        let body = (made.body, Some(many.content_type()));
        if made.refused.is_empty() {
            let load = Load {
                records: bulk,
                body: &body,
            };
            let outcomes = self.save_many(load).await?;
            return Ok(match outcomes.iter().all(Result::is_ok) {
                true => Reply::All(outcomes.into_iter().flatten().collect()),
                false => Reply::Each(outcomes),
            });
        }
        let mut refused = made.refused.into_iter().peekable();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(bulk.len());
        let mut records = Vec::with_capacity(bulk.len());
        for (at, record) in bulk.iter().enumerate() {
            let fault = refused.next_if(|(other, _)| *other == at);
            outcomes.push(fault.map(|(_, fault)| Err(fault)));
            if outcomes[at].is_none() {
                records.push(record.clone());
            }
        }
        let load = Load {
            records: &records,
            body: &body,
        };
        let mut saved = match records.is_empty() {
            true => Vec::new(),
            false => self.save_many(load).await?,
        }
        .into_iter();
        let outcomes = outcomes.into_iter().map(|refused| {
            refused
                .or_else(|| saved.next())
                .expect("there is an outcome for each record that was sent")
        });
        Ok(Reply::Each(outcomes.collect()))
    }

    /// What becomes of each of these records.
    async fn save_many(&mut self, load: Load<'_>) -> Result<Vec<Outcome>, Fault> {
        let sink = Arc::clone(&self.sink);
        let (request, checks) = (&sink.request, sink.request.checks());
        let bounds = sink.bounds(take(&mut self.usage));
        let answer = request.send(&mut self.links, load, bounds).await?;
        self.usage = request.usage(&answer, sink.counts_tokens);
        let records = load.records;
        let Some(parts) = checks.parts(request.title(), records.len(), &answer)? else {
            return Ok(records.iter().map(|_| Ok(None)).collect());
        };
        let judged = records.iter().zip(parts).map(|(record, part)| {
            checks.judge_part(request.title(), record, part.as_bytes(), &answer.head)?;
            let Some(responses) = &sink.responses else {
                return Ok(None);
            };
            let part = Answer {
                head: answer.head.clone(),
                body: Text {
                    bytes: part.into_bytes(),
                    is_cut: false,
                },
            };
            responses.line(request.title(), record, &part).map(Some)
        });
        Ok(judged.collect())
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
            let message = HttpSink::new(&address, &settings)
                .err()
                .map(|why| why.to_string())
                .unwrap_or_default();
            assert!(
                message.to_string().contains(part),
                "{url} {headers:?}: {message}"
            );
            assert!(!message.to_string().contains("canary"), "{message}");
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
