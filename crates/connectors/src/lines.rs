//! Reads items from the lines of a file or stream: text, or JSON.
//!
//! Hands over the lines it has instead of waiting for more, and streams past a line that is too long.

use std::io::{BufRead, BufReader, Read};

use inflight::{Fault, Source};

use crate::block::Block;
use crate::jsonl::{self, Field};
use crate::payload::Payload;

/// Longest line in bytes. An item is held in memory whole; 16 MiB is far beyond any real one, and small
/// enough that a file without line ends fails instead of filling memory.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes read at once: a system call for each thousand lines or so.
const READ_BYTES: usize = 256 << 10;

/// What some editors put in front of UTF-8 text. It belongs to no item.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An item as it is.
    Text,
    /// JSON, of which compute gets everything or one field.
    Json(Option<Field>),
}

impl Content {
    /// Whether a piece of a line makes it more than blank. Lines without anything visible are no items.
    fn is_seen(&self, piece: &[u8]) -> bool {
        match self {
            Content::Text => piece.iter().any(|byte| *byte != b'\r'),
            Content::Json(_) => piece.iter().any(|byte| !byte.is_ascii_whitespace()),
        }
    }
}

/// The items of a file or stream.
pub(crate) struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    /// Whether reading on can end without anybody typing: false for stdin.
    is_file: bool,
    has_begun: bool,
    /// The beginning of a line whose end has not been read yet.
    partial: Vec<u8>,
    /// Whether the rest of the line is skipped because it has grown too long.
    is_over: bool,
    cutter: Cutter,
}

/// Turns lines into items.
struct Cutter {
    name: String,
    content: Content,
    line: u64,
    remaining: Option<u64>,
    block: Block,
}

impl Lines {
    /// Lines of a file or pipe, by name. `remaining` is how many are items, where that was counted.
    pub(crate) fn of_file(
        name: &str,
        file: impl Read + Send + 'static,
        content: Content,
        remaining: Option<u64>,
    ) -> Lines {
        Lines {
            is_file: true,
            ..Lines::of_stream(name, file, content, remaining)
        }
    }

    /// Lines of a stream that may never end.
    pub(crate) fn of_stream(
        name: &str,
        stream: impl Read + Send + 'static,
        content: Content,
        remaining: Option<u64>,
    ) -> Lines {
        Lines {
            reader: BufReader::with_capacity(READ_BYTES, Box::new(stream)),
            is_file: false,
            has_begun: false,
            partial: Vec::new(),
            is_over: false,
            cutter: Cutter {
                name: name.into(),
                content,
                line: 0,
                remaining,
                block: Block::default(),
            },
        }
    }

    /// Reads one buffer or line further; false at the end of the input.
    fn step(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<bool, Fault> {
        let buffer = match self.reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            Err(cause) => {
                let message = format!("cannot read {} on", self.cutter.name);
                return Err(Fault::permanent(message).because(cause));
            }
        };
        if buffer.is_empty() {
            if self.is_over || !self.partial.is_empty() {
                self.finish(items);
            }
            return Ok(false);
        }
        let end = memchr::memchr(b'\n', buffer);
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        let used = piece.len() + usize::from(end.is_some());
        if end.is_some() && self.partial.is_empty() && !self.is_over {
            self.cutter.cut(piece, items);
        } else {
            // A line that is too long is read past without being held.
            self.is_over |= self.partial.len() + piece.len() > LINE_BYTES_MAX;
            if self.is_over {
                self.partial = Vec::new();
            } else {
                self.partial.extend_from_slice(piece);
            }
            if end.is_some() {
                self.finish(items);
            }
        }
        self.reader.consume(used);
        Ok(true)
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

impl Cutter {
    fn cut(&mut self, line: &[u8], items: &mut Vec<Result<Payload, Fault>>) {
        self.line += 1;
        if !self.content.is_seen(line) {
            return;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let item = match &self.content {
            Content::Text => Ok(Payload::read(self.block.cut(line))),
            Content::Json(field) => jsonl::value(line, field.as_ref())
                .map(|value| Payload {
                    key: Payload::key_of(line),
                    bytes: self.block.cut(&value),
                })
                .map_err(|why| self.fault(&why)),
        };
        self.push(item, items);
    }

    /// Stands for a line that is too long.
    fn refuse(&mut self, items: &mut Vec<Result<Payload, Fault>>) {
        self.line += 1;
        let fault = self.fault(&format!("longer than {} MiB", LINE_BYTES_MAX >> 20));
        self.push(Err(fault), items);
    }

    fn push(&mut self, item: Result<Payload, Fault>, items: &mut Vec<Result<Payload, Fault>>) {
        self.remaining = self.remaining.map(|count| count.saturating_sub(1));
        items.push(item);
    }

    fn fault(&self, why: &str) -> Fault {
        Fault::permanent(format!("{} line {}: {why}", self.name, self.line))
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
        while items.len() - before < max {
            // Only an empty buffer makes the next step wait.
            let would_wait = self.reader.buffer().is_empty();
            if (would_wait && items.len() > before) || !self.step(items)? {
                break;
            }
        }
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        self.cutter.remaining
    }

    fn count_rest(&mut self) -> Option<u64> {
        if self.remaining().is_some() || !self.is_file {
            return self.remaining();
        }
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
) -> std::io::Result<u64> {
    let mut count = 0;
    let mut is_seen = has_begun_line;
    loop {
        let buffer = match reader.fill_buf() {
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
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
pub(crate) fn skip_byte_order_mark(reader: &mut impl BufRead) -> std::io::Result<()> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}
