//! The address of an item: a URL with `{}` where the item goes, in its path or query only.

use bytes::Bytes;
use hyper::http::uri::PathAndQuery;
use inflight::Fault;

use super::url::{Url, redacted};

/// An address with a place for the item.
pub(super) struct Template {
    /// The address with the place still empty; says where connections lead, and what is printed.
    pub(super) url: Url,
    /// Path and query, cut where the item goes.
    parts: Vec<String>,
    /// Whether the item goes into the path, where `..` means something.
    is_in_path: bool,
}

impl Template {
    /// Fails with a sentence that says where `{}` may be.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let fail = |why: &str| format!("address {}: {why}", redacted(text));
        let text = text.split('#').next().unwrap_or_default();
        let begin = text.find("://").map_or(0, |at| at + 3);
        let (origin, rest) = match text[begin..].find(['/', '?']) {
            Some(end) => text.split_at(begin + end),
            None => (text, ""),
        };
        if origin.contains("{}") {
            return Err(fail(
                "the item may stand in path or query only, never in the host",
            ));
        }
        if !rest.contains("{}") {
            return Err(fail("needs {} where the item goes"));
        }
        let slash = if rest.starts_with('?') { "/" } else { "" };
        let path = rest.split('?').next().unwrap_or_default();
        // Stands for the item in what is printed: unlike braces it is allowed in a URL.
        let url = Url::parse(&text.replace("{}", "%7B%7D"))?;
        Ok(Template {
            url,
            is_in_path: path.contains("{}"),
            parts: format!("{slash}{rest}")
                .split("{}")
                .map(String::from)
                .collect(),
        })
    }

    /// The path and query of this item.
    ///
    /// Fails permanently for an item that would lead out of the path it is put in.
    pub(super) fn fill(&self, item: &[u8]) -> Result<PathAndQuery, Fault> {
        if self.is_in_path && matches!(item, b"." | b"..") {
            return Err(Fault::permanent(
                "item is . or .., which is no name in a path",
            ));
        }
        let mut filled = Vec::with_capacity(64 + item.len());
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                encode(item, &mut filled);
            }
            filled.extend_from_slice(part.as_bytes());
        }
        PathAndQuery::from_maybe_shared(Bytes::from(filled))
            .map_err(|cause| Fault::permanent("item makes no valid address").because(cause))
    }
}

/// Appends the bytes percent-encoded: all but letters, digits and `-._~`.
pub(super) fn encode(bytes: &[u8], to: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            to.push(*byte);
        } else {
            to.extend([
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, item: &str, expected: Result<&str, &str>) {
        let filled = Template::parse(template).and_then(|template| {
            template
                .fill(item.as_bytes())
                .map_err(|fault| fault.to_string())
        });
        match (filled, expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path.as_str(), expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{template}: {message}"),
            (got, expected) => panic!("{template}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn items_go_into_path_and_query_only() {
        check("http://a/items/{}", "7", Ok("/items/7"));
        check(
            "http://a/{}/x?y={}#{}",
            "a b/é",
            Ok("/a%20b%2F%C3%A9/x?y=a%20b%2F%C3%A9"),
        );
        check("http://a?q={}", "1", Ok("/?q=1"));
        check("http://a/{}", "..", Err("no name in a path"));
        check("http://a/?q={}", "..", Ok("/?q=.."));
        check("http://{}/x", "7", Err("never in the host"));
        check("http://a:{}/{}", "7", Err("never in the host"));
        check("{}://a/{}", "7", Err("never in the host"));
        check("http://a/items", "7", Err("needs {}"));
        check("a/{}", "7", Err("is no URL"));
    }
}
