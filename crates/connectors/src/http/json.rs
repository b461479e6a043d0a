//! A body template that is JSON: parsed once, so that no value can break it.
//!
//! A string that is exactly `"{name}"` becomes the value with its type; in any other string values become text. All else
//! is sent as it was written, byte for byte.

use inflight::{Fault, Record};
use serde::de::IgnoredAny;

use super::item::{Fields, Found, Name, bad};
use super::text::{Part as Piece, Text, Wrong};
use crate::jsonl::{not_json, write_text};
use crate::payload::Payload;

/// The parts of a JSON document.
#[derive(Debug)]
pub(super) struct JsonTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Goes out as it is.
    Literal(String),
    /// A value with its type.
    Typed(Name),
    /// A value as the content of a string.
    Quoted(Name),
}

impl JsonTemplate {
    /// Fails with the line of what is no JSON, or names no field.
    pub(super) fn parse(text: &str, fields: &Fields) -> Result<JsonTemplate, Wrong> {
        serde_json::from_str::<IgnoredAny>(text).map_err(|cause| {
            let hint = unquoted(text).map_or_else(String::new, |field| {
                format!(
                    "; write \"{field}\" in quotes, and for a number of CSV a jq body, such as jq:{{n: (.n | tonumber)}}"
                )
            });
            Wrong {
                line: cause.line().max(1),
                why: not_json(&cause) + &hint,
            }
        })?;
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        // Outside of strings JSON has no quotes.
        while let Some(at) = rest.find('"') {
            literal.push_str(&rest[..at]);
            let line = 1 + text[..text.len() - rest.len() + at].matches('\n').count();
            let end = end_of_string(&rest[at + 1..]);
            let end = end.expect("what has been read as JSON ends its strings");
            let string = &rest[at..=at + 1 + end];
            rest = &rest[at + string.len()..];
            if !string.contains('{') {
                literal.push_str(string);
                continue;
            }
            let content: String = serde_json::from_str(string).map_err(|cause| Wrong {
                line,
                why: not_json(&cause),
            })?;
            let content =
                Text::parse(&content, line, fields).map_err(|wrong| Wrong { line, ..wrong })?;
            let is_key = rest.trim_start().starts_with(':');
            if let ([Piece::Value(name)], false) = (&content.parts[..], is_key) {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Typed(name.clone()));
                continue;
            }
            literal.push('"');
            for piece in content.parts {
                match piece {
                    Piece::Literal(text) => literal.push_str(&escaped(&text)),
                    Piece::Value(name) => {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                        parts.push(Part::Quoted(name));
                    }
                }
            }
            literal.push('"');
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal.trim_end().to_owned()));
        Ok(JsonTemplate { parts })
    }

    /// The names that go into it.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Typed(name) | Part::Quoted(name) => Some(name),
        })
    }

    /// Appends the document of this item.
    ///
    /// Fails permanently for an item that lacks a field, or where a text is wanted and it is null.
    pub(super) fn write(&self, record: &Record<Payload>, to: &mut Vec<u8>) -> Result<(), Fault> {
        for part in &self.parts {
            match part {
                Part::Literal(text) => to.extend_from_slice(text.as_bytes()),
                Part::Typed(name) => match Found::must(record, name)? {
                    Found::Null => to.extend_from_slice(b"null"),
                    Found::Json(text) => to.extend_from_slice(text.as_bytes()),
                    Found::Text(bytes) => write_text(text_of(name, &bytes)?, to),
                },
                Part::Quoted(name) => {
                    let value = Found::must(record, name)?;
                    let text = text_of(name, value.text(name)?)?;
                    let begin = to.len();
                    write_text(text, to);
                    // Without its quotes: the string goes on.
                    to.pop();
                    to.remove(begin);
                }
            }
        }
        Ok(())
    }
}

fn text_of<'a>(name: &Name, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| bad(name, "is not UTF-8, the only text that JSON knows"))
}

/// The first field that stands outside of a string, with its braces.
fn unquoted(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let at = rest.find(['"', '{'])?;
        if rest[at..].starts_with('"') {
            let string = &rest[at + 1..];
            rest = &string[end_of_string(string)? + 1..];
            continue;
        }
        let name = &rest[at + 1..];
        let end = name.find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))?;
        if end > 0 && name[end..].starts_with('}') {
            return Some(&rest[at..=at + 1 + end]);
        }
        rest = name;
    }
}

/// Where the quote is that ends a string, if there is one.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

fn escaped(text: &str) -> String {
    let mut quoted = Vec::new();
    write_text(text, &mut quoted);
    let quoted = String::from_utf8(quoted).expect("JSON is text");
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;

    use crate::row::Row;

    fn fill(template: &str, row: &str) -> Result<String, String> {
        let template =
            JsonTemplate::parse(template, &Fields::Unknown).map_err(|wrong| wrong.why)?;
        let mut record = Record::new(3, Payload::read("it\"em"));
        record.value.row = Some(Arc::new(Row::json(row.to_owned()).unwrap()));
        let mut body = Vec::new();
        let written = template.write(&record, &mut body);
        written.map_err(|fault| fault.to_string())?;
        Ok(String::from_utf8(body).unwrap())
    }

    #[test]
    fn values_keep_their_type_and_never_break_it() {
        let row = r#"{"age":41,"big":9007199254740993,"name":"a\"b\\\n{x}","no":null,"list":[1, "x"],"ok":true}"#;
        let check = |template: &str, expected: &str| {
            let body = fill(template, row).unwrap();
            assert_eq!(body, expected);
            serde_json::from_str::<IgnoredAny>(&body).unwrap();
        };
        check(r#"{"a": "{age}"}"#, r#"{"a": 41}"#);
        check(
            r#"{"a": "{big}", "b": "{ok}"}"#,
            r#"{"a": 9007199254740993, "b": true}"#,
        );
        check(r#"{"a": "{age} years"}"#, r#"{"a": "41 years"}"#);
        check(
            r#"["{name}","<{name}>"]"#,
            r#"["a\"b\\\n{x}","<a\"b\\\n{x}>"]"#,
        );
        check(r#"["{no}", "{list}"]"#, r#"[null, [1, "x"]]"#);
        check(
            r#"{"{age}": "{}", "i": "{index}"}"#,
            r#"{"41": "it\"em", "i": 3}"#,
        );
        check(
            r#"{"a": "\\{age}", "b": "x\u007by{"}"#,
            r#"{"a": "{age}", "b": "x{y{"}"#,
        );
        check(
            "{\n \"a\" : 1.50 , \"b\":\"{age}\"}\n",
            "{\n \"a\" : 1.50 , \"b\":41}",
        );
    }

    #[test]
    fn an_item_that_lacks_something_is_bad() {
        let fault = |template| fill(template, r#"{"no":null}"#).unwrap_err();
        assert!(fault(r#"["{gone}"]"#).contains("field `gone` is missing"));
        assert!(fault(r#"["x {no}"]"#).contains("field `no` is null"));
    }

    #[test]
    fn what_is_no_json_is_said_with_its_line() {
        let wrong = JsonTemplate::parse("{\n\"a\": {age}\n}", &Fields::Unknown).unwrap_err();
        assert_eq!(wrong.line, 2, "{wrong:?}");
        assert!(wrong.why.contains("write \"{age}\" in quotes"), "{wrong:?}");
        let fields = Fields::Named {
            names: vec!["question".into()],
            input: "r.csv".into(),
        };
        let wrong = JsonTemplate::parse("{\n\n\"a\":\n\"{questoin}\"}", &fields).unwrap_err();
        assert_eq!(wrong.line, 4);
        assert!(wrong.why.contains("did you mean"), "{wrong:?}");
    }
}
