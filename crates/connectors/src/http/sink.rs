//! Saves each result with one HTTP request.

use std::sync::Arc;

use inflight::{Connection, Declared, Durable, Fault, Record, Reply, Service};

use super::answer::{self, Bounds};
use super::body::BodyMode;
use super::broken;
use super::client::Client;
use super::head::{Head, IDEMPOTENCY_KEY, Place};
use super::key::idempotency_key;
use super::link::{Asked, Link};
use super::responses::Responses;
use super::url::Url;
use super::verdict::{Meaning, StatusChanges};
use crate::kind::Kind;
use crate::payload::Payload;
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
    client: Client,
    head: Head,
    place: Place,
    body: BodyMode,
    job: u64,
    declared: Declared,
    statuses: StatusChanges,
    /// Method and address, for messages.
    title: String,
    address: String,
    kind: Kind,
    responses: Option<Responses>,
    answer_bytes_max: usize,
}

impl HttpSink {
    /// A sink at this address. Reads secrets and certificates; connects to nothing.
    ///
    /// # Errors
    /// A sentence that names the address or setting at fault. Credentials for another machine need `https:`.
    pub fn new(url: &str, settings: &SinkSettings) -> Result<HttpSink, String> {
        let url = Url::parse(url)?;
        let body = BodyMode::parse(&settings.body)?;
        let mut head = Head::new(
            &settings.method,
            &url,
            &settings.headers,
            Some(body.content_type()),
        )?;
        if settings.responses.is_some() {
            head = head.taking_packed();
        }
        Ok(HttpSink(Arc::new(Inner {
            head,
            place: Place::of(&url),
            body,
            job: settings.job,
            declared: settings.declared,
            statuses: settings.statuses.clone(),
            title: format!("{} {url}", settings.method),
            address: url.to_string(),
            client: Client::to(
                &url.origin,
                settings.ca_file.as_deref(),
                settings.proxy.as_deref(),
            )?,
            answer_bytes_max: settings.answer_bytes_max.unwrap_or(ANSWER_BYTES_MAX),
            kind: match settings.idempotent {
                true => Kind::Keyed,
                false => Kind::Append,
            },
            responses: settings
                .responses
                .clone()
                .map(|path| Responses::new(path, settings)),
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

    /// What is promised of a result that is saved here: no more than the service promises.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

impl Inner {
    fn request(&self, record: &Record<Payload>, is_http2: bool) -> Result<Asked, Fault> {
        let uri = match is_http2 {
            true => &self.place.shared,
            false => &self.place.single,
        };
        let body = self.body.body(record)?;
        let mut request = self.head.request(is_http2, uri.clone(), body);
        let key = idempotency_key(self.job, record);
        request.headers_mut().insert(&IDEMPOTENCY_KEY, key);
        Ok(request)
    }
}

impl std::fmt::Display for HttpSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.address)
    }
}

impl Service<Payload> for HttpSink {
    /// The line that is kept of the response, where that is asked for.
    type Answer = Option<Box<[u8]>>;
    type Connection = HttpConnection;

    async fn connect(&self) -> Result<HttpConnection, Fault> {
        self.0.responses.as_ref().map_or(Ok(()), Responses::open)?;
        Ok(HttpConnection {
            link: self.0.client.connect().await?,
            sink: Arc::clone(&self.0),
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
    link: Link,
    sink: Arc<Inner>,
}

impl Connection<Payload> for HttpConnection {
    type Answer = Option<Box<[u8]>>;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Self::Answer>, Fault> {
        let [record] = bulk else {
            return Err(Fault::permanent("an HTTP save takes one record"));
        };
        let broken = |sink: &Inner, broken| broken::save_broken(&sink.title, broken);
        let request = self.sink.request(record, self.link.is_http2())?;
        let answer = match self.link.ask(request).await {
            Ok(answer) => answer,
            Err(cause) => return Err(broken(&self.sink, cause)),
        };
        let status = answer.status;
        if self.sink.statuses.meaning(status) != Meaning::Done {
            return Err(answer::refused(
                &mut self.link,
                &self.sink.head,
                &self.sink.title,
                &self.sink.statuses,
                &answer,
            )
            .await);
        }
        let is_kept = self.sink.responses.is_some();
        let (keep, most) = if is_kept {
            (self.sink.answer_bytes_max, self.sink.answer_bytes_max)
        } else {
            (0, RESPONSE_BYTES_MAX)
        };
        let bounds = Bounds { keep, most };
        match answer::read(&mut self.link, &answer.headers, bounds).await {
            Ok(text) => {
                let line = || Responses::line(record.index, status, &text);
                Ok(Reply::one(is_kept.then(line)))
            }
            Err(cause) => Err(broken(&self.sink, cause)),
        }
    }

    fn is_open(&mut self) -> bool {
        self.link.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let check = |url: &str, headers: &[&str], method: &str, part: &str| {
            let settings = SinkSettings {
                headers: headers.iter().map(|line| (*line).to_owned()).collect(),
                method: method.into(),
                ..SinkSettings::default()
            };
            let message = HttpSink::new(url, &settings).err().unwrap_or_default();
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
        check("http://127.0.0.1/", &[], "GE T", "cannot be used");
        check("http://127.0.0.1/", &["Authorization: env:PATH"], "PUT", "");
    }
}
