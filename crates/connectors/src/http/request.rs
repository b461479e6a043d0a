//! A request for each item: one type, used by fetch and by save.
//!
//! It puts the item into address, headers and body, sends it over a link, follows where that is right, and says what the answer
//! means. A fetch makes an item of the answer, a save at most keeps it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::http::response::Parts;
use hyper::{Method, Uri};
use inflight::{Fault, Record, Usage};

use super::address::Address;
use super::allowance;
use super::answer::{self, Bounds, Refusal, Text};
use super::body::{Body, BodySource};
use super::broken::{self, Broken};
use super::bulk::BulkBody;
use super::checks::AnswerChecks;
use super::client::Client;
use super::credentials::{Credentials, Sent};
use super::head::{Head, HeadSpec, IDEMPOTENCY_KEY, method_and_url};
use super::item::Fields;
use super::key::idempotency_key;
use super::link::{Asked, Link};
use super::preview;
use super::redirect;
use super::url::Url;
use super::verdict::{Meaning, StatusChanges};
use crate::columns::Columns;
use crate::jq::JqInput;
use crate::payload::Payload;
use crate::preview::RequestPreview;

/// What is asked for each item, as typed.
pub(super) struct Spec<'a> {
    /// `[METHOD ]URL`.
    pub(super) address: &'a str,
    /// Whether the answer is what is wanted: then it is a `GET`, else a `POST`, where no method is typed.
    pub(super) is_fetch: bool,
    pub(super) headers: &'a [String],
    pub(super) body: Option<&'a BodySource>,
    /// What stands before each line of a body of many records.
    pub(super) lines_before: Option<&'a BodySource>,
    /// What a body `json` holds; `None` of a fetch, which has no result yet.
    pub(super) columns: Option<&'a Columns>,
    pub(super) fields: &'a Fields,
    pub(super) statuses: &'a StatusChanges,
    pub(super) checks: &'a AnswerChecks,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) proxy: Option<&'a str>,
    /// What tells this job from others, part of idempotency keys.
    pub(super) job: u64,
    /// Whether what is answered is read, so that it may come packed.
    pub(super) reads_answers: bool,
    /// Whether the record is something else than the item by now, so that `{}` cannot stand for the item.
    pub(super) is_item_gone: bool,
}

/// A request that is made of each item.
pub(super) struct Request {
    pub(super) client: Client,
    /// How other origins are reached, too.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) proxy: Option<String>,
    pub(super) method: Method,
    pub(super) is_fetch: bool,
    pub(super) address: Address,
    body: RequestBody,
    credentials: Credentials,
    pub(super) statuses: StatusChanges,
    checks: AnswerChecks,
    job: u64,
    /// Method and address, for messages.
    pub(super) title: String,
}

/// What a request carries: one record, or many.
enum RequestBody {
    One(Body),
    Many(Box<BulkBody>),
}

/// The records of one request, of the first of which address and headers are made, and the body that was made of all.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) records: &'a [Record<Payload>],
    pub(super) body: &'a (Bytes, Option<&'static str>),
}

impl<'a> Load<'a> {
    pub(super) fn first(self) -> &'a Record<Payload> {
        &self.records[0]
    }
}

/// The connections of one slot.
pub(super) struct Links {
    pub(super) own: Link,
    /// To where redirects led last.
    pub(super) other: Option<Box<(Client, Link)>>,
}

/// An answer that means success.
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) body: Text,
}

impl Request {
    /// Reads secrets and certificates; connects to nothing.
    ///
    /// Fails with a sentence that names the address or setting at fault.
    pub(super) fn new(spec: &Spec<'_>) -> Result<Request, String> {
        let (method, url) = method_and_url(spec.address)?;
        let method = method.unwrap_or(if spec.is_fetch {
            Method::GET
        } else {
            Method::POST
        });
        let address = Address::parse(url, spec.fields)?;
        let many = match (spec.body, spec.lines_before) {
            (Some(body), before) => BulkBody::parse(body, before, spec.fields, spec.columns)?,
            (None, Some(_)) => {
                return Err("--lines-before goes before each line of --save-body ndjson".into());
            }
            (None, None) => None,
        };
        if many.is_none() && spec.checks.has_parts() {
            return Err(
                "--each gives each of many records its part of an answer; add --save-body array or ndjson".into(),
            );
        }
        let body = match many {
            Some(many) => RequestBody::Many(Box::new(many)),
            None => RequestBody::One(Body::parse(spec.body, &method, spec.fields, spec.columns)?),
        };
        let credentials = Credentials::new(HeadSpec {
            url: address.url.clone(),
            lines: spec.headers.to_vec(),
            fields: spec.fields.clone(),
            takes_packed: spec.reads_answers,
        })?;
        let head = credentials.head();
        let title = format!("{method} {}", address.shown);
        let (has_values, has_item) = match &body {
            RequestBody::One(body) => (body.has_values(), body.has_item()),
            RequestBody::Many(many) => (true, many.has_item()),
        };
        if matches!(body, RequestBody::Many(_)) && (address.is_template() || head.is_template()) {
            return Err(format!(
                "{title}: one request holds many items, so that no field can be in its address or headers; put it into each record"
            ));
        }
        if !address.is_template() && !head.is_template() && !has_values {
            return Err(format!(
                "{title}: nothing of the item is in it, and all requests would be the same; put {{}} or {{name}} where the item goes"
            ));
        }
        if spec.is_item_gone && (address.has_item() || head.has_item() || has_item) {
            return Err(format!(
                "{title}: {{}} is the item, which fetch or compute have made something else of; write {{result}} for that, or \
                 the name of a field, as in {{id}}"
            ));
        }
        Ok(Request {
            client: Client::to(&address.url.origin, spec.ca_file, spec.proxy)?,
            ca_file: spec.ca_file.map(Path::to_owned),
            proxy: spec.proxy.map(str::to_owned),
            method,
            is_fetch: spec.is_fetch,
            body,
            credentials,
            statuses: spec.statuses.clone(),
            checks: spec.checks.clone(),
            job: spec.job,
            title,
            address,
        })
    }

    /// The address with its places still empty, without secrets.
    pub(super) fn shown(&self) -> &str {
        &self.address.shown
    }

    /// Method and address, for messages.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The request for this item, as it would be sent over HTTP/1.1.
    ///
    /// Fails as [`Request::ask`] would before anything is sent.
    pub(super) fn preview(&self, record: &Record<Payload>) -> Result<RequestPreview, Fault> {
        let uri = self.address.of(record, false)?;
        let body = match &self.body {
            RequestBody::One(body) => body.of(record)?,
            RequestBody::Many(many) => {
                let made = many.of(std::slice::from_ref(record));
                if let Some((_, fault)) = made.refused.into_iter().next() {
                    return Err(fault);
                }
                (made.body, Some(many.content_type()))
            }
        };
        let load = Load {
            records: std::slice::from_ref(record),
            body: &body,
        };
        let head = self.credentials.head();
        let url = self.url_of(&uri)?;
        let request = self.request(&head, false, &self.method, uri, load)?;
        Ok(preview::of(&request, &url, self.credentials.lines()))
    }

    pub(super) async fn connect(&self) -> Result<Links, Fault> {
        Ok(Links {
            own: self.client.connect().await?,
            other: None,
        })
    }

    /// How many records are put together, where a request holds many.
    pub(super) fn many(&self) -> Option<&BulkBody> {
        match &self.body {
            RequestBody::One(_) => None,
            RequestBody::Many(many) => Some(many),
        }
    }

    /// What is asked of the content of answers.
    pub(super) fn checks(&self) -> &AnswerChecks {
        &self.checks
    }

    /// Asks for one item, and reads of the answer what is wanted.
    pub(super) async fn ask(
        &self,
        links: &mut Links,
        record: &Record<Payload>,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        let body = match &self.body {
            RequestBody::One(body) => body.of(record)?,
            RequestBody::Many(_) => (Bytes::new(), None),
        };
        let load = Load {
            records: std::slice::from_ref(record),
            body: &body,
        };
        self.send(links, load, bounds).await
    }

    /// Sends what was made of some records, and reads of the answer what is wanted.
    ///
    /// Secrets that are refused are read again, and the request is sent once more.
    pub(super) async fn send(
        &self,
        links: &mut Links,
        load: Load<'_>,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        let sent = self.credentials.send();
        match self.once(links, load, &sent, bounds).await? {
            Ok(answer) => self.accept(load, &sent, answer),
            Err(refusal) if !refusal.is_of_credentials => Err(refusal.fault),
            // Rare, and its future would make every other one larger.
            Err(_) => Box::pin(self.ask_again(links, load, &sent, bounds)).await,
        }
    }

    /// Takes an answer with a good status, if its content is good too.
    fn accept(&self, load: Load<'_>, sent: &Sent, answer: Answer) -> Result<Answer, Fault> {
        self.credentials.accepted(sent);
        if !self.checks.has_parts() {
            self.checks.judge(&self.title, load.first(), &answer)?;
        }
        Ok(answer)
    }

    /// What an answer says of quotas: what is left, and what it has cost in tokens, where somebody counts them.
    pub(super) fn usage(&self, answer: &Answer, counts_tokens: bool) -> Usage {
        let told = allowance::told(&answer.head.headers, SystemTime::now);
        let counts_tokens = counts_tokens || told.units.is_some();
        let cost = counts_tokens.then(|| self.checks.tokens(answer)).flatten();
        Usage { cost, ..told }
    }

    async fn ask_again(
        &self,
        links: &mut Links,
        load: Load<'_>,
        refused: &Sent,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        let first_refused_at = self.credentials.now();
        self.credentials.read_again(refused).await?;
        self.reopen(links).await?;
        let sent = self.credentials.send();
        let outcome = match self.once(links, load, &sent, bounds).await {
            // To whoever holds it the connection may be a new one: it has answered with the refusal only.
            Err(fault) if fault.is_stale() => {
                links.own = self.client.connect().await?;
                self.once(links, load, &sent, bounds).await
            }
            other => other,
        };
        match outcome? {
            Ok(answer) => self.accept(load, &sent, answer),
            Err(refusal) if !refusal.is_of_credentials => Err(refusal.fault),
            Err(refusal) => {
                Err(self
                    .credentials
                    .judge(load.first().index, &sent, first_refused_at, refusal))
            }
        }
    }

    /// One request, and those to which it is redirected.
    async fn once(
        &self,
        links: &mut Links,
        load: Load<'_>,
        sent: &Sent,
        bounds: Bounds,
    ) -> Result<Result<Answer, Refusal>, Fault> {
        let is_http2 = links.own.is_http2();
        let uri = self.address.of(load.first(), is_http2)?;
        let from = uri.clone();
        let request = self.request(&sent.head, is_http2, &self.method, uri, load)?;
        let link = &mut links.own;
        let head = link
            .ask(request)
            .await
            .map_err(|broken| self.broken(broken))?;
        match self.statuses.meaning(head.status) {
            Meaning::Done => self.read(link, head, bounds).await.map(Ok),
            Meaning::Redirect if redirect::is_one(&head) => {
                Box::pin(self.follow(links, load, sent, bounds, from, head)).await
            }
            _ => Ok(Err(self.refused(link, &sent.head, &head).await)),
        }
    }

    pub(super) fn request(
        &self,
        head: &Head,
        is_http2: bool,
        method: &Method,
        uri: Uri,
        load: Load<'_>,
    ) -> Result<Asked, Fault> {
        let body = load.body.clone();
        let mut request = head.request(is_http2, method, uri, body, load.first())?;
        if has_effect(method) {
            let key = idempotency_key(self.job, load.records);
            request.headers_mut().insert(&IDEMPOTENCY_KEY, key);
        }
        Ok(request)
    }

    pub(super) async fn read(
        &self,
        link: &mut Link,
        head: Parts,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        match answer::read(link, &head.headers, bounds).await {
            Ok(body) => Ok(Answer { head, body }),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    pub(super) async fn refused(&self, link: &mut Link, head: &Head, answer: &Parts) -> Refusal {
        answer::refused(link, head, &self.title, &self.statuses, answer).await
    }

    /// Why there was no whole answer.
    pub(super) fn broken(&self, broken: Broken) -> Fault {
        if has_effect(&self.method) {
            broken::save_broken(&self.title, broken)
        } else {
            broken::fetch_broken(&self.title, broken)
        }
    }

    /// A service may well close behind an answer that is no success.
    pub(super) async fn reopen(&self, links: &mut Links) -> Result<(), Fault> {
        if !links.own.is_open() {
            links.own = self.client.connect().await?;
        }
        Ok(())
    }

    /// The address in full of a request to the own origin.
    pub(super) fn url_of(&self, uri: &Uri) -> Result<Url, Fault> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Url::parse(&format!("{}{path}", self.address.url.origin)).map_err(Fault::permanent)
    }
}

impl Answer {
    /// As filters see it. `headers` are its own.
    pub(super) fn as_input<'a>(
        &'a self,
        record: &'a Record<Payload>,
        headers: &'a [(&'a str, &'a str)],
    ) -> JqInput<'a> {
        JqInput::new(&self.body.bytes)
            .with_item(record.value.row.as_deref(), record.index)
            .with_answer(self.head.status.as_u16(), headers)
    }

    /// The headers that are text.
    pub(super) fn headers(&self) -> Vec<(&str, &str)> {
        let headers = self.head.headers.iter();
        headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect()
    }

    /// Fails permanently where only the beginning of the answer was read.
    pub(super) fn must_be_whole(&self, title: &str, what_for: &str) -> Result<(), Fault> {
        if !self.body.is_cut {
            return Ok(());
        }
        let why = format!("the answer is too long {what_for}; --answer-max takes more");
        let fault = Fault::permanent(format!("{title}: {why}"));
        Err(fault.counted_as(why).answered())
    }
}

impl Links {
    pub(super) fn is_open(&mut self) -> bool {
        self.own.is_open()
    }

    pub(super) fn of(&mut self, is_own: bool) -> &mut Link {
        match &mut self.other {
            Some(other) if !is_own => &mut other.1,
            _ => &mut self.own,
        }
    }
}

/// Whether a request of this method changes anything, so that what breaks off is in doubt.
fn has_effect(method: &Method) -> bool {
    ![Method::GET, Method::OPTIONS].contains(method)
}
