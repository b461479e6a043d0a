//! The bytes of a journal: frames with length, checksum, sequence and chain. Pure: plain data in and out.
//!
//! A frame can be told to be whole by itself, and whether it follows the frame before it. It also says whether all
//! before it had reached the disk when it was written: that is what tells the torn end of a crash from damage.

use std::ops::Range;

use crate::source::Place;

/// How a journal begins: a name and a version. Then come four bytes of salt, which go into every checksum, so that no
/// frame of another file is taken for one of this; and the checksum of all that, so that a changed salt is noticed.
pub(crate) const MAGIC: &[u8; 12] = b"inflight\0\0\0\x02";

/// Bytes before the first frame.
pub(crate) const HEAD: usize = MAGIC.len() + 8;

/// What comes before the first frame.
pub(crate) fn head(salt: [u8; 4]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[MAGIC.len()..][..4].copy_from_slice(&salt);
    let sum = crc32c::crc32c(&head[..MAGIC.len() + 4]);
    head[MAGIC.len() + 4..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// The salt of a head that is whole.
pub(crate) fn salt_of(bytes: &[u8]) -> Option<[u8; 4]> {
    let salt = *bytes.get(MAGIC.len()..)?.first_chunk()?;
    (bytes == head(salt)).then_some(salt)
}

/// The largest body: twice what is ever written (see `RANGES_MAX` in `mod.rs`), and small enough to look for in garbage.
pub(crate) const BODY_MAX: usize = 1 << 20;

/// Bytes of length and checksum before a body.
pub(crate) const PREFIX: usize = 8;

/// One thing that the journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Began(Began),
    Progress(Progress),
    /// A run ended and recorded all that it knew.
    Ended {
        /// Nothing is left to do.
        is_complete: bool,
    },
}

/// A run began, or went on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Began {
    /// Counts the runs of this journal, from 1.
    pub epoch: u64,
    /// Seconds since 1970 by the clock on the wall.
    pub at_s: u64,
    /// Whether it tried dead letters again and nothing else.
    pub is_retry: bool,
    /// Whether items are known by their keys, so that an item is the number of its key; see [`Key`](crate::Key).
    pub is_keyed: bool,
    /// What job it is: names and values, in the words of whoever started it. A run with others is refused.
    pub job: Vec<(String, String)>,
    /// How it was started, for whoever wants to go on.
    pub command: Command,
}

/// How a run was started: enough to start it again. Whoever fills it in leaves secrets out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The folder in which it was.
    pub folder: String,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// What has come about since the frame before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Items saved, as ranges in their order.
    pub(crate) saved: Vec<Range<u64>>,
    /// Items that will not be tried again, likewise.
    pub(crate) dead: Vec<Range<u64>>,
    /// How far the sink's own output had come when these were saved; see `Connection::mark`.
    pub(crate) mark: Option<u64>,
    /// Where reading stood, the latest last.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// Where a source can go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The next item there.
    pub(crate) index: u64,
    pub(crate) place: Place,
}

/// A frame as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    /// The checksum of the frame before.
    pub(crate) chain: u32,
    /// All before it was on the disk when it was written.
    pub(crate) is_after_sync: bool,
    pub(crate) entry: Entry,
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A frame, its checksum, and how many bytes it takes.
    Frame(Frame, u32, usize),
    /// The beginning of what may be a frame; so many bytes would tell.
    Partial(usize),
    /// Nothing that was ever written so.
    Bad,
}

impl Frame {
    /// Appends the frame to `bytes`; says what its checksum is.
    pub(crate) fn write(&self, salt: [u8; 4], bytes: &mut Vec<u8>) -> u32 {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; PREFIX]);
        let sync = u8::from(self.is_after_sync) << 7;
        match &self.entry {
            Entry::Began(_) => bytes.push(1 | sync),
            Entry::Progress(_) => bytes.push(2 | sync),
            Entry::Ended { is_complete: true } => bytes.push(3 | sync),
            Entry::Ended { is_complete: false } => bytes.push(4 | sync),
        }
        number(self.sequence, bytes);
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        match &self.entry {
            Entry::Began(began) => write_began(began, bytes),
            Entry::Progress(progress) => write_progress(progress, bytes),
            Entry::Ended { .. } => {}
        }
        let length = (bytes.len() - start - PREFIX) as u32;
        bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(salt, &bytes[start..start + 4], &bytes[start + PREFIX..]);
        bytes[start + 4..start + PREFIX].copy_from_slice(&sum.to_le_bytes());
        sum
    }

    /// Reads the frame at the beginning of `bytes`.
    pub(crate) fn parse(salt: [u8; 4], bytes: &[u8]) -> Parsed {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
            return Parsed::Partial(PREFIX);
        };
        let size = u32::from_le_bytes(*length) as usize;
        if size == 0 || size > BODY_MAX {
            return Parsed::Bad;
        }
        let Some((sum, rest)) = rest.split_first_chunk::<4>() else {
            return Parsed::Partial(PREFIX);
        };
        let Some(body) = rest.get(..size) else {
            return Parsed::Partial(PREFIX + size);
        };
        let sum = u32::from_le_bytes(*sum);
        if checksum(salt, length, body) != sum {
            return Parsed::Bad;
        }
        match read_body(&mut Reader(body)) {
            Some(frame) => Parsed::Frame(frame, sum, PREFIX + size),
            None => Parsed::Bad,
        }
    }
}

fn checksum(salt: [u8; 4], length: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&salt), length), body)
}

fn write_began(began: &Began, bytes: &mut Vec<u8>) {
    number(began.epoch, bytes);
    number(began.at_s, bytes);
    number(
        u64::from(began.is_retry) | u64::from(began.is_keyed) << 1,
        bytes,
    );
    number(began.job.len() as u64, bytes);
    for (name, value) in &began.job {
        string(name.as_bytes(), bytes);
        string(value.as_bytes(), bytes);
    }
    string(began.command.folder.as_bytes(), bytes);
    number(began.command.words.len() as u64, bytes);
    for word in &began.command.words {
        string(word.as_bytes(), bytes);
    }
}

fn write_progress(progress: &Progress, bytes: &mut Vec<u8>) {
    write_ranges(&progress.saved, bytes);
    write_ranges(&progress.dead, bytes);
    // One more than the mark, so that 0 says that there is none.
    number(progress.mark.map_or(0, |mark| mark + 1), bytes);
    number(progress.checkpoints.len() as u64, bytes);
    for Checkpoint { index, place } in &progress.checkpoints {
        number(*index, bytes);
        string(&place.0, bytes);
    }
}

/// Each range as its distance from the one before and its length.
fn write_ranges(ranges: &[Range<u64>], bytes: &mut Vec<u8>) {
    number(ranges.len() as u64, bytes);
    let mut end = 0;
    for range in ranges {
        number(range.start - end, bytes);
        number(range.end - range.start, bytes);
        end = range.end;
    }
}

fn string(text: &[u8], bytes: &mut Vec<u8>) {
    number(text.len() as u64, bytes);
    bytes.extend_from_slice(text);
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn number(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A body that passed its checksum; `None` from any of these means that another version wrote it.
struct Reader<'a>(&'a [u8]);

fn read_body(body: &mut Reader<'_>) -> Option<Frame> {
    let kind = body.byte()?;
    let sequence = body.number()?;
    let chain = u32::from_le_bytes(body.bytes(4)?.try_into().ok()?);
    let entry = match kind & 0x7f {
        1 => Entry::Began(body.began()?),
        2 => Entry::Progress(body.progress()?),
        3 => Entry::Ended { is_complete: true },
        4 => Entry::Ended { is_complete: false },
        _ => return None,
    };
    body.0.is_empty().then_some(Frame {
        sequence,
        chain,
        is_after_sync: kind & 0x80 != 0,
        entry,
    })
}

impl<'a> Reader<'a> {
    fn began(&mut self) -> Option<Began> {
        let (epoch, at_s) = (self.number()?, self.number()?);
        let flags = self.number()?;
        let mut job = Vec::new();
        for _ in 0..self.number()? {
            let (name, value) = (self.string()?, self.string()?);
            job.push((name, value));
        }
        let folder = self.string()?;
        let mut words = Vec::new();
        for _ in 0..self.number()? {
            words.push(self.string()?);
        }
        Some(Began {
            epoch,
            at_s,
            is_retry: flags & 1 != 0,
            is_keyed: flags & 2 != 0,
            job,
            command: Command { folder, words },
        })
    }

    fn progress(&mut self) -> Option<Progress> {
        let (saved, dead) = (self.ranges()?, self.ranges()?);
        let mark = self.number()?.checked_sub(1);
        let mut checkpoints = Vec::new();
        for _ in 0..self.number()? {
            let index = self.number()?;
            let length = self.number()?.try_into().ok()?;
            let place = Place(self.bytes(length)?.to_vec());
            checkpoints.push(Checkpoint { index, place });
        }
        Some(Progress {
            saved,
            dead,
            mark,
            checkpoints,
        })
    }

    fn ranges(&mut self) -> Option<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        let mut end = 0_u64;
        for _ in 0..self.number()? {
            let start = end.checked_add(self.number()?)?;
            end = start.checked_add(self.number()?)?;
            ranges.push(start..end);
        }
        Some(ranges)
    }

    fn string(&mut self) -> Option<String> {
        let length = self.number()?.try_into().ok()?;
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: [u8; 4] = [1, 2, 3, 4];

    fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        prop::collection::vec((0u64..1 << 40, 0u64..1 << 40), 0..5).prop_map(|gaps| {
            let mut end = 0;
            let after = |(gap, count)| {
                let range = end + gap..end + gap + count;
                end = range.end;
                range
            };
            gaps.into_iter().map(after).collect()
        })
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let checkpoint = (any::<u64>(), prop::collection::vec(any::<u8>(), 0..20));
        let checkpoint = checkpoint.prop_map(|(index, place)| Checkpoint {
            index,
            place: Place(place),
        });
        let progress = (
            ranges(),
            ranges(),
            prop::option::of(0..u64::MAX),
            prop::collection::vec(checkpoint, 0..3),
        );
        let began = (
            any::<(u64, u64, (bool, bool))>(),
            any::<Vec<(String, String)>>(),
            any::<(String, Vec<String>)>(),
        );
        prop_oneof![
            any::<bool>().prop_map(|is_complete| Entry::Ended { is_complete }),
            progress.prop_map(
                |(saved, dead, mark, checkpoints)| Entry::Progress(Progress {
                    saved,
                    dead,
                    mark,
                    checkpoints
                })
            ),
            began.prop_map(
                |((epoch, at_s, (is_retry, is_keyed)), job, (folder, words))| Entry::Began(Began {
                    epoch,
                    at_s,
                    is_retry,
                    is_keyed,
                    job,
                    command: Command { folder, words },
                })
            ),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn what_is_written_is_read(entry in entry(), sequence: u64, chain: u32, is_after_sync: bool) {
            let frame = Frame { sequence, chain, is_after_sync, entry };
            let mut bytes = Vec::new();
            let sum = frame.write(SALT, &mut bytes);
            prop_assert_eq!(Frame::parse(SALT, &bytes), Parsed::Frame(frame.clone(), sum, bytes.len()));
            let other = Frame::parse([9; 4], &bytes);
            prop_assert_eq!(other, Parsed::Bad, "of another journal");
            for cut in 0..bytes.len() {
                let partial = matches!(Frame::parse(SALT, &bytes[..cut]), Parsed::Partial(_));
                prop_assert!(partial, "cut at {}", cut);
            }
        }

        /// Whatever single byte is changed, the frame is not taken for another.
        #[test]
        fn a_changed_byte_is_seen(entry in entry(), at: prop::sample::Index, change in 1u8..) {
            let frame = Frame { sequence: 7, chain: 8, is_after_sync: true, entry };
            let mut bytes = Vec::new();
            frame.write(SALT, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(!matches!(Frame::parse(SALT, &bytes), Parsed::Frame(..)));
        }
    }

    #[test]
    fn a_thousand_neighbours_take_a_few_bytes() {
        let mut bytes = Vec::new();
        let progress = Progress {
            saved: vec![1_000_000..1_001_000, 1_002_000..1_003_000],
            ..Progress::default()
        };
        let frame = Frame {
            sequence: 1000,
            chain: 0,
            is_after_sync: false,
            entry: Entry::Progress(progress),
        };
        frame.write(SALT, &mut bytes);
        assert!(bytes.len() < 30, "{}", bytes.len());
    }
}
