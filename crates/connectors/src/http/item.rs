//! What a template takes from an item: its fields, the item itself, its index and its result.
//!
//! A name is looked up in the row first, so that a column may be called `index` or `result`.

use std::borrow::Cow;

use inflight::{Fault, Record};

use crate::nearest::nearest;
use crate::payload::Payload;
use crate::range::{DIGITS_MAX, decimal};
use crate::row::Value;

/// The index of the item, from 0.
const INDEX: &str = "index";

/// What the item has become: as read, as fetched, or as computed.
const RESULT: &str = "result";

/// What is known of the fields of items before any is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// Nothing: each item may have others.
    #[default]
    Unknown,
    /// There are none: lines of text, or numbers.
    None,
    /// All items have these.
    Named {
        /// Their names.
        names: Vec<String>,
        /// Of which input, for messages.
        input: String,
    },
}

impl Fields {
    /// Whether all items have a field of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self, Fields::Named { names, .. } if names.iter().any(|known| known == name))
    }

    /// Fails with a sentence where it is certain that no item has such a field.
    pub(super) fn check(&self, name: &Name) -> Result<(), String> {
        let Name::Field(name) = name else {
            return Ok(());
        };
        if [INDEX, RESULT].contains(&&**name) {
            return Ok(());
        }
        match self {
            Fields::Unknown => Ok(()),
            Fields::None => Err(format!(
                "no field \"{name}\": this input has no fields; {{}} is the item"
            )),
            Fields::Named { names, input } => {
                if self.has(name) {
                    return Ok(());
                }
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let guess = match nearest(name, &known) {
                    Some(guess) => format!("; did you mean \"{guess}\"?"),
                    None => format!("; it has {}", known.join(", ")),
                };
                Err(format!("no field \"{name}\" in {input}{guess}"))
            }
        }
    }
}

/// What stands between braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `{}`: the item.
    Item,
    /// `{name}` or `{outer.inner}`.
    Field(Box<str>),
}

impl Name {
    pub(super) fn of(text: &str) -> Name {
        match text {
            "" => Name::Item,
            name => Name::Field(name.into()),
        }
    }
}

/// How messages call it.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Item => f.write_str("the item"),
            Name::Field(name) => write!(f, "field `{name}`"),
        }
    }
}

/// A value that goes into a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Null,
    /// A text, or bytes that are none.
    Text(Cow<'a, [u8]>),
    /// The JSON of a value that is no string.
    Json(Cow<'a, str>),
}

impl<'a> Found<'a> {
    /// What this name stands for; `None` where the row has no such field.
    pub(super) fn of(record: &'a Record<Payload>, name: &Name) -> Option<Found<'a>> {
        let payload = &record.value;
        let Name::Field(name) = name else {
            return Some(Found::whole(payload));
        };
        let row = payload.row.as_deref();
        match row.and_then(|row| row.field(name)) {
            Some(Value::Null) => Some(Found::Null),
            Some(Value::Text(Cow::Borrowed(text))) => Some(Found::Text(text.as_bytes().into())),
            Some(Value::Text(Cow::Owned(text))) => Some(Found::Text(text.into_bytes().into())),
            Some(Value::Json(text)) => Some(Found::Json(text)),
            None => match &**name {
                INDEX => {
                    let mut digits = [0; DIGITS_MAX];
                    let digits = decimal(record.index, &mut digits);
                    let text = String::from_utf8_lossy(digits).into_owned();
                    Some(Found::Json(text.into()))
                }
                RESULT => Some(Found::whole(payload)),
                _ => None,
            },
        }
    }

    fn whole(payload: &'a Payload) -> Found<'a> {
        let bytes = payload.bytes();
        match std::str::from_utf8(bytes) {
            Ok(text) if payload.holds_json() => Found::Json(text.into()),
            _ => Found::Text(Cow::Borrowed(bytes)),
        }
    }

    /// The same, or a permanent fault that names what is missing and where.
    pub(super) fn must(record: &'a Record<Payload>, name: &Name) -> Result<Found<'a>, Fault> {
        Found::of(record, name).ok_or_else(|| bad(name, "is missing"))
    }

    /// The value as text: of JSON its text.
    pub(super) fn text(&self, name: &Name) -> Result<&[u8], Fault> {
        match self {
            Found::Null => Err(bad(name, "is null, which is no text")),
            Found::Text(bytes) => Ok(bytes),
            Found::Json(text) => Ok(text.as_bytes()),
        }
    }
}

/// A fault of an item whose field is not what a request needs.
pub(super) fn bad(name: &Name, why: &str) -> Fault {
    let sentence = format!("{name} {why}");
    Fault::permanent(sentence.clone()).counted_as(sentence)
}
