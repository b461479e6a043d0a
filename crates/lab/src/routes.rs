//! The HTTP face of the lab: which request means what, and what its answer looks like.
//!
//! | request | answer |
//! |---|---|
//! | `POST /add`, `PUT /add` | stores the body: `{"saved":N}`, N its number from 1 |
//! | `GET /items/ANYTHING` | `{"item":"ANYTHING","value":"…"}`: ANYTHING as it stands in the path, and its XXH3 hash in 16 hex digits |
//! | `GET /stats` | [`Stats`](crate::Stats) as JSON |
//! | `GET /results` | the stored bodies as JSON lines; the header `Results-Left-Out` counts those not kept |
//!
//! The first two are served as the model says; the last two always at once.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::body::{self, Answer, REQUEST_BYTES_MAX, Unread};
use crate::fault::Outcome;
use crate::model::Rejection;
use crate::service::Service;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static RESULTS_LEFT_OUT: HeaderName = HeaderName::from_static("results-left-out");

/// The connection ends here without an answer (over HTTP/2, the stream).
#[derive(Debug, thiserror::Error)]
#[error("cut the connection as configured")]
pub(crate) struct Cut;

/// Answers one request, or cuts its connection.
pub(crate) async fn answer(
    service: Rc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Cut> {
    let path = request.uri().path();
    match path {
        "/add" => match *request.method() {
            Method::POST | Method::PUT => add(&service, request).await,
            _ => Ok(wrong_method("POST, PUT")),
        },
        _ if !is_readable(path) => Ok(message(
            StatusCode::NOT_FOUND,
            "there is /add, /items/ANYTHING, /stats and /results",
        )),
        _ if request.method() != Method::GET => Ok(wrong_method("GET")),
        "/stats" => Ok(json(StatusCode::OK, &service.stats())),
        "/results" => Ok(results(service)),
        _ => fetch(&service, &path[ITEMS.len()..]).await,
    }
}

const ITEMS: &str = "/items/";

fn is_readable(path: &str) -> bool {
    matches!(path, "/stats" | "/results") || (path.starts_with(ITEMS) && path.len() > ITEMS.len())
}

async fn add(service: &Service, request: Request<Incoming>) -> Result<Response<Answer>, Cut> {
    // Only the key is held while the request is served: the future is moved often, and the headers are large.
    let idempotency_key = (service.idempotent)
        .then(|| request.headers().get(&IDEMPOTENCY_KEY).cloned())
        .flatten();
    let body = match body::read(request.into_body()).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return Ok(too_large()),
        Err(Unread::Broken) => return Err(Cut),
    };
    let (_visit, outcome) = match service.visit(service.always_fails(&body)).await {
        Ok(visited) => visited,
        Err(rejection) => return Ok(refused(rejection)),
    };
    let save = || service.save(&body, idempotency_key.as_ref().map(HeaderValue::as_bytes));
    match outcome {
        Outcome::Answered => Ok(saved(save())),
        Outcome::CutAfterApply => {
            save();
            Err(Cut)
        }
        Outcome::Failed => Ok(failed()),
        Outcome::Reset | Outcome::Stalled => Err(Cut),
    }
}

async fn fetch(service: &Service, item: &str) -> Result<Response<Answer>, Cut> {
    let (_visit, outcome) = match service.visit(false).await {
        Ok(visited) => visited,
        Err(rejection) => return Ok(refused(rejection)),
    };
    match outcome {
        Outcome::Answered => Ok(json(StatusCode::OK, &Item::new(item))),
        Outcome::Failed => Ok(failed()),
        // A fetch applies nothing, so it cannot be cut after it.
        Outcome::Reset | Outcome::Stalled | Outcome::CutAfterApply => Err(Cut),
    }
}

/// What a fetch answers: a function of the path alone.
#[derive(Serialize)]
struct Item<'a> {
    item: &'a str,
    value: String,
}

impl<'a> Item<'a> {
    fn new(item: &'a str) -> Self {
        let value = format!("{:016x}", xxh3_64(item.as_bytes()));
        Self { item, value }
    }
}

/// `{"saved":N}`, written by hand because it is the answer of every save.
fn saved(number: u64) -> Response<Answer> {
    const PREFIX: &[u8] = b"{\"saved\":";
    let mut text = [0; PREFIX.len() + 20 + 1];
    let mut start = text.len() - 1;
    text[start] = b'}';
    let mut rest = number;
    loop {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    start -= PREFIX.len();
    text[start..start + PREFIX.len()].copy_from_slice(PREFIX);
    with_json(
        StatusCode::OK,
        Answer::whole(Bytes::copy_from_slice(&text[start..])),
    )
}

fn results(service: Rc<Service>) -> Response<Answer> {
    let left_out = service.left_out();
    let mut response = Response::new(Answer::Results { service, part: 0 });
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(&RESULTS_LEFT_OUT, HeaderValue::from(left_out));
    response
}

fn refused(rejection: Rejection) -> Response<Answer> {
    let (status, text, retry_after) = match rejection {
        Rejection::OverRate { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, "over the rate", retry_after)
        }
        Rejection::QueueFull { retry_after } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no place to wait",
            retry_after,
        ),
    };
    let mut response = message(status, text);
    let seconds = HeaderValue::from(whole_seconds(retry_after));
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

/// The header knows whole seconds only: rounded up, so that who obeys never comes too early, and at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    let rounded_up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    rounded_up.max(1)
}

fn failed() -> Response<Answer> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "failed as configured")
}

fn too_large() -> Response<Answer> {
    let text = format!("a body has at most {REQUEST_BYTES_MAX} bytes");
    message(StatusCode::PAYLOAD_TOO_LARGE, &text)
}

fn wrong_method(allowed: &'static str) -> Response<Answer> {
    let mut response = message(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("allowed is {allowed}"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn message(status: StatusCode, error: &str) -> Response<Answer> {
    json(status, &serde_json::json!({ "error": error }))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Answer> {
    let text = serde_json::to_vec(value).expect("plain data is always valid JSON");
    with_json(status, Answer::whole(text))
}

fn with_json(status: StatusCode, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let seconds = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!([0, 1, 1000, 1001, 3000].map(seconds), [1, 1, 1, 2, 3]);
    }

    #[test]
    fn saves_are_numbered_in_json() {
        for number in [1, 10, 1234567890, u64::MAX] {
            let Answer::Whole(Some(text)) = saved(number).into_body() else {
                panic!("an answer has a body")
            };
            assert_eq!(text, format!("{{\"saved\":{number}}}"));
        }
    }
}
