//! What a fuzzer tries with a journal, and what must hold whatever it tries.
//!
//! Nobody else sees this: it is built for `cargo fuzz` and for tests, which play the seeds of `fuzz/seeds/journal`.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use super::disk::Disk;
use super::frame::{Began, Checkpoint, Command, Entry, Frame, HEAD, Parsed, Progress, head};
use super::recover::{Recovered, recover};
use super::state::State;
use crate::source::Place;

const SALT: [u8; 4] = [7, 1, 9, 3];

/// Recovers from what the bytes stand for: a file, the frames of a journal, or a journal and what happened to it.
///
/// # Panics
/// When what comes of it is wrong.
pub fn journal(bytes: &[u8]) {
    let mut script = Script(bytes);
    match script.byte() % 3 {
        0 => file(script.0),
        1 => frames(&mut script),
        _ => changed(&mut script),
    }
}

/// Any file: it is refused, new, or a journal whose good part is good.
fn file(bytes: &[u8]) {
    match read(bytes) {
        Ok(None) => assert!(bytes.len() <= 64 << 10, "a new journal is small"),
        Ok(Some(found)) => {
            assert!(found.good <= bytes.len() as u64);
            holds_together(&found.state);
        }
        Err(cause) => assert_eq!(cause.kind(), io::ErrorKind::InvalidData),
    }
}

/// Frames of any content with a good checksum: what can be read of one can be written, and state takes it in.
fn frames(script: &mut Script<'_>) {
    let mut state = State::default();
    while !script.0.is_empty() {
        let length = usize::from(script.byte());
        let mut body = vec![script.byte()];
        // A sequence that takes one byte, and the chain.
        body.push(state.sequence as u8 & 0x7f);
        body.extend(state.chain.to_le_bytes());
        body.extend_from_slice(script.bytes(length));
        let Some((frame, sum)) = parsed(&with_prefix(&body)) else {
            continue;
        };
        let mut again = Vec::new();
        frame.write(SALT, &mut again);
        assert_eq!(parsed(&again).map(|(frame, _)| frame), Some(frame.clone()));
        if state.is_next(&frame) {
            state.apply(frame, sum);
            holds_together(&state);
        }
    }
}

fn parsed(bytes: &[u8]) -> Option<(Frame, u32)> {
    match Frame::parse(SALT, bytes) {
        Parsed::Frame(frame, sum, size) => {
            assert_eq!(size, bytes.len());
            Some((frame, sum))
        }
        Parsed::Bad => None,
        Parsed::Partial(_) => panic!("it is whole"),
    }
}

fn with_prefix(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_le_bytes();
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&SALT), &length), body);
    [&length[..], &sum.to_le_bytes(), body].concat()
}

/// What is true of every state: nothing is skipped, and nothing is counted that is not there.
fn holds_together(state: &State) {
    let watermark = state.finished.watermark();
    if let Some(from) = state.resume_from() {
        assert!(from.index <= watermark, "items would be skipped");
    }
    let finished = state.finished.count_from(0);
    assert!(state.saved + state.dead <= finished, "more than there are");
}

/// A journal as runs write it, after which the file is cut or some of its bytes are changed.
fn changed(script: &mut Script<'_>) {
    let written = Written::of(script);
    let whole = read(&written.bytes).expect("it is a journal");
    let whole = whole.expect("it has begun");
    assert_eq!(Some(&whole.state), written.states.last());
    assert_eq!(whole.damage, None);

    let (mut bytes, length) = (written.bytes.clone(), written.bytes.len());
    let at = script.number() % length;
    let end = length.min(at + 1 + script.number() % 600);
    let is_cut = match script.byte() % 4 {
        0 => {
            bytes.truncate(at);
            true
        }
        1 => {
            bytes[at] ^= script.byte().max(1);
            false
        }
        2 => {
            bytes[at..end].fill(0);
            false
        }
        _ => {
            for byte in &mut bytes[at..end] {
                *byte = script.byte();
            }
            false
        }
    };
    let differs = |(a, b): (&u8, &u8)| a != b;
    let pairs = || bytes.iter().zip(&written.bytes);
    let first = pairs().position(differs).unwrap_or(bytes.len());
    let last = length - pairs().rev().position(differs).unwrap_or(length);
    let changed = first..if is_cut { length } else { last };
    check(&written, changed, is_cut, read(&bytes));
}

/// A cut is a crash, and forgets its part. A change is seen where a frame behind it says that all was on the disk before.
fn check(
    written: &Written,
    changed: Range<usize>,
    is_cut: bool,
    result: io::Result<Option<Recovered>>,
) {
    let kept = written
        .frames
        .iter()
        .take_while(|frame| frame.end <= changed.start)
        .count();
    let kept = if changed.start < HEAD { 0 } else { kept };
    let is_witness = |(nth, frame): (usize, &Range<usize>)| {
        written.is_after_sync[nth] && !changed.is_empty() && frame.start >= changed.end
    };
    let has_witness = written.frames.iter().enumerate().any(is_witness);
    match result {
        Err(cause) => {
            assert_eq!(cause.kind(), io::ErrorKind::InvalidData);
            assert!(!is_cut && changed.start < HEAD, "refused: {cause}");
        }
        Ok(None) => assert!(
            kept == 0 && !has_witness,
            "a damaged journal is taken for an empty one"
        ),
        Ok(Some(found)) => {
            assert_eq!(found.state, written.states[kept], "{kept} frames are good");
            assert!(found.damage.is_some() || !has_witness, "damage is not seen");
            assert!(
                found.damage.is_none() || !is_cut,
                "a crash is taken for damage"
            );
        }
    }
}

/// A journal, and what it says after each of its frames.
struct Written {
    bytes: Vec<u8>,
    frames: Vec<Range<usize>>,
    is_after_sync: Vec<bool>,
    /// The first is that of no frame.
    states: Vec<State>,
    is_synced: bool,
}

impl Written {
    /// The first byte says how many entries; each takes a few more.
    fn of(script: &mut Script<'_>) -> Written {
        let mut written = Written {
            bytes: head(SALT).to_vec(),
            frames: Vec::new(),
            is_after_sync: Vec::new(),
            states: vec![State::default()],
            is_synced: true,
        };
        written.begin(script);
        for _ in 0..script.byte() % 16 {
            match script.byte() % 8 {
                0 => written.is_synced = true,
                1 => written.begin(script),
                2 => written.append(Entry::Ended {
                    is_complete: script.byte() < 128,
                }),
                _ => written.append(Entry::Progress(progress(script))),
            }
        }
        written
    }

    fn begin(&mut self, script: &mut Script<'_>) {
        let name = "x".repeat(usize::from(script.byte()));
        self.is_synced = true;
        let kind = script.byte() % 4;
        self.append(Entry::Began(Began {
            epoch: self.frames.len() as u64,
            at_s: 0,
            is_retry: kind == 3,
            is_keyed: kind == 2,
            job: vec![(name, String::new())],
            command: Command::default(),
        }));
        self.is_synced = true;
    }

    fn append(&mut self, entry: Entry) {
        let mut state = self.states.last().expect("the first is there").clone();
        let frame = Frame {
            sequence: state.sequence,
            chain: state.chain,
            is_after_sync: self.is_synced && state.sequence > 0,
            entry,
        };
        let start = self.bytes.len();
        let sum = frame.write(SALT, &mut self.bytes);
        self.frames.push(start..self.bytes.len());
        self.is_after_sync.push(frame.is_after_sync);
        state.apply(frame, sum);
        self.states.push(state);
        self.is_synced = false;
    }
}

fn progress(script: &mut Script<'_>) -> Progress {
    let mut saved = Vec::new();
    let mut end = 0;
    for _ in 0..script.byte() % 4 {
        let start = end + u64::from(script.byte());
        end = start + u64::from(script.byte());
        saved.push(start..end);
    }
    let dead = end + 1..end + 1 + u64::from(script.byte() % 4);
    let index = script.number() as u64;
    let place = script.byte() % 8;
    let place = Place(script.bytes(place.into()).to_vec());
    Progress {
        saved,
        dead: vec![dead],
        mark: Some(index),
        checkpoints: vec![Checkpoint { index, place }],
    }
}

/// The bytes that say what is done, taken from the front; zeros behind their end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }
}

thread_local! {
    /// One file for all that a thread tries; without a name, and gone with the process.
    static FILE: RefCell<File> = RefCell::new(nameless().expect("a temporary file can be made"));
}

fn nameless() -> io::Result<File> {
    let name = format!("inflight-fuzz-{}-{}", std::process::id(), fastrand::u64(..));
    let path = std::env::temp_dir().join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn read(bytes: &[u8]) -> io::Result<Option<Recovered>> {
    FILE.with_borrow_mut(|file| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytes)?;
        recover(&mut Disk::File(file.try_clone()?), |_, _| {})
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_holds() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/journal");
        let mut played = 0;
        for seed in fs::read_dir(seeds).unwrap() {
            journal(&fs::read(seed.unwrap().path()).unwrap());
            played += 1;
        }
        assert!(played > 0);
    }
}
