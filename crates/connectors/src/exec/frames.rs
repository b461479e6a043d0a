//! Version 2 of what we and a worker say to each other: frames of records, as `docs/workers.md` has them. Pure: bytes in,
//! messages out.
//!
//! A frame is `u32 length`, then records of `u64 id, u8 kind, u32 length, bytes`, all little-endian.

use std::time::Duration;

use bytes::Bytes;
use inflight::{Fault, Record};
use serde::Deserialize;

use super::protocol::{Answer, Found, cut};
use crate::called::Raised;
use crate::payload::Payload;

/// The longest frame: one value of a gigabyte still passes, and a length that is garbage does not fill the memory.
pub(super) const FRAME_MAX: usize = 1 << 30;

/// Bytes before those of a record.
const HEAD: usize = 8 + 1 + 4;

/// What a record is.
mod kind {
    /// What a worker is told before its first item, and its answer when it is ready.
    pub(super) const SETUP: u8 = 0;
    /// An item: the bytes as they are.
    pub(super) const ITEM: u8 = 1;
    /// A result: bytes of any kind.
    pub(super) const BYTES: u8 = 2;
    /// A result: the JSON of a value.
    pub(super) const JSON: u8 = 3;
    /// An item or a result: an object that only the worker and whoever started it can read.
    pub(super) const OBJECT: u8 = 4;
    /// A failure: a JSON object that says which.
    pub(super) const ERROR: u8 = 5;
    /// An item that is a row: a JSON object.
    pub(super) const ROW: u8 = 6;
}

/// Writes records into frames, as many in each as the worker takes.
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where the frame that is being written begins.
    began: usize,
    records: usize,
    records_max: usize,
    bytes_max: usize,
}

impl Frames {
    /// `bytes_max` bounds what is in a frame, unless one record is larger.
    pub(super) fn new(records_max: usize, bytes_max: usize) -> Frames {
        Frames {
            bytes: Vec::new(),
            began: 0,
            records: 0,
            records_max,
            bytes_max,
        }
    }

    /// The frame that sets a worker up.
    pub(super) fn setup(bytes: &[u8]) -> Vec<u8> {
        let mut frames = Frames::new(1, usize::MAX);
        frames.begin();
        frames.write(0, kind::SETUP, bytes);
        frames.end()
    }

    /// Adds an item.
    ///
    /// # Errors
    /// Permanent, when it is larger than any frame.
    pub(super) fn add(&mut self, record: &Record<Payload>) -> Result<(), Fault> {
        let item = record.value.bytes();
        if item.len() > FRAME_MAX - HEAD {
            return Err(Fault::permanent(format!(
                "the item has {} bytes, and a worker takes {FRAME_MAX} at most; give it the name of a file instead",
                item.len()
            )));
        }
        let kind = match (record.value.is_object(), record.value.is_json()) {
            (true, _) => kind::OBJECT,
            _ if record.value.is_row() => kind::ROW,
            (false, true) => kind::ROW,
            (false, false) => kind::ITEM,
        };
        let is_full = self.records == self.records_max
            || self.bytes.len() - self.began + item.len() > self.bytes_max;
        if self.records > 0 && is_full {
            self.close();
        }
        if self.records == 0 {
            self.begin();
        }
        self.write(record.index, kind, item);
        self.records += 1;
        Ok(())
    }

    /// All the frames.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.close();
        self.bytes
    }

    fn begin(&mut self) {
        self.began = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn write(&mut self, id: u64, kind: u8, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("what is longer than a frame was refused");
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    fn close(&mut self) {
        if self.bytes.len() > self.began {
            let length = u32::try_from(self.bytes.len() - self.began - 4)
                .expect("a frame is closed before it is too long");
            self.bytes[self.began..self.began + 4].copy_from_slice(&length.to_le_bytes());
        }
        (self.began, self.records) = (self.bytes.len(), 0);
    }
}

/// Whether this frame says that a worker is ready.
///
/// # Errors
/// What the worker says is wrong, or that it says something else.
pub(super) fn is_ready(frame: &[u8]) -> Result<(), String> {
    match records(frame)?.as_slice() {
        [(_, kind::SETUP, _)] => Ok(()),
        [(_, kind::ERROR, words)] => {
            let wrong: Wrong = read(words)?;
            let trace = wrong.traceback.unwrap_or_default();
            Err(format!("it could not be set up: {}\n{trace}", wrong.error))
        }
        _ => Err("its first frame should answer the setup".into()),
    }
}

/// Reads the answers in a frame.
///
/// # Errors
/// What is wrong with it.
pub(super) fn answers(frame: &[u8]) -> Result<Vec<Answer>, String> {
    let answer = |(id, kind, bytes): Piece<'_>| {
        let copied = || Bytes::copy_from_slice(bytes);
        let outcome = match kind {
            kind::BYTES => Ok(Found::Bytes(copied())),
            kind::JSON => Ok(Found::Json(copied())),
            kind::OBJECT => Ok(Found::Object(copied())),
            kind::ERROR => Err(read::<Wrong>(bytes)?.fault()),
            other => {
                return Err(format!(
                    "it answered item {id} with kind {other}, which is none"
                ));
            }
        };
        Ok(Answer { id, outcome })
    };
    records(frame)?.into_iter().map(answer).collect()
}

/// A record: whose it is, of which kind, and its bytes.
type Piece<'a> = (u64, u8, &'a [u8]);

fn records(mut rest: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    let mut records = Vec::new();
    while !rest.is_empty() {
        let cut_off = || "it wrote a frame that ends within a record".to_owned();
        let (id, after) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let (kind, after) = after.split_first_chunk::<1>().ok_or_else(cut_off)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (bytes, after) = after.split_at_checked(length).ok_or_else(cut_off)?;
        records.push((u64::from_le_bytes(*id), kind[0], bytes));
        rest = after;
    }
    Ok(records)
}

/// A failure as a worker writes it.
#[derive(Deserialize)]
struct Wrong {
    error: String,
    /// Whether trying again may help.
    #[serde(default)]
    retry: bool,
    /// After how many seconds.
    after: Option<f64>,
    /// Whether it would be the same with every other item.
    #[serde(default)]
    stop: bool,
    #[serde(rename = "type")]
    name: Option<String>,
    traceback: Option<String>,
    /// The error itself, as an object: in hexadecimal digits.
    object: Option<String>,
}

fn read<'a, T: Deserialize<'a>>(words: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(words).map_err(|cause| {
        let shown = cut(&String::from_utf8_lossy(words));
        format!("it wrote an error that cannot be read, `{shown}`: {cause}")
    })
}

impl Wrong {
    fn fault(self) -> Fault {
        let message = cut(&self.error);
        let Some(name) = self.name else {
            return match self.retry {
                true => Fault::transient(message),
                false => Fault::permanent(message),
            };
        };
        let raised = Raised {
            name: name.clone(),
            message,
            traceback: self.traceback.unwrap_or_default(),
            object: self.object.and_then(|digits| bytes_of(&digits)),
        };
        let what = format!("raised {name}");
        let fault = match (self.stop, self.retry) {
            (true, _) => {
                let trace = &raised.traceback;
                Fault::stops_run(format!("every item so far {what}; the first says\n{trace}"))
            }
            (false, true) => Fault::transient(what),
            (false, false) => Fault::permanent(what),
        };
        let fault = fault.because(raised).counted_as(name);
        match self
            .after
            .and_then(|after| Duration::try_from_secs_f64(after).ok())
        {
            Some(after) => fault.retry_after(after),
            None => fault,
        }
    }
}

fn bytes_of(digits: &str) -> Option<Bytes> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use inflight::Verdict;

    use super::*;

    fn written(items: &[Payload], records_max: usize) -> Vec<Vec<(u64, u8, Vec<u8>)>> {
        let mut frames = Frames::new(records_max, 100);
        for (index, item) in (7..).zip(items) {
            frames.add(&Record::new(index, item.clone())).unwrap();
        }
        let bytes = frames.end();
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            let owned = records(frame).unwrap().into_iter();
            found.push(
                owned
                    .map(|(id, kind, bytes)| (id, kind, bytes.to_vec()))
                    .collect(),
            );
            rest = after;
        }
        found
    }

    #[test]
    fn items_are_put_into_frames_of_as_many_as_the_worker_takes() {
        let items = ["a", "b", "c"].map(Payload::read);
        let frames = written(&items, 2);
        assert_eq!(frames[0], [(7, 1, b"a".to_vec()), (8, 1, b"b".to_vec())]);
        assert_eq!(frames[1], [(9, 1, b"c".to_vec())]);
        assert!(written(&[], 2).is_empty());
        let large = [Payload::read(vec![b'x'; 200]), Payload::of_object(0, "y")];
        let frames = written(&large, 9);
        assert_eq!(frames.len(), 2, "one that is larger goes alone");
        assert_eq!(frames[1], [(8, 4, b"y".to_vec())]);
    }

    fn frame(records: &[(u64, u8, &[u8])]) -> Vec<u8> {
        let mut frames = Frames::new(records.len(), usize::MAX);
        frames.begin();
        for (id, kind, bytes) in records {
            frames.write(*id, *kind, bytes);
        }
        frames.end()[4..].to_vec()
    }

    #[test]
    fn answers_are_read_and_errors_have_their_verdicts() {
        let frame = frame(&[
            (1, 2, b"\xff"),
            (2, 3, b"[1]"),
            (3, 4, b"o"),
            (4, 5, br#"{"error":"bad"}"#),
            (5, 5, br#"{"error":"not now","retry":true,"after":1.5}"#),
            (
                6,
                5,
                br#"{"error":"no","type":"ValueError","traceback":"T","object":"ff00"}"#,
            ),
        ]);
        let answers = answers(&frame).unwrap();
        let found = |place: usize| answers[place].outcome.as_ref().unwrap();
        assert_eq!(*found(0), Found::Bytes(Bytes::from_static(b"\xff")));
        assert_eq!(*found(1), Found::Json("[1]".into()));
        assert_eq!(*found(2), Found::Object("o".into()));
        let fault = |place: usize| answers[place].outcome.as_ref().unwrap_err();
        assert_eq!(fault(3).verdict(), Verdict::Permanent);
        assert_eq!(fault(4).verdict(), Verdict::Transient);
        assert_eq!(fault(5).to_string(), "raised ValueError: no");
        let source = fault(5).source().unwrap();
        let raised = source.downcast_ref::<Raised>().unwrap();
        assert_eq!(raised.object.as_deref(), Some(&b"\xff\0"[..]));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let check = |bytes: &[u8], part: &str| {
            let why = answers(bytes).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        let whole = frame(&[(1, 2, b"abc")]);
        check(&whole[..whole.len() - 1], "ends within a record");
        check(&frame(&[(1, 9, b"")]), "kind 9");
        check(&frame(&[(1, 5, b"oh")]), "cannot be read");
        assert!(is_ready(&frame(&[(0, 0, b"")])).is_ok());
        let why = is_ready(&frame(&[(0, 5, br#"{"error":"no module"}"#)])).unwrap_err();
        assert!(why.contains("no module"), "{why}");
    }
}
