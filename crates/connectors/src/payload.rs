//! The one value that travels through a job of the command line, whatever it has become so far.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::row::Row;

/// An item on its way: its bytes now, the row that it was, and the hash of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// `xxh3_128` of the item as read (of a whole JSON line, also where one field of it is used), or of the key by which it is
    /// known. Fetch and compute keep it, so that the same item is saved under the same idempotency key in every run.
    pub key: u128,
    /// The item's fields as they were read, which fetch and compute keep. `None` where it has neither fields nor a key: a line of
    /// text, or a number of a range.
    pub row: Option<Arc<Row>>,
    value: Bytes,
    form: Form,
}

/// What the value of a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Bytes as they are.
    Text,
    /// The JSON of a value.
    Json,
    /// The whole row as JSON, which stands there and not in `value`, so that it is made only where somebody needs it.
    Row,
    /// Bytes that only the program around us reads: one of its objects, or what stands for one.
    Opaque,
}

impl Payload {
    /// An item that was just read.
    ///
    /// ```
    /// use inflight_connectors::Payload;
    ///
    /// assert_eq!(Payload::read("7").key, Payload::read("7").key);
    /// ```
    pub fn read(bytes: impl Into<Bytes>) -> Payload {
        let value = bytes.into();
        Payload {
            key: Payload::key_of(&value),
            row: None,
            value,
            form: Form::Text,
        }
    }

    /// An item that was read as a row and is all of it. Its bytes are the row as JSON; those of a CSV record are made when
    /// they are first asked for.
    pub fn of_row(key: u128, row: Row) -> Payload {
        Payload {
            key,
            value: Bytes::new(),
            form: Form::Row,
            row: Some(Arc::new(row)),
        }
    }

    /// An item that was read as a row, of which this field is used.
    pub(crate) fn of_field(key: u128, row: Row, field: impl Into<Bytes>) -> Payload {
        Payload {
            key,
            value: field.into(),
            form: Form::Text,
            row: Some(Arc::new(row)),
        }
    }

    /// An object of the program around us, known by this key. No sink of ours can save it: the program turns it into text first.
    pub fn of_object(key: u128, bytes: impl Into<Bytes>) -> Payload {
        Payload {
            key,
            row: None,
            value: bytes.into(),
            form: Form::Opaque,
        }
    }

    /// The same item, known by this key.
    pub(crate) fn known_by(mut self, key: String) -> Payload {
        self.key = Payload::key_of(key.as_bytes());
        let row = self.row.get_or_insert_with(|| Arc::new(Row::nothing()));
        Arc::make_mut(row).know_by(key);
        self
    }

    /// How the key is spelled by which the item is known; `None` where it is known by its place in the input.
    pub fn key_text(&self) -> Option<&str> {
        self.row.as_ref()?.key()
    }

    /// The key of an item that was read as these bytes.
    pub fn key_of(read: &[u8]) -> u128 {
        xxh3_128(read)
    }

    /// What the item is now: as read, as fetched, or as computed.
    pub fn bytes(&self) -> &Bytes {
        match (&self.row, self.form) {
            (Some(row), Form::Row) => row.as_json(),
            _ => &self.value,
        }
    }

    /// Whether the bytes are the JSON of a value, which files and JSON bodies keep as that value instead of as a text: what
    /// a worker answered, or a CSV record. A line of JSON that was read is a text like any other.
    pub fn is_json(&self) -> bool {
        match (&self.row, self.form) {
            (Some(row), Form::Row) => !row.is_read_as_json(),
            (_, form) => form == Form::Json,
        }
    }

    /// Whether the bytes are the JSON of a value in any way: also a line of JSON that was read.
    #[cfg(feature = "http")]
    pub(crate) fn holds_json(&self) -> bool {
        matches!(self.form, Form::Json | Form::Row)
    }

    /// The same item with other bytes.
    #[must_use]
    pub fn becomes(self, bytes: impl Into<Bytes>) -> Payload {
        Payload {
            value: bytes.into(),
            form: Form::Text,
            ..self
        }
    }

    /// The same item as the JSON of a value, which must be valid and on one line.
    #[must_use]
    pub fn becomes_json(self, json: impl Into<Bytes>) -> Payload {
        Payload {
            form: Form::Json,
            ..self.becomes(json)
        }
    }

    /// The same item as an object of the program around us.
    #[must_use]
    pub fn becomes_object(self, bytes: impl Into<Bytes>) -> Payload {
        Payload {
            form: Form::Opaque,
            ..self.becomes(bytes)
        }
    }

    /// Whether the bytes mean something only to the program around us.
    pub fn is_object(&self) -> bool {
        self.form == Form::Opaque
    }

    /// Whether it is a row as it was read, and nothing has become of it yet.
    pub fn is_row(&self) -> bool {
        self.form == Form::Row
    }

    /// How its key is spelled; for [`inflight::Job::item_key`] and its two sisters.
    pub fn key_shown(&self) -> Option<Cow<'_, str>> {
        self.key_text().map(Cow::Borrowed)
    }

    /// What it looks like in a dead letter; for [`inflight::Job::item_payload`] and its two sisters.
    pub fn shown(&self) -> Cow<'_, [u8]> {
        if self.is_object() {
            return Cow::Borrowed(b"(an object of the program)");
        }
        Cow::Borrowed(self.bytes())
    }

    /// What it holds on the heap, in bytes; for [`inflight::Job::item_bytes`] and its two sisters. A row that is shared
    /// with a copy counts for both.
    pub fn heap_bytes(&self) -> usize {
        self.value.len() + self.row.as_ref().map_or(0, |row| row.heap_bytes())
    }
}

/// Hundreds of thousands may be on their way at once.
const _: () = assert!(size_of::<Payload>() <= 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_its_key_and_row_whatever_it_becomes() {
        let read = Payload::of_row(7, Row::json(r#"{"a":1}"#).unwrap());
        assert_eq!(
            (&read.bytes()[..], read.is_json()),
            (&br#"{"a":1}"#[..], false)
        );
        let became = read.clone().becomes_json("[2]");
        assert_eq!((&became.bytes()[..], became.is_json()), (&b"[2]"[..], true));
        assert_eq!((became.key, &became.row), (7, &read.row));
        let text = became.becomes("x");
        assert_eq!((&text.bytes()[..], text.is_json()), (&b"x"[..], false));
        assert_eq!(text.row, read.row);
    }

    #[test]
    fn what_it_holds_is_counted() {
        assert_eq!(Payload::read("abc").heap_bytes(), 3);
        let row = Row::json(r#"{"a":"b"}"#).unwrap();
        let whole = Payload::of_row(7, row.clone()).heap_bytes();
        assert!(whole >= 9, "{whole}");
        assert_eq!(Payload::of_field(7, row, "b").heap_bytes(), whole + 1);
    }
}
