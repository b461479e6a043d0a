//! What all requests of one sink or fetch have in common, prepared once.

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
    HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request, Uri};

use super::encoding;
use super::link::Asked;
use super::secret::{Headers, Secret};
use super::url::{Origin, Url};
use bytes::Bytes;

/// What makes a repeated save harmless: the same for the same item of the same job.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Method and headers, as HTTP/1.1 and HTTP/2 want them.
pub(super) struct Head {
    method: Method,
    single: HeaderMap,
    shared: HeaderMap,
    secrets: Vec<Secret>,
}

/// The same place, as HTTP/1.1 and HTTP/2 want it.
pub(super) struct Place {
    pub(super) single: Uri,
    pub(super) shared: Uri,
}

impl Place {
    pub(super) fn of(url: &Url) -> Place {
        Place {
            single: Uri::from(url.path.clone()),
            shared: url.origin.uri(url.path.clone()),
        }
    }
}

impl Head {
    /// Fails with a sentence: a header that cannot be, or credentials that would be sent in the open.
    pub(super) fn new(
        method: &str,
        url: &Url,
        lines: &[String],
        content_type: Option<&'static str>,
    ) -> Result<Head, String> {
        let Headers {
            mut map,
            mut secrets,
        } = Headers::parse(lines)?;
        for taken in [
            &CONTENT_LENGTH,
            &TRANSFER_ENCODING,
            &CONNECTION,
            &EXPECT,
            &IDEMPOTENCY_KEY,
        ] {
            if map.contains_key(taken) {
                return Err(format!(
                    "header {taken} is set by inflight itself; leave it out"
                ));
            }
        }
        if map.get_all(HOST).iter().count() > 1 {
            return Err("header host is there twice; a request has one".into());
        }
        if let Some(credentials) = &url.credentials {
            if map.contains_key(AUTHORIZATION) {
                return Err(format!(
                    "{url} has both userinfo and an authorization header"
                ));
            }
            map.insert(AUTHORIZATION, credentials.header()?);
            secrets.push(credentials.clone());
        }
        refuse_in_the_open(&url.origin, &secrets)?;
        let mut default = |name, value| {
            map.entry(name).or_insert(HeaderValue::from_static(value));
        };
        default(USER_AGENT, concat!("inflight/", env!("CARGO_PKG_VERSION")));
        default(ACCEPT, "*/*");
        if let Some(content_type) = content_type {
            default(CONTENT_TYPE, content_type);
        }
        let mut shared = map.clone();
        shared.remove(HOST);
        // They are about a connection of HTTP/1.1, and an error in HTTP/2 (RFC 9113, 8.2.2).
        for name in ["keep-alive", "proxy-connection", "te", "upgrade"] {
            shared.remove(name);
        }
        let host = HeaderValue::from_str(url.origin.authority.as_str());
        map.entry(HOST)
            .or_insert(host.map_err(|_| format!("{url} has no valid host"))?);
        Ok(Head {
            method: method_of(method)?,
            single: map,
            shared,
            secrets,
        })
    }

    /// The same, with the encodings that answers may come in; for whoever reads them.
    pub(super) fn taking_packed(mut self) -> Head {
        for headers in [&mut self.single, &mut self.shared] {
            headers
                .entry(ACCEPT_ENCODING)
                .or_insert(HeaderValue::from_static(encoding::OFFERED));
        }
        self
    }

    /// One request.
    pub(super) fn request(&self, is_http2: bool, uri: Uri, body: Bytes) -> Asked {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = if is_http2 { &self.shared } else { &self.single }.clone();
        request
    }

    /// The text without any secret of these headers.
    pub(super) fn hide(&self, text: String) -> String {
        self.secrets
            .iter()
            .fold(text, |text, secret| secret.hide(text))
    }
}

fn method_of(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes());
    // A method without a body saves nothing, and CONNECT is no request to the service at all.
    let fit = method
        .ok()
        .filter(|method| ![Method::CONNECT, Method::HEAD, Method::TRACE].contains(method));
    fit.ok_or_else(|| format!("method `{text}` cannot be used; POST, PUT and PATCH can"))
}

fn refuse_in_the_open(origin: &Origin, secrets: &[Secret]) -> Result<(), String> {
    if secrets.is_empty() || origin.is_private() {
        return Ok(());
    }
    Err(format!(
        "credentials for {origin} would cross the network unencrypted; use https:// or leave them out"
    ))
}
