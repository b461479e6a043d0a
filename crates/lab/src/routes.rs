//! The HTTP face of the lab: which request means what, and what its answer looks like.
//!
//! | request | answer |
//! |---|---|
//! | `POST /add`, `PUT /add` | stores the body: `{"saved":N}`, N its number from 1 |
//! | `GET /items/ANYTHING` | `{"item":"ANYTHING","value":"…"}`: ANYTHING as it stands in the path, and its XXH3 hash in 16 hex digits |
//! | `GET /stats` | [`Stats`](crate::Stats) as JSON |
//! | `GET /results` | the stored bodies as JSON lines; the header `Results-Left-Out` counts those not kept |
//!
//! | `POST /v1/chat/completions`, `POST /v1/embeddings` | with `openai`: an answer that depends on the request alone |
//! | `GET`, `PUT`, `PATCH`, `DELETE /things/ID`, `GET /things` | with `rest`: JSON objects that are kept |
//! | `POST /_bulk`, `POST /INDEX/_bulk` | with `bulk`: many of these in one request, each with an answer of its own |
//!
//! `/stats` and `/results` are answered at once, all else as the model says.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::body::{self, Answer, REQUEST_BYTES_MAX, Unread};
use crate::fault::Outcome;
use crate::model::{Arrival, Rejection};
use crate::openai;
use crate::quota_headers::QuotaHeaders;
use crate::service::Service;
use crate::things::{Things, Written};

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
        "/stats" | "/results" if request.method() != Method::GET => Ok(wrong_method("GET")),
        "/stats" => Ok(json(StatusCode::OK, &service.stats())),
        "/results" => Ok(results(service)),
        _ if !service.is_authorized(authorization(&request)) => Ok(unauthorized()),
        "/add" => match *request.method() {
            Method::POST | Method::PUT => add(&service, request).await,
            _ => Ok(wrong_method("POST, PUT")),
        },
        "/v1/chat/completions" | "/v1/embeddings" if service.openai => match *request.method() {
            Method::POST => ask(&service, request).await,
            _ => Ok(wrong_method("POST")),
        },
        _ if service.bulk && path.ends_with(BULK) => match *request.method() {
            Method::POST => bulk(&service, request).await,
            _ => Ok(wrong_method("POST")),
        },
        THINGS if service.rest || service.bulk => match *request.method() {
            Method::GET => Ok(all_things(&service)),
            _ => Ok(wrong_method("GET")),
        },
        _ if service.rest && under(path, "/things/").is_some() => thing(&service, request).await,
        _ => match under(path, "/items/") {
            None => Ok(message(
                StatusCode::NOT_FOUND,
                &format!("there is {}", service.served),
            )),
            Some(_) if request.method() != Method::GET => Ok(wrong_method("GET")),
            Some(item) => fetch(&service, item).await,
        },
    }
}

const THINGS: &str = "/things";

/// What addresses of requests with many documents end with.
const BULK: &str = "/_bulk";

/// What stands below a folder of addresses, unless that is nothing.
fn under<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder).filter(|rest| !rest.is_empty())
}

fn authorization(request: &Request<Incoming>) -> Option<&[u8]> {
    request
        .headers()
        .get(AUTHORIZATION)
        .map(HeaderValue::as_bytes)
}

fn unauthorized() -> Response<Answer> {
    let mut response = message(
        StatusCode::UNAUTHORIZED,
        "the token is missing or has expired; send another, `Authorization: Bearer TOKEN`",
    );
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// The body of a request, or how it ends without one.
async fn body(request: Request<Incoming>) -> Result<Result<Bytes, Response<Answer>>, Cut> {
    match body::read(request.into_body()).await {
        Ok(body) => Ok(Ok(body)),
        Err(Unread::TooLarge) => Ok(Err(too_large())),
        Err(Unread::Broken) => Err(Cut),
    }
}

/// Serves a request as the model says, and makes its answer: `apply` does what the request asks for.
async fn served(
    service: &Service,
    arrival: Arrival,
    failed: impl FnOnce() -> Response<Answer>,
    apply: impl FnOnce() -> Response<Answer>,
) -> Result<Result<Response<Answer>, Rejection>, Cut> {
    let (_visit, outcome) = match service.visit(arrival).await {
        Ok(visited) => visited,
        Err(rejection) => return Ok(Err(rejection)),
    };
    match outcome {
        Outcome::Answered => Ok(Ok(apply())),
        Outcome::CutAfterApply => {
            apply();
            Err(Cut)
        }
        Outcome::Failed => Ok(Ok(failed())),
        Outcome::Reset | Outcome::Stalled => Err(Cut),
    }
}

async fn add(service: &Service, request: Request<Incoming>) -> Result<Response<Answer>, Cut> {
    // Only the key is held while the request is served: the future is moved often, and the headers are large.
    let idempotency_key = (service.idempotent)
        .then(|| request.headers().get(&IDEMPOTENCY_KEY).cloned())
        .flatten();
    let body = match body(request).await? {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let arrival = Arrival {
        always_fails: service.always_fails(&body),
        ..Arrival::default()
    };
    let key = idempotency_key.as_ref().map(HeaderValue::as_bytes);
    let save = || saved(service.save(&body, key));
    let answer = served(service, arrival, failed, save).await?;
    Ok(told(
        service,
        service.quota_headers,
        answer.unwrap_or_else(refused),
    ))
}

async fn fetch(service: &Service, item: &str) -> Result<Response<Answer>, Cut> {
    // A fetch applies nothing, so that being cut after it is being cut.
    let item = || json(StatusCode::OK, &Item::new(item));
    let answer = served(service, Arrival::default(), failed, item).await?;
    Ok(told(
        service,
        service.quota_headers,
        answer.unwrap_or_else(refused),
    ))
}

/// A request to an LLM service.
async fn ask(service: &Service, request: Request<Incoming>) -> Result<Response<Answer>, Cut> {
    let path = request.uri().path().to_owned();
    let body = match body(request).await? {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let (answer, tokens) = match openai::Request::read(&path, &body) {
        Ok(request) => request.answer(),
        Err(why) => {
            let error = openai::error(&why, "invalid_request_error", "invalid_request");
            return Ok(json(StatusCode::BAD_REQUEST, &error));
        }
    };
    let arrival = Arrival {
        always_fails: service.always_fails(&body),
        tokens,
        ..Arrival::default()
    };
    let failed = || {
        let error = openai::error("failed as configured", "server_error", "server_error");
        json(StatusCode::INTERNAL_SERVER_ERROR, &error)
    };
    let apply = || {
        if service.errs_in_200() {
            let error = openai::error(
                "could not answer, as configured",
                "server_error",
                "overloaded",
            );
            return json(StatusCode::OK, &error);
        }
        let text = serde_json::to_vec(&answer).expect("plain data is always valid JSON");
        service.save(&text, None);
        with_json(StatusCode::OK, Answer::whole(text))
    };
    let dialect = match service.quota_headers {
        QuotaHeaders::Usual => QuotaHeaders::OpenAi,
        dialect => dialect,
    };
    let answer = served(service, arrival, failed, apply).await?;
    Ok(told(
        service,
        dialect,
        answer.unwrap_or_else(refused_as_openai),
    ))
}

/// A request to one of the things.
async fn thing(service: &Service, request: Request<Incoming>) -> Result<Response<Answer>, Cut> {
    let method = request.method().clone();
    let path = request.uri().path();
    let id = percent_decode_str(&path[THINGS.len() + 1..]).decode_utf8();
    let Ok(id) = id.map(|id| id.into_owned()) else {
        return Ok(message(StatusCode::BAD_REQUEST, "the id is not UTF-8"));
    };
    if !matches!(method.as_str(), "GET" | "PUT" | "PATCH" | "DELETE") {
        return Ok(wrong_method("GET, PUT, PATCH, DELETE"));
    }
    let body = match body(request).await? {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let arrival = Arrival {
        always_fails: service.always_fails(&body),
        ..Arrival::default()
    };
    let apply = || match method {
        Method::PUT => written(service, &body, |things| things.put(&id, &body)),
        Method::PATCH => written(service, &body, |things| things.patch(&id, &body)),
        Method::DELETE if service.with_things(|things| things.delete(&id)) => {
            let mut response = Response::new(Answer::whole(Bytes::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Method::GET => match service.with_things(|things| things.get(&id)) {
            Some(thing) => json(StatusCode::OK, &thing),
            None => no_thing(),
        },
        _ => no_thing(),
    };
    let answer = served(service, arrival, failed, apply).await?;
    Ok(told(
        service,
        service.quota_headers,
        answer.unwrap_or_else(refused),
    ))
}

/// A request with many documents.
async fn bulk(service: &Service, request: Request<Incoming>) -> Result<Response<Answer>, Cut> {
    let body = match body(request).await? {
        Ok(body) => body,
        Err(refused) => return Ok(refused),
    };
    let apply = || match service.bulk(&body) {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(why) => message(StatusCode::BAD_REQUEST, &why),
    };
    let answer = served(service, Arrival::default(), failed, apply).await?;
    Ok(told(
        service,
        service.quota_headers,
        answer.unwrap_or_else(refused),
    ))
}

fn written(
    service: &Service,
    body: &[u8],
    write: impl FnOnce(&mut Things) -> Written,
) -> Response<Answer> {
    let written = service.with_things(write);
    if matches!(written, Written::Created(_) | Written::Replaced(_)) {
        service.save(body, None);
    }
    match written {
        Written::Created(thing) => json(StatusCode::CREATED, &thing),
        Written::Replaced(thing) => json(StatusCode::OK, &thing),
        Written::Missing => no_thing(),
        Written::NoObject => message(StatusCode::BAD_REQUEST, "the body is no JSON object"),
        Written::Full => message(
            StatusCode::INSUFFICIENT_STORAGE,
            "there is no room for more",
        ),
    }
}

fn no_thing() -> Response<Answer> {
    message(StatusCode::NOT_FOUND, "there is no thing of this id")
}

fn all_things(service: &Service) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(service.with_things(|things| things.lines())));
    let lines = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, lines);
    response
}

/// The answer with what is left of the quotas.
fn told(
    service: &Service,
    dialect: QuotaHeaders,
    mut answer: Response<Answer>,
) -> Response<Answer> {
    if !matches!(dialect, QuotaHeaders::Usual | QuotaHeaders::None) {
        let quotas = service.quotas_left();
        dialect.add(quotas, SystemTime::now(), answer.headers_mut());
    }
    answer
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
    let text = match rejection {
        Rejection::OverRate { .. } => "over the rate",
        Rejection::OverTokens { .. } => "over the rate of tokens",
        Rejection::QueueFull { .. } => "no place to wait",
    };
    refusal(rejection, &serde_json::json!({ "error": text }))
}

fn refused_as_openai(rejection: Rejection) -> Response<Answer> {
    let (text, kind, code) = match rejection {
        Rejection::OverRate { .. } => ("over the rate", "requests", "rate_limit_exceeded"),
        Rejection::OverTokens { .. } => {
            ("over the rate of tokens", "tokens", "rate_limit_exceeded")
        }
        Rejection::QueueFull { .. } => ("no place to wait", "server_error", "overloaded"),
    };
    refusal(rejection, &openai::error(text, kind, code))
}

fn refusal(rejection: Rejection, body: &serde_json::Value) -> Response<Answer> {
    let (status, retry_after) = match rejection {
        Rejection::OverRate { retry_after } | Rejection::OverTokens { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, retry_after)
        }
        Rejection::QueueFull { retry_after } => (StatusCode::SERVICE_UNAVAILABLE, retry_after),
    };
    let mut response = json(status, body);
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
