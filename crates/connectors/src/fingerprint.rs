//! Whether a file is what it was: told from its length and both its ends, without reading what lies between.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of each end that are looked at: they take less than a millisecond, and a change that leaves both ends and the
/// length alone is seen when the places of the journal are checked.
const END_BYTES: u64 = 1 << 20;

/// What is written down of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    bytes: u64,
    /// `xxh3_64` of the first and of the last mebibyte, or of all there is.
    head: u64,
    tail: u64,
    /// Whether the last line has no end.
    is_cut: bool,
}

impl Fingerprint {
    pub(crate) fn of(file: &File) -> io::Result<Fingerprint> {
        let bytes = file.metadata()?.len();
        Fingerprint::of_first(file, bytes)
    }

    /// How long the file was.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As if the file held only so many bytes, which it does.
    fn of_first(file: &File, bytes: u64) -> io::Result<Fingerprint> {
        let end = bytes.min(END_BYTES);
        let head = read(file, 0, end)?;
        let tail = read(file, bytes - end, end)?;
        Ok(Fingerprint {
            bytes,
            head: xxh3_64(&head),
            tail: xxh3_64(&tail),
            is_cut: tail.last().is_some_and(|last| *last != b'\n'),
        })
    }

    /// Reads what [`Fingerprint::to_string`] wrote; `None` of anything else.
    pub(crate) fn parse(text: &str) -> Option<Fingerprint> {
        let mut parts = text.split(' ');
        let mut value = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let fingerprint = Fingerprint {
            bytes: value("bytes")?.parse().ok()?,
            head: u64::from_str_radix(value("head")?, 16).ok()?,
            tail: u64::from_str_radix(value("tail")?, 16).ok()?,
            is_cut: match value("end")? {
                "newline" => false,
                "cut" => true,
                _ => return None,
            },
        };
        parts.next().is_none().then_some(fingerprint)
    }

    /// Whether the file still is what it was, or has been appended to; else what differs, in a sentence.
    pub(crate) fn continues_in(&self, file: &File, name: &str) -> Result<(), String> {
        self.begins(file, name)?;
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let bytes = file.metadata().map_err(fail)?.len();
        let next = read(file, self.bytes, 2.min(bytes - self.bytes)).map_err(fail)?;
        match self.is_cut && !may_follow_cut(&next) {
            true => Err(continued(name)),
            false => Ok(()),
        }
    }

    /// Whether the file begins with what it was, whatever follows; else what differs, in a sentence.
    pub(crate) fn begins(&self, file: &File, name: &str) -> Result<(), String> {
        let fail = |cause: io::Error| format!("cannot read {name}: {cause}");
        let bytes = file.metadata().map_err(fail)?.len();
        if bytes < self.bytes {
            return Err(shorter(name, bytes, self.bytes));
        }
        let now = Fingerprint::of_first(file, self.bytes).map_err(fail)?;
        let end = self.bytes.min(END_BYTES);
        if now.head != self.head {
            return Err(changed(name, end));
        }
        if now.tail != self.tail {
            return Err(format!(
                "bytes {} to {} of {name} are not what they were",
                grouped(self.bytes - end + 1),
                grouped(self.bytes)
            ));
        }
        Ok(())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Fingerprint {
            bytes, head, tail, ..
        } = self;
        let end = if self.is_cut { "cut" } else { "newline" };
        write!(
            f,
            "bytes={bytes} head={head:016x} tail={tail:016x} end={end}"
        )
    }
}

fn read(mut file: &File, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.seek(SeekFrom::Start(from))?;
    file.take(bytes).read_to_end(&mut read)?;
    match read.len() as u64 == bytes {
        true => Ok(read),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether these bytes may come after a last line that had no end, and leave it the line that it was.
pub(crate) fn may_follow_cut(next: &[u8]) -> bool {
    next.is_empty() || next.starts_with(b"\n") || next.starts_with(b"\r\n")
}

/// What is said of a file that lacks something.
pub(crate) fn shorter(name: &str, bytes: u64, before: u64) -> String {
    let (bytes, before) = (grouped(bytes), grouped(before));
    format!("{name} is shorter than it was: {bytes} bytes, and it had {before}")
}

/// What is said of a file whose beginning has changed.
pub(crate) fn changed(name: &str, bytes: u64) -> String {
    format!(
        "the first {} bytes of {name} are not what they were",
        grouped(bytes)
    )
}

/// What is said of a line that was taken for whole.
pub(crate) fn continued(name: &str) -> String {
    format!("the last line of {name} had no end, and has been continued since")
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn what_is_no_fingerprint_is_none() {
        let text = "bytes=3 head=00000000000000ff tail=0000000000000001 end=cut";
        assert_eq!(Fingerprint::parse(text).unwrap().to_string(), text);
        for text in [
            "",
            "stdin",
            "0..600",
            "bytes=3 head=ff tail=1",
            "bytes=3 head=f tail=1 end=x",
        ] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }
}
