//! The fields of an item as it was read: a JSON value, a CSV record or a database row.
//!
//! They travel with the item from source to sink, shared and not copied. Nothing is parsed before somebody asks for a field:
//! JSON stays the text that was read, a CSV record its cells one after the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::error::Error;
use crate::jsonl;
use crate::nearest::unknown;

/// The fields of one item.
///
/// ```
/// use inflight_connectors::{Row, Value};
///
/// let row = Row::json(r#"{"id": 7, "user": {"name": "Ann"}}"#)?;
/// assert_eq!(row.field("id"), Some(Value::Json("7".into())));
/// assert_eq!(row.field("user.name"), Some(Value::Text("Ann".into())));
/// assert_eq!(row.field("age"), None);
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Row {
    fields: Fields,
    /// By which the item is known, if not by its place in the input.
    key: Option<Box<str>>,
}

#[derive(Clone, Debug)]
enum Fields {
    /// The text of a JSON value, on one line or more. What is no object has no fields.
    Json(Bytes),
    Cells(Cells),
}

/// The values of a CSV record.
#[derive(Clone, Debug)]
struct Cells {
    header: Arc<Header>,
    /// The end of each value as four bytes, and after that the values one after the other: one allocation for all.
    packed: Bytes,
    /// The record as a JSON object, made when it is first asked for.
    json: OnceLock<Bytes>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The `null` of JSON, or of a database.
    Null,
    /// A text: the content of a JSON string, or a value of a CSV record.
    Text(Cow<'a, str>),
    /// The JSON text of a number, boolean, object or array, as it was read.
    Json(Cow<'a, str>),
}

/// The names of the fields of all records of one CSV file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    names: Vec<Box<str>>,
    places: HashMap<Box<str>, usize>,
}

impl Header {
    /// Fields of these names, in this order.
    ///
    /// # Errors
    /// Names the field that comes twice.
    pub fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Result<Header, Error> {
        let mut header = Header::default();
        for name in names {
            let name = name.into();
            let place = header.names.len();
            if let Some(before) = header.places.insert(name.clone(), place) {
                return Err(format!(
                    "columns {} and {} are both named `{name}`",
                    before + 1,
                    place + 1
                )
                .into());
            }
            header.names.push(name);
        }
        Ok(header)
    }

    /// What is said of a name that is none of these.
    pub(crate) fn lacks(&self, name: &str) -> String {
        let names: Vec<&str> = self.names().collect();
        unknown("field", name, &names)
    }

    /// The names in the order of the columns.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}

impl Row {
    /// A row of JSON.
    ///
    /// # Errors
    /// Says what is wrong with text that is no JSON.
    pub fn json(text: impl Into<Bytes>) -> Result<Row, Error> {
        let text = text.into();
        jsonl::value(&text, None)?;
        Ok(Row::of_json(text))
    }

    /// A row of JSON that has been checked.
    pub(crate) fn of_json(text: Bytes) -> Row {
        Row {
            fields: Fields::Json(text),
            key: None,
        }
    }

    /// The row of an item that has no fields.
    pub(crate) fn nothing() -> Row {
        Row::of_json(Bytes::from_static(b"null"))
    }

    /// Knows the item by this key.
    pub(crate) fn know_by(&mut self, key: String) {
        self.key = Some(key.into());
    }

    /// By which key the item is known.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A CSV record with one value for each name of the header.
    ///
    /// # Errors
    /// Says how many values there are, and how many there should be.
    pub fn cells(header: &Arc<Header>, values: &[&str]) -> Result<Row, Error> {
        if values.len() != header.names.len() {
            return Err(ragged(values.len(), header).into());
        }
        let mut ends = 0;
        let ends: Vec<usize> = values
            .iter()
            .map(|value| {
                ends += value.len();
                ends
            })
            .collect();
        let mut packed = Vec::new();
        pack(&ends, values.concat().as_bytes(), &mut packed);
        Ok(Row::of_cells(header, packed.into()))
    }

    /// A CSV record that [`pack`] has packed, of UTF-8 text and of as many values as the header has names.
    pub(crate) fn of_cells(header: &Arc<Header>, packed: Bytes) -> Row {
        let fields = Fields::Cells(Cells {
            header: Arc::clone(header),
            packed,
            json: OnceLock::new(),
        });
        Row { fields, key: None }
    }

    /// The value of this name: a column, or a member of an object, to which `outer.inner` leads where no member is called
    /// that. `None` where there is none. Of members with one name the last counts.
    pub fn field(&self, name: &str) -> Option<Value<'_>> {
        match &self.fields {
            Fields::Json(text) => jsonl::field(text_of(text), name),
            Fields::Cells(cells) => {
                let place = *cells.header.places.get(name)?;
                Some(Value::Text(Cow::Borrowed(cells.value(place))))
            }
        }
    }

    /// The names of the fields, in the order in which they were read; none of a JSON value that is no object.
    pub fn names(&self) -> Vec<Cow<'_, str>> {
        match &self.fields {
            Fields::Json(text) => jsonl::names(text_of(text)),
            Fields::Cells(cells) => cells.header.names().map(Cow::Borrowed).collect(),
        }
    }

    /// Appends the whole row as JSON: the text that was read, or an object of a CSV record, whose values are strings.
    pub fn to_json(&self, buffer: &mut Vec<u8>) {
        match &self.fields {
            Fields::Json(text) => buffer.extend_from_slice(text),
            Fields::Cells(cells) => cells.write_json(buffer),
        }
    }

    /// The whole row as JSON, as [`Row::to_json`] writes it; made once.
    pub(crate) fn as_json(&self) -> &Bytes {
        match &self.fields {
            Fields::Json(text) => text,
            Fields::Cells(cells) => cells.json.get_or_init(|| {
                let mut json = Vec::with_capacity(cells.packed.len() + 64);
                cells.write_json(&mut json);
                json.into()
            }),
        }
    }

    /// Whether the row is the JSON text that was read.
    pub(crate) fn is_read_as_json(&self) -> bool {
        matches!(self.fields, Fields::Json(_))
    }

    /// What it holds on the heap, in bytes, apart from names that many rows share.
    pub fn heap_bytes(&self) -> usize {
        let text = match &self.fields {
            Fields::Json(text) => text.len(),
            Fields::Cells(cells) => cells.packed.len() + cells.json.get().map_or(0, Bytes::len),
        };
        let key = self.key.as_ref().map_or(0, |key| key.len());
        size_of::<Row>() + text + key
    }
}

/// Rows that would be written alike are alike.
impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Row {}

/// Bytes of the end of a value in a packed record.
const END_BYTES: usize = size_of::<u32>();

/// Appends a packed record: the ends of its values, and their text.
pub(crate) fn pack(ends: &[usize], text: &[u8], to: &mut Vec<u8>) {
    for end in ends {
        let end = u32::try_from(*end).expect("a record has at most 16 MiB");
        to.extend_from_slice(&end.to_le_bytes());
    }
    to.extend_from_slice(text);
}

/// What is said of a record with another number of values than the header has names.
pub(crate) fn ragged(values: usize, header: &Header) -> String {
    let names = header.names.len();
    let count = |number: usize| match number {
        1 => "1 value".to_owned(),
        _ => format!("{number} values"),
    };
    let way = match values > names {
        true => "; put a value that holds the separator in double quotes",
        false => "",
    };
    format!("{} where the header has {names} names{way}", count(values))
}

impl Cells {
    fn end(&self, place: usize) -> usize {
        let end = &self.packed[place * END_BYTES..][..END_BYTES];
        u32::from_le_bytes(end.try_into().expect("it was cut to four bytes")) as usize
    }

    fn value(&self, place: usize) -> &str {
        let start = match place {
            0 => 0,
            _ => self.end(place - 1),
        };
        let text = &self.packed[self.header.names.len() * END_BYTES..];
        text_of(&text[start..self.end(place)])
    }

    fn write_json(&self, buffer: &mut Vec<u8>) {
        let mut before = b'{';
        for (place, name) in self.header.names().enumerate() {
            buffer.push(before);
            jsonl::write_text(name, buffer);
            buffer.push(b':');
            jsonl::write_text(self.value(place), buffer);
            before = b',';
        }
        if before == b'{' {
            buffer.push(b'{');
        }
        buffer.push(b'}');
    }
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a row is checked when it is made")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<Value<'_>> {
        Some(Value::Text(value.into()))
    }

    fn json(value: &str) -> Option<Value<'_>> {
        Some(Value::Json(value.into()))
    }

    #[test]
    fn fields_of_json_are_found() {
        let row = Row::json(
            r#"{"a": "\u00e9", "b": {"c": [1, 2], "d": null}, "b.d": true, "e": 1, "e": 2.50}"#,
        );
        let row = row.unwrap();
        assert_eq!(row.field("a"), text("é"));
        assert_eq!(row.field("b.c"), json("[1, 2]"));
        assert_eq!(row.field("b.d"), json("true"), "a whole name comes first");
        assert_eq!(row.field("e"), json("2.50"), "the last of a name counts");
        assert_eq!(row.field("b.c.d"), None);
        assert_eq!(row.names(), ["a", "b", "b.d", "e"]);
        let null = Row::json(r#"{"b": {"d": null}}"#).unwrap();
        assert_eq!(null.field("b.d"), Some(Value::Null));
        for other in ["7", "[1]", "null", r#""a""#] {
            let row = Row::json(other).unwrap();
            assert_eq!((row.field("a"), row.names().len()), (None, 0), "{other}");
        }
        assert!(Row::json("{").unwrap_err().to_string().contains("not JSON"));
    }

    #[test]
    fn fields_of_a_record_are_found() {
        let header = Arc::new(Header::new(["id", "a.b", "ü"]).unwrap());
        let row = Row::cells(&header, &["7", "", "line\n\"é\""]).unwrap();
        assert_eq!(row.field("id"), text("7"));
        assert_eq!(row.field("a.b"), text(""));
        assert_eq!(row.field("ü"), text("line\n\"é\""));
        assert_eq!(row.field("a"), None);
        assert_eq!(row.names(), ["id", "a.b", "ü"]);
        let expected = r#"{"id":"7","a.b":"","ü":"line\n\"é\""}"#;
        assert_eq!(row.as_json(), expected);
        assert_eq!(row, Row::json(expected).unwrap());
        let none = Arc::new(Header::default());
        assert_eq!(Row::cells(&none, &[]).unwrap().as_json(), "{}");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let header = Arc::new(Header::new(["a", "b"]).unwrap());
        let why = Row::cells(&header, &["1"]).unwrap_err();
        assert_eq!(why.to_string(), "1 value where the header has 2 names");
        let why = Header::new(["a", "b", "a"]).unwrap_err();
        assert_eq!(why.to_string(), "columns 1 and 3 are both named `a`");
    }
}
