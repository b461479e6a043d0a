//! Headers as typed, with values read from the environment or a file, so that no secret is an argument.

use hyper::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
};

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

/// Headers ready to be sent, and which of them nobody may see.
#[derive(Default)]
pub(super) struct Headers {
    pub(super) map: HeaderMap,
    pub(super) secrets: Vec<Secret>,
}

impl Headers {
    /// Reads `NAME: VALUE` lines; see [`SinkSettings::headers`](crate::SinkSettings::headers).
    ///
    /// Fails with a sentence that names the header, never its value.
    pub(super) fn parse(lines: &[String]) -> Result<Headers, String> {
        let mut headers = Headers::default();
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .ok_or("a header has no colon; write it as NAME: VALUE")?;
            let name = name.trim();
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("header `{name}` has a name that HTTP does not allow"))?;
            headers
                .add(header, value.trim())
                .map_err(|why| format!("header {name}: {why}"))?;
        }
        Ok(headers)
    }

    fn add(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        if let Some(secret) = read(value)? {
            self.map.append(name, secret.header()?);
            self.secrets.push(secret);
            return Ok(());
        }
        if [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(&name) {
            return Err(
                "everybody on this machine sees arguments; give it as env:NAME or file:PATH".into(),
            );
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| "holds characters that no header can carry".to_owned())?;
        self.map.append(name, value);
        Ok(())
    }
}

/// The secret that `env:NAME`, `file:PATH` or `WORD env:NAME` stands for; `None` for any other value.
fn read(value: &str) -> Result<Option<Secret>, String> {
    let (scheme, place) = match value.split_once(' ') {
        Some((scheme, place)) => (format!("{scheme} "), place),
        None => (String::new(), value),
    };
    let secret = crate::secret::read(place)?;
    Ok(secret.map(|secret| Secret(scheme + &secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<(&str, &[u8], bool), &str>) {
        match (Headers::parse(&[line.into()]), expected) {
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
        check("Authorization: Bearer canary", Err("env:NAME or file:PATH"));
        check("Cookie: a=b", Err("env:NAME or file:PATH"));
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
    fn secrets_are_hidden_where_they_come_back() {
        let secret = Secret::new("Bearer canary");
        assert_eq!(secret.hide("you sent canary".into()), "you sent ***");
    }
}
