//! Reads items from the lines of a file or stream: text, or JSON.
//!
//! Hands over the lines it has instead of waiting for more, and streams past a line that is too long.

use std::io::{self, BufRead};

use inflight::{Fault, Place, Source};

use crate::cutter::{Content, Cutter, LINE_BYTES_MAX};
use crate::going_on::{check, read_place, unreadable};
use crate::line_place::LinePlace;
use crate::payload::Payload;
use crate::window::Window;

/// What some editors put in front of UTF-8 text. It belongs to no item.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The items of a file or stream.
pub(crate) struct Lines {
    reader: Window,
    /// Whether reading on can end without anybody typing: false for stdin.
    ends_by_itself: bool,
    has_begun: bool,
    /// Whether the end was seen. What is appended after that is for another run: the last line was taken for whole.
    has_ended: bool,
    /// The beginning of a line whose end has not been read yet.
    partial: Vec<u8>,
    /// Whether the rest of the line is skipped because it has grown too long.
    is_over: bool,
    /// Where a later run would go on, if that is not where the reader stands: before the line that is read in pieces, or
    /// where items ended and counting began.
    place: Option<LinePlace>,
    cutter: Cutter,
}

impl Lines {
    /// Lines of a file or pipe, by name. `remaining` is how many are items, where that was counted.
    pub(crate) fn of_file(
        name: &str,
        file: Window,
        content: Content,
        remaining: Option<u64>,
    ) -> Lines {
        Lines {
            reader: file,
            ends_by_itself: true,
            has_begun: false,
            has_ended: false,
            partial: Vec::new(),
            is_over: false,
            place: None,
            cutter: Cutter::new(name, content, remaining),
        }
    }

    /// Lines of a stream that may never end.
    pub(crate) fn of_stream(name: &str, stream: Window, content: Content) -> Lines {
        Lines {
            ends_by_itself: false,
            ..Lines::of_file(name, stream, content, None)
        }
    }

    /// Reads one buffer or line further; false at the end of the input.
    fn step(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<bool, Fault> {
        let buffer = match self.reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(cause) => {
                let message = format!("cannot read {} on", self.cutter.name);
                return Err(Fault::permanent(message).because(cause));
            }
        };
        if buffer.is_empty() {
            let checked = self.reader.check_end(&self.cutter.name);
            checked
                .map_err(|cause| unreadable(&self.cutter.name, cause))?
                .map_err(Fault::permanent)?;
            self.end(items);
            return Ok(false);
        }
        let end = memchr::memchr(b'\n', buffer);
        if let Some(end) = end
            && !self.is_in_pieces()
        {
            self.cutter.cut(&self.reader.buffer()[..end], items);
            self.reader.consume(end + 1);
            return Ok(true);
        }
        if !self.is_in_pieces() {
            self.place = self.here(false);
        }
        let buffer = self.reader.buffer();
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        // A line that is too long is read past without being held.
        self.is_over |= self.partial.len() + piece.len() > LINE_BYTES_MAX;
        if self.is_over {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        self.reader.consume(used);
        if end.is_some() {
            self.finish(items);
            self.place = None;
        }
        Ok(true)
    }

    /// Takes a last line that has no end for whole.
    fn end(&mut self, items: &mut Vec<Result<Payload, Fault>>) {
        self.has_ended = true;
        let before = self.cutter.items;
        if self.is_in_pieces() {
            self.finish(items);
        }
        // One that was no item may still become one.
        if self.cutter.items > before {
            self.place = self.here(true);
        }
    }

    fn is_in_pieces(&self) -> bool {
        self.is_over || !self.partial.is_empty()
    }

    /// Where the reader stands; `None` where nobody can go back, or wants to.
    fn here(&mut self, is_cut: bool) -> Option<LinePlace> {
        if !self.reader.is_file() {
            return None;
        }
        Some(LinePlace {
            hash: self.reader.digest()?,
            offset: self.reader.offset(),
            line: self.cutter.line,
            items: self.cutter.items,
            is_cut,
        })
    }

    /// Ends a line that was read in pieces.
    fn finish(&mut self, items: &mut Vec<Result<Payload, Fault>>) {
        if self.is_over {
            self.cutter.refuse(items);
            self.is_over = false;
        } else {
            // Taken, so that one long line does not hold its memory until the end.
            let line = std::mem::take(&mut self.partial);
            self.cutter.cut(&line, items);
        }
    }
}

/// Going on where an earlier run has stopped.
impl Lines {
    /// Goes on at this place, where the reader stands.
    fn go_on(&mut self, place: &LinePlace) -> Result<(), Fault> {
        self.has_begun = place.offset > 0;
        (self.cutter.line, self.cutter.items) = (place.line, place.items);
        let remaining = &mut self.cutter.remaining;
        *remaining = remaining.map(|all| all.saturating_sub(place.items));
        if place.is_cut {
            let next = self
                .reader
                .peek()
                .map_err(|cause| unreadable(&self.cutter.name, cause))?;
            if next.is_empty() {
                // Whatever comes from now on is for another run, which will see whether it continues that line.
                self.has_ended = true;
                self.place = Some(place.clone());
            }
            // The end that the last line has got since is of a line that was counted.
            let line_end = next.iter().position(|byte| *byte == b'\n');
            let skipped = self.reader.offset() + line_end.map_or(0, |at| at as u64 + 1);
            let skipped = self.reader.take_to(skipped);
            skipped.map_err(|cause| unreadable(&self.cutter.name, cause))?;
        }
        Ok(())
    }
}

impl Source for Lines {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        if !self.has_begun {
            self.has_begun = true;
            // A failure here shows again, with its message, in the first step.
            let _ = skip_byte_order_mark(&mut self.reader);
        }
        let before = items.len();
        while items.len() - before < max && !self.has_ended {
            // Only an empty buffer makes the next step wait.
            let would_wait = self.reader.buffer().is_empty();
            if (would_wait && items.len() > before) || !self.step(items)? {
                break;
            }
        }
        Ok(())
    }

    fn place(&mut self) -> Option<Place> {
        let place = match &self.place {
            Some(place) => Some(place.clone()),
            None => self.here(false),
        };
        Some(place?.to_place())
    }

    fn resume(&mut self, from: Option<&Place>, read_to: Option<&Place>) -> Result<(), Fault> {
        let name = &self.cutter.name;
        let read = |place| read_place(&self.reader, name, place);
        let (from, read_to) = (read(from)?, read(read_to)?);
        check(&mut self.reader, name, from.as_ref(), read_to.as_ref())?;
        from.map_or(Ok(()), |from| self.go_on(&from))
    }

    fn remaining(&self) -> Option<u64> {
        self.cutter.remaining
    }

    fn count_rest(&mut self) -> Option<u64> {
        if self.remaining().is_some() || !self.ends_by_itself {
            return self.remaining();
        }
        // Counting goes on to the end; a later run reads from here.
        self.place = self.place.take().or_else(|| self.here(false));
        let has_begun_line = self.is_over || self.cutter.content.is_seen(&self.partial);
        let rest = count(&mut self.reader, &self.cutter.content, has_begun_line).ok();
        self.cutter.remaining = rest;
        rest
    }
}

/// Counts the lines that are items, from here to the end.
pub(crate) fn count(
    reader: &mut impl BufRead,
    content: &Content,
    has_begun_line: bool,
) -> io::Result<u64> {
    let mut count = 0;
    let mut is_seen = has_begun_line;
    loop {
        let buffer = match reader.fill_buf() {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(count + u64::from(is_seen));
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', buffer) {
            count += u64::from(is_seen || content.is_seen(&buffer[start..end]));
            is_seen = false;
            start = end + 1;
        }
        is_seen |= content.is_seen(&buffer[start..]);
        let used = buffer.len();
        reader.consume(used);
    }
}

/// Skips the mark at the beginning of a file, if there is one.
pub(crate) fn skip_byte_order_mark(reader: &mut impl BufRead) -> io::Result<()> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}
