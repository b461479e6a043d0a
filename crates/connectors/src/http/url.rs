//! An address as HTTP needs it: origin, path and credentials apart, and safe to print.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use percent_encoding::percent_decode_str;

use super::secret::Secret;
use crate::secret_name::is_secret;
use crate::tls::is_loopback;

/// Scheme, host and port: what a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) is_https: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as HTTP names them: without userinfo, without the scheme's own port.
    pub(super) authority: Authority,
}

/// An `http:` or `https:` address. Printed without userinfo and query.
#[derive(Clone)]
pub(super) struct Url {
    pub(super) origin: Origin,
    pub(super) path: PathAndQuery,
    /// What `user:password@` in it becomes: the value of an `Authorization` header.
    pub(super) credentials: Option<Secret>,
}

impl Url {
    /// Fails with a sentence that shows neither userinfo nor query.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        Url::read(text).map_err(|why| format!("address {}: {why}", redacted(text)))
    }

    /// Fails with what is wrong with it, and shows nothing of it: for a part of an address, of which nobody can tell what
    /// may be shown.
    pub(super) fn read(text: &str) -> Result<Url, &'static str> {
        let text = &*ascii(text);
        let uri: Uri = text.parse().map_err(
            |_| "is no URL; write it as http://HOST:PORT/PATH, with other characters as %20",
        )?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("starts with neither http:// nor https://"),
        };
        let authority = uri.authority().ok_or("has no host")?;
        let host = authority.host();
        if host.is_empty() {
            return Err("has no host");
        }
        let default_port = if is_https { 443 } else { 80 };
        let port = match authority.as_str().rsplit('@').next() {
            Some(bare) if bare.len() > host.len() => authority.port_u16().ok_or(
                "has no valid port; a # or ? in a user name or a password is written as %23 or %3F",
            )?,
            _ => default_port,
        };
        let shown = if port == default_port {
            host.into()
        } else {
            format!("{host}:{port}")
        };
        let origin = Origin {
            is_https,
            host: host.trim_matches(['[', ']']).into(),
            port,
            authority: shown.parse().map_err(|_| "has no valid host")?,
        };
        let path = uri.path_and_query().cloned();
        Ok(Url {
            origin,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            credentials: basic(authority.as_str()),
        })
    }
}

impl Url {
    /// The address with its query, as a text.
    pub(super) fn in_full(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// The values of its query whose names are those of secrets, as they stand there and as a service reads them.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let pairs = self.path.query().unwrap_or_default().split('&');
        let secret = pairs.filter_map(|pair| pair.split_once('='));
        secret
            .filter(|(name, _)| is_secret(name))
            .flat_map(|(_, value)| {
                let read = percent_decode_str(value).decode_utf8_lossy();
                [Secret::new(value), Secret::new(read)]
            })
            .collect()
    }
}

/// The same address in the letters that HTTP knows: a name as IDNA has it, all else percent-encoded. What is no address stays
/// as it is.
fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    match url::Url::parse(text) {
        Ok(url) => Cow::Owned(url.into()),
        Err(_) => Cow::Borrowed(text),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.path())
    }
}

impl Origin {
    pub(super) fn scheme(&self) -> Scheme {
        if self.is_https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// Whether what is sent leaves neither this machine nor goes unencrypted.
    pub(super) fn is_private(&self) -> bool {
        self.is_https || is_loopback(&self.host)
    }

    /// The address in full, as HTTP/2 wants it.
    pub(super) fn uri(&self, path: PathAndQuery) -> Uri {
        let mut parts = hyper::http::uri::Parts::default();
        parts.scheme = Some(self.scheme());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).expect("scheme, authority and path are all there")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

/// What can be shown of a text that may be no URL: all before the query, and nothing before an `@`. Where a password may
/// hold what ends it, nothing of the host is shown.
pub(super) fn redacted(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, host) = match shown.split_once("://") {
        Some((scheme, host)) => (format!("{scheme}://"), host),
        None => (String::new(), shown),
    };
    if !host.contains(['/', '@']) && text[shown.len()..].contains('@') {
        return scheme + "…";
    }
    match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.into(),
        (_, None) => shown.into(),
    }
}

fn basic(authority: &str) -> Option<Secret> {
    let (userinfo, _) = authority.rsplit_once('@')?;
    let pair = if userinfo.contains(':') {
        userinfo.into()
    } else {
        format!("{userinfo}:")
    };
    let pair: Vec<u8> = percent_decode_str(&pair).collect();
    Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, &str, u16), &str>) {
        match (Url::parse(text), expected) {
            (Ok(url), Ok((shown, host, port))) => {
                assert_eq!(url.to_string(), shown);
                assert_eq!((url.origin.host.as_str(), url.origin.port), (host, port));
            }
            (Err(message), Err(part)) => {
                assert!(message.contains(part), "{text}: {message}");
                assert!(!message.contains("canary"), "{message}");
            }
            (got, _) => panic!("{text}: {:?}", got.map(|url| url.to_string())),
        }
    }

    #[test]
    fn addresses_are_taken_apart_and_shown_without_secrets() {
        check("http://a/b?canary", Ok(("http://a/b", "a", 80)));
        check("https://a", Ok(("https://a/", "a", 443)));
        check("http://u:canary@a:81/b", Ok(("http://a:81/b", "a", 81)));
        check(
            "http://[::1]:8080/x",
            Ok(("http://[::1]:8080/x", "::1", 8080)),
        );
        check("https://a:443/", Ok(("https://a/", "a", 443)));
        check("ftp://u:canary@a/", Err("neither http://"));
        check("http://u:canary@a:99999/", Err("no valid port"));
        check("http://u:canary@/x", Err("http://"));
        check("http://u:canary#x@a/b", Err("http://…"));
        check("http://u:canary?x@a/b", Err("http://…"));
        check("u:canary#x@a/b", Err("is no URL"));
        check("http://a b/?canary", Err("is no URL"));
        check("/x", Err("neither"));
        check(
            "http://b\u{fc}cher.example/\u{fc}",
            Ok((
                "http://xn--bcher-kva.example/%C3%BC",
                "xn--bcher-kva.example",
                80,
            )),
        );
    }

    #[test]
    fn userinfo_becomes_basic_credentials() {
        let header = |text| {
            Url::parse(text)
                .unwrap()
                .credentials
                .map(|secret| secret.header().unwrap())
        };
        assert_eq!(header("http://a/"), None);
        assert_eq!(header("http://u:p%40@a/").unwrap(), "Basic dTpwQA==");
        assert_eq!(header("http://u@a/").unwrap(), "Basic dTo=");
        // A percent sign that escapes nothing is itself.
        assert_eq!(header("http://u:5%25%@a/").unwrap(), "Basic dTo1JSU=");
    }

    #[test]
    fn loopback_and_tls_are_private() {
        let is_private = |text| Url::parse(text).unwrap().origin.is_private();
        for text in [
            "http://localhost/",
            "http://127.0.0.9/",
            "http://[::1]/",
            "https://a/",
        ] {
            assert!(is_private(text), "{text}");
        }
        assert!(!is_private("http://10.0.0.1/"));
        assert!(!is_private("http://localhost.example/"));
    }
}
