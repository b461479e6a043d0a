//! What a request carries: the item or its result as it is, as JSON, as a form, or put into a template.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use inflight::{Fault, Record};
use xxhash_rust::xxh3::xxh3_128;

use super::address::encode;
use super::bulk::BulkBody;
use super::item::{Fields, Found, Name, bad};
use super::json::JsonTemplate;
use super::text::{Text, Wrong};
use crate::columns::{self, Columns};
use crate::error::Error;
use crate::jq::{Jq, JqInput};
use crate::jsonl::write_text;
use crate::nearest::unknown;
use crate::payload::Payload;

/// Bytes of a template file at most: what a line of input may have, too.
const TEMPLATE_BYTES_MAX: u64 = 16 << 20;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// The body of requests as typed; of `@FILE` with what the file held, which is read once.
///
/// ```
/// use inflight_connectors::BodySource;
///
/// let body = BodySource::read(r#"{"text": "{}"}"#)?;
/// assert_eq!(body.typed(), r#"{"text": "{}"}"#);
/// assert!(BodySource::read("@no/such/file").is_err());
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySource {
    typed: String,
    content: Option<String>,
}

impl BodySource {
    /// Takes a body as typed, and reads its file if it is `@FILE`. What it holds is checked with the request.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be read, is no text, or has more than 16 MiB.
    pub fn read(typed: &str) -> Result<BodySource, Error> {
        let record = BulkBody::record_in(typed).unwrap_or(typed);
        let content = match record.strip_prefix('@') {
            None => None,
            Some("") => return Err("`@` names no file; write it as @FILE".into()),
            Some(path) => Some(read_file(path)?),
        };
        Ok(BodySource {
            typed: typed.to_owned(),
            content,
        })
    }

    /// The body of one record, where this is one of many.
    pub(super) fn of_record(&self, typed: &str) -> BodySource {
        BodySource {
            typed: typed.to_owned(),
            content: self.content.clone(),
        }
    }

    /// Whether a request with such a body holds many records: `array` or `ndjson`.
    pub fn is_bulk(&self) -> bool {
        BulkBody::record_in(&self.typed).is_some()
    }

    /// Whether such a body holds the columns that were named, if any were: `json`, `array` or `ndjson`.
    pub fn holds_columns(&self) -> bool {
        let record = BulkBody::record_in(&self.typed);
        matches!(record.unwrap_or(&self.typed), "json" | "")
    }

    /// As typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What tells this body from others, also when a file of the same name holds something else.
    pub fn identity(&self) -> Cow<'_, str> {
        match &self.content {
            None => Cow::Borrowed(&self.typed),
            Some(content) => {
                let hash = xxh3_128(content.as_bytes());
                Cow::Owned(format!("{} {hash:032x}", self.typed))
            }
        }
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|cause| format!("cannot read {path}: {cause}"))?;
    file.take(TEMPLATE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| format!("cannot read {path}: {cause}"))?;
    if bytes.len() as u64 > TEMPLATE_BYTES_MAX {
        return Err(format!(
            "{path} is larger than 16 MiB, too large for a template"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|cause| {
        format!(
            "{path} is not UTF-8 at byte {}",
            cause.utf8_error().valid_up_to() + 1
        )
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// How an item becomes the body of a request.
#[derive(Debug)]
pub(super) enum Body {
    /// None at all.
    None,
    /// The bytes of the item or its result.
    Raw,
    /// The item or its result as a JSON value: as it is where it is JSON, else as a string.
    Value,
    /// `{"index":I,"result":R}`.
    Json,
    /// These columns, as an object.
    Columns(Columns),
    /// What a jq filter makes of the item or its result.
    Jq(Jq),
    /// Pairs of a form, their names encoded.
    Form(Vec<(Vec<u8>, Text)>),
    /// All fields of the row as pairs of a form.
    FormOfRow,
    Template(JsonTemplate),
    Text(Text),
}

impl Body {
    /// Reads what was typed; `None` is what suits the method: nothing where requests have no body, else the bytes.
    ///
    /// Fails with a sentence that names the place.
    pub(super) fn parse(
        source: Option<&BodySource>,
        method: &hyper::Method,
        fields: &Fields,
        columns: Option<&Columns>,
    ) -> Result<Body, String> {
        use hyper::Method;
        let Some(source) = source else {
            let is_bare = [Method::GET, Method::DELETE, Method::OPTIONS].contains(method);
            return Ok(if is_bare { Body::None } else { Body::Raw });
        };
        let typed = source.typed.as_str();
        if let Some(content) = &source.content {
            return template_file(&typed[1..], content, fields);
        }
        if typed.trim_start().starts_with(['{', '[']) {
            return JsonTemplate::parse(typed, fields)
                .map(Body::Template)
                .map_err(|Wrong { line, why }| format!("body, line {line}: {why}"));
        }
        if let Some(filter) = typed.strip_prefix("jq:") {
            let jq = Jq::compile(filter).map_err(|why| format!("body jq: {why}"))?;
            return Ok(Body::Jq(jq));
        }
        match (typed, typed.strip_prefix("form:")) {
            ("none", _) => Ok(Body::None),
            ("raw", _) => Ok(Body::Raw),
            ("json", _) => Ok(match columns.filter(|columns| !columns.is_default() || columns.is_keyed()) {
                Some(columns) => Body::Columns(columns.clone()),
                None => Body::Json,
            }),
            ("form", _) => match fields {
                Fields::None => Err(
                    "body `form` sends the fields of each item, and this input has none; name one, as form:FIELD".into(),
                ),
                _ => Ok(Body::FormOfRow),
            },
            (_, Some("")) => Err("body `form:` names no field; write it as form:FIELD".into()),
            (_, Some(pairs)) => form(pairs, fields).map(Body::Form),
            _ => Err(unknown(
                "body",
                typed,
                &[
                    "raw", "json", "form", "form:FIELD", "form:a={x}&b={y}", "@FILE", "{…}", "jq:FILTER", "none", "array",
                    "ndjson",
                ],
            )),
        }
    }

    /// Reads the body of one record of many, which is JSON.
    ///
    /// Fails with a sentence that names the place.
    pub(super) fn of_json(
        source: &BodySource,
        fields: &Fields,
        columns: Option<&Columns>,
    ) -> Result<Body, String> {
        let body = Body::parse(Some(source), &hyper::Method::POST, fields, columns)?;
        match body {
            Body::Json | Body::Columns(_) | Body::Jq(_) | Body::Template(_) => Ok(body),
            _ => Err(format!(
                "a body of many records holds JSON, and `{}` is none; write {{…}}, jq:FILTER, @FILE.json or json",
                source.typed
            )),
        }
    }

    /// Whether what is sent depends on the item.
    pub(super) fn has_values(&self) -> bool {
        match self {
            Body::None => false,
            Body::Raw
            | Body::Value
            | Body::Json
            | Body::Columns(_)
            | Body::Jq(_)
            | Body::FormOfRow => true,
            Body::Form(pairs) => pairs.iter().any(|(_, text)| text.names().next().is_some()),
            Body::Template(template) => template.names().next().is_some(),
            Body::Text(text) => text.names().next().is_some(),
        }
    }

    /// Whether `{}` is in it.
    pub(super) fn has_item(&self) -> bool {
        let is_item = |name: &Name| *name == Name::Item;
        match self {
            Body::None
            | Body::Raw
            | Body::Value
            | Body::Json
            | Body::Columns(_)
            | Body::Jq(_)
            | Body::FormOfRow => false,
            Body::Form(pairs) => pairs.iter().flat_map(|(_, text)| text.names()).any(is_item),
            Body::Template(template) => template.names().any(is_item),
            Body::Text(text) => text.names().any(is_item),
        }
    }

    /// The body of this item, and of what type it is.
    ///
    /// Fails permanently when the item has no such form.
    pub(super) fn of(
        &self,
        record: &Record<Payload>,
    ) -> Result<(Bytes, Option<&'static str>), Fault> {
        let mut body = Vec::with_capacity(256);
        let content_type = match self {
            Body::None => return Ok((Bytes::new(), None)),
            Body::Raw => return Ok(raw(&record.value)),
            Body::Value if record.value.holds_json() => {
                return Ok((record.value.bytes().clone(), Some(JSON)));
            }
            Body::Value => {
                let text = std::str::from_utf8(record.value.bytes());
                let text = text.map_err(|_| {
                    Fault::permanent("result is not UTF-8, the only text that JSON knows")
                })?;
                write_text(text, &mut body);
                JSON
            }
            Body::Json => {
                write_json(record, &mut body)?;
                JSON
            }
            Body::Columns(columns) => {
                columns.write_json(record, &mut body)?;
                JSON
            }
            Body::Jq(jq) => {
                body = jq.one(&JqInput::of(record))?.into_bytes();
                JSON
            }
            Body::Form(pairs) => {
                for (name, text) in pairs {
                    begin_pair(name, &mut body);
                    text.write(record, &mut body, |_, value, to| {
                        encode(value, to);
                        Ok(())
                    })?;
                }
                FORM
            }
            Body::FormOfRow => {
                form_of_row(record, &mut body)?;
                FORM
            }
            Body::Template(template) => {
                template.write(record, &mut body)?;
                JSON
            }
            Body::Text(text) => {
                text.write(record, &mut body, |name, value, to| {
                    std::str::from_utf8(value).map_err(|_| bad(name, "is not UTF-8"))?;
                    to.extend_from_slice(value);
                    Ok(())
                })?;
                TEXT
            }
        };
        Ok((body.into(), Some(content_type)))
    }
}

/// A line of JSON is a value there, not a text.
fn write_json(record: &Record<Payload>, body: &mut Vec<u8>) -> Result<(), Fault> {
    let payload = &record.value;
    if payload.is_json() || !payload.holds_json() {
        return columns::write(record, body);
    }
    let value = payload.clone().becomes_json(payload.bytes().clone());
    columns::write(&Record::new(record.index, value), body)
}

fn raw(payload: &Payload) -> (Bytes, Option<&'static str>) {
    let bytes = payload.bytes();
    let content_type = if payload.holds_json() {
        JSON
    } else if std::str::from_utf8(bytes).is_ok() {
        TEXT
    } else {
        BYTES
    };
    (bytes.clone(), Some(content_type))
}

fn template_file(path: &str, content: &str, fields: &Fields) -> Result<Body, String> {
    let place = |Wrong { line, why }: Wrong| format!("{path}:{line}: {why}");
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(content).is_ok();
    let end = Path::new(path).extension().unwrap_or_default();
    // What is called JSON is meant to be, and would be sent broken.
    if is_json || end.eq_ignore_ascii_case("json") {
        return JsonTemplate::parse(content, fields)
            .map(Body::Template)
            .map_err(place);
    }
    Text::parse(content, 1, fields)
        .map(Body::Text)
        .map_err(place)
}

/// Reads `FIELD`, which stands for `FIELD={result}`, or `a={x}&b={y}`.
fn form(text: &str, fields: &Fields) -> Result<Vec<(Vec<u8>, Text)>, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "{result}"));
        if name.is_empty() {
            return Err(format!("body form: `{pair}` has no name before ="));
        }
        let mut encoded = Vec::new();
        encode(name.as_bytes(), &mut encoded);
        let mut value =
            Text::parse(value, 1, fields).map_err(|wrong| format!("body form: {}", wrong.why))?;
        value.encode_literals(encode);
        Ok((encoded, value))
    });
    pairs.collect()
}

fn begin_pair(name: &[u8], body: &mut Vec<u8>) {
    if !body.is_empty() {
        body.push(b'&');
    }
    body.extend_from_slice(name);
    body.push(b'=');
}

fn form_of_row(record: &Record<Payload>, body: &mut Vec<u8>) -> Result<(), Fault> {
    let names = record.value.row.as_ref().map(|row| row.names());
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| {
        Fault::permanent("item has no fields to make a form of").counted_as("no fields for a form")
    })?;
    for name in names {
        let mut encoded = Vec::new();
        encode(name.as_bytes(), &mut encoded);
        begin_pair(&encoded, body);
        let name = Name::of(&name);
        match Found::must(record, &name)? {
            Found::Text(text) => encode(&text, body),
            Found::Json(text) if !text.starts_with(['{', '[']) => encode(text.as_bytes(), body),
            Found::Json(_) => {
                return Err(bad(&name, "is a list or object, which a form cannot take"));
            }
            Found::Null => return Err(bad(&name, "is null, which a form cannot take")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;

    use hyper::Method;

    use crate::row::Row;

    fn parse(typed: &str) -> Result<Body, String> {
        let source = BodySource::read(typed).map_err(|why| why.to_string())?;
        Body::parse(Some(&source), &Method::POST, &Fields::Unknown, None)
    }

    fn check(mode: &str, result: &str, expected: &str, content_type: &str) {
        let record = Record::new(3, Payload::read(result.to_owned()));
        let (body, is) = parse(mode).unwrap().of(&record).unwrap();
        assert_eq!(body, expected, "{mode}");
        assert_eq!(is, Some(content_type), "{mode}");
    }

    #[test]
    fn bodies_take_the_form_asked_for() {
        check("raw", "a b", "a b", TEXT);
        check("json", "a\"b", r#"{"index":3,"result":"a\"b"}"#, JSON);
        check("form:x y", "a&b", "x%20y=a%26b", FORM);
        check("form:a={}&b=x {index}", "a&b", "a=a%26b&b=x%203", FORM);
        check(r#" {"a":"{}"}"#, "a\"b", r#" {"a":"a\"b"}"#, JSON);
        let bytes = Record::new(3, Payload::read(&b"\xff"[..]));
        let (_, is) = parse("raw").unwrap().of(&bytes).unwrap();
        assert_eq!(is, Some(BYTES));
        let message = parse("jsonn").unwrap_err();
        assert!(message.contains("did you mean `json`"), "{message}");
        assert!(parse("form:").is_err());
        let wrong = parse("{\"a\":\n{b}}").unwrap_err();
        assert!(wrong.contains("line 2"), "{wrong}");
    }

    #[test]
    fn a_row_is_a_form() {
        let fill = |json: &'static str| {
            let mut record = Record::new(3, Payload::read("x"));
            record.value.row = Some(Arc::new(Row::json(json).unwrap()));
            let body = parse("form").unwrap().of(&record);
            body.map(|(body, _)| body)
                .map_err(|fault| fault.to_string())
        };
        assert_eq!(fill(r#"{"a b":"x&","n":1}"#).unwrap(), "a%20b=x%26&n=1");
        assert!(
            fill(r#"{"a":null}"#)
                .unwrap_err()
                .contains("field `a` is null")
        );
        assert!(fill(r#"{"a":[]}"#).unwrap_err().contains("list or object"));
        assert!(fill("{}").unwrap_err().contains("no fields"));
    }

    #[test]
    fn requests_without_a_body_have_none() {
        let of = |method: Method| {
            Body::parse(None, &method, &Fields::Unknown, None)
                .unwrap()
                .has_values()
        };
        assert!(!of(Method::GET) && !of(Method::DELETE));
        assert!(of(Method::POST) && of(Method::PUT) && of(Method::PATCH));
    }

    #[test]
    fn a_file_is_json_or_text_and_part_of_what_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            BodySource::read(&format!("@{}", path.display())).unwrap()
        };
        let kind =
            |source: &BodySource| Body::parse(Some(source), &Method::POST, &Fields::None, None);
        let one = write("a.json", "\u{feff}{\"a\":\"{}\"}\n");
        assert!(matches!(kind(&one), Ok(Body::Template(_))));
        assert!(matches!(kind(&write("a.txt", "Hi {}")), Ok(Body::Text(_))));
        let wrong = kind(&write("b.json", "{\n\"a\": {}x")).unwrap_err();
        assert!(wrong.contains("b.json:2: not JSON"), "{wrong}");
        let wrong = kind(&write("b.txt", "\n\n{id}")).unwrap_err();
        assert!(wrong.contains("b.txt:3: no field \"id\""), "{wrong}");
        let other = write("a.json", "{\"a\":\"x{}\"}");
        assert_eq!(one.typed(), other.typed());
        assert_ne!(one.identity(), other.identity());
    }
}
