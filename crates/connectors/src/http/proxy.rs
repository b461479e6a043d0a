//! The proxy on the way to a service: which it is, and what it is asked (RFC 9110, 9.3.6; RFC 9112, 3.2.2).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use inflight::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::framing;
use super::secret::Secret;
use super::url::{Origin, Url};
use crate::tls::is_loopback;

/// Bytes that are read at once of what a proxy answers: more than such answers have.
const ANSWER_BYTES: usize = 4 << 10;

/// An HTTP proxy.
pub(super) struct Proxy {
    pub(super) origin: Origin,
    credentials: Option<HeaderValue>,
    /// Where it was named: what a message about it has to name.
    named_in: String,
}

/// What is different in a plain request that goes to a proxy.
pub(super) struct Forward {
    /// What the target of the request begins with.
    pub(super) origin: String,
    /// The value of `Proxy-Authorization`.
    pub(super) credentials: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy that leads to this origin, if any does: the one that was set, `none`, or what the environment names.
    ///
    /// Fails with a sentence that names the flag or the variable, and no password.
    pub(super) fn to(
        origin: &Origin,
        setting: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxy>, String> {
        match setting {
            Some("none") => return Ok(None),
            Some(text) => {
                let secret = crate::secret::read(text).map_err(|why| format!("--proxy: {why}"))?;
                let text = secret.as_deref().unwrap_or(text);
                return Proxy::parse(text, "--proxy").map(Some);
            }
            None => {}
        }
        if is_loopback(&origin.host) {
            return Ok(None);
        }
        let value = |name: &str| {
            let names = [name.to_ascii_lowercase(), name.to_owned()];
            names.into_iter().find_map(|name| {
                let value = variable(&name).filter(|value| !value.trim().is_empty())?;
                Some((name, value.trim().to_owned()))
            })
        };
        let scheme = if origin.is_https {
            "HTTPS_PROXY"
        } else {
            "HTTP_PROXY"
        };
        let Some((name, text)) = value(scheme).or_else(|| value("ALL_PROXY")) else {
            return Ok(None);
        };
        let exceptions = value("NO_PROXY").map(|(_, list)| list).unwrap_or_default();
        if is_excepted(&exceptions, origin) {
            return Ok(None);
        }
        Proxy::parse(&text, &name).map(Some)
    }

    fn parse(text: &str, named_in: &str) -> Result<Proxy, String> {
        let text = match text.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => text.to_owned(),
            Some((scheme, _)) => {
                return Err(format!(
                    "{named_in}: a proxy is asked over http://, not {scheme}://; to use none, pass --proxy none"
                ));
            }
            // Without a scheme nobody sees that there is a password in it.
            None if text.contains('@') => {
                return Err(format!(
                    "{named_in}: write the proxy as http://USER:PASSWORD@HOST:PORT"
                ));
            }
            None => format!("http://{text}"),
        };
        let url = Url::parse(&text).map_err(|why| format!("{named_in}: {why}"))?;
        let credentials = url.credentials.as_ref().map(Secret::header).transpose()?;
        Ok(Proxy {
            origin: url.origin,
            credentials,
            named_in: named_in.to_owned(),
        })
    }

    /// How requests for this origin, which is not https, are written to it.
    pub(super) fn forward(&self, origin: &Origin) -> Arc<Forward> {
        Arc::new(Forward {
            origin: origin.to_string(),
            credentials: self.credentials.clone(),
        })
    }

    /// Has it connect the stream to this origin. Every failure is "unreached".
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, origin: &Origin) -> Result<(), Fault> {
        let fail = |cause: std::io::Error| {
            Fault::unreached(format!("no answer from {self}"))
                .because(cause)
                .counted_as("no connection")
        };
        tcp.write_all(&self.asks_for(origin)).await.map_err(fail)?;
        let mut read = Vec::new();
        let (head, len) = loop {
            let mut piece = [0; ANSWER_BYTES];
            match tcp.read(&mut piece).await.map_err(fail)? {
                0 => return Err(fail(std::io::ErrorKind::UnexpectedEof.into())),
                len => read.extend_from_slice(&piece[..len]),
            }
            let head = framing::read_head(&read).map_err(|cause| {
                Fault::unreached(format!("{self} answers no HTTP")).because(cause)
            })?;
            if let Some(head) = head {
                break head;
            }
        };
        match head.status {
            // Who is behind it speaks only when spoken to.
            status if status.is_success() && len == read.len() => Ok(()),
            status => Err(self.refused(status, origin)),
        }
    }

    fn asks_for(&self, origin: &Origin) -> Vec<u8> {
        let target = format!("{}:{}", origin.authority.host(), origin.port);
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(credentials) = &self.credentials {
            write_credentials(credentials, &mut request);
        }
        request.extend_from_slice(b"\r\n");
        request
    }

    fn refused(&self, status: StatusCode, origin: &Origin) -> Fault {
        let what = format!("{self} does not connect to {origin}: it answered {status}");
        match status {
            // Some say the one where they mean the other.
            StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED => {
                let has = if self.credentials.is_some() {
                    "refuses the credentials it is given"
                } else {
                    "asks for credentials"
                };
                Fault::stops_run(format!(
                    "{self} {has} ({}); name it as http://USER:PASSWORD@HOST:PORT in {}",
                    status.as_str(),
                    self.named_in
                ))
            }
            // It will not, whoever asks.
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                Fault::stops_run(format!(
                    "{what}; let it do so, or go without it: --proxy none"
                ))
            }
            _ => Fault::unreached(what),
        }
        .counted_as("refused by the proxy")
    }
}

/// Writes the header that tells a proxy who asks.
pub(super) fn write_credentials(credentials: &HeaderValue, request: &mut Vec<u8>) {
    for part in [b"proxy-authorization: ", credentials.as_bytes(), b"\r\n"] {
        request.extend_from_slice(part);
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { host, port, .. } = &self.origin;
        write!(f, "the proxy {host} port {port} ({})", self.named_in)
    }
}

/// Whether a list such as `localhost, .internal, example.com:8080, 10.0.0.0/8` or `*` holds an origin.
fn is_excepted(list: &str, origin: &Origin) -> bool {
    let host = origin.host.trim_end_matches('.').to_ascii_lowercase();
    list.split([',', ' '])
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let Ok(address) = host.parse::<IpAddr>() {
                return is_in_network(&entry, address, origin.port);
            }
            let (name, port) = match entry.rsplit_once(':') {
                Some((name, port)) => (name, port.parse::<u16>().ok()),
                None => (entry.as_str(), None),
            };
            let name = name.trim_start_matches("*").trim_matches('.');
            let is_within = host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| !name.is_empty() && rest.ends_with('.'));
            is_within && port.is_none_or(|port| port == origin.port)
        })
}

/// Whether an entry such as `10.0.0.1`, `10.0.0.1:80`, `[::1]:80` or `10.0.0.0/8` holds an address.
fn is_in_network(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
            return false;
        };
        return match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(bits);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(bits);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        };
    }
    if let Ok(entry) = entry.parse::<std::net::SocketAddr>() {
        return (entry.ip(), entry.port()) == (address, port);
    }
    entry.trim_matches(['[', ']']).parse() == Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Url::parse(text).unwrap().origin
    }

    /// The proxy that leads there, given these variables.
    fn chosen(
        to: &str,
        setting: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        let proxy = Proxy::to(&origin(to), setting, variable)?;
        Ok(proxy.map_or("none".into(), |proxy| proxy.origin.to_string()))
    }

    #[test]
    fn the_environment_names_proxies_and_exceptions() {
        let check = |to: &str, variables: &[(&str, &str)], expected: &str| {
            let got = chosen(to, None, variables);
            assert_eq!(got.as_deref(), Ok(expected), "{to} {variables:?}");
        };
        let (plain, safe) = (("HTTP_PROXY", "http://p:1"), ("https_proxy", "q:2"));
        check("http://a/", &[], "none");
        check("http://a/", &[plain, safe], "http://p:1");
        check("https://a/", &[plain, safe], "http://q:2");
        check("https://a/", &[plain], "none");
        check("https://a/", &[("ALL_PROXY", "http://all")], "http://all");
        check(
            "http://a/",
            &[plain, ("http_proxy", "http://small")],
            "http://small",
        );
        check("http://a/", &[("HTTP_PROXY", " ")], "none");
        for here in ["http://localhost:80/", "http://127.0.0.1/", "http://[::1]/"] {
            check(here, &[plain], "none");
        }
        let but = |list: &'static str| [plain, ("NO_PROXY", list)];
        check("http://a/", &but("*"), "none");
        check("http://a.b.test/", &but("x, b.test"), "none");
        check("http://a.b.test/", &but(".b.test"), "none");
        check("http://a.b.test/", &but("*.b.test"), "none");
        check("http://b.test/", &but(".B.test"), "none");
        check("http://ab.test/", &but("b.test"), "http://p:1");
        check("http://b.test/", &but("b.test:81"), "http://p:1");
        check("http://b.test:81/", &but("b.test:81"), "none");
        check("http://10.1.2.3/", &but("10.0.0.0/8"), "none");
        check("http://11.1.2.3/", &but("10.0.0.0/8"), "http://p:1");
        check("http://11.1.2.3/", &but("0.0.0.0/0"), "none");
        check("http://10.1.2.3/", &but("10.1.2.3"), "none");
        check("http://[2001:db8::1]/", &but("2001:db8::/32"), "none");
        check("http://[2001:db8::1]/", &but("[2001:db8::1]"), "none");
    }

    #[test]
    fn what_is_set_counts_before_the_environment() {
        let environment = [("HTTP_PROXY", "http://p:1"), ("NO_PROXY", "*")];
        let set = |setting| chosen("http://127.0.0.1/", Some(setting), &environment);
        assert_eq!(set("http://q:2").as_deref(), Ok("http://q:2"));
        assert_eq!(set("none").as_deref(), Ok("none"));
        for (setting, part) in [
            ("https://q:2", "--proxy: a proxy is asked over http://"),
            ("socks5://u:canary@q", "not socks5://"),
            ("http://u:canary@q:99999", "--proxy: address http://q:99999"),
            ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ] {
            let why = set(setting).unwrap_err();
            assert!(why.contains(part) && !why.contains("canary"), "{why}");
        }
        let why = chosen("http://a/", None, &[("ALL_PROXY", "socks5://q")]).unwrap_err();
        assert!(
            why.contains("all_proxy") || why.contains("ALL_PROXY"),
            "{why}"
        );
        assert!(why.contains("--proxy none"), "{why}");
    }

    #[test]
    fn credentials_are_for_the_proxy_alone() {
        let proxy = Proxy::parse("http://u:p%40@q:2", "--proxy").unwrap();
        let asked = String::from_utf8(proxy.asks_for(&origin("https://[::1]/x"))).unwrap();
        assert_eq!(
            asked,
            "CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\nproxy-authorization: Basic dTpwQA==\r\n\r\n"
        );
        assert_eq!(proxy.to_string(), "the proxy q port 2 (--proxy)");
    }
}
