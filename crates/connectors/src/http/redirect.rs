//! Where a redirect leads, and whether to go there: pure.

use hyper::header::{LOCATION, RETRY_AFTER};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};

use super::url::Url;
use super::wait::RETRY_AFTER_MS;

/// Redirects that are followed for one item; more is a loop.
pub(super) const MAX: usize = 5;

/// The next request.
pub(super) struct Next {
    pub(super) url: Url,
    /// Whether it asks for the result of the one before, and carries nothing.
    pub(super) becomes_get: bool,
}

/// What was asked before.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// Whether it is the answer that is wanted, wherever it lies.
    pub(super) is_fetch: bool,
}

/// Whether an answer sends elsewhere: a status for that, with a place, and no wish to be asked later.
pub(super) fn is_one(head: &Parts) -> bool {
    let has = |name| head.headers.contains_key(name);
    matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308)
        && has(LOCATION.as_str())
        && !has(RETRY_AFTER.as_str())
        && !has(RETRY_AFTER_MS)
}

/// Where to go from an address, for a job whose requests go to the origin of `own`.
///
/// What only reads goes anywhere. What changes something is sent again only where it is said to be unchanged (307 and 308), and
/// only within its origin; the answer to a fetch may lie elsewhere (303). Else fails with the end of a sentence.
pub(super) fn next(asked: Asked<'_>, from: &Url, own: &Url, head: &Parts) -> Result<Next, String> {
    let Asked { method, is_fetch } = asked;
    let place = head
        .headers
        .get(LOCATION)
        .ok_or("it redirects to nowhere")?;
    // Some write their addresses as text, which is UTF-8.
    let place = std::str::from_utf8(place.as_bytes())
        .map_err(|_| "it redirects to what is no address".to_owned())?;
    let here = url::Url::parse(&from.in_full())
        .map_err(|cause| format!("it redirects from what is no address: {cause}"))?;
    let url = here
        .join(place)
        .map_err(|cause| format!("it redirects to what is no address: {cause}"))
        .and_then(|joined| Url::parse(joined.as_str()))?;
    let becomes_get = is_fetch && head.status == StatusCode::SEE_OTHER && *method != Method::GET;
    if *method == Method::GET || becomes_get {
        return Ok(Next { url, becomes_get });
    }
    let is_same = matches!(
        head.status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    if !is_same {
        return Err(format!(
            "a {method} is not sent again on this status, since it may become another request; name the address itself"
        ));
    }
    if url.origin != own.origin {
        return Err(
            "a request that changes something stays at its origin; name the address itself".into(),
        );
    }
    Ok(Next {
        url,
        becomes_get: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, status: u16, from: &str, place: &str, expected: Result<&str, &str>) {
        let (head, ()) = hyper::Response::builder()
            .status(status)
            .header(LOCATION, place.as_bytes())
            .body(())
            .unwrap()
            .into_parts();
        let from = Url::parse(from).unwrap();
        let method: Method = method.parse().unwrap();
        let asked = Asked {
            method: &method,
            is_fetch: false,
        };
        match (next(asked, &from, &from, &head), expected) {
            (Ok(next), Ok(expected)) => assert_eq!(next.url.in_full(), expected, "{place}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{place}: {why}"),
            (got, _) => panic!("{place}: {:?}", got.map(|next| next.url.in_full())),
        }
    }

    #[test]
    fn places_are_joined_as_the_standard_has_it() {
        for (place, expected) in [
            ("/end", "http://a/end"),
            ("end", "http://a/dir/end"),
            ("./y", "http://a/dir/y"),
            ("../new/x", "http://a/new/x"),
            ("/dir/../abs", "http://a/abs"),
            (".", "http://a/dir/"),
            ("?q=1", "http://a/dir/here?q=1"),
            ("/x#y", "http://a/x"),
            ("//b:81/x", "http://b:81/x"),
            ("https://b", "https://b/"),
            ("/caf\u{e9}", "http://a/caf%C3%A9"),
            ("/end?next=https://b/", "http://a/end?next=https://b/"),
        ] {
            check("GET", 302, "http://a/dir/here", place, Ok(expected));
        }
        check("GET", 302, "http://a/", "ftp://b/", Err("neither http://"));
        check("GET", 302, "http://a/", "http://", Err("no address"));
    }

    #[test]
    fn what_changes_something_is_sent_again_unchanged_or_not_at_all() {
        for status in [307, 308] {
            check("POST", status, "http://a/add", "/add/", Ok("http://a/add/"));
            check(
                "POST",
                status,
                "http://a/add",
                "http://b/",
                Err("stays at its origin"),
            );
            check(
                "POST",
                status,
                "http://a/add",
                "https://a/add",
                Err("stays at its origin"),
            );
        }
        for status in [301, 302, 303] {
            check(
                "POST",
                status,
                "http://a/add",
                "/add/",
                Err("not sent again"),
            );
        }
    }
}
