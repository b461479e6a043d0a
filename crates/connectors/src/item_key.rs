//! By which key an item is known, or by which value it is ordered: a field of its row, or what a jq filter makes of it.

use std::fmt;

use inflight::{Fault, Key};

use crate::error::Error;
use crate::jq::{Jq, JqInput, text_in};
use crate::nearest::unknown;
use crate::payload::Payload;
use crate::row::Value;

/// How the key of an item is found, as typed: the name of a field, or a jq filter, which begins with `.`, `(`, `[`, `{`, `$` or `"`.
///
/// ```
/// use inflight_connectors::{ItemKey, Payload, Row};
///
/// let item = || Payload::of_row(0, Row::json(r#"{"id": 7, "user": {"name": "Ann"}}"#).unwrap());
/// let key = |text: &str| ItemKey::parse(text).unwrap().of(&item()).map_err(|fault| fault.to_string());
/// assert_eq!(key("id")?, "7");
/// assert_eq!(key(r#".user.name + "-" + (.id | tostring)"#)?, "Ann-7");
/// assert!(key("name").unwrap_err().contains("is missing"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemKey(From);

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Field(String),
    Jq(Jq),
}

impl ItemKey {
    /// Reads what was typed.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the filter.
    pub fn parse(text: &str) -> Result<ItemKey, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the key is empty; name a field, or write . for the whole item".into());
        }
        if text.starts_with(['.', '(', '[', '{', '$', '"']) {
            return Jq::compile(text).map(From::Jq).map(ItemKey);
        }
        Ok(ItemKey(From::Field(text.to_owned())))
    }

    /// The field of this name, whatever it looks like.
    #[cfg(any(feature = "http", feature = "file"))]
    pub(crate) fn named(field: &str) -> ItemKey {
        ItemKey(From::Field(field.to_owned()))
    }

    /// The field that is the key, if it is one.
    pub fn field(&self) -> Option<&str> {
        match &self.0 {
            From::Field(name) => Some(name),
            From::Jq(_) => None,
        }
    }

    /// Whether items with these fields can have such a key.
    ///
    /// # Errors
    /// Names the field that they lack, and the nearest one.
    pub(crate) fn check(&self, fields: &[String]) -> Result<(), String> {
        match &self.0 {
            From::Field(name) if !fields.contains(name) => {
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                Err(unknown("field", name, &fields))
            }
            _ => Ok(()),
        }
    }

    /// How the key of this item is spelled, which was just read.
    ///
    /// # Errors
    /// Permanent: the key is missing, null or empty, or the filter failed.
    pub fn of(&self, item: &Payload) -> Result<String, Fault> {
        self.called("key", item)
    }

    /// The value by which this item is ordered, which was just read.
    ///
    /// # Errors
    /// As [`ItemKey::of`].
    pub fn order_of(&self, item: &Payload) -> Result<Key, Fault> {
        self.called("--order-by value", item).map(Key::of)
    }

    /// The same, for messages that call it so.
    fn called(&self, name: &str, item: &Payload) -> Result<String, Fault> {
        let key = match &self.0 {
            From::Field(name) => field(name, item),
            From::Jq(jq) => filtered(jq, item)?,
        };
        let why = match key {
            Ok(key) if !key.is_empty() => return Ok(key),
            Ok(_) => "is empty".to_owned(),
            Err(why) => why,
        };
        Err(Fault::permanent(format!("its {name} {self} {why}")))
    }

    /// The same item, known by its key. So many items were read before it.
    ///
    /// # Errors
    /// As [`ItemKey::of`]; the fault is that of the item with this content, wherever it stands.
    pub(crate) fn give(&self, item: Payload, place: u64) -> Result<Payload, Fault> {
        match self.of(&item) {
            Ok(key) => Ok(item.known_by(key)),
            Err(fault) => {
                let fault = Fault::permanent(format!("item {place} of the input: {fault}"));
                Err(fault
                    .counted_as("a key that cannot be used")
                    .of_item(Key(item.key)))
            }
        }
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            From::Field(name) => write!(f, "`{name}`"),
            From::Jq(jq) => write!(f, "`{}`", jq.expression()),
        }
    }
}

fn field(name: &str, item: &Payload) -> Result<String, String> {
    let Some(row) = &item.row else {
        return Err("is missing: the item has no fields; write . for the whole item".into());
    };
    match row.field(name) {
        Some(Value::Text(text)) => Ok(text.into_owned()),
        Some(Value::Json(json)) if json.starts_with(['{', '[']) => {
            Err("is an object or array; name a field in it".into())
        }
        Some(Value::Json(json)) => Ok(json.into_owned()),
        Some(Value::Null) => Err("is null".into()),
        None => {
            let names = row.names();
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            Err(format!("is missing: {}", unknown("field", name, &names)))
        }
    }
}

fn filtered(jq: &Jq, item: &Payload) -> Result<Result<String, String>, Fault> {
    let row = item.row.as_deref();
    let dot = row.map_or(item.bytes(), |row| row.as_json());
    let json = jq.one(&JqInput::new(dot).with_row(row))?;
    Ok(match text_in(&json) {
        Some(text) => Ok(text),
        None if json == "null" => Err("is null".into()),
        None => Ok(json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn of(key: &str, item: Payload) -> Result<String, String> {
        let key = ItemKey::parse(key).map_err(|why| why.to_string())?;
        key.of(&item).map_err(|fault| fault.to_string())
    }

    fn row(json: &'static str) -> Payload {
        Payload::of_row(7, Row::json(json).unwrap())
    }

    #[test]
    fn a_key_is_a_text_however_it_was_written() {
        assert_eq!(of("id", row(r#"{"id":"7"}"#)), Ok("7".into()));
        assert_eq!(of("id", row(r#"{"id": 7}"#)), Ok("7".into()));
        assert_eq!(of("a.b", row(r#"{"a":{"b":true}}"#)), Ok("true".into()));
        assert_eq!(of(".", Payload::read("a line")), Ok("a line".into()));
        assert_eq!(
            of("[.a,.b]", row(r#"{"a":1,"b":"x"}"#)),
            Ok(r#"[1,"x"]"#.into())
        );
    }

    #[test]
    fn what_is_no_key_is_said() {
        let check = |key: &str, item: Payload, part: &str| {
            let why = of(key, item).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        check("id", row(r#"{"id":""}"#), "its key `id` is empty");
        check("id", row(r#"{"id":null}"#), "is null");
        check("user_id", row(r#"{"userid":1}"#), "did you mean `userid`");
        check("id", row(r#"{"id":{"a":1}}"#), "name a field in it");
        check("id", Payload::read("line"), "no fields");
        check(".a", row(r#"{"id":1}"#), "its key `.a` is null");
        check(".a | error", row(r#"{"a":"no"}"#), "no");
        check(" ", row("{}"), "the key is empty");
        check(".a +", row("{}"), "jq filter");
    }

    #[test]
    fn an_item_keeps_its_key_whatever_it_becomes() {
        let key = ItemKey::parse("id").unwrap();
        let item = key.give(row(r#"{"id":"a"}"#), 0).unwrap();
        assert_eq!((item.key_text(), item.key), (Some("a"), Key::of("a").0));
        let became = item.becomes("x");
        assert_eq!((became.key_text(), became.key), (Some("a"), Key::of("a").0));
        let line = ItemKey::parse(".")
            .unwrap()
            .give(Payload::read("b"), 0)
            .unwrap();
        assert_eq!((line.key_text(), &line.bytes()[..]), (Some("b"), &b"b"[..]));
    }
}
