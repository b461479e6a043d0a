//! What was saved: how many bodies, how many different ones, and the bodies themselves as far as they fit.
//!
//! A body is known by its 128-bit XXH3 hash, so that counting different ones stays exact (a collision among a billion
//! bodies has a probability of 10⁻²¹) when the bodies no longer fit.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_128;

/// Bytes of bodies kept for `GET /results`: enough for the checks of a million small items, little beside the job itself.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Bytes allocated at a time, so that keeping a body never copies those before it.
const SEGMENT_BYTES: usize = 1 << 20;

/// Everything saved since the start or the last reset.
///
/// Grows by 16 bytes of hash for each different body (and 24 for each idempotency key), which nothing bounds but the
/// number of requests: an exact count needs them.
#[derive(Debug, Default)]
pub(crate) struct Store {
    saved: u64,
    distinct: HashSet<u128, BuildHasherDefault<HashIsKey>>,
    /// The number that was answered for each idempotency key.
    answered: HashMap<u128, u64, BuildHasherDefault<HashIsKey>>,
    kept: Kept,
}

impl Store {
    /// Stores a body and answers its number, from 1; a key seen before gets its first number and stores nothing.
    pub(crate) fn save(&mut self, body: &[u8], idempotency_key: Option<&[u8]>) -> u64 {
        let Some(key) = idempotency_key else {
            return self.append(body);
        };
        let key = xxh3_128(key);
        if let Some(number) = self.answered.get(&key) {
            return *number;
        }
        let number = self.append(body);
        self.answered.insert(key, number);
        number
    }

    fn append(&mut self, body: &[u8]) -> u64 {
        self.saved += 1;
        self.distinct.insert(xxh3_128(body));
        self.kept.push(body);
        self.saved
    }

    /// How many bodies were stored.
    pub(crate) fn saved(&self) -> u64 {
        self.saved
    }

    /// How many different bodies were stored.
    pub(crate) fn distinct(&self) -> u64 {
        self.distinct.len() as u64
    }

    /// How many stored bodies are no longer there to be read.
    pub(crate) fn left_out(&self) -> u64 {
        self.saved - self.kept.count
    }

    /// One part of the stored bodies as JSON lines, in the order of saving; `None` after the last.
    ///
    /// A body that is UTF-8 is a JSON string, any other `{"hex":"..."}`.
    pub(crate) fn lines(&self, part: usize) -> Option<Vec<u8>> {
        let segment = self.kept.segments.get(part)?;
        let mut lines = Vec::with_capacity(segment.len() + segment.len() / 4);
        for body in records(segment) {
            write_line(&mut lines, body);
        }
        Some(lines)
    }
}

/// Bodies one after the other, each behind its length in four bytes.
#[derive(Debug, Default)]
struct Kept {
    count: u64,
    bytes: usize,
    segments: Vec<Vec<u8>>,
}

impl Kept {
    /// Keeps a body, unless it or one before it did not fit: what is kept is always the beginning.
    fn push(&mut self, body: &[u8]) {
        if self.bytes + body.len() > KEPT_BYTES_MAX {
            self.bytes = KEPT_BYTES_MAX + 1;
            return;
        }
        let needed = LENGTH_BYTES + body.len();
        let segment = match self.segments.last_mut() {
            Some(last) if last.capacity() - last.len() >= needed => last,
            _ => {
                self.segments
                    .push(Vec::with_capacity(needed.max(SEGMENT_BYTES)));
                self.segments.last_mut().expect("a segment was just pushed")
            }
        };
        let length = u32::try_from(body.len()).expect("bodies are capped far below 4 GiB");
        segment.extend_from_slice(&length.to_le_bytes());
        segment.extend_from_slice(body);
        self.bytes += needed;
        self.count += 1;
    }
}

const LENGTH_BYTES: usize = size_of::<u32>();

fn records(mut segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = segment.split_first_chunk::<LENGTH_BYTES>()?;
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        segment = rest;
        Some(body)
    })
}

fn write_line(lines: &mut Vec<u8>, body: &[u8]) {
    match std::str::from_utf8(body) {
        Ok(text) => {
            serde_json::to_writer(&mut *lines, text).expect("a string is always valid JSON")
        }
        Err(_) => {
            lines.extend_from_slice(b"{\"hex\":\"");
            for byte in body {
                lines.extend(
                    [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]),
                );
            }
            lines.extend_from_slice(b"\"}");
        }
    }
    lines.push(b'\n');
}

/// Takes a key that is a hash already as its own hash: nothing is hashed twice.
#[derive(Debug, Default)]
struct HashIsKey(u64);

impl Hasher for HashIsKey {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only 128-bit hashes are keys");
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(store: &Store) -> String {
        let parts = (0..)
            .map_while(|part| store.lines(part))
            .flatten()
            .collect();
        String::from_utf8(parts).unwrap()
    }

    #[test]
    fn bodies_are_counted_and_kept_in_order() {
        let mut store = Store::default();
        assert_eq!(store.save(b"one", None), 1);
        assert_eq!(store.save("z\u{fc}\"\n".as_bytes(), None), 2);
        assert_eq!(store.save(b"one", None), 3);
        assert_eq!(store.save(&[0xff, 0x0a], None), 4);
        assert_eq!(
            (store.saved(), store.distinct(), store.left_out()),
            (4, 3, 0)
        );
        assert_eq!(
            text(&store),
            "\"one\"\n\"z\u{fc}\\\"\\n\"\n\"one\"\n{\"hex\":\"ff0a\"}\n"
        );
    }

    #[test]
    fn a_repeated_key_stores_nothing() {
        let mut store = Store::default();
        assert_eq!(store.save(b"one", Some(b"a")), 1);
        assert_eq!(store.save(b"two", Some(b"b")), 2);
        assert_eq!(store.save(b"one again", Some(b"a")), 1);
        assert_eq!((store.saved(), store.distinct()), (2, 2));
    }

    #[test]
    fn beyond_the_cap_only_hashes_are_kept() {
        let mut store = Store::default();
        let large = vec![b'x'; 16 << 20];
        for first in 0..5 {
            let mut body = large.clone();
            body[0] = first;
            store.save(&body, None);
        }
        store.save(b"small, but after a gap", None);
        assert_eq!(
            (store.saved(), store.distinct(), store.left_out()),
            (6, 6, 3)
        );
    }
}
