//! Reads a journal back: every frame that follows the one before, to the end, to what a crash tore off, or to damage.

use std::collections::BTreeSet;
use std::io;

use super::disk::Disk;
use super::frame::{Entry, Frame, HEAD, MAGIC, PREFIX, Parsed, salt_of};
use super::state::State;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// A file of zeros up to this size was created when the power went: its head and its first frame, which holds a few names,
/// are synced before anything else is written.
const UNWRITTEN_MAX: u64 = 64 << 10;

/// What a journal came to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) salt: [u8; 4],
    pub(crate) state: State,
    /// Up to here everything is good.
    pub(crate) good: u64,
    /// Where something was changed that had safely reached the disk, and with what follows it could not come about.
    pub(crate) damage: Option<Damage>,
}

/// A journal that was changed by something other than a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Bytes that are good before it.
    pub(crate) at: u64,
    /// Where a frame was found that says that all before it had been on the disk.
    pub(crate) witness: u64,
}

/// The items that are called dead, and that no later run has saved.
pub(crate) fn dead_in(disk: &mut Disk) -> io::Result<BTreeSet<u64>> {
    let mut dead = BTreeSet::new();
    let mut is_retry = false;
    recover(disk, |_, frame| match &frame.entry {
        Entry::Began(began) => is_retry = began.is_retry,
        Entry::Progress(progress) => {
            let saved = progress.saved.iter().cloned().flatten();
            for index in saved.filter(|_| is_retry) {
                dead.remove(&index);
            }
            dead.extend(progress.dead.iter().cloned().flatten());
        }
        Entry::Ended { .. } => {}
    })?;
    Ok(dead)
}

/// Reads everything. `None` of a file that holds no journal yet: empty, or cut off before its first frame was whole.
/// `each` sees every frame.
pub(crate) fn recover(
    disk: &mut Disk,
    mut each: impl FnMut(u64, &Frame),
) -> io::Result<Option<Recovered>> {
    let mut scan = Scan::new(disk)?;
    let Some(salt) = salt_of(scan.bytes(HEAD)?) else {
        let is_short = scan.length <= UNWRITTEN_MAX;
        let length = if is_short { scan.length as usize } else { HEAD };
        let begin = scan.bytes(length)?;
        if is_short && is_torn(begin) {
            return Ok(None);
        }
        return Err(refused(no_head(begin)));
    };
    scan.skip(HEAD);
    let mut recovered = Recovered {
        salt,
        state: State::default(),
        good: HEAD as u64,
        damage: None,
    };
    while let Some((frame, sum, size)) = scan.frame(salt)? {
        if !recovered.state.is_next(&frame) {
            break;
        }
        each(recovered.good, &frame);
        recovered.state.apply(frame, sum);
        scan.skip(size);
        recovered.good = scan.at;
    }
    recovered.damage = scan.witness(salt)?.map(|witness| Damage {
        at: recovered.good,
        witness,
    });
    let is_begun = recovered.damage.is_some() || recovered.state.sequence > 0;
    Ok(is_begun.then_some(recovered))
}

/// Whether the machine stopped while the head was written: of a file that is new, what was not written is missing or zero,
/// and nothing is behind it.
fn is_torn(bytes: &[u8]) -> bool {
    let written = bytes.iter().zip(MAGIC).take_while(|(a, b)| a == b).count();
    let unwritten = match written == MAGIC.len() {
        true => HEAD,
        false => written,
    };
    bytes.iter().skip(unwritten).all(|byte| *byte == 0)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// What a file is that begins so.
fn no_head(begin: &[u8]) -> &'static str {
    let name = MAGIC.len() - 4;
    if begin.starts_with(MAGIC) {
        "a journal whose first bytes were changed"
    } else if begin.starts_with(&MAGIC[..name]) {
        "a journal of another version of inflight"
    } else {
        "not a journal of inflight"
    }
}

/// A window that moves over the file.
struct Scan<'a> {
    disk: &'a mut Disk,
    /// Where the window begins in the file.
    at: u64,
    length: u64,
    window: Vec<u8>,
    /// What of the window lies before `at`.
    skipped: usize,
}

impl<'a> Scan<'a> {
    fn new(disk: &'a mut Disk) -> io::Result<Scan<'a>> {
        Ok(Scan {
            length: disk.len()?,
            disk,
            at: 0,
            window: Vec::new(),
            skipped: 0,
        })
    }

    /// The next bytes, as many as there are up to this.
    fn bytes(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.window.len() - self.skipped < count && self.window_end() < self.length {
            self.window.drain(..self.skipped);
            self.skipped = 0;
            let kept = self.window.len();
            let missing = (self.length - self.window_end()).min(count.max(WINDOW) as u64);
            self.window.resize(kept + missing as usize, 0);
            let from = self.at + kept as u64;
            let got = self.disk.read_at(from, &mut self.window[kept..])?;
            self.window.truncate(kept + got);
        }
        let rest = &self.window[self.skipped..];
        Ok(&rest[..rest.len().min(count)])
    }

    fn window_end(&self) -> u64 {
        self.at + (self.window.len() - self.skipped) as u64
    }

    fn skip(&mut self, count: usize) {
        self.skipped += count;
        self.at += count as u64;
    }

    /// The frame that begins here, if one does.
    fn frame(&mut self, salt: [u8; 4]) -> io::Result<Option<(Frame, u32, usize)>> {
        let mut wanted = PREFIX;
        loop {
            let bytes = self.bytes(wanted)?;
            match Frame::parse(salt, bytes) {
                Parsed::Frame(frame, sum, size) => return Ok(Some((frame, sum, size))),
                Parsed::Partial(more) if more > wanted && bytes.len() == wanted => wanted = more,
                Parsed::Partial(_) | Parsed::Bad => return Ok(None),
            }
        }
    }

    /// Looks on, byte by byte, for a whole frame that says that all before it was on the disk. What follows a torn
    /// end may be whole frames too, but none that say so.
    fn witness(&mut self, salt: [u8; 4]) -> io::Result<Option<u64>> {
        while self.at < self.length {
            if let Some((frame, _, size)) = self.frame(salt)? {
                if frame.is_after_sync {
                    return Ok(Some(self.at));
                }
                self.skip(size);
            } else {
                self.skip(1);
            }
        }
        Ok(None)
    }
}
