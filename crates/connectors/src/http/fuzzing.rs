//! What a fuzzer tries with answers of services and with templates, and what must hold whatever it tries.

use std::time::SystemTime;

use bytes::Bytes;
use inflight::Record;

use super::address::Address;
use super::body::{Body, BodySource};
use super::framing::{self, read_head};
use super::head::{Head, HeadSpec};
use super::item::Fields;
use super::url::Url;
use super::{allowance, wait};
use crate::payload::Payload;
use crate::row::Row;

/// Reads the bytes behind the first as an answer, once in pieces as long as the first says and once as a whole: head and body are the
/// same, or both are refused.
///
/// # Panics
/// When the two differ.
pub fn http_answer(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = answer(bytes, bytes.len().max(1));
    let pieces = answer(bytes, usize::from(*piece).max(1));
    assert_eq!(pieces, whole);
}

/// The status, the headers and the body as far as it came; `None` where the answer is refused or its head has not ended.
fn answer(bytes: &[u8], piece: usize) -> Option<(u16, usize, Bytes, bool)> {
    let mut unread = Vec::new();
    let mut pieces = bytes.chunks(piece);
    let (head, length) = loop {
        unread.extend_from_slice(pieces.next()?);
        if let Some(found) = read_head(&unread).ok()? {
            break found;
        }
    };
    unread.drain(..length);
    // What only looks at headers must not fail on any.
    let _ = allowance::told(&head.headers, SystemTime::now);
    let _ = wait::asked(&head.headers, SystemTime::UNIX_EPOCH);
    let (mut body, _) = framing::framing(&head).ok()?;
    let mut read = Vec::new();
    loop {
        read.extend_from_slice(&body.decode(&mut unread).ok()?);
        match pieces.next() {
            Some(piece) if !body.is_read() => unread.extend_from_slice(piece),
            _ => break,
        }
    }
    let head_bytes = head.headers.len();
    Some((
        head.status.as_u16(),
        head_bytes,
        read.into(),
        body.is_read(),
    ))
}

/// Takes what stands before the first line end as a template, of an address, a header or a body by its first byte, and what follows as
/// an item. What comes out leads to the host of the template, holds no line end where none may be, and is JSON where the template is.
///
/// # Panics
/// When an item makes of a template what it is not.
pub fn template(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let (template, item) = text.split_once('\n').unwrap_or((text, ""));
    let record = record(item);
    match kind % 3 {
        0 => address(template, &record),
        1 => header(template, &record),
        _ => body(template, &record),
    }
}

fn record(item: &str) -> Record<Payload> {
    let payload = match Row::json(item.to_owned()) {
        Ok(row) => Payload::of_row(7, row),
        Err(_) => Payload::read(item.to_owned()),
    };
    Record::new(3, payload)
}

fn address(rest: &str, record: &Record<Payload>) {
    let Ok(address) = Address::parse(&format!("http://host/{rest}"), &Fields::Unknown) else {
        return;
    };
    let Ok(uri) = address.of(record, true) else {
        return;
    };
    assert_eq!(uri.authority().map(|host| host.as_str()), Some("host"));
    let uri = uri.to_string();
    assert!(uri.is_ascii() && !uri.contains([' ', '\r', '\n']), "{uri}");
    let is_plain = !rest.contains(['+', '/', '?', '&', ';', '.', '*', '#', ',']);
    if is_plain {
        assert_eq!(uri.matches('/').count(), 3, "an item adds no step: {uri}");
        assert!(!uri.contains('?'), "an item adds no query: {uri}");
    }
}

fn header(line: &str, record: &Record<Payload>) {
    let spec = HeadSpec {
        url: Url::parse("http://127.0.0.1/").expect("it is one"),
        lines: vec![format!("x-fuzzed: {line}")],
        fields: Fields::Unknown,
        takes_packed: false,
    };
    // What would run a command or read a file is no template.
    if line.contains(':') {
        return;
    }
    let Ok(head) = Head::new(&spec) else {
        return;
    };
    let uri = "/".parse().expect("it is one");
    let body = (Bytes::new(), None);
    let Ok(asked) = head.request(false, &hyper::Method::GET, uri, body, record) else {
        return;
    };
    for value in asked.headers().values() {
        let bytes = value.as_bytes();
        assert!(
            !bytes.iter().any(|byte| b"\r\n\0".contains(byte)),
            "{value:?}"
        );
    }
}

fn body(template: &str, record: &Record<Payload>) {
    // A file is no template, and a filter has a language of its own.
    if !template.starts_with(['{', '[']) {
        return;
    }
    let Ok(source) = BodySource::read(template) else {
        return;
    };
    let Ok(body) = Body::parse(Some(&source), &hyper::Method::POST, &Fields::Unknown, None) else {
        return;
    };
    if let Ok((bytes, _)) = body.of(record) {
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
        assert!(read.is_ok(), "{}", String::from_utf8_lossy(&bytes));
    }
}
