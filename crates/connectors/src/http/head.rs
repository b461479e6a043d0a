//! Method and headers of all requests of one kind, prepared once; and what of them depends on the item.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
    HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use inflight::{Fault, Record};

use super::encoding;
use super::item::{Fields, bad};
use super::link::Asked;
use super::secret::{Filled, Headers, Secret};
use super::url::{Origin, Url};
use crate::nearest::nearest;
use crate::payload::Payload;

/// What makes a repeated request harmless: the same for the same item of the same job.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What headers are made of.
#[derive(Clone)]
pub(super) struct HeadSpec {
    /// Where requests go.
    pub(super) url: Url,
    /// Headers as typed.
    pub(super) lines: Vec<String>,
    pub(super) fields: Fields,
    /// Whether answers may come in the encodings that are undone here; for whoever reads them.
    pub(super) takes_packed: bool,
}

/// Headers, as HTTP/1.1 and HTTP/2 want them.
pub(super) struct Head {
    single: HeaderMap,
    shared: HeaderMap,
    /// Those that depend on the item.
    filled: Vec<Filled>,
    secrets: Vec<Secret>,
    /// Whether the user has said what the body is.
    has_content_type: bool,
    /// Which reading of the secrets this is, from 0.
    pub(super) reading: u64,
}

impl Head {
    /// Reads headers as typed, and the secrets that they name.
    ///
    /// Fails with a sentence: a header that cannot be, a secret that is not there, or one that would be sent in the open.
    pub(super) fn new(spec: &HeadSpec) -> Result<Head, String> {
        let HeadSpec {
            url,
            lines,
            fields,
            takes_packed,
        } = spec;
        let Headers {
            mut map,
            filled,
            mut secrets,
        } = Headers::parse(lines, fields)?;
        let has = |name: &HeaderName| {
            map.contains_key(name) || filled.iter().any(|header| header.name == name)
        };
        for taken in [
            &CONTENT_LENGTH,
            &TRANSFER_ENCODING,
            &CONNECTION,
            &EXPECT,
            &IDEMPOTENCY_KEY,
        ] {
            if has(taken) {
                return Err(format!(
                    "header {taken} is set by inflight itself; leave it out"
                ));
            }
        }
        if map.get_all(HOST).iter().count() > 1 {
            return Err("header host is there twice; a request has one".into());
        }
        if filled.iter().any(|header| header.name == HOST) {
            return Err("header host: all items go to one host; write it without braces".into());
        }
        let has_content_type = has(&CONTENT_TYPE);
        if let Some(credentials) = &url.credentials {
            if has(&AUTHORIZATION) {
                return Err(format!(
                    "{url} has both userinfo and an authorization header"
                ));
            }
            map.insert(AUTHORIZATION, credentials.header()?);
            secrets.push(credentials.clone());
        }
        let is_secret = !secrets.is_empty() || filled.iter().any(|header| header.is_secret);
        refuse_in_the_open(&url.origin, is_secret)?;
        // Whoever typed them into the address has decided; but a service may send them back.
        secrets.extend(url.secrets());
        for (name, value) in common(*takes_packed) {
            map.entry(name).or_insert(value);
        }
        let mut shared = map.clone();
        shared.remove(HOST);
        // They are about a connection of HTTP/1.1, and an error in HTTP/2 (RFC 9113, 8.2.2).
        for name in ["keep-alive", "proxy-connection", "te", "upgrade"] {
            shared.remove(name);
        }
        map.entry(HOST).or_insert(host(&url.origin)?);
        Ok(Head {
            single: map,
            shared,
            filled,
            secrets,
            has_content_type,
            reading: 0,
        })
    }

    /// What is sent to an origin that is not to see any of this.
    pub(super) fn elsewhere(origin: &Origin) -> Result<Head, String> {
        let shared: HeaderMap = common(true).collect();
        let mut single = shared.clone();
        single.insert(HOST, host(origin)?);
        Ok(Head {
            single,
            shared,
            filled: Vec::new(),
            secrets: Vec::new(),
            has_content_type: false,
            reading: 0,
        })
    }

    /// Whether a header depends on the item.
    pub(super) fn is_template(&self) -> bool {
        !self.filled.is_empty()
    }

    /// Whether `{}` is in a header.
    pub(super) fn has_item(&self) -> bool {
        self.filled.iter().any(Filled::has_item)
    }

    /// Whether anything is sent that says who asks.
    pub(super) fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// One request.
    ///
    /// Fails permanently for an item that makes a header that cannot be.
    pub(super) fn request(
        &self,
        is_http2: bool,
        method: &Method,
        uri: Uri,
        (body, content_type): (Bytes, Option<&'static str>),
        record: &Record<Payload>,
    ) -> Result<Asked, Fault> {
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        let mut headers = if is_http2 { &self.shared } else { &self.single }.clone();
        if let (Some(content_type), false) = (content_type, self.has_content_type) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for header in &self.filled {
            let mut value = Vec::new();
            header.text.write(record, &mut value, |name, bytes, to| {
                if bytes.iter().any(|byte| b"\r\n\0".contains(byte)) {
                    return Err(bad(
                        name,
                        "holds a line break or a zero byte, which no header can carry",
                    ));
                }
                to.extend_from_slice(bytes);
                Ok(())
            })?;
            let mut value = HeaderValue::from_bytes(&value).map_err(|_| {
                let why = format!(
                    "item makes a header {} that HTTP does not allow",
                    header.name
                );
                Fault::permanent(why.clone()).counted_as(why)
            })?;
            value.set_sensitive(header.is_secret);
            headers.append(header.name.clone(), value);
        }
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The text without any secret of these headers.
    pub(super) fn hide(&self, text: String) -> String {
        self.secrets
            .iter()
            .fold(text, |text, secret| secret.hide(text))
    }
}

/// What every request carries, unless the user says otherwise.
fn common(takes_packed: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let agent = concat!("inflight/", env!("CARGO_PKG_VERSION"));
    let packed = (ACCEPT_ENCODING, HeaderValue::from_static(encoding::OFFERED));
    let always = [
        (USER_AGENT, HeaderValue::from_static(agent)),
        (ACCEPT, HeaderValue::from_static("*/*")),
    ];
    always.into_iter().chain(takes_packed.then_some(packed))
}

fn host(origin: &Origin) -> Result<HeaderValue, String> {
    HeaderValue::from_str(origin.authority.as_str())
        .map_err(|_| format!("{origin} has no valid host"))
}

/// Reads `METHOD URL`, or a URL alone: the method, where one is there, and the URL.
///
/// Fails with a sentence that names the method.
pub(super) fn method_and_url(text: &str) -> Result<(Option<Method>, &str), String> {
    match text.trim().split_once(char::is_whitespace) {
        Some((method, url)) if !method.contains(':') => {
            Ok((Some(method_of(method)?), url.trim_start()))
        }
        _ => Ok((None, text.trim())),
    }
}

/// What a request may do: the methods of the registry, without CONNECT, which is no request to the service, and HEAD and TRACE,
/// whose answers hold nothing. Any other word is taken for a mistyped one: it would be sent, and refused, for every item.
const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "SEARCH",
    "PURGE",
    "COPY",
    "MOVE",
    "MERGE",
    "LINK",
    "UNLINK",
    "LOCK",
    "UNLOCK",
    "MKCOL",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
];

fn method_of(text: &str) -> Result<Method, String> {
    if !METHODS.contains(&text) {
        let guess = nearest(text, METHODS).map(|guess| format!("; did you mean {guess}?"));
        return Err(format!(
            "method `{text}` cannot be used{} GET, POST, PUT, PATCH and DELETE are the usual ones",
            guess.as_deref().unwrap_or(";")
        ));
    }
    Ok(Method::from_bytes(text.as_bytes()).expect("capital letters make a method"))
}

fn refuse_in_the_open(origin: &Origin, is_secret: bool) -> Result<(), String> {
    if !is_secret || origin.is_private() {
        return Ok(());
    }
    Err(format!(
        "credentials for {origin} would cross the network unencrypted; use https:// or leave them out"
    ))
}
