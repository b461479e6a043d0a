//! Text with places for fields: of a header, a form or a body.
//!
//! `{name}` is a field, `{}` the item, `\{` a brace. Braces around anything that is no name stay as they are, so that JSON,
//! GraphQL and CSS can be written down unchanged.

use inflight::{Fault, Record};

use super::item::{Fields, Found, Name};
use crate::payload::Payload;

/// A text and what goes into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Value(Name),
}

/// What is wrong with a template, and in which of its lines, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) why: String,
}

impl Text {
    /// Reads a text, whose first line has this number.
    pub(super) fn parse(text: &str, first_line: usize, fields: &Fields) -> Result<Text, Wrong> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '\\']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            let line = first_line + text[..text.len() - rest.len()].matches('\n').count();
            if let Some(after) = rest.strip_prefix("\\{") {
                literal.push('{');
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|inner| {
                let end = inner.find(['{', '}'])?;
                let is_closed = inner.as_bytes()[end] == b'}';
                let name = &inner[..end];
                (is_closed && is_name(name, fields)).then_some(name)
            });
            let Some(name) = name else {
                let mut letters = rest.chars();
                literal.extend(letters.next());
                rest = letters.as_str();
                continue;
            };
            let after = &rest[name.len() + 2..];
            if literal.ends_with('{') && after.starts_with('}') && !name.is_empty() {
                let why = format!(
                    "write {{{name}}} instead of {{{{{name}}}}}; a brace that is meant is \\{{"
                );
                return Err(Wrong { line, why });
            }
            let name = Name::of(name);
            fields.check(&name).map_err(|why| Wrong { line, why })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Value(name));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Text { parts })
    }

    /// The text, if nothing goes into it.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes what is fixed as this function does, once for all items. It must give text.
    pub(super) fn encode_literals(&mut self, encode: impl Fn(&[u8], &mut Vec<u8>)) {
        for part in &mut self.parts {
            if let Part::Literal(text) = part {
                let mut encoded = Vec::new();
                encode(text.as_bytes(), &mut encoded);
                *text = String::from_utf8_lossy(&encoded).into_owned();
            }
        }
    }

    /// The names that go into it.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Value(name) => Some(name),
        })
    }

    /// Appends the text of this item, each value written by the function.
    ///
    /// Fails permanently for an item that lacks a field.
    pub(super) fn write(
        &self,
        record: &Record<Payload>,
        to: &mut Vec<u8>,
        mut write: impl FnMut(&Name, &[u8], &mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for part in &self.parts {
            match part {
                Part::Literal(text) => to.extend_from_slice(text.as_bytes()),
                Part::Value(name) => {
                    let value = Found::must(record, name)?;
                    write(name, value.text(name)?, to)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a field can be meant: letters, digits, `_`, `-` and dots within; anything that is known to be one; or the item.
fn is_name(text: &str, fields: &Fields) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    text.is_empty() || fields.has(text) || text.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let parts = Text::parse(text, 1, &Fields::Unknown).unwrap().parts;
        let shown: Vec<String> = parts
            .into_iter()
            .map(|part| match part {
                Part::Literal(text) => text,
                Part::Value(Name::Item) => "=".into(),
                Part::Value(Name::Field(name)) => format!("={name}"),
            })
            .collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn names_are_told_from_braces() {
        check("", &[]);
        check("a {b} c", &["a ", "=b", " c"]);
        check("{}{a.b}", &["=", "=a.b"]);
        check("{user-id}{größe}", &["=user-id", "=größe"]);
        check(r"\{a} \n {", &[r"{a} \n {"]);
        check("{ me { name } }", &["{ me { name } }"]);
        check("{\"a\":{b}}", &["{\"a\":", "=b", "}"]);
        check("{a..b}{.a}{a b}", &["{a..b}{.a}{a b}"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let fields = Fields::Named {
            names: vec!["question".into(), "first name".into()],
            input: "reviews.csv".into(),
        };
        let wrong = Text::parse("a\nb {questoin}", 3, &fields).unwrap_err();
        assert_eq!(wrong.line, 4);
        assert_eq!(
            wrong.why,
            "no field \"questoin\" in reviews.csv; did you mean \"question\"?"
        );
        assert!(Text::parse("{index} {result} {first name}", 1, &fields).is_ok());
        let text = Text::parse("{first name} {second name}", 1, &fields).unwrap();
        assert_eq!(text.names().count(), 1);
        let doubled = Text::parse("{{question}}", 1, &fields).unwrap_err();
        assert!(
            doubled.why.contains("write {question} instead"),
            "{doubled:?}"
        );
        let none = Text::parse("{id}", 1, &Fields::None).unwrap_err();
        assert!(none.why.contains("{} is the item"), "{none:?}");
    }
}
