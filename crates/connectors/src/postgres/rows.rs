//! Makes rows of records, in the two forms in which COPY takes them: binary where every value has one that costs the server
//! least, else text, of which the server makes whatever the column holds. Pure.

use bytes::{BufMut, Bytes, BytesMut};
use inflight::{Fault, Record};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::array;
use super::shape::{Left, Part, Shape, Takes, Target};
use crate::columns::{self, Columns};
use crate::jsonl::write_text;
use crate::payload::Payload;
use crate::range::{DIGITS_MAX, decimal};
use crate::row::Value;
use crate::row_key::no_key;

/// What a binary COPY begins with: a signature, no flags, no extension.
const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with: no row.
const BINARY_END: i16 = -1;

/// Where a NULL stands, in text.
const NULL: &[u8] = b"\\N";

/// The rows of a bulk.
pub(super) struct Rows {
    pub(super) bytes: Bytes,
    /// Why records became no row, by their place in the bulk; in their order.
    pub(super) refused: Vec<(usize, Fault)>,
}

/// Makes rows of a bulk, without those that are refused already: their places, in order.
pub(super) fn rows(
    bulk: &[Record<Payload>],
    shape: &Shape,
    columns: &Columns,
    without: &[usize],
) -> Rows {
    let bytes: usize = bulk.iter().map(|record| record.value.bytes().len()).sum();
    let is_binary = shape.is_binary();
    // Some bytes for each index and each length; a guess that is too small costs a copy.
    let mut rows = BytesMut::with_capacity(bytes + bulk.len() * 40 + 64);
    let mut refused = Vec::new();
    if is_binary {
        rows.put_slice(BINARY_HEAD);
    }
    let mut without = without.iter().copied().peekable();
    for (at, record) in bulk.iter().enumerate() {
        if without.next_if_eq(&at).is_some() {
            continue;
        }
        let before = rows.len();
        if shape.missing.is_some() {
            rows.put_slice(decimal(at as u64, &mut [0; DIGITS_MAX]));
            rows.put_u8(b'\t');
        }
        let outcome = match is_binary {
            true => binary(record, shape, &mut rows),
            false => text(record, shape, columns, &mut rows),
        };
        if let Err(fault) = outcome {
            rows.truncate(before);
            refused.push((at, fault));
        }
    }
    if is_binary {
        rows.put_i16(BINARY_END);
    }
    Rows {
        bytes: rows.freeze(),
        refused,
    }
}

fn binary(record: &Record<Payload>, shape: &Shape, rows: &mut BytesMut) -> Result<(), Fault> {
    rows.put_i16(count(shape.targets.len()) as i16);
    for target in &shape.targets {
        if target.part == Part::Index {
            rows.put_i32(8);
            rows.put_i64(record.index.cast_signed());
            continue;
        }
        let value = &record.value.bytes()[..];
        let version: &[u8] = match target.takes {
            Takes::Jsonb => &[1],
            _ => &[],
        };
        if target.takes != Takes::Bytes {
            utf8(value)?;
        }
        rows.put_i32(count(version.len() + value.len()));
        rows.put_slice(version);
        rows.put_slice(value);
    }
    Ok(())
}

/// A length as the protocol has it; one that is larger is refused by the server, as a row that is too long.
fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn text(
    record: &Record<Payload>,
    shape: &Shape,
    columns: &Columns,
    rows: &mut BytesMut,
) -> Result<(), Fault> {
    let value = &record.value.bytes()[..];
    let takes_fields = shape
        .targets
        .iter()
        .any(|target| target.part == Part::Field);
    let fields = match takes_fields {
        true => fields(utf8(value)?, shape)?,
        false => Vec::new(),
    };
    let cells = match columns.is_default() {
        true => Vec::new(),
        false => columns.cells(record)?,
    };
    if let Some(at) = shape.index_cell {
        columns::index_is_own(&cells[at], record.index)?;
    }
    for (at, target) in shape.targets.iter().enumerate() {
        if at > 0 {
            rows.put_u8(b'\t');
        }
        match target.part {
            Part::Index => rows.put_slice(decimal(record.index, &mut [0; DIGITS_MAX])),
            Part::Whole if target.takes == Takes::Bytes => hex(value, rows),
            Part::Whole => match (target.takes, utf8(value)?) {
                (Takes::Array { is_of_json }, text) => {
                    let literal = array::literal(text, is_of_json);
                    escaped(literal.as_deref().unwrap_or(text), rows);
                }
                (_, text) => escaped(text, rows),
            },
            Part::Cell(at) if cells[at] == Value::Null && target.name == shape.key => {
                return Err(no_key(&shape.key));
            }
            Part::Cell(at) => write_cell(&cells[at], target, rows)?,
            Part::Field => match fields.get(at).copied().flatten() {
                None => rows.put_slice(NULL),
                Some(field) => write_field(field.get(), target, rows)?,
            },
        }
    }
    rows.put_u8(b'\n');
    Ok(())
}

/// The text of these bytes, as Postgres knows texts.
fn utf8(value: &[u8]) -> Result<&str, Fault> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Err(refusal(
            "result is not UTF-8 text; a column of type bytea takes any bytes",
        ));
    };
    match memchr::memchr(0, value) {
        Some(_) => Err(refusal(
            "result holds a NUL character, which no text in Postgres can; a column of type bytea takes any bytes",
        )),
        None => Ok(text),
    }
}

fn refusal(why: impl Into<String>) -> Fault {
    Fault::permanent(why).counted_as("a result that fits no row")
}

/// The fields of an object, each at the place of its column; of one that comes twice the last.
pub(super) fn fields<'a>(
    object: &'a str,
    shape: &Shape,
) -> Result<Vec<Option<&'a RawValue>>, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let found = deserializer
        .deserialize_map(Fields(shape))
        .and_then(|found| {
            deserializer.end()?;
            Ok(found)
        });
    match found {
        Ok(Found {
            fields,
            unknown: None,
        }) => Ok(fields),
        Ok(Found {
            unknown: Some(name),
            ..
        }) => {
            let left = shape.left.iter().find(|left| left.name == name);
            let name: String = name.chars().take(60).collect();
            Err(refusal(match left {
                Some(Left { why, .. }) => {
                    format!(
                        "result has a field `{name}`, and the table a column of that name, {why}"
                    )
                }
                None => format!(
                    "result has a field `{name}`, for which the table has no column; add one, or name those that are \
                     wanted, --columns A=.a,B=.b"
                ),
            }))
        }
        Err(cause) => Err(refusal(format!(
            "result is no JSON object, and the table has no column result: {cause}"
        ))),
    }
}

struct Fields<'s>(&'s Shape);

struct Found<'a> {
    fields: Vec<Option<&'a RawValue>>,
    /// A field that has no column and is wanted in one.
    unknown: Option<String>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let targets = &self.0.targets;
        let mut found = Found {
            fields: vec![None; targets.len()],
            unknown: None,
        };
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            let is_it = |target: &Target| target.part == Part::Field && target.name == *name;
            match targets.iter().position(is_it) {
                Some(at) => found.fields[at] = Some(value),
                None => found.unknown = Some(name.into_owned()),
            }
        }
        Ok(found)
    }
}

/// A string as its text, null as NULL, and all else as its JSON; in a column of JSON, all as its JSON, and in one of arrays
/// an array as an array.
fn write_field(json: &str, target: &Target, rows: &mut BytesMut) -> Result<(), Fault> {
    if json == "null" {
        rows.put_slice(NULL);
        return Ok(());
    }
    if let Takes::Array { is_of_json } = target.takes
        && let Some(literal) = array::literal(json, is_of_json)
    {
        escaped(utf8(literal.as_bytes())?, rows);
        return Ok(());
    }
    let is_json = matches!(target.takes, Takes::Json | Takes::Jsonb);
    if is_json || !json.starts_with('"') {
        escaped(json, rows);
        return Ok(());
    }
    let text: std::borrow::Cow<'_, str> = serde_json::from_str(json)
        .map_err(|cause| refusal(format!("field {} is no text: {cause}", target.name)))?;
    escaped(utf8(text.as_bytes())?, rows);
    Ok(())
}

/// The cell of a column that was named. A text is a text, in a column of JSON too; a result is JSON there if it can be.
fn write_cell(cell: &Value<'_>, target: &Target, rows: &mut BytesMut) -> Result<(), Fault> {
    let is_result = target.name == "result";
    match cell {
        Value::Null => rows.put_slice(NULL),
        Value::Json(json) => write_field(json, target, rows)?,
        Value::Text(text) => match target.takes {
            Takes::Json | Takes::Jsonb if !(is_result && is_json(text)) => {
                let mut json = Vec::new();
                write_text(text, &mut json);
                escaped(utf8(&json)?, rows);
            }
            Takes::Bytes if is_result => hex(text.as_bytes(), rows),
            Takes::Array { is_of_json } => {
                let literal = array::literal(text, is_of_json);
                escaped(utf8(literal.as_deref().unwrap_or(text).as_bytes())?, rows);
            }
            _ => escaped(utf8(text.as_bytes())?, rows),
        },
    }
    Ok(())
}

pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The text as COPY reads it: whatever ends a value or a row stands behind a backslash.
fn escaped(text: &str, rows: &mut BytesMut) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t');
    while let Some(at) = rest.iter().position(special) {
        rows.put_slice(&rest[..at]);
        rows.put_u8(b'\\');
        rows.put_u8(match rest[at] {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            other => other,
        });
        rest = &rest[at + 1..];
    }
    rows.put_slice(rest);
}

/// Bytes as a column of bytes reads them from text.
fn hex(value: &[u8], rows: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    rows.put_slice(b"\\\\x");
    for byte in value {
        rows.put_u8(DIGITS[usize::from(byte >> 4)]);
        rows.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(targets: &[(&str, Part, Takes)]) -> Shape {
        let target = |(name, part, takes): &(&str, Part, Takes)| Target {
            name: (*name).to_owned(),
            part: part.clone(),
            takes: *takes,
        };
        Shape {
            targets: targets.iter().map(target).collect(),
            left: Vec::new(),
            key: "index".into(),
            keys: Vec::new(),
            index_cell: None,
            missing: None,
            has_row_security: false,
        }
    }

    /// The rows of these results, each with its place as index; refusals as their messages.
    fn made(results: &[&[u8]], shape: &Shape) -> (Bytes, Vec<(usize, String)>) {
        let record = |(index, result): (usize, &&[u8])| {
            Record::new(index as u64, Payload::read(result.to_vec()))
        };
        let bulk: Vec<_> = results.iter().enumerate().map(record).collect();
        let rows = rows(&bulk, shape, &Columns::default(), &[]);
        let refused = rows.refused.into_iter();
        let refused = refused.map(|(at, fault)| (at, fault.to_string()));
        (rows.bytes, refused.collect())
    }

    #[test]
    fn plain_results_are_binary() {
        let index = ("index", Part::Index, Takes::Bigint);
        let plain = shape(&[index.clone(), ("result", Part::Whole, Takes::Text)]);
        let (bytes, refused) = made(&[b"a", b"\xff", b"a\0b"], &plain);
        let row = b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\x01a";
        assert_eq!(bytes, [BINARY_HEAD, row, b"\xff\xff"].concat());
        assert_eq!(refused.len(), 2);
        assert!(refused[0].1.contains("not UTF-8") && refused[1].1.contains("NUL"));
        let jsonb = shape(&[("result", Part::Whole, Takes::Jsonb), index]);
        let (bytes, _) = made(&[b"7"], &jsonb);
        let row = b"\0\x02\0\0\0\x02\x017\0\0\0\x08\0\0\0\0\0\0\0\0";
        assert_eq!(bytes, [BINARY_HEAD, row, b"\xff\xff"].concat());
    }

    #[test]
    fn all_else_is_text() {
        let whole = |takes| {
            shape(&[
                ("index", Part::Index, Takes::Bigint),
                ("result", Part::Whole, takes),
            ])
        };
        let check = |takes, result: &[u8], expected: &str| {
            let mut whole = whole(takes);
            // As if a column beside it had no binary form.
            whole.targets[0].takes = Takes::Other;
            let (bytes, refused) = made(&[result], &whole);
            assert_eq!(refused, []);
            assert_eq!(bytes, format!("0\t{expected}\n"));
        };
        check(Takes::Other, b"7", "7");
        check(Takes::Text, b"a\tb\\N\r\n", "a\\tb\\\\N\\r\\n");
        check(Takes::Bytes, b"\x00\xffa", "\\\\x00ff61");
        check(Takes::Jsonb, b"{\"a\": \"\\n\"}", "{\"a\": \"\\\\n\"}");
    }

    #[test]
    fn fields_go_into_the_columns_of_their_names() {
        let targets = [
            ("index", Part::Index, Takes::Bigint),
            ("name", Part::Field, Takes::Text),
            ("age", Part::Field, Takes::Other),
            ("more", Part::Field, Takes::Jsonb),
        ];
        let all = shape(&targets);
        let results: [&[u8]; 5] = [
            br#"{"age":7,"name":"a\tb","more":"x"}"#,
            br#"{"name":null,"age":1,"age":2,"more":{"b":[1]}}"#,
            br#"{"name":"x","extra":1}"#,
            b"[1]",
            br#"{"name":"a\u0000"}"#,
        ];
        let (bytes, refused) = made(&results, &all);
        assert_eq!(bytes, "0\ta\\tb\t7\t\"x\"\n1\t\\N\t2\t{\"b\":[1]}\n");
        let parts = ["field `extra`", "no JSON object", "NUL"];
        for ((at, message), (place, part)) in refused.iter().zip((2..).zip(parts)) {
            assert_eq!(*at, place);
            assert!(message.contains(part), "{message}");
        }
    }
}
