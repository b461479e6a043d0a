//! Headers as typed, with values read from the environment or a file, so that no secret is an argument.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::item::{Fields, Name};
use super::text::Text;
use crate::secret::is_place;

/// A text that is never shown: it has neither `Debug` nor `Display`.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The header value that carries it; printed as `Sensitive`, and kept out of HTTP/2's tables.
    pub(super) fn header(&self) -> Result<HeaderValue, String> {
        let mut value = HeaderValue::from_str(&self.0)
            .map_err(|_| "a secret holds characters that no header can carry".to_owned())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Replaces the secret, and the part of it after its scheme (`Bearer …`), where a service sent it back.
    pub(super) fn hide(&self, text: String) -> String {
        let bare = self.0.rsplit(' ').next().unwrap_or_default();
        // Anything shorter is no secret, and would blank out half of the text.
        if bare.len() < 4 || !text.contains(bare) {
            return text;
        }
        text.replace(bare, "***")
    }
}

/// A header that depends on the item.
pub(super) struct Filled {
    pub(super) name: HeaderName,
    pub(super) text: Text,
    /// Whether it says who asks.
    pub(super) is_secret: bool,
}

impl Filled {
    /// Whether `{}` is in it.
    pub(super) fn has_item(&self) -> bool {
        self.text.names().any(|name| *name == Name::Item)
    }
}

/// Headers ready to be sent, and which of them nobody may see.
#[derive(Default)]
pub(super) struct Headers {
    pub(super) map: HeaderMap,
    pub(super) filled: Vec<Filled>,
    pub(super) secrets: Vec<Secret>,
}

impl Headers {
    /// Reads `NAME: VALUE` lines; see [`SinkSettings::headers`](crate::SinkSettings::headers).
    ///
    /// Fails with a sentence that names the header, never its value.
    pub(super) fn parse(lines: &[String], fields: &Fields) -> Result<Headers, String> {
        let mut headers = Headers::default();
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .ok_or("a header has no colon; write it as NAME: VALUE")?;
            let name = name.trim();
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("header `{name}` has a name that HTTP does not allow"))?;
            headers
                .add(header, value.trim(), fields)
                .map_err(|why| format!("header {name}: {why}"))?;
        }
        Ok(headers)
    }

    fn add(&mut self, name: HeaderName, value: &str, fields: &Fields) -> Result<(), String> {
        if let Some(secret) = read(value)? {
            self.map.append(name, secret.header()?);
            self.secrets.push(secret);
            return Ok(());
        }
        let is_secret = crate::secret_name::is_secret(name.as_str());
        let text = Text::parse(value, 1, fields).map_err(|wrong| wrong.why)?;
        let Some(value) = text.fixed() else {
            self.filled.push(Filled {
                name,
                text,
                is_secret,
            });
            return Ok(());
        };
        if is_secret {
            return Err(
                "everybody on this machine sees arguments; give it as env:NAME, file:PATH or exec:COMMAND".into(),
            );
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| "holds characters that no header can carry".to_owned())?;
        self.map.append(name, value);
        Ok(())
    }
}

/// The word before a place (`Bearer env:TOKEN`), with its space, and the place.
pub(super) fn scheme_and_place(value: &str) -> (&str, &str) {
    match value.find(' ') {
        Some(at) if !is_place(value) => value.split_at(at + 1),
        _ => ("", value),
    }
}

/// The secret that `env:NAME`, `file:PATH`, `exec:COMMAND` or `WORD env:NAME` stands for; `None` for any other value.
fn read(value: &str) -> Result<Option<Secret>, String> {
    let (scheme, place) = scheme_and_place(value);
    let secret = crate::secret::read(place.trim_start())?;
    Ok(secret.map(|secret| Secret(format!("{scheme}{secret}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<(&str, &[u8], bool), &str>) {
        match (Headers::parse(&[line.into()], &Fields::Unknown), expected) {
            (Ok(headers), Ok((name, value, is_secret))) => {
                assert_eq!(headers.map[name].as_bytes(), value, "{line}");
                assert_eq!(headers.map[name].is_sensitive(), is_secret, "{line}");
                assert_eq!(headers.secrets.len(), usize::from(is_secret), "{line}");
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{line}: {message}"),
            (got, _) => panic!("{line}: {:?}", got.map(|headers| headers.map)),
        }
    }

    #[test]
    fn secrets_come_from_elsewhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "canary\n").unwrap();
        let path = file.path().display();
        check("X-Team: night", Ok(("x-team", b"night", false)));
        check(
            &format!("X-Key: file:{path}"),
            Ok(("x-key", b"canary", true)),
        );
        check(
            &format!("Authorization: Bearer file:{path}"),
            Ok(("authorization", b"Bearer canary", true)),
        );
        check("X-Key: exec:echo can''ary", Ok(("x-key", b"canary", true)));
        check(
            "Authorization: Bearer exec:echo can''ary",
            Ok(("authorization", b"Bearer canary", true)),
        );
        check("Authorization: Bearer canary", Err("env:NAME, file:PATH"));
        check("Cookie: a=b", Err("env:NAME, file:PATH"));
        check("X-Api-Key: canary", Err("env:NAME, file:PATH"));
        check("x-amz-security-token: canary", Err("env:NAME, file:PATH"));
        check("X-Author: canary", Ok(("x-author", b"canary", false)));
        check(
            "X-Key: env:NO_SUCH_VARIABLE",
            Err("NO_SUCH_VARIABLE is not set"),
        );
        check(
            "X-Key: file:/no/such/file",
            Err("cannot read /no/such/file"),
        );
        check("no colon", Err("NAME: VALUE"));
        check("b\u{e4}d: x", Err("does not allow"));
    }

    #[test]
    fn braces_make_a_header_of_the_item() {
        let parse = |line: &str| Headers::parse(&[line.into()], &Fields::Unknown).unwrap();
        let headers = parse("X-Id: user-{id}");
        assert_eq!((headers.filled.len(), headers.map.len()), (1, 0));
        assert!(parse("Authorization: Bearer {token}").filled[0].is_secret);
        assert_eq!(parse("X-Json: {\"a\":1}").map["x-json"], "{\"a\":1}");
    }

    #[test]
    fn secrets_are_hidden_where_they_come_back() {
        let secret = Secret::new("Bearer canary");
        assert_eq!(secret.hide("you sent canary".into()), "you sent ***");
    }
}
