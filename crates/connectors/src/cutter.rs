//! Turns lines into items: text as it is, or JSON, of which compute gets everything or one field.

use inflight::{Fault, Key};

use crate::block::Block;
use crate::jsonl::{self, Field};
use crate::payload::Payload;
use crate::row::Row;

/// Longest line in bytes. An item is held in memory whole; 16 MiB is far beyond any real one, and small
/// enough that a file without line ends fails instead of filling memory.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;

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
    pub(crate) fn is_seen(&self, piece: &[u8]) -> bool {
        match self {
            Content::Text => piece.iter().any(|byte| *byte != b'\r'),
            Content::Json(_) => piece.iter().any(|byte| !byte.is_ascii_whitespace()),
        }
    }
}

/// Turns lines into items.
pub(crate) struct Cutter {
    pub(crate) name: String,
    pub(crate) content: Content,
    /// Lines and items so far.
    pub(crate) line: u64,
    pub(crate) items: u64,
    /// Items that are still to come, where that is known.
    pub(crate) remaining: Option<u64>,
    block: Block,
}

impl Cutter {
    pub(crate) fn new(name: &str, content: Content, remaining: Option<u64>) -> Cutter {
        Cutter {
            name: name.into(),
            content,
            line: 0,
            items: 0,
            remaining,
            block: Block::default(),
        }
    }

    /// Makes an item of a line, unless there is nothing in it.
    pub(crate) fn cut(&mut self, line: &[u8], items: &mut Vec<Result<Payload, Fault>>) {
        self.line += 1;
        if !self.content.is_seen(line) {
            return;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let item = match &self.content {
            Content::Text => Ok(Payload::read(self.block.cut(line))),
            Content::Json(field) => match jsonl::value(line, field.as_ref()) {
                Ok(value) => {
                    let key = Payload::key_of(line);
                    let row = Row::of_json(self.block.cut(line));
                    Ok(match field {
                        Some(_) => Payload::of_field(key, row, self.block.cut(&value)),
                        None => Payload::of_row(key, row),
                    })
                }
                Err(why) => Err(self.fault(&why).of_item(Key::of(line))),
            },
        };
        self.push(item, items);
    }

    /// Stands for a line that is too long.
    pub(crate) fn refuse(&mut self, items: &mut Vec<Result<Payload, Fault>>) {
        self.line += 1;
        let fault = self.fault(&format!("longer than {} MiB", LINE_BYTES_MAX >> 20));
        self.push(Err(fault), items);
    }

    fn push(&mut self, item: Result<Payload, Fault>, items: &mut Vec<Result<Payload, Fault>>) {
        self.remaining = self.remaining.map(|count| count.saturating_sub(1));
        self.items += 1;
        items.push(item);
    }

    fn fault(&self, why: &str) -> Fault {
        Fault::permanent(format!("{} line {}: {why}", self.name, self.line))
            .counted_as("a line that cannot be used")
    }
}
