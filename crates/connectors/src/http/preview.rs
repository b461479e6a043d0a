//! A request taken apart, to be looked at instead of sent.

use hyper::header::{CONTENT_LENGTH, HOST};

use super::link::Asked;
use super::url::Url;
use crate::preview::{HeaderPreview, RequestPreview};

/// Shows this request, which goes to this address; `lines` are the headers as typed, which say where secrets come from.
pub(super) fn of(request: &Asked, url: &Url, lines: &[String]) -> RequestPreview {
    let origin = url.origin.to_string();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let own_host = url.origin.authority.as_str();
    let mut typed: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        if name == CONTENT_LENGTH || (name == HOST && value == own_host) {
            continue;
        }
        // Several of one name stand in the order in which they were typed.
        let at = typed
            .iter()
            .position(|(other, _)| name.as_str().eq_ignore_ascii_case(other));
        let source = at.map(|at| typed.remove(at).1);
        let shown = if value.is_sensitive() {
            HeaderPreview::Secret(source.unwrap_or_default().to_owned())
        } else {
            HeaderPreview::Open(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        headers.push((name.as_str().to_owned(), shown));
    }
    RequestPreview {
        method: request.method().to_string(),
        url: format!("{origin}{path}"),
        headers,
        body: request.body().clone(),
    }
}
