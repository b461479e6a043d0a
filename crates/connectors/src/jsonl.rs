//! What compute gets of one line of JSON: the whole line, or one field of it.
//!
//! Borrows from the line and builds no tree; nesting costs no stack, however deep.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::row::Value;

/// The way to a field: names of objects' members, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field(pub(crate) String);

impl Field {
    /// Reads `name` or `outer.inner`.
    pub(crate) fn parse(text: &str) -> Result<Field, String> {
        if text.split('.').any(str::is_empty) {
            return Err(format!(
                "field `{text}` has an empty name; write it as name or outer.inner"
            ));
        }
        Ok(Field(text.into()))
    }
}

/// The whole line, or the field's value: the content of a string, the JSON text of anything else.
///
/// Fails with what is wrong with the line, or that the field is not there or `null`: absence is no value.
pub(crate) fn value<'a>(line: &'a [u8], field: Option<&Field>) -> Result<Cow<'a, [u8]>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|cause| format!("not UTF-8 at byte {}", cause.valid_up_to() + 1))?;
    let Some(field) = field else {
        serde_json::from_str::<IgnoredAny>(text).map_err(|cause| not_json(&cause))?;
        return Ok(Cow::Borrowed(line));
    };
    let value = reach(text, &field.0)
        .map_err(|cause| match cause.classify() {
            Category::Data => format!("field {} is missing: {}", field.0, reason(&cause)),
            _ => not_json(&cause),
        })?
        .get();
    if value == "null" {
        return Err(format!("field {} is null", field.0));
    }
    content(value)
}

/// The value of an object's member, or of one further inside to which a name with dots leads; `None` where there is none.
pub(crate) fn field<'a>(object: &'a str, name: &str) -> Option<Value<'a>> {
    let text = reach(object, name).ok()?.get();
    match text.as_bytes().first() {
        Some(b'n') => Some(Value::Null),
        Some(b'"') => {
            let Text(text) = serde_json::from_str(text).ok()?;
            Some(Value::Text(text))
        }
        _ => Some(Value::Json(Cow::Borrowed(text))),
    }
}

/// The member of this whole name; else where the names between its dots lead.
fn reach<'a>(object: &'a str, name: &str) -> serde_json::Result<&'a RawValue> {
    let whole = member(object, name);
    match whole {
        Err(cause) if cause.is_data() && name.contains('.') => {
            let (first, rest) = name.split_once('.').expect("there is a dot");
            let mut value = member(object, first)?;
            for name in rest.split('.') {
                value = member(value.get(), name)?;
            }
            Ok(value)
        }
        whole => whole,
    }
}

/// The names of an object's members, each once, in the order in which they first stand; none of another value.
pub(crate) fn names(object: &str) -> Vec<Cow<'_, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Names).unwrap_or_default()
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        let mut seen = HashSet::new();
        while let Some((Text(name), IgnoredAny)) = map.next_entry()? {
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Whether arrays and objects of valid JSON are nested deeper than this.
pub(crate) fn is_deeper(json: &[u8], max: usize) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth += 1,
            b']' | b'}' if !is_text => depth -= 1,
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// Appends the text as a JSON string.
pub(crate) fn write_text(text: &str, buffer: &mut Vec<u8>) {
    serde_json::to_writer(buffer, text)
        .expect("a string always has a JSON form, and a Vec takes it");
}

fn content(value: &str) -> Result<Cow<'_, [u8]>, String> {
    if !value.starts_with('"') {
        return Ok(Cow::Borrowed(value.as_bytes()));
    }
    match serde_json::from_str(value).map_err(|cause| not_json(&cause))? {
        Text(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.as_bytes())),
        Text(Cow::Owned(text)) => Ok(Cow::Owned(text.into_bytes())),
    }
}

/// A string that borrows where it holds no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of an object's member; of the last one, where a name comes twice.
fn member<'a>(object: &'a str, name: &str) -> serde_json::Result<&'a RawValue> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let found = deserializer.deserialize_map(Member(name))?;
    deserializer.end()?;
    found.ok_or_else(|| serde_json::Error::custom(format_args!("no member `{name}`")))
}

struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a member `{}`", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(wanted) = map.next_key_seed(Named(self.0))? {
            if wanted {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a member has this name; compares in place instead of copying the name.
struct Named<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

pub(crate) fn not_json(cause: &serde_json::Error) -> String {
    format!("not JSON: {} (column {})", reason(cause), cause.column())
}

/// The message without its position: that of one line is always line 1, which would mislead.
fn reason(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].into(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, field: Option<&str>, expected: Result<&str, &str>) {
        let field = field.map(|text| Field::parse(text).unwrap());
        match (value(line.as_bytes(), field.as_ref()), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(*got, *expected.as_bytes(), "{line}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "{line}: {message}"),
            (got, expected) => panic!("{line}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn fields_are_reached() {
        check(r#"{"a":1}"#, None, Ok(r#"{"a":1}"#));
        check(r#"{"a":"x","b":2}"#, Some("a"), Ok("x"));
        check(r#"{"a":"\u00e9\n"}"#, Some("a"), Ok("é\n"));
        check(r#"{"a":{"b":[1, 2]}}"#, Some("a.b"), Ok("[1, 2]"));
        check(r#"{"a": {"b":null} }"#, Some("a"), Ok(r#"{"b":null}"#));
        check(r#"{"a":1,"a":2}"#, Some("a"), Ok("2"));
        check(r#"{"\u0061":1}"#, Some("a"), Ok("1"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        check("{", None, Err("not JSON: EOF"));
        check("nope", None, Err("not JSON: expected ident (column"));
        check("{} {}", None, Err("not JSON: trailing characters"));
        check(r#"{"a":1} x"#, Some("a"), Err("not JSON: trailing"));
        check(
            r#"{"b":1}"#,
            Some("a"),
            Err("field a is missing: no member `a`"),
        );
        check(r#"{"a":{"b":null}}"#, Some("a.b"), Err("field a.b is null"));
        check(
            r#"{"a":1}"#,
            Some("a.b"),
            Err("field a.b is missing: invalid type"),
        );
        check("7", Some("a"), Err("field a is missing"));
        let message = value(b"{\"a\":\"\xff\"}", None).unwrap_err();
        assert_eq!(message, "not UTF-8 at byte 7");
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let deep = 1_000_000;
        let array = "[".repeat(deep) + &"]".repeat(deep);
        check(&array, None, Ok(&array));
        let object = format!(r#"{{"a":{array}}}"#);
        check(&object, Some("a"), Ok(&array));
        check(&object, Some("b"), Err("no member `b`"));
    }
}
