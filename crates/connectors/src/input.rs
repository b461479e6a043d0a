//! Where items come from, as typed: a file, stdin, a range of numbers, or rows of Postgres.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::ops::Range;
use std::path::Path;

#[cfg(feature = "postgres")]
use inflight::{Fault, Verdict};

use crate::cutter::Content;
use crate::fingerprint::Fingerprint;
use crate::items::{Items, Kind};
use crate::jsonl::Field;
use crate::lines::{Lines, count, skip_byte_order_mark};
use crate::nearest::unknown;
#[cfg(feature = "postgres")]
use crate::postgres::{SCHEMES, Selection};
use crate::range::{self, Numbers};
use crate::window::Window;

/// Files up to this size are read twice, to know the number of items beforehand: 64 MiB take some 20 ms.
const COUNTED_BYTES_MAX: u64 = 64 << 20;

/// What the lines of a file or stream hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line, one item, without its line end (`\n` or `\r\n`). Empty lines are skipped.
    Text,
    /// One JSON value a line. Blank lines are skipped; a line that is no JSON is a dead letter.
    Jsonl,
}

impl Format {
    /// Reads `text` or `jsonl`.
    ///
    /// # Errors
    /// Names the nearest known format, and all of them.
    pub fn parse(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "jsonl" => Ok(Format::Jsonl),
            _ => Err(unknown("format", text, &["text", "jsonl"])),
        }
    }

    /// What the name of a file suggests: `.jsonl` and `.ndjson` are JSON lines, all else is text.
    fn guess(path: &str) -> Format {
        match Path::new(path).extension().and_then(|end| end.to_str()) {
            Some("jsonl" | "ndjson") => Format::Jsonl,
            _ => Format::Text,
        }
    }
}

/// Where items come from: a file, `-` for stdin, a range such as `0..600`, or rows: `postgres://…?table=T` and
/// `?query=SELECT …`, each a JSON object, with `&key=K` in the order of that column.
///
/// ```
/// use inflight::Source;
/// use inflight_connectors::Input;
///
/// let items = Input::parse("0..600", None, None)?.open()?;
/// assert_eq!(items.remaining(), Some(600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    place: Place,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Range(Range<u64>),
    Stdin,
    File(String),
    #[cfg(feature = "postgres")]
    Rows(Box<Selection>),
}

impl Input {
    /// Reads what was typed: `0..600` is a range (a file of that name needs `./` before it), `-` is stdin, `postgres://…` a
    /// table or query, anything else a file. `format` overrides what the extension suggests; `field` picks what compute gets
    /// of a JSON line, dots reaching into objects. Nothing is opened yet.
    ///
    /// # Errors
    /// A sentence, when the parts do not fit together.
    pub fn parse(
        text: &str,
        format: Option<Format>,
        field: Option<String>,
    ) -> Result<Input, String> {
        let place = match range::parse(text) {
            Some(range) => Place::Range(range?),
            None if text == "-" => Place::Stdin,
            None if text.is_empty() => {
                return Err("input is empty; give a file, - or 0..600".into());
            }
            #[cfg(feature = "postgres")]
            None if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) => {
                Place::Rows(Box::new(Selection::parse(text)?))
            }
            None => Place::File(text.into()),
        };
        #[cfg(feature = "postgres")]
        if let Place::Rows(selection) = &place {
            let content = Content::Json(field.as_deref().map(Field::parse).transpose()?);
            return match format {
                Some(_) => Err(format!("{selection} has no format: rows are JSON objects")),
                None => Ok(Input { place, content }),
            };
        }
        if matches!(place, Place::Range(_)) && (format.is_some() || field.is_some()) {
            return Err(format!(
                "range {text} has neither format nor field; write ./{text} for a file of that name"
            ));
        }
        let format = format.unwrap_or_else(|| Format::guess(text));
        let content = match (format, field) {
            (Format::Text, None) => Content::Text,
            (Format::Text, Some(field)) => {
                return Err(format!(
                    "field {field} needs JSON lines; add --format jsonl"
                ));
            }
            (Format::Jsonl, None) => Content::Json(None),
            (Format::Jsonl, Some(field)) => Content::Json(Some(Field::parse(&field)?)),
        };
        Ok(Input { place, content })
    }

    /// Opens it. The items of a regular file of at most 64 MiB are counted.
    ///
    /// # Errors
    /// Names the file that cannot be read; of rows what the server says, as [`io::ErrorKind::NotConnected`] where it cannot
    /// be reached.
    pub fn open(&self) -> io::Result<Items> {
        Ok(Items(match &self.place {
            Place::Range(range) => Kind::Numbers(Numbers::new(range.clone())),
            Place::Stdin => {
                let stdin = Window::of_stream(io::stdin());
                let lines = Lines::of_stream("stdin", stdin, self.content.clone());
                Kind::Lines(Box::new(lines))
            }
            Place::File(path) => {
                let lines = self.open_file(path);
                Kind::Lines(Box::new(lines.map_err(|cause| unreadable(path, &cause))?))
            }
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => {
                let rows = selection.open(self.content.clone());
                Kind::Rows(Box::new(rows.map_err(refused)?))
            }
        }))
    }

    /// Which fields its items have, as far as that is known before any is read.
    #[cfg(feature = "http")]
    pub fn fields(&self) -> crate::http::Fields {
        match (&self.place, &self.content) {
            (Place::Range(_), _) => crate::http::Fields::None,
            (Place::Stdin | Place::File(_), Content::Text) => crate::http::Fields::None,
            _ => crate::http::Fields::Unknown,
        }
    }

    /// The file that it reads, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(Path::new(path)),
            _ => None,
        }
    }

    /// Whether the input can be read only once, so that a second run over it gets nothing.
    pub fn is_stdin(&self) -> bool {
        self.place == Place::Stdin
    }

    /// Whether a later run gets the same items, and can go on among them: a range, a file or rows with a key, but neither
    /// stdin nor a pipe or device. A file that is missing is taken for one that can, so that opening it says what is wrong.
    pub fn is_replayable(&self) -> bool {
        match &self.place {
            Place::Range(_) => true,
            Place::Stdin => false,
            Place::File(path) => std::fs::metadata(path).map_or(true, |about| about.is_file()),
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => selection.is_replayable(),
        }
    }

    /// What would make it an input that can be read again, where that is for the user to say.
    pub fn way_to_replay(&self) -> Option<&'static str> {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Rows(_) => Some("name a column with unique values, &key=K"),
            _ => None,
        }
    }

    /// What the input is now, as a line of text for [`Input::continues`]: the range itself; of a file its length, hashes
    /// of its first and last mebibyte, and whether its last line has an end; of rows a hash of the query, and the key; of
    /// all that can be read only once that it is so.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn fingerprint(&self) -> io::Result<String> {
        match &self.place {
            Place::Range(_) => Ok(self.to_string()),
            Place::Stdin => Ok("stdin".into()),
            Place::File(_) if !self.is_replayable() => Ok("stream".into()),
            Place::File(path) => File::open(path)
                .and_then(|file| Fingerprint::of(&file))
                .map(|fingerprint| fingerprint.to_string())
                .map_err(|cause| unreadable(path, &cause)),
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => Ok(selection.fingerprint()),
        }
    }

    /// Whether the input still is what this fingerprint was taken of, or has grown at its end: a file that was appended
    /// to, a range with a larger end.
    ///
    /// # Errors
    /// A sentence that says what differs.
    pub fn continues(&self, earlier: &str) -> Result<(), String> {
        let other = |now: &str| format!("the input was {earlier}, and is {now}");
        match &self.place {
            Place::Range(now) => match range::parse(earlier) {
                Some(Ok(before)) if before.start == now.start && before.end <= now.end => Ok(()),
                _ => Err(other(&self.to_string())),
            },
            Place::Stdin if earlier == "stdin" => Ok(()),
            Place::Stdin => Err(other("stdin")),
            Place::File(path) if !self.is_replayable() => match earlier {
                "stream" => Ok(()),
                _ => Err(other(&format!("{path}, which can be read only once"))),
            },
            Place::File(path) => {
                let before = Fingerprint::parse(earlier).ok_or_else(|| other(path))?;
                let file =
                    File::open(path).map_err(|cause| unreadable(path, &cause).to_string())?;
                before.continues_in(&file, path)
            }
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => match selection.fingerprint() {
                now if now == earlier => Ok(()),
                now => Err(other(&format!("{now}, of another query or key"))),
            },
        }
    }

    fn open_file(&self, path: &str) -> io::Result<Lines> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut remaining = None;
        if about.is_file() && about.len() <= COUNTED_BYTES_MAX {
            let mut reader = BufReader::new(&file);
            skip_byte_order_mark(&mut reader)?;
            remaining = Some(count(&mut reader, &self.content, false)?);
            file.rewind()?;
        }
        let file = match about.is_file() {
            true => Window::of_file(file),
            false => Window::of_stream(file),
        };
        Ok(Lines::of_file(path, file, self.content.clone(), remaining))
    }
}

#[cfg(feature = "postgres")]
fn refused(fault: Fault) -> io::Error {
    let kind = match fault.verdict() {
        Verdict::Unreached => io::ErrorKind::NotConnected,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, fault.to_string())
}

fn unreadable(path: &str, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("cannot read {path}: {cause}"))
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Range(range) => write!(f, "{}..{}", range.start, range.end),
            Place::Stdin => f.write_str("-"),
            Place::File(path) => f.write_str(path),
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => selection.fmt(f),
        }
    }
}
