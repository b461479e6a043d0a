//! What a worker has written and nobody has taken yet, cut into lines or frames. Pure, and bounded.

use std::ops::Range;

use super::frames::FRAME_MAX;

/// The longest line, in bytes: as long as the longest item an input may hold.
pub(super) const LINE_MAX: usize = 16 << 20;

/// What is kept of a buffer that one long line has made large.
const KEPT_MAX: usize = 1 << 20;

/// Bytes as they came.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// Where the next line begins; what is before it has been taken.
    from: usize,
    /// Up to here there is no line end.
    looked: usize,
}

impl Incoming {
    /// Adds what came.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.from == self.bytes.len() {
            self.clear();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_MAX);
        (self.from, self.looked) = (0, 0);
    }

    /// Where the next whole line is, without its end. It stays there until something is added.
    pub(super) fn line(&mut self) -> Option<Range<usize>> {
        let found = memchr::memchr(b'\n', &self.bytes[self.looked..]);
        let Some(at) = found else {
            self.looked = self.bytes.len();
            self.drop_taken();
            return None;
        };
        let end = self.looked + at;
        let line = self.from..end;
        (self.from, self.looked) = (end + 1, end + 1);
        Some(line)
    }

    /// The bytes of a line.
    pub(super) fn get(&self, line: Range<usize>) -> &[u8] {
        &self.bytes[line]
    }

    /// Where the next whole frame is, without its length. It stays there until something is added.
    pub(super) fn frame(&mut self) -> Option<Range<usize>> {
        let rest = &self.bytes[self.from..];
        let length = rest.first_chunk::<4>();
        let length = length.map(|length| u32::from_le_bytes(*length) as usize);
        let whole = length.filter(|length| rest.len() - 4 >= *length);
        let Some(length) = whole else {
            self.looked = self.from;
            self.drop_taken();
            return None;
        };
        let frame = self.from + 4..self.from + 4 + length;
        (self.from, self.looked) = (frame.end, frame.end);
        Some(frame)
    }

    /// Whether what is coming is longer than any may be: a line, or a frame.
    pub(super) fn is_too_long(&self, in_frames: bool) -> bool {
        let most = if in_frames { FRAME_MAX } else { LINE_MAX };
        self.bytes.len() - self.from > most
    }

    /// Moves the beginning of the next line to the front, so that what is held is at most that line.
    fn drop_taken(&mut self) {
        self.bytes.drain(..self.from);
        self.looked -= self.from;
        self.from = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(incoming: &mut Incoming) -> Vec<String> {
        let next = || {
            let line = incoming.line()?;
            Some(String::from_utf8(incoming.get(line).to_vec()).unwrap())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn lines_are_cut_however_they_come() {
        let text = "one\n\ntwo and more\nthe rest";
        for size in 1..text.len() {
            let mut incoming = Incoming::default();
            let mut found = Vec::new();
            for part in text.as_bytes().chunks(size) {
                incoming.add(part);
                found.extend(lines(&mut incoming));
            }
            assert_eq!(found, ["one", "", "two and more"], "{size}");
            incoming.add(b"\n");
            assert_eq!(lines(&mut incoming), ["the rest"]);
        }
    }

    #[test]
    fn frames_are_cut_however_they_come() {
        let bytes = b"\x03\0\0\0a\nb\0\0\0\0\x01\0\0\0c\x02\0";
        for size in 1..bytes.len() {
            let mut incoming = Incoming::default();
            let mut found = Vec::new();
            for part in bytes.chunks(size) {
                incoming.add(part);
                while let Some(frame) = incoming.frame() {
                    found.push(incoming.get(frame).to_vec());
                }
            }
            assert_eq!(found, [&b"a\nb"[..], b"", b"c"], "{size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_too_long_and_long_lines_are_forgotten() {
        let mut incoming = Incoming::default();
        incoming.add(&vec![b'x'; LINE_MAX]);
        assert!(incoming.line().is_none() && !incoming.is_too_long(false));
        incoming.add(b"y");
        assert!(incoming.line().is_none() && incoming.is_too_long(false));
        incoming.add(b"\n");
        assert!(incoming.line().is_some() && !incoming.is_too_long(false));
        incoming.add(b"z");
        assert!(incoming.bytes.capacity() <= KEPT_MAX);
    }
}
