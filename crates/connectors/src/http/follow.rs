//! Goes where a redirect leads, as far as that is right; `redirect.rs` says how far.

use hyper::http::response::Parts;
use hyper::{Method, Uri};
use inflight::Fault;

use super::answer::{self, Bounds, Refusal};
use super::client::Client;
use super::credentials::Sent;
use super::head::Head;
use super::redirect::{self, Next};
use super::request::{Answer, Links, Load, Request};
use super::url::Url;
use super::verdict::Meaning;

/// Bytes of the answer with a redirect that are read, so that its connection can be used again.
const REDIRECT_BYTES_MAX: usize = 1 << 20;

impl Request {
    /// Goes where a redirect leads, as far as that is right.
    pub(super) async fn follow(
        &self,
        links: &mut Links,
        load: Load<'_>,
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
            head = match self.hop(links, &url, &method, sent, load).await {
                // To whoever holds it the connection may be a new one: it has answered with the redirect only.
                Err(fault) if fault.is_stale() => {
                    links.other = None;
                    if is_own {
                        links.own = self.client.connect().await?;
                    } else {
                        self.open_other(links, &url).await?;
                    }
                    self.hop(links, &url, &method, sent, load).await?
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
        load: Load<'_>,
    ) -> Result<Parts, Fault> {
        let is_own = url.origin == self.address.url.origin;
        let link = links.of(is_own);
        let is_http2 = link.is_http2();
        let uri = if is_http2 {
            url.origin.uri(url.path.clone())
        } else {
            Uri::from(url.path.clone())
        };
        let none = Default::default();
        let body = if *method == self.method {
            load.body
        } else {
            &none
        };
        let load = Load { body, ..load };
        let request = if is_own {
            self.request(&sent.head, is_http2, method, uri, load)?
        } else {
            // Nothing that the user has said of one origin is for another to know.
            let bare = Head::elsewhere(&url.origin).map_err(Fault::permanent)?;
            bare.request(is_http2, method, uri, load.body.clone(), load.first())?
        };
        let asked = link.ask(request).await;
        asked.map_err(|broken| self.broken(broken))
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
}
