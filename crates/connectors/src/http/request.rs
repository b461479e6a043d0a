//! A request for each item: one type, used by fetch and by save.
//!
//! It puts the item into address, headers and body, sends it over a link, follows where that is right, and says what the answer
//! means. A fetch makes an item of the answer, a save at most keeps it.

use std::path::{Path, PathBuf};

use hyper::http::response::Parts;
use hyper::{Method, Uri};
use inflight::{Fault, Record};

use super::address::Address;
use super::answer::{self, Bounds, Refusal, Text};
use super::body::{Body, BodySource};
use super::broken::{self, Broken};
use super::checks::AnswerChecks;
use super::client::Client;
use super::credentials::{Credentials, Sent};
use super::head::{Head, HeadSpec, IDEMPOTENCY_KEY, method_and_url};
use super::item::Fields;
use super::key::idempotency_key;
use super::link::{Asked, Link};
use super::preview;
use super::redirect::{self, Next};
use super::url::Url;
use super::verdict::{Meaning, StatusChanges};
use crate::columns::Columns;
use crate::jq::JqInput;
use crate::payload::Payload;
use crate::preview::RequestPreview;

/// Bytes of the answer with a redirect that are read, so that its connection can be used again.
const REDIRECT_BYTES_MAX: usize = 1 << 20;

/// What is asked for each item, as typed.
pub(super) struct Spec<'a> {
    /// `[METHOD ]URL`.
    pub(super) address: &'a str,
    /// Whether the answer is what is wanted: then it is a `GET`, else a `POST`, where no method is typed.
    pub(super) is_fetch: bool,
    pub(super) headers: &'a [String],
    pub(super) body: Option<&'a BodySource>,
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
    client: Client,
    /// How other origins are reached, too.
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    method: Method,
    is_fetch: bool,
    address: Address,
    body: Body,
    credentials: Credentials,
    statuses: StatusChanges,
    checks: AnswerChecks,
    job: u64,
    /// Method and address, for messages.
    title: String,
}

/// The connections of one slot.
pub(super) struct Links {
    own: Link,
    /// To where redirects led last.
    other: Option<Box<(Client, Link)>>,
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
        let body = Body::parse(spec.body, &method, spec.fields, spec.columns)?;
        let credentials = Credentials::new(HeadSpec {
            url: address.url.clone(),
            lines: spec.headers.to_vec(),
            fields: spec.fields.clone(),
            takes_packed: spec.reads_answers,
        })?;
        let head = credentials.head();
        let title = format!("{method} {}", address.shown);
        if !address.is_template() && !head.is_template() && !body.has_values() {
            return Err(format!(
                "{title}: nothing of the item is in it, and all requests would be the same; put {{}} or {{name}} where the item goes"
            ));
        }
        if spec.is_item_gone && (address.has_item() || head.has_item() || body.has_item()) {
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
        let body = self.body.of(record)?;
        let head = self.credentials.head();
        let url = self.url_of(&uri)?;
        let request = self.request(&head, false, &self.method, uri, body, record)?;
        Ok(preview::of(&request, &url, self.credentials.lines()))
    }

    pub(super) async fn connect(&self) -> Result<Links, Fault> {
        Ok(Links {
            own: self.client.connect().await?,
            other: None,
        })
    }

    /// Asks for one item, and reads of the answer what is wanted.
    ///
    /// Secrets that are refused are read again, and the request is sent once more.
    pub(super) async fn ask(
        &self,
        links: &mut Links,
        record: &Record<Payload>,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        let sent = self.credentials.send();
        match self.once(links, record, &sent, bounds).await? {
            Ok(answer) => self.accept(record, &sent, answer),
            Err(refusal) if !refusal.is_of_credentials => Err(refusal.fault),
            // Rare, and its future would make every other one larger.
            Err(_) => Box::pin(self.ask_again(links, record, &sent, bounds)).await,
        }
    }

    /// Takes an answer with a good status, if its content is good too.
    fn accept(
        &self,
        record: &Record<Payload>,
        sent: &Sent,
        answer: Answer,
    ) -> Result<Answer, Fault> {
        self.credentials.accepted(sent);
        self.checks.judge(&self.title, record, &answer)?;
        Ok(answer)
    }

    /// What an answer has cost in tokens, as far as it says.
    pub(super) fn tokens(&self, answer: &Answer) -> Option<f64> {
        self.checks.tokens(answer)
    }

    async fn ask_again(
        &self,
        links: &mut Links,
        record: &Record<Payload>,
        refused: &Sent,
        bounds: Bounds,
    ) -> Result<Answer, Fault> {
        let first_refused_at = self.credentials.now();
        self.credentials.read_again(refused).await?;
        self.reopen(links).await?;
        let sent = self.credentials.send();
        let outcome = match self.once(links, record, &sent, bounds).await {
            // To whoever holds it the connection may be a new one: it has answered with the refusal only.
            Err(fault) if fault.is_stale() => {
                links.own = self.client.connect().await?;
                self.once(links, record, &sent, bounds).await
            }
            other => other,
        };
        match outcome? {
            Ok(answer) => self.accept(record, &sent, answer),
            Err(refusal) if !refusal.is_of_credentials => Err(refusal.fault),
            Err(refusal) => {
                Err(self
                    .credentials
                    .judge(record.index, &sent, first_refused_at, refusal))
            }
        }
    }

    /// One request, and those to which it is redirected.
    async fn once(
        &self,
        links: &mut Links,
        record: &Record<Payload>,
        sent: &Sent,
        bounds: Bounds,
    ) -> Result<Result<Answer, Refusal>, Fault> {
        let is_http2 = links.own.is_http2();
        let uri = self.address.of(record, is_http2)?;
        let body = self.body.of(record)?;
        let from = uri.clone();
        let request = self.request(&sent.head, is_http2, &self.method, uri, body, record)?;
        let link = &mut links.own;
        let head = link
            .ask(request)
            .await
            .map_err(|broken| self.broken(broken))?;
        match self.statuses.meaning(head.status) {
            Meaning::Done => self.read(link, head, bounds).await.map(Ok),
            Meaning::Redirect if redirect::is_one(&head) => {
                Box::pin(self.follow(links, record, sent, bounds, from, head)).await
            }
            _ => Ok(Err(self.refused(link, &sent.head, &head).await)),
        }
    }

    /// Goes where a redirect leads, as far as that is right.
    async fn follow(
        &self,
        links: &mut Links,
        record: &Record<Payload>,
        sent: &Sent,
        bounds: Bounds,
        from: Uri,
        mut head: Parts,
    ) -> Result<Result<Answer, Refusal>, Fault> {
        let mut method = self.method.clone();
        let mut here = self.url_of(&from)?;
        let mut is_own = true;
        for _ in 0..redirect::MAX {
            let next = match redirect::next(
                redirect::Asked {
                    method: &method,
                    is_fetch: self.is_fetch,
                },
                &here,
                &self.address.url,
                &head,
            ) {
                Ok(next) => next,
                Err(why) => {
                    let link = links.of(is_own);
                    let mut refusal = self.refused(link, &sent.head, &head).await;
                    refusal.fault = Fault::permanent(format!("{}; {why}", refusal.fault))
                        .counted_as(refusal.fault.reason().to_owned());
                    return Ok(Err(refusal));
                }
            };
            let past = Bounds {
                keep: 0,
                most: REDIRECT_BYTES_MAX,
            };
            answer::read(links.of(is_own), &head.headers, past)
                .await
                .map_err(|broken| self.broken(broken))?;
            let Next { url, becomes_get } = next;
            if becomes_get {
                method = Method::GET;
            }
            is_own = url.origin == self.address.url.origin;
            if is_own {
                self.reopen(links).await?;
            } else {
                self.open_other(links, &url).await?;
            }
            head = match self.hop(links, &url, &method, sent, record).await {
                // To whoever holds it the connection may be a new one: it has answered with the redirect only.
                Err(fault) if fault.is_stale() => {
                    links.other = None;
                    if is_own {
                        links.own = self.client.connect().await?;
                    } else {
                        self.open_other(links, &url).await?;
                    }
                    self.hop(links, &url, &method, sent, record).await?
                }
                other => other?,
            };
            here = url;
            match self.statuses.meaning(head.status) {
                Meaning::Done => {
                    return self.read(links.of(is_own), head, bounds).await.map(Ok);
                }
                Meaning::Redirect if redirect::is_one(&head) => {}
                _ => {
                    let mut refusal = self.refused(links.of(is_own), &sent.head, &head).await;
                    // Another origin was sent none.
                    refusal.is_of_credentials &= is_own;
                    return Ok(Err(refusal));
                }
            }
        }
        let max = redirect::MAX;
        Err(
            Fault::permanent(format!("{} redirects more than {max} times", self.title))
                .counted_as(format!("redirects more than {max} times")),
        )
    }

    /// One request that was redirected to this place.
    async fn hop(
        &self,
        links: &mut Links,
        url: &Url,
        method: &Method,
        sent: &Sent,
        record: &Record<Payload>,
    ) -> Result<Parts, Fault> {
        let is_own = url.origin == self.address.url.origin;
        let link = links.of(is_own);
        let is_http2 = link.is_http2();
        let uri = if is_http2 {
            url.origin.uri(url.path.clone())
        } else {
            Uri::from(url.path.clone())
        };
        let body = if *method == self.method {
            self.body.of(record)?
        } else {
            Default::default()
        };
        let request = if is_own {
            self.request(&sent.head, is_http2, method, uri, body, record)?
        } else {
            // Nothing that the user has said of one origin is for another to know.
            let bare = Head::elsewhere(&url.origin).map_err(Fault::permanent)?;
            bare.request(is_http2, method, uri, body, record)?
        };
        let asked = link.ask(request).await;
        asked.map_err(|broken| self.broken(broken))
    }

    fn request(
        &self,
        head: &Head,
        is_http2: bool,
        method: &Method,
        uri: Uri,
        body: (bytes::Bytes, Option<&'static str>),
        record: &Record<Payload>,
    ) -> Result<Asked, Fault> {
        let mut request = head.request(is_http2, method, uri, body, record)?;
        if has_effect(method) {
            let key = idempotency_key(self.job, record);
            request.headers_mut().insert(&IDEMPOTENCY_KEY, key);
        }
        Ok(request)
    }

    async fn read(&self, link: &mut Link, head: Parts, bounds: Bounds) -> Result<Answer, Fault> {
        match answer::read(link, &head.headers, bounds).await {
            Ok(body) => Ok(Answer { head, body }),
            Err(broken) => Err(self.broken(broken)),
        }
    }

    async fn refused(&self, link: &mut Link, head: &Head, answer: &Parts) -> Refusal {
        answer::refused(link, head, &self.title, &self.statuses, answer).await
    }

    /// Why there was no whole answer.
    fn broken(&self, broken: Broken) -> Fault {
        if has_effect(&self.method) {
            broken::save_broken(&self.title, broken)
        } else {
            broken::fetch_broken(&self.title, broken)
        }
    }

    /// A service may well close behind an answer that is no success.
    async fn reopen(&self, links: &mut Links) -> Result<(), Fault> {
        if !links.own.is_open() {
            links.own = self.client.connect().await?;
        }
        Ok(())
    }

    async fn open_other(&self, links: &mut Links, url: &Url) -> Result<(), Fault> {
        if let Some(other) = &mut links.other
            && *other.0.origin() == url.origin
            && other.1.is_open()
        {
            return Ok(());
        }
        let client = Client::to(&url.origin, self.ca_file.as_deref(), self.proxy.as_deref())
            .map_err(Fault::permanent)?;
        let link = client.connect().await?;
        links.other = Some(Box::new((client, link)));
        Ok(())
    }

    /// The address in full of a request to the own origin.
    fn url_of(&self, uri: &Uri) -> Result<Url, Fault> {
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

    fn of(&mut self, is_own: bool) -> &mut Link {
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
