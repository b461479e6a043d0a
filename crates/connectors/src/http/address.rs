//! The address of an item: an RFC 6570 template of which the host is fixed, filled with the fields of the item.
//!
//! `{}` is the item and `{name}` a field, each as one piece of a path or query; `{+name}` keeps reserved characters, as in keys
//! with slashes; `{?a,b}` is a query. What would make the address of something else is refused.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use inflight::{Fault, Record};

use super::item::{Fields, Found, Name, bad};
use super::url::{Url, redacted};
use crate::payload::Payload;

/// Where requests go.
pub(super) struct Address {
    /// The address with its places still empty: says where connections lead.
    pub(super) url: Url,
    /// What can be printed: no userinfo, no query.
    pub(super) shown: String,
    parts: Vec<Part>,
    /// The address, where it is the same for all items.
    fixed: Option<Place>,
}

/// The same place, as HTTP/1.1 and HTTP/2 want it.
pub(super) struct Place {
    pub(super) single: Uri,
    pub(super) shared: Uri,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Expression),
}

/// What stands between braces.
#[derive(Debug)]
struct Expression {
    operator: Operator,
    variables: Vec<Variable>,
}

#[derive(Debug)]
struct Variable {
    name: Name,
    /// How it is written into a query.
    shown: String,
    /// Characters that are taken of it.
    first: Option<usize>,
    /// Whether each value of a list stands for itself.
    is_exploded: bool,
}

/// How the values of an expression are written (RFC 6570, appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    first: &'static str,
    separator: &'static str,
    is_named: bool,
    /// What follows the name of an empty value.
    if_empty: &'static str,
    keeps_reserved: bool,
}

const fn operator(first: &'static str, separator: &'static str) -> Operator {
    Operator {
        first,
        separator,
        is_named: false,
        if_empty: "",
        keeps_reserved: false,
    }
}

const fn named(first: &'static str, separator: &'static str, if_empty: &'static str) -> Operator {
    Operator {
        is_named: true,
        if_empty,
        ..operator(first, separator)
    }
}

impl Operator {
    fn of(sign: Option<char>) -> Option<Operator> {
        Some(match sign {
            None => operator("", ","),
            Some('+') => Operator {
                keeps_reserved: true,
                ..operator("", ",")
            },
            Some('.') => operator(".", "."),
            Some('/') => operator("/", "/"),
            Some(';') => named(";", ";", ""),
            Some('?') => named("?", "&", "="),
            Some('&') => named("&", "&", "="),
            _ => return None,
        })
    }
}

impl Address {
    /// Fails with a sentence that shows neither userinfo nor query.
    pub(super) fn parse(text: &str, fields: &Fields) -> Result<Address, String> {
        let fail = |why: &str| format!("address {}: {why}", redacted(text));
        let text = without_fragment(text);
        if text.starts_with("{+") && text.ends_with('}') {
            return Err(fail(
                "takes the host from the item; one host is asked in a run: write http://HOST/{+name}",
            ));
        }
        let begin = text.find("://").map_or(0, |at| at + 3);
        let end = text[begin..]
            .find(['/', '?', '{'])
            .map_or(text.len(), |at| begin + at);
        let (origin, rest) = text.split_at(end);
        let is_behind_host =
            !rest.starts_with('{') || rest.starts_with("{/") || rest.starts_with("{?");
        // `http://user:{name}@host/` has a path by its slash only.
        let authority = text[begin..].split('/').next().unwrap_or_default();
        if !is_behind_host
            || origin.contains('{')
            || (authority.contains('@') && !origin.contains('@'))
        {
            return Err(fail(
                "the item may stand in path or query only, never in the host",
            ));
        }
        let mut parts = parse(rest).map_err(|why| fail(&why))?;
        if rest.starts_with('?') || rest.starts_with("{?") {
            parts.insert(0, Part::Literal("/".into()));
        }
        for expression in expressions(&parts) {
            for variable in &expression.variables {
                fields.check(&variable.name).map_err(|why| fail(&why))?;
            }
        }
        let fixed = literal(&parts);
        // Braces stand in no URL. Of a template, only where it leads is read.
        let readable = format!("{origin}{}", fixed.as_deref().unwrap_or("/"));
        let url = Url::read(&readable).map_err(fail)?;
        let path = rest.split("{?").next().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let slash = if path.starts_with(['/', '{']) {
            ""
        } else {
            "/"
        };
        if path.split('/').any(is_dots) {
            return Err(fail("has . or .. in its path; write where that leads"));
        }
        Ok(Address {
            shown: format!("{}{slash}{path}", url.origin),
            fixed: fixed.map(|_| Place {
                single: Uri::from(url.path.clone()),
                shared: url.origin.uri(url.path.clone()),
            }),
            parts,
            url,
        })
    }

    /// Whether the address depends on the item.
    pub(super) fn is_template(&self) -> bool {
        self.fixed.is_none()
    }

    /// Whether `{}` is in it.
    pub(super) fn has_item(&self) -> bool {
        let mut variables = expressions(&self.parts).flat_map(|part| &part.variables);
        variables.any(|variable| variable.name == Name::Item)
    }

    /// The address of this item.
    ///
    /// Fails permanently for an item that would make an address of something else.
    pub(super) fn of(&self, record: &Record<Payload>, is_http2: bool) -> Result<Uri, Fault> {
        if let Some(place) = &self.fixed {
            let uri = if is_http2 {
                &place.shared
            } else {
                &place.single
            };
            return Ok(uri.clone());
        }
        let path = self.path(record)?;
        Ok(if is_http2 {
            self.url.origin.uri(path)
        } else {
            Uri::from(path)
        })
    }

    /// Path and query of this item.
    fn path(&self, record: &Record<Payload>) -> Result<PathAndQuery, Fault> {
        let mut filled = Vec::with_capacity(128);
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.extend_from_slice(text.as_bytes()),
                Part::Expression(expression) => expression.write(record, &mut filled)?,
            }
        }
        let path = filled
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let mut segments = path.split(|byte| *byte == b'/');
        if segments.any(|segment| std::str::from_utf8(segment).is_ok_and(is_dots)) {
            return Err(
                Fault::permanent("item makes . or .. in the path of the address")
                    .counted_as("item makes . or .. in the path of the address"),
            );
        }
        PathAndQuery::from_maybe_shared(Bytes::from(filled))
            .map_err(|cause| Fault::permanent("item makes no valid address").because(cause))
    }
}

fn expressions(parts: &[Part]) -> impl Iterator<Item = &Expression> {
    parts.iter().filter_map(|part| match part {
        Part::Literal(_) => None,
        Part::Expression(expression) => Some(expression),
    })
}

/// All of it, if nothing goes into it.
fn literal(parts: &[Part]) -> Option<String> {
    parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Expression(_) => None,
        })
        .collect()
}

/// What is sent of an address: `#` and what follows stays with who asks.
fn without_fragment(text: &str) -> &str {
    let text = text.split("{#").next().unwrap_or_default();
    text.split('#').next().unwrap_or_default()
}

/// Whether a piece of a path leads elsewhere: `.` and `..`, however their dots are written.
fn is_dots(segment: &str) -> bool {
    if segment.is_empty() || segment.len() > 6 {
        return false;
    }
    matches!(
        &*segment.to_ascii_lowercase().replace("%2e", "."),
        "." | ".."
    )
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = "has a brace that belongs to no {name}; write { as %7B and } as %7D";
        let Some(inner) = rest[at..].strip_prefix('{') else {
            return Err(brace.into());
        };
        let (inner, after) = inner.split_once('}').ok_or(brace)?;
        push_literal(&rest[..at], &mut parts);
        parts.push(Part::Expression(Expression::parse(inner)?));
        rest = after;
    }
    push_literal(rest, &mut parts);
    Ok(parts)
}

fn push_literal(text: &str, parts: &mut Vec<Part>) {
    if text.is_empty() {
        return;
    }
    let mut encoded = Vec::with_capacity(text.len());
    encode_reserved(text.as_bytes(), &mut encoded);
    parts.push(Part::Literal(
        String::from_utf8(encoded).expect("what is percent-encoded is ASCII"),
    ));
}

impl Expression {
    fn parse(inner: &str) -> Result<Expression, String> {
        let shown = format!("{{{inner}}}");
        let sign = inner
            .chars()
            .next()
            .filter(|c| !(c.is_alphanumeric() || matches!(c, '_' | '%')));
        let operator = Operator::of(sign).ok_or_else(|| {
            format!("{shown} is no expression of RFC 6570; write {{name}}, {{+name}} or {{?name}}")
        })?;
        let list = &inner[sign.map_or(0, char::len_utf8)..];
        let variables = list
            .split(',')
            .map(|text| Variable::parse(text).ok_or_else(|| format!("{shown} has no valid name")))
            .collect::<Result<Vec<_>, _>>()?;
        if operator.is_named && variables.iter().any(|variable| variable.name == Name::Item) {
            return Err(format!("{shown}: the item has no name; write ?name={{}}"));
        }
        Ok(Expression {
            operator,
            variables,
        })
    }

    fn write(&self, record: &Record<Payload>, to: &mut Vec<u8>) -> Result<(), Fault> {
        let operator = &self.operator;
        let mut is_first = true;
        let mut is_all_empty = true;
        for variable in &self.variables {
            let values = variable.values(record)?;
            if values.is_empty() {
                if !operator.is_named {
                    return Err(bad(
                        &variable.name,
                        "is null or missing, and the address needs it",
                    ));
                }
                continue;
            }
            let is_empty = values.iter().all(|value| value.is_empty());
            if is_empty && !operator.is_named {
                return Err(bad(&variable.name, "is empty, and the address needs it"));
            }
            is_all_empty &= is_empty;
            for (nth, value) in values.iter().enumerate() {
                let starts = nth == 0 || variable.is_exploded;
                to.extend_from_slice(match (is_first, starts) {
                    (true, _) => operator.first.as_bytes(),
                    (false, true) => operator.separator.as_bytes(),
                    (false, false) => b",",
                });
                is_first = false;
                if operator.is_named && starts {
                    to.extend_from_slice(variable.shown.as_bytes());
                    to.extend_from_slice(if is_empty { operator.if_empty } else { "=" }.as_bytes());
                }
                if !operator.keeps_reserved {
                    encode(value, to);
                    continue;
                }
                if value.contains(&b'#') {
                    return Err(bad(
                        &variable.name,
                        "holds a #, which would cut the address",
                    ));
                }
                encode_reserved(value, to);
            }
        }
        if is_all_empty {
            let name = &self.variables[0].name;
            return Err(bad(
                name,
                "is empty, null or missing, and so would be the query",
            ));
        }
        Ok(())
    }
}

impl Variable {
    fn parse(text: &str) -> Option<Variable> {
        let (text, is_exploded) = match text.strip_suffix('*') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (name, first) = match text.split_once(':') {
            Some((name, first)) => (name, Some(first.parse().ok().filter(|n| *n > 0)?)),
            None => (text, None),
        };
        let decoded = percent_encoding::percent_decode_str(name)
            .decode_utf8()
            .ok()?;
        let is_odd = |c: char| c.is_control() || "{}<>\"|^`\\".contains(c);
        if decoded.contains(is_odd) || decoded.split('.').any(str::is_empty) && !decoded.is_empty()
        {
            return None;
        }
        let mut shown = Vec::new();
        encode(decoded.as_bytes(), &mut shown);
        Some(Variable {
            name: Name::of(&decoded),
            shown: String::from_utf8(shown).ok()?,
            first,
            is_exploded,
        })
    }

    /// The values that it stands for: several of a list, none of what is null or missing.
    fn values<'a>(&self, record: &'a Record<Payload>) -> Result<Vec<Cow<'a, [u8]>>, Fault> {
        let mut values = match Found::of(record, &self.name) {
            None | Some(Found::Null) => return Ok(Vec::new()),
            Some(Found::Text(bytes)) => vec![bytes],
            Some(Found::Json(text)) if text.starts_with('[') => self.list(&text)?,
            Some(Found::Json(text)) if text.starts_with('{') => {
                return Err(bad(
                    &self.name,
                    "is an object, which an address cannot take; name one of its fields",
                ));
            }
            Some(Found::Json(Cow::Borrowed(text))) => vec![text.as_bytes().into()],
            Some(Found::Json(Cow::Owned(text))) => vec![text.into_bytes().into()],
        };
        if let Some(first) = self.first {
            for value in &mut values {
                let text = String::from_utf8_lossy(value);
                let text: String = text.chars().take(first).collect();
                *value = text.into_bytes().into();
            }
        }
        Ok(values)
    }

    fn list(&self, json: &str) -> Result<Vec<Cow<'static, [u8]>>, Fault> {
        let odd = || {
            bad(
                &self.name,
                "is a list that holds more than texts and numbers",
            )
        };
        let list: Vec<serde_json::Value> = serde_json::from_str(json).map_err(|_| odd())?;
        let text = |value| match value {
            serde_json::Value::String(text) => Ok(text.into_bytes().into()),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => {
                Ok(value.to_string().into_bytes().into())
            }
            _ => Err(odd()),
        };
        list.into_iter().map(text).collect()
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn percent(byte: u8, to: &mut Vec<u8>) {
    to.extend([
        b'%',
        HEX[usize::from(byte >> 4)],
        HEX[usize::from(byte & 15)],
    ]);
}

/// Appends the bytes percent-encoded: all but letters, digits and `-._~`.
pub(super) fn encode(bytes: &[u8], to: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            to.push(*byte);
        } else {
            percent(*byte, to);
        }
    }
}

/// The same, but what may stand in an address and what is encoded already stays as it is.
fn encode_reserved(bytes: &[u8], to: &mut Vec<u8>) {
    for (at, byte) in bytes.iter().enumerate() {
        let is_triplet = || {
            let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
            digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
        };
        if byte.is_ascii_alphanumeric()
            || b"-._~:/?#[]@!$&'()*+,;=".contains(byte)
            || (*byte == b'%' && is_triplet())
        {
            to.push(*byte);
        } else {
            percent(*byte, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::Arc;

    use crate::row::Row;

    fn check_with(template: &str, record: &Record<Payload>, expected: Result<&str, &str>) {
        let filled = Address::parse(template, &Fields::Unknown).and_then(|address| {
            let uri = address.of(record, false).map_err(|fault| fault.to_string());
            uri.map(|uri| uri.to_string())
        });
        match (filled, expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected, "{template}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "{template}: {message}"),
            (got, expected) => panic!("{template}: {got:?}, expected {expected:?}"),
        }
    }

    fn check(template: &str, item: &str, expected: Result<&str, &str>) {
        let record = Record::new(3, Payload::read(item.to_owned()));
        check_with(template, &record, expected);
    }

    fn check_row(template: &str, expected: Result<&str, &str>) {
        let json = r#"{"id":7,"key":"a/b c","q":"x&y","no":null,"empty":"","user":{"name":"Ann"},
            "tags":["a","b"],"hash":"a#b","up":"..","deep":"a/../b","pct":"50%25","umlaut":"ü","first name":"Bo"}"#;
        let mut record = Record::new(3, Payload::read("7"));
        record.value.row = Some(Arc::new(Row::json(json).unwrap()));
        check_with(template, &record, expected);
    }

    #[test]
    fn items_go_into_path_and_query_only() {
        check("http://a/items/{}", "7", Ok("/items/7"));
        check(
            "http://a/{}/x?y={}#{}",
            "a b/é",
            Ok("/a%20b%2F%C3%A9/x?y=a%20b%2F%C3%A9"),
        );
        check("http://a?q={}", "1", Ok("/?q=1"));
        check("http://a/{}", "..", Err(". or .."));
        check("http://a/x{}", ".", Ok("/x."));
        check("http://a/{+}", "%2e%2E", Err(". or .."));
        check("http://a/?q={}", "..", Ok("/?q=.."));
        check("http://a/{}", "", Err("the item is empty"));
        check("http://a/?q={}", "", Err("the item is empty"));
        check("http://{}/x", "7", Err("never in the host"));
        check("http://a:{}/{}", "7", Err("never in the host"));
        check("http://a{+}", "7", Err("never in the host"));
        check("http://u:{}@a/x", "7", Err("never in the host"));
        check("{}://a/{}", "7", Err("never in the host"));
        check("{+}", "http://b/", Err("one host is asked"));
        check("a/{}", "7", Err("is no URL"));
        check("http://a/items", "7", Ok("/items"));
        check("http://a/../x/{}", "7", Err("write where that leads"));
    }

    #[test]
    fn expressions_are_those_of_the_standard() {
        check_row("http://a/{id}", Ok("/7"));
        check_row("http://a/{key}", Ok("/a%2Fb%20c"));
        check_row("http://a/{+key}", Ok("/a/b%20c"));
        check_row("http://a/{user.name}/{index}", Ok("/Ann/3"));
        check_row("http://a{/id,key}", Ok("/7/a%2Fb%20c"));
        check_row("http://a/x{.id}{;id}", Ok("/x.7;id=7"));
        check_row("http://a{?q,id}", Ok("/?q=x%26y&id=7"));
        check_row("http://a/x?y=1{&q}", Ok("/x?y=1&q=x%26y"));
        check_row("http://a/{key:3}", Ok("/a%2Fb"));
        check_row("http://a/{tags}{?tags*}", Ok("/a,b?tags=a&tags=b"));
        check_row(
            "http://a/{first%20name}{?first%20name}",
            Ok("/Bo?first%20name=Bo"),
        );
        check_row("http://a/{+pct}/{pct}", Ok("/50%25/50%2525"));
        check_row(
            "http://a/b\u{fc}cher/{umlaut} x",
            Ok("/b%C3%BCcher/%C3%BC%20x"),
        );
    }

    #[test]
    fn what_would_ask_for_something_else_is_refused() {
        check_row(
            "http://a/{nothing}",
            Err("field `nothing` is null or missing"),
        );
        check_row("http://a/{no}", Err("field `no` is null"));
        check_row("http://a/{empty}", Err("field `empty` is empty"));
        check_row("http://a/x?id={empty}", Err("field `empty` is empty"));
        check_row("http://a/x{?no}", Err("so would be the query"));
        check_row("http://a/x{?empty}", Err("so would be the query"));
        check_row("http://a/x{?no,id}", Ok("/x?id=7"));
        check_row("http://a/x{?empty,id}", Ok("/x?empty=&id=7"));
        check_row("http://a/{user}", Err("is an object"));
        check_row("http://a/{+hash}", Err("would cut the address"));
        check_row("http://a/{hash}", Ok("/a%23b"));
        check_row("http://a/{up}", Err(". or .."));
        check_row("http://a/{+deep}", Err(". or .."));
        for odd in [
            "{", "}", "{}}", "{!x}", "{a,}", "{a:0}", "{a..b}", "{?}", "{=x}", "{{id}}",
        ] {
            let template = format!("http://a/{odd}");
            assert!(
                Address::parse(&template, &Fields::Unknown).is_err() || odd == "{a,}",
                "{odd}"
            );
        }
    }

    #[test]
    fn an_address_that_is_none_is_told_without_its_secrets() {
        for text in [
            "http://u:canary#x@a/b",
            "http://u:canary?x@a/b",
            "http://u:canary#x@a/{id}",
            "http://u:canary@a:99999/{id}?token=canary",
            "ftp://u:canary@a/{id}",
        ] {
            let why = Address::parse(text, &Fields::Unknown).err().expect(text);
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn an_address_is_shown_without_secrets_and_as_typed() {
        let shown = |text: &str| Address::parse(text, &Fields::Unknown).unwrap().shown;
        assert_eq!(
            shown("http://u:canary@a/{id}?token=canary"),
            "http://a/{id}"
        );
        assert_eq!(shown("http://a{?q}"), "http://a/");
        assert_eq!(shown("https://a/x{/id}#f"), "https://a/x{/id}");
        assert_eq!(shown("http://a"), "http://a/");
    }
}
