//! What HTTP/1.1 puts on the wire and how it is told where an answer ends (RFC 9112); nothing here reads or writes.

use std::io::Write;

use bytes::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use hyper::http::request;
use hyper::http::response::Parts;
use hyper::{Method, Response, StatusCode, Version};

use super::broken::Cause;
use super::proxy::{self, Forward};

/// Headers of an answer at most; more than most clients accept.
const HEADERS_MAX: usize = 128;

/// Bytes of the head of an answer at most. Common servers refuse to send a tenth of it.
pub(super) const HEAD_BYTES_MAX: usize = 256 << 10;

/// Bytes of a line between chunks at most: its length, and extensions that mean nothing to us.
const LINE_BYTES_MAX: usize = 16 << 10;

/// The head of a request with a body of so many bytes; a proxy that passes it on is told to where.
pub(super) fn write_head(
    request: &request::Parts,
    body_bytes: usize,
    forward: Option<&Forward>,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let mut line = |text: std::fmt::Arguments| {
        head.write_fmt(text).expect("a vector takes all");
    };
    let method = &request.method;
    let origin = forward.map_or("", |forward| &forward.origin);
    match request.uri.path_and_query() {
        // As `Display` writes it: with the slash that an address may leave out.
        Some(path) => line(format_args!("{method} {origin}{path} HTTP/1.1\r\n")),
        None => line(format_args!("{method} {origin}/ HTTP/1.1\r\n")),
    }
    if says_length(method, body_bytes) {
        line(format_args!("{CONTENT_LENGTH}: {body_bytes}\r\n"));
    }
    for (name, value) in &request.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    if let Some(credentials) = forward.and_then(|forward| forward.credentials.as_ref()) {
        proxy::write_credentials(credentials, &mut head);
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Whether a request says how long its body is: one of no bytes does where a body is expected.
fn says_length(method: &Method, body_bytes: usize) -> bool {
    body_bytes > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// The header that says so, where there is to be one.
pub(super) fn content_length(
    method: &Method,
    body_bytes: usize,
) -> Option<(HeaderName, HeaderValue)> {
    says_length(method, body_bytes).then(|| (CONTENT_LENGTH, body_bytes.into()))
}

/// The head of an answer, and how many bytes come before its body; `None` while there is more to come.
pub(super) fn read_head(bytes: &[u8]) -> Result<Option<(Parts, usize)>, Cause> {
    let mut begin = 0;
    loop {
        let Some((head, len)) = read_one_head(&bytes[begin..])? else {
            return match bytes.len() > HEAD_BYTES_MAX {
                true => Err(format!("its head is longer than {} KiB", HEAD_BYTES_MAX >> 10).into()),
                false => Ok(None),
            };
        };
        begin += len;
        // An interim answer says nothing about the request.
        let is_interim =
            head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS;
        if !is_interim {
            return Ok(Some((head, begin)));
        }
    }
}

fn read_one_head(bytes: &[u8]) -> Result<Option<(Parts, usize)>, Cause> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut read = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = read.parse(bytes)? else {
        return Ok(None);
    };
    let mut head = Response::new(()).into_parts().0;
    head.status = StatusCode::from_u16(read.code.unwrap_or_default())?;
    head.version = match read.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    head.headers.reserve(read.headers.len());
    for header in read.headers {
        head.headers.append(
            HeaderName::from_bytes(header.name.as_bytes())?,
            HeaderValue::from_bytes(header.value)?,
        );
    }
    Ok(Some((head, len)))
}

/// A body as far as it is still to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Sized(u64),
    /// Chunks, each with its length.
    Chunked(Chunk),
    /// All until the service closes.
    ToTheEnd,
}

/// What comes next in a body of chunks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Length,
    /// So many bytes of a chunk.
    Data(u64),
    /// The line break behind them.
    Break,
    /// Lines up to an empty one, behind the last chunk.
    Trailers,
    Nothing,
}

/// How the body of an answer is told from what follows, and whether anything may: whether the connection can be used again.
///
/// No request of ours is a `HEAD` or a `CONNECT`, to which other rules apply.
pub(super) fn framing(head: &Parts) -> Result<(Body, bool), Cause> {
    let is_old = head.version == Version::HTTP_10;
    let is_kept = match is_old {
        true => has_token(&head.headers, &CONNECTION, "keep-alive"),
        false => !has_token(&head.headers, &CONNECTION, "close"),
    };
    let is_bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
    if is_bodiless {
        return Ok((Body::Sized(0), is_kept));
    }
    let mut codings = tokens(&head.headers, &TRANSFER_ENCODING);
    let Some(last) = codings.next_back() else {
        return Ok(match length(&head.headers)? {
            Some(bytes) => (Body::Sized(bytes), is_kept),
            None => (Body::ToTheEnd, false),
        });
    };
    if is_old {
        return Err("it is of HTTP/1.0, which knows no transfer-encoding".into());
    }
    Ok(match last.eq_ignore_ascii_case("chunked") {
        // With a length besides, it is one thing to us and perhaps another to somebody between.
        true => {
            let has_length = head.headers.contains_key(CONTENT_LENGTH);
            (Body::Chunked(Chunk::Length), is_kept && !has_length)
        }
        false => (Body::ToTheEnd, false),
    })
}

/// The length announced; several headers, or several values in one, must agree.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Cause> {
    let mut found = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for text in value.as_bytes().split(|byte| *byte == b',') {
            let text = text.trim_ascii();
            let digits = std::str::from_utf8(text)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let bytes = digits.and_then(|text| text.parse::<u64>().ok());
            match (bytes, found) {
                (Some(bytes), None) => found = Some(bytes),
                (Some(bytes), Some(before)) if bytes == before => {}
                _ => return Err("its content-length is no number, or several".into()),
            }
        }
    }
    Ok(found)
}

/// The parts of a list, over all headers of that name.
fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

impl Body {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Body::Sized(0) | Body::Chunked(Chunk::Nothing))
    }

    /// Takes as much from the front of what was read as can be understood, and leaves the rest; answers with what of it is the body.
    pub(super) fn decode(&mut self, unread: &mut Vec<u8>) -> Result<Bytes, Cause> {
        match self {
            Body::Sized(left) => {
                let len =
                    usize::try_from(*left).map_or(unread.len(), |left| left.min(unread.len()));
                *left -= len as u64;
                Ok(unread.drain(..len).collect())
            }
            Body::Chunked(chunk) => {
                let mut data = Vec::new();
                let mut used = 0;
                while let Some(len) = chunk.take(&unread[used..], &mut data)? {
                    used += len;
                }
                unread.drain(..used);
                Ok(data.into())
            }
            Body::ToTheEnd => Ok(std::mem::take(unread).into()),
        }
    }
}

impl Chunk {
    /// Takes what comes next; `None` when there is not enough of it.
    fn take(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<Option<usize>, Cause> {
        let line = || match memchr::memchr(b'\n', bytes) {
            Some(end) => Ok(Some(end + 1)),
            None if bytes.len() > LINE_BYTES_MAX => Err("a line between its chunks does not end"),
            None => Ok(None),
        };
        match self {
            Chunk::Length => {
                let Some(len) = line()? else {
                    return Ok(None);
                };
                let bytes = match httparse::parse_chunk_size(&bytes[..len]) {
                    Ok(httparse::Status::Complete((_, bytes))) => bytes,
                    _ => return Err("a chunk of it has no length".into()),
                };
                *self = match bytes {
                    0 => Chunk::Trailers,
                    _ => Chunk::Data(bytes),
                };
                Ok(Some(len))
            }
            Chunk::Data(_) if bytes.is_empty() => Ok(None),
            Chunk::Data(left) => {
                let len = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                data.extend_from_slice(&bytes[..len]);
                *left -= len as u64;
                if *left == 0 {
                    *self = Chunk::Break;
                }
                Ok(Some(len))
            }
            Chunk::Break => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Chunk::Length;
                    Ok(Some(2))
                }
                [] | [b'\r'] => Ok(None),
                _ => Err("a chunk of it is longer than it says".into()),
            },
            Chunk::Trailers => {
                let len = line()?;
                if len.is_some_and(|len| bytes[..len].trim_ascii().is_empty()) {
                    *self = Chunk::Nothing;
                }
                Ok(len)
            }
            Chunk::Nothing => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of an answer that arrives in pieces of so many bytes, what is left unread behind it, and whether the connection is kept.
    fn read(answer: &str, bytes: usize) -> Result<(String, String, bool), String> {
        let mut unread = Vec::new();
        let mut pieces = answer.as_bytes().chunks(bytes);
        let mut more = |unread: &mut Vec<u8>| {
            let piece = pieces.next();
            unread.extend_from_slice(piece.unwrap_or_default());
            piece.is_some()
        };
        let head = loop {
            match read_head(&unread).map_err(|why| why.to_string())? {
                Some((head, len)) => {
                    unread.drain(..len);
                    break head;
                }
                None if more(&mut unread) => {}
                None => return Err("no head".into()),
            }
        };
        let (mut body, is_kept) = framing(&head).map_err(|why| why.to_string())?;
        let mut text = Vec::new();
        loop {
            text.extend(body.decode(&mut unread).map_err(|why| why.to_string())?);
            if body.is_read() || !more(&mut unread) {
                break;
            }
        }
        if !body.is_read() && body != Body::ToTheEnd {
            return Err("in the middle".into());
        }
        while more(&mut unread) {}
        let string = |bytes| String::from_utf8(bytes).unwrap();
        Ok((string(text), string(unread), is_kept))
    }

    fn check(answer: &str, body: &str, rest: &str, is_kept: bool) {
        for bytes in 1..=answer.len() {
            let expected = (body.to_owned(), rest.to_owned(), is_kept);
            assert_eq!(read(answer, bytes), Ok(expected), "{answer:?} by {bytes}");
        }
    }

    #[test]
    fn bodies_end_where_they_are_said_to() {
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "ok",
            "",
            true,
        );
        check(
            "HTTP/1.1 200 OK\ncontent-length: 2, 2\n\nokHTTP",
            "ok",
            "HTTP",
            true,
        );
        check("HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", "", false);
        check(
            "HTTP/1.1 200 OK\r\nConnection: a, Close\r\nContent-Length: 0\r\n\r\n",
            "",
            "",
            false,
        );
        check(
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "ok",
            "",
            false,
        );
        check(
            "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
            "ok",
            "",
            true,
        );
        check(
            "HTTP/1.1 204 No Content\r\ncontent-length: \r\n\r\nHTTP",
            "",
            "HTTP",
            true,
        );
        check(
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
            "",
            "",
            true,
        );
    }

    #[test]
    fn chunks_are_put_together() {
        let chunked =
            |rest: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}");
        check(&chunked("2\r\nok\r\n0\r\n\r\n"), "ok", "", true);
        check(
            &chunked(
                "0A\r\n0123456789\r\n1 ;sign=0123456789abcdef0123456789\r\n!\r\n000\r\nx: y\r\n\r\nHTTP",
            ),
            "0123456789!",
            "HTTP",
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: x , Chunked\r\n\r\n1\r\n \r\n0\r\n\r\n",
            " ",
            "",
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n1\r\n",
            "1\r\n",
            "",
            false,
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "",
            "",
            false,
        );
        for (rest, why) in [
            ("x\r\n", "no length"),
            ("2\nok\n0\n\n", "no length"),
            ("1ffffffffffffffff\r\n", "no length"),
            ("2\r\nokay\r\n", "longer than it says"),
            ("2\r\no", "in the middle"),
            ("0\r\n", "in the middle"),
            (&"1".repeat(17 << 10), "does not end"),
            (&format!("0\r\nx: {}", "y".repeat(17 << 10)), "does not end"),
        ] {
            for bytes in [1, 3, 4096, usize::MAX] {
                let got = read(&chunked(rest), bytes).unwrap_err();
                assert!(got.contains(why), "{rest:.20} by {bytes}: {got}");
            }
        }
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let interim = "HTTP/1.1 100 Continue\r\nserver: x\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
        check(
            &format!("{interim}HTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\n1"),
            "1",
            "",
            true,
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for (answer, why) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
                "content-length",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n1",
                "content-length",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n1",
                "content-length",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n1",
                "content-length",
            ),
            (
                "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
                "HTTP/1.0",
            ),
            ("HTTP/1.1 099 Odd\r\n\r\n", "status"),
            ("HTTP/2 200\r\n\r\n", "version"),
            ("SSH-2.0-server\r\n", "version"),
            (
                &format!(
                    "HTTP/1.1 200 OK\r\n{}\r\n",
                    "x: y\r\n".repeat(HEADERS_MAX + 1)
                ),
                "many headers",
            ),
            (
                &format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX)),
                "longer than 256 KiB",
            ),
        ] {
            let got = read(answer, 4096).unwrap_err();
            assert!(got.contains(why), "{answer:.40}: {got}");
        }
    }

    #[test]
    fn requests_are_written_as_the_standard_has_them() {
        let written = |method: &str, uri: &str, bytes| {
            let request = hyper::Request::builder()
                .method(method)
                .uri(uri)
                .header("host", "a");
            let head = request.body(()).unwrap().into_parts().0;
            String::from_utf8(write_head(&head, bytes, None)).unwrap()
        };
        assert_eq!(
            written("POST", "/add?x=1", 7),
            "POST /add?x=1 HTTP/1.1\r\ncontent-length: 7\r\nhost: a\r\n\r\n"
        );
        assert_eq!(
            written("PUT", "/", 0),
            "PUT / HTTP/1.1\r\ncontent-length: 0\r\nhost: a\r\n\r\n"
        );
        assert_eq!(
            written("GET", "http://a?x=1", 0),
            "GET /?x=1 HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        assert_eq!(
            written("DELETE", "/", 3),
            "DELETE / HTTP/1.1\r\ncontent-length: 3\r\nhost: a\r\n\r\n"
        );
    }
}
