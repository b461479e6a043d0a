//! The one value that travels through a job of the command line, whatever it has become so far.

use std::borrow::Cow;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

/// An item on its way: its bytes now, and the hash of what it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// `xxh3_128` of the item as read (of a whole JSONL line, also where one field of it is used). Fetch and
    /// compute keep it, so that the same item is saved under the same idempotency key in every run.
    pub key: u128,
    /// What the item is now: as read, as fetched, or as computed.
    pub bytes: Bytes,
    /// Whether the bytes are the JSON of a value, which files and JSON bodies keep as that value instead of as a text.
    /// Only what a worker answers is; a line of JSON that was read is a text like any other.
    pub is_json: bool,
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
        let bytes = bytes.into();
        Payload {
            key: Payload::key_of(&bytes),
            bytes,
            is_json: false,
        }
    }

    /// The key of an item that was read as these bytes.
    pub(crate) fn key_of(read: &[u8]) -> u128 {
        xxh3_128(read)
    }

    /// The same item with other bytes.
    #[must_use]
    pub fn becomes(self, bytes: impl Into<Bytes>) -> Payload {
        Payload {
            key: self.key,
            bytes: bytes.into(),
            is_json: false,
        }
    }

    /// The same item as the JSON of a value, which must be valid and on one line.
    #[must_use]
    pub fn becomes_json(self, json: impl Into<Bytes>) -> Payload {
        Payload {
            is_json: true,
            ..self.becomes(json)
        }
    }

    /// What it looks like in a dead letter; for [`inflight::Job::item_payload`] and its two sisters.
    pub fn shown(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    /// What it holds on the heap, in bytes; for [`inflight::Job::item_bytes`] and its two sisters.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}
