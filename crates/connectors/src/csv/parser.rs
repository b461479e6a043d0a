//! Cuts CSV records from bytes that come in pieces, and knows the line at which it stands.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::cutter::LINE_BYTES_MAX;
use crate::line_place::LinePlace;

/// Values of one record at most: more than any spreadsheet has columns.
const VALUES_MAX: usize = 1 << 16;

/// Cuts records from bytes that come in pieces.
pub(super) struct Parser {
    pub(super) reader: Reader,
    delimiter: u8,
    /// The values of the record so far, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// How much of both is used.
    text_length: usize,
    pub(super) count: usize,
    /// Whether the record has grown too long, so that the rest of it is read past.
    pub(super) is_over: bool,
    /// Whether a record has begun and not ended.
    pub(super) is_begun: bool,
    /// How much of a byte order mark has come; `None` where none can come any more.
    mark: Option<usize>,
}

/// What some programs write before the first byte of a text in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// All of it was taken, and the record has not ended.
    Piece,
    Record,
}

impl Parser {
    pub(super) fn new(delimiter: u8) -> Parser {
        Parser {
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            text: vec![0; 4 << 10],
            ends: vec![0; 64],
            text_length: 0,
            count: 0,
            is_over: false,
            is_begun: false,
            mark: Some(0),
        }
    }

    /// Begins anew, in the middle of a file.
    pub(super) fn restart(&mut self, place: &LinePlace) {
        *self = Parser::new(self.delimiter);
        // Only at the beginning of a file is a byte order mark none of a value.
        self.parse(b"\n");
        // The end that a last record has got since is of a line that was counted.
        self.reader.set_line(place.line + u64::from(!place.is_cut));
    }

    /// The values of the record so far, one after the other.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.text_length]
    }

    /// Takes from this piece up to the end of the record, or all of it; says how many bytes.
    pub(super) fn parse(&mut self, piece: &[u8]) -> (Parsed, usize) {
        if let Some(before) = self.mark {
            return self.begin(piece, before);
        }
        if let Some(taken) = self.plain(piece) {
            return (Parsed::Record, taken);
        }
        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.reader.read_record(
                &piece[taken..],
                &mut self.text[self.text_length..],
                &mut self.ends[self.count..],
            );
            taken += read;
            self.text_length += written;
            self.count += ended;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    self.is_begun |= piece.iter().any(|byte| !b"\r\n".contains(byte));
                    return (Parsed::Piece, taken);
                }
                ReadRecordResult::Record => {
                    // So that lines are counted right.
                    let ends_in_two =
                        piece[..taken].ends_with(b"\r") && piece[taken..].starts_with(b"\n");
                    if ends_in_two {
                        self.reader.read_record(b"\n", &mut [0; 1], &mut [0; 1]);
                    }
                    return (Parsed::Record, taken + usize::from(ends_in_two));
                }
                ReadRecordResult::OutputFull => self.grow_text(),
                ReadRecordResult::OutputEndsFull => self.grow_ends(),
            }
        }
    }

    /// The same for the first pieces, of which so many bytes were those of a byte order mark: it is of no value.
    fn begin(&mut self, piece: &[u8], before: usize) -> (Parsed, usize) {
        let same = piece.iter().zip(&MARK[before..]);
        let taken = same.take_while(|(byte, of_mark)| byte == of_mark).count();
        let come = before + taken;
        self.mark = Some(come).filter(|_| come < MARK.len() && taken == piece.len());
        if self.mark.is_some() {
            return (Parsed::Piece, taken);
        }
        if come < MARK.len() {
            // It was none: these are bytes of the first value.
            self.parse(&MARK[..come]);
        }
        let (parsed, rest) = self.parse(&piece[taken..]);
        (parsed, taken + rest)
    }

    /// Takes a whole record without quotes, as most are, and says how many bytes: its ends are searched for many bytes at a time,
    /// where the state machine looks at one after the other.
    fn plain(&mut self, piece: &[u8]) -> Option<usize> {
        let is_amid = self.is_begun || self.is_over || self.text_length + self.count > 0;
        if is_amid {
            return None;
        }
        let end = memchr::memchr3(b'\n', b'\r', b'"', piece)?;
        let taken = match piece[end..] {
            [b'\n', ..] => end + 1,
            [b'\r', b'\n', ..] => end + 2,
            _ => return None,
        };
        let line = &piece[..end];
        // An empty line is no record. What is long beyond measure is left to the state machine.
        if line.is_empty() || line.len() > LINE_BYTES_MAX {
            return None;
        }
        if self.text.len() < line.len() {
            self.text.resize(line.len().next_power_of_two(), 0);
        }
        let mut start = 0;
        for end in memchr::memchr_iter(self.delimiter, line).chain([line.len()]) {
            if self.count == self.ends.len() {
                if self.count >= VALUES_MAX {
                    (self.text_length, self.count) = (0, 0);
                    return None;
                }
                self.grow_ends();
            }
            let value = &line[start..end];
            self.text[self.text_length..][..value.len()].copy_from_slice(value);
            self.text_length += value.len();
            self.ends[self.count] = self.text_length;
            self.count += 1;
            start = end + 1;
        }
        self.reader.set_line(self.reader.line() + 1);
        Some(taken)
    }

    fn grow_text(&mut self) {
        if self.text.len() >= LINE_BYTES_MAX {
            // Nothing of it is used any more.
            (self.is_over, self.text_length) = (true, 0);
        } else {
            self.text.resize(self.text.len() * 2, 0);
        }
    }

    fn grow_ends(&mut self) {
        if self.ends.len() >= VALUES_MAX {
            (self.is_over, self.count) = (true, 0);
        } else {
            self.ends.resize(self.ends.len() * 2, 0);
        }
    }

    /// The line ends in the values of the record that has ended; `None` where they were not kept.
    pub(super) fn lines_within(&self) -> Option<u64> {
        let text = &self.text[..self.text_length];
        let has_ended =
            self.count > 0 && !self.is_over && self.ends[self.count - 1] == self.text_length;
        has_ended.then(|| memchr::memchr_iter(b'\n', text).count() as u64)
    }

    /// Gets ready for the next record.
    pub(super) fn forget(&mut self) {
        (self.text_length, self.count) = (0, 0);
        (self.is_over, self.is_begun) = (false, false);
        if self.text.len() > 1 << 20 {
            // One long record does not hold its memory until the end.
            self.text = vec![0; 4 << 10];
        }
    }

    /// The values of the record that has ended; what is wrong with it otherwise.
    pub(super) fn values(&self) -> Result<(&str, &[usize]), String> {
        if self.is_over {
            return Err(format!(
                "longer than {} MiB; is there a quote that is never closed?",
                LINE_BYTES_MAX >> 20
            ));
        }
        let (bytes, ends) = (&self.text[..self.text_length], &self.ends[..self.count]);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| "not UTF-8 text; save the file as UTF-8".to_owned())?;
        // The bytes of two values could make one letter.
        match ends.iter().all(|end| text.is_char_boundary(*end)) {
            true => Ok((text, ends)),
            false => Err("not UTF-8 text; save the file as UTF-8".into()),
        }
    }
}
