//! Fetches what compute gets: one `GET` for each item.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};
use hyper::http::uri::PathAndQuery;
use hyper::{StatusCode, Uri};
use inflight::{Connection, Declared, Fault, Record, Reply, Service};

use super::answer::{self, Bounds};
use super::broken::fetch_broken;
use super::client::Client;
use super::head::Head;
use super::link::Link;
use super::template::Template;
use super::url::Url;
use super::verdict::{Meaning, StatusChanges};
use crate::payload::Payload;
use crate::settings::{ANSWER_BYTES_MAX, shown_bytes};

/// Redirects that are followed for one item; more is a loop.
const REDIRECTS_MAX: usize = 5;

/// How items are fetched, besides from where.
#[derive(Clone, Debug, Default)]
pub struct FetchSettings {
    /// Headers, as in [`SinkSettings::headers`](crate::SinkSettings::headers). Default none.
    pub headers: Vec<String>,
    /// Certificates (PEM) that are trusted besides those of the system. Default none.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy to use, as `http://[USER:PASSWORD@]HOST:PORT`, or `env:NAME` or `file:PATH` where that is to be found;
    /// `none` for none. Default: the one that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but for
    /// `NO_PROXY`); this machine is never reached by way of that.
    pub proxy: Option<String>,
    /// What statuses mean, where that is not what the table says. Default as the table says.
    pub statuses: StatusChanges,
    /// Bytes of an answer at most; a longer one is a permanent fault. Default [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: Option<usize>,
    /// What is known of the service. Default nothing: it is measured.
    pub declared: Declared,
}

/// Fetches the body at a URL for each item.
///
/// Statuses mean what they mean to an [`HttpSink`](crate::HttpSink), but nothing is ever in doubt: a `GET`
/// has no effect. At most 5 redirects are followed, within the same scheme, host and port only. A body over
/// [`FetchSettings::answer_bytes_max`] is a permanent fault. What a service packed (gzip, br, zstd, deflate) is unpacked; a text
/// in another charset becomes UTF-8.
///
/// ```
/// use inflight_connectors::{FetchSettings, HttpFetch};
///
/// let fetch = HttpFetch::new("http://127.0.0.1:8080/items/{}?token=1", &FetchSettings::default())?;
/// assert_eq!(fetch.to_string(), "http://127.0.0.1:8080/items/{}");
/// # Ok::<(), String>(())
/// ```
pub struct HttpFetch(Arc<Inner>);

struct Inner {
    client: Client,
    head: Head,
    template: Template,
    address: String,
    title: String,
    declared: Declared,
    statuses: StatusChanges,
    answer_bytes_max: usize,
}

impl HttpFetch {
    /// A fetch from this address, with `{}` for the item in path or query.
    ///
    /// # Errors
    /// A sentence that names the address or setting at fault.
    pub fn new(template: &str, settings: &FetchSettings) -> Result<HttpFetch, String> {
        let template = Template::parse(template)?;
        let url = &template.url;
        let address = url.to_string().replace("%7B%7D", "{}");
        Ok(HttpFetch(Arc::new(Inner {
            client: Client::to(
                &url.origin,
                settings.ca_file.as_deref(),
                settings.proxy.as_deref(),
            )?,
            head: Head::new("GET", url, &settings.headers, None)?.taking_packed(),
            title: format!("GET {address}"),
            address,
            template,
            declared: settings.declared,
            statuses: settings.statuses.clone(),
            answer_bytes_max: settings.answer_bytes_max.unwrap_or(ANSWER_BYTES_MAX),
        })))
    }
}

impl std::fmt::Display for HttpFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.address)
    }
}

impl Service<Payload> for HttpFetch {
    type Answer = Payload;
    type Connection = FetchConnection;

    async fn connect(&self) -> Result<FetchConnection, Fault> {
        Ok(FetchConnection {
            link: self.0.client.connect().await?,
            fetch: Arc::clone(&self.0),
        })
    }

    fn declared(&self) -> Declared {
        self.0.declared
    }
}

/// One connection of an [`HttpFetch`].
pub struct FetchConnection {
    link: Link,
    fetch: Arc<Inner>,
}

impl Connection<Payload> for FetchConnection {
    type Answer = Payload;

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Payload>, Fault> {
        let mut answers = Vec::with_capacity(bulk.len());
        for record in bulk {
            let body = self.get(record.value.bytes()).await?;
            answers.push(record.value.clone().becomes(body));
        }
        Ok(Reply::All(answers))
    }

    fn is_open(&mut self) -> bool {
        self.link.is_open()
    }
}

impl FetchConnection {
    /// The body for one item, wherever within the origin it is.
    async fn get(&mut self, item: &[u8]) -> Result<Bytes, Fault> {
        let mut path = self.fetch.template.fill(item)?;
        for hop in 0..=REDIRECTS_MAX {
            let step = match self.step(&path).await {
                // To whoever holds it the connection may be a new one: it has answered with the redirect only.
                Err(fault) if hop > 0 && fault.is_stale() => {
                    self.link = self.fetch.client.connect().await?;
                    self.step(&path).await
                }
                other => other,
            };
            match step? {
                Step::Body(body) => return Ok(body),
                Step::Elsewhere(next) => path = next,
            }
            if !self.link.is_open() {
                // A service may well close after a redirect.
                self.link = self.fetch.client.connect().await?;
            }
        }
        Err(self.permanent(&format!("redirects more than {REDIRECTS_MAX} times")))
    }

    /// One request.
    async fn step(&mut self, path: &PathAndQuery) -> Result<Step, Fault> {
        let fetch = Arc::clone(&self.fetch);
        let is_http2 = self.link.is_http2();
        let uri = match is_http2 {
            true => fetch.client.origin().uri(path.clone()),
            false => Uri::from(path.clone()),
        };
        let request = fetch.head.request(is_http2, uri, Bytes::new());
        let broken = |broken| fetch_broken(&fetch.title, broken);
        let answer = self.link.ask(request).await.map_err(broken)?;
        let status = answer.status;
        let meaning = fetch.statuses.meaning(status);
        if meaning == Meaning::Redirect
            && is_redirect(status)
            && !answer.headers.contains_key(RETRY_AFTER)
        {
            let next = self.elsewhere(path, &answer.headers)?;
            let bounds = Bounds {
                keep: 0,
                most: fetch.answer_bytes_max,
            };
            answer::read(&mut self.link, &answer.headers, bounds)
                .await
                .map_err(broken)?;
            return Ok(Step::Elsewhere(next));
        }
        if meaning != Meaning::Done {
            return Err(answer::refused(
                &mut self.link,
                &fetch.head,
                &fetch.title,
                &fetch.statuses,
                &answer,
            )
            .await);
        }
        let bounds = Bounds {
            keep: fetch.answer_bytes_max,
            most: fetch.answer_bytes_max,
        };
        let text = answer::read(&mut self.link, &answer.headers, bounds)
            .await
            .map_err(broken)?;
        if text.is_cut {
            let most = shown_bytes(fetch.answer_bytes_max);
            return Err(self.permanent(&format!(
                "answered more than {most}; --answer-max takes more"
            )));
        }
        Ok(Step::Body(text.bytes.into()))
    }

    /// Where a redirect leads, if that is within the origin.
    fn elsewhere(&self, from: &PathAndQuery, headers: &HeaderMap) -> Result<PathAndQuery, Fault> {
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(target) = target.map(|text| text.split('#').next().unwrap_or_default()) else {
            return Err(self.permanent("redirects to nowhere"));
        };
        let origin = self.fetch.client.origin();
        // A colon further on belongs to a path or a query.
        let first = target.split(['/', '?']).next().unwrap_or_default();
        let full = match target {
            _ if first.contains(':') => target.to_owned(),
            _ if target.starts_with("//") => format!("{}:{target}", origin.scheme()),
            _ if target.starts_with('/') => format!("{origin}{target}"),
            _ if target.starts_with('?') => format!("{origin}{}{target}", from.path()),
            _ => {
                let folder = from
                    .path()
                    .rsplit_once('/')
                    .map_or("", |(folder, _)| folder);
                format!("{origin}{folder}/{target}")
            }
        };
        match Url::parse(&full) {
            Ok(url) if url.origin == *origin => Ok(url.path),
            Ok(url) => Err(self.permanent(&format!(
                "redirects to another origin, {}; name that in the address instead",
                url.origin
            ))),
            Err(why) => Err(self.permanent(&format!("redirects to what is no address: {why}"))),
        }
    }

    fn permanent(&self, why: &str) -> Fault {
        Fault::permanent(format!("{} {why}", self.fetch.title))
    }
}

enum Step {
    Body(Bytes),
    Elsewhere(PathAndQuery),
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
