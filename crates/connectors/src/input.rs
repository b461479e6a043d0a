//! Where items come from, as typed: a file, stdin, a range of numbers, or rows of Postgres.

mod fields;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "postgres")]
use inflight::{Fault, Verdict};

use serde::de::IgnoredAny;

use crate::called::Supply;
use crate::csv::{self, Records, read_header};
use crate::cutter::Content;
use crate::decode::{self, Coding, Decoded, first_bytes};
use crate::elements::Elements;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::format::{Format, Layout};
use crate::item_key::ItemKey;
use crate::items::{Items, Kind};
use crate::lines::{self, Lines, skip_byte_order_mark};
#[cfg(feature = "postgres")]
use crate::postgres::{SCHEMES, Selection};
use crate::range::{self, Numbers};
use crate::row::Header;
use crate::window::Window;

/// Files up to this size are read twice, to know the number of items beforehand: 64 MiB take some 20 ms.
const COUNTED_BYTES_MAX: u64 = 64 << 20;

/// CSV files up to this size are read twice, which costs as much as reading them once: some 10 ms.
const COUNTED_CSV_MAX: u64 = 4 << 20;

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
    layout: Layout,
    /// Whether the layout was only guessed, from the name.
    is_guessed: bool,
    /// By which key items are known, if not by their place.
    key: Option<ItemKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Range(Range<u64>),
    Stdin,
    File(String),
    #[cfg(feature = "postgres")]
    Rows(Box<Selection>),
    Supplied(Supplied),
}

/// Items of the program around us.
#[derive(Clone)]
struct Supplied(Arc<dyn Supply>);

impl PartialEq for Supplied {
    fn eq(&self, other: &Supplied) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Supplied {}

impl fmt::Debug for Supplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name())
    }
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
    ) -> Result<Input, Error> {
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
            if format.is_some() {
                return Err(format!("{selection} has no format: rows are JSON objects").into());
            }
            let layout = Format::Jsonl.layout(field.as_deref(), true)?;
            return Ok(Input {
                place,
                layout,
                is_guessed: false,
                key: None,
            });
        }
        if matches!(place, Place::Range(_)) && (format.is_some() || field.is_some()) {
            return Err(format!(
                "range {text} has neither format nor field; write ./{text} for a file of that name"
            )
            .into());
        }
        let is_guessed = format.is_none();
        let format = format.unwrap_or_else(|| Format::guess(text));
        Ok(Input {
            place,
            layout: format.layout(field.as_deref(), true)?,
            is_guessed,
            key: None,
        })
    }

    /// The items of the program around us.
    pub fn supplied(supply: Arc<dyn Supply>) -> Input {
        Input {
            place: Place::Supplied(Supplied(supply)),
            // Whatever they are, they may have fields.
            layout: Layout::Lines(Content::Json(None)),
            is_guessed: false,
            key: None,
        }
    }

    /// The same input, of which the first record is no header: its values are called `1`, `2` and so on.
    ///
    /// # Errors
    /// A sentence, when the input is neither CSV nor TSV.
    pub fn without_header(mut self) -> Result<Input, Error> {
        match &mut self.layout {
            Layout::Records(dialect) => {
                dialect.has_header = false;
                Ok(self)
            }
            _ => Err(format!(
                "{self} has no header to go without; add --format csv or --format tsv"
            )
            .into()),
        }
    }

    /// Looks at the beginning of a file: `gzip`, `zstd` or `UTF-16`, where it is read as the text that this holds, so that a
    /// later run that goes on reads it from its beginning again; `None` of plain text, and of all that is no regular file.
    ///
    /// # Errors
    /// Says why a file cannot be what it was taken for, and which flag would read it. A file that cannot be read is no
    /// error here.
    pub fn look(&self) -> Result<Option<&'static str>, Error> {
        let Place::File(path) = &self.place else {
            return Ok(None);
        };
        match self.look_at(path) {
            Ok(coding) => Ok(decode::coding_in_words(coding)),
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                Err(unreadable(path, &cause).to_string().into())
            }
            Err(_) => Ok(None),
        }
    }

    fn look_at(&self, path: &str) -> io::Result<Coding> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Coding::Plain);
        }
        let first = first_bytes(File::open(path)?)?;
        if let Some(why) = self.unfit(path, &first) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic)?;
        if let Layout::Records(dialect) = &self.layout {
            file.rewind()?;
            read_header(Decoded::new(file), dialect)?;
        }
        Ok(Coding::of(&magic))
    }

    /// Opens it. The items of a regular file of at most 64 MiB are counted (4 MiB of CSV), unless it is packed. Files that
    /// begin as gzip, zstd or UTF-16 do are read as the text that they hold.
    ///
    /// # Errors
    /// Names the file that cannot be read; of rows what the server says, as [`io::ErrorKind::NotConnected`] where it cannot
    /// be reached.
    pub fn open(&self) -> io::Result<Items> {
        let kind = match &self.place {
            Place::Range(range) => Kind::Numbers(Numbers::new(range.clone())),
            Place::Stdin => {
                let stdin = self.stream(io::stdin());
                match &self.layout {
                    Layout::Lines(content) | Layout::Elements(content) => {
                        Kind::Lines(Box::new(Lines::of_stream("stdin", stdin, content.clone())))
                    }
                    Layout::Records(dialect) => Kind::Records(Box::new(Records::new(
                        "stdin",
                        stdin,
                        dialect.clone(),
                        None,
                        None,
                    ))),
                }
            }
            Place::File(path) => {
                let opened = self.open_file(path);
                opened.map_err(|cause| unreadable(path, &cause))?
            }
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => {
                let content = match &self.layout {
                    Layout::Lines(content) | Layout::Elements(content) => content.clone(),
                    Layout::Records(_) => Content::Json(None),
                };
                let rows = selection.open(content);
                Kind::Rows(Box::new(rows.map_err(refused)?))
            }
            Place::Supplied(Supplied(supply)) => Kind::Supplied(supply.open()?),
        };
        Ok(Items::new(kind, self.key.clone()))
    }

    /// The file that it reads, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(Path::new(path)),
            _ => None,
        }
    }

    /// Whether its items are numbers of a range.
    pub fn is_range(&self) -> bool {
        matches!(self.place, Place::Range(_))
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
            Place::Supplied(Supplied(supply)) => supply.fingerprint().is_some(),
        }
    }

    /// What would make it an input that can be read again, where that is for the user to say.
    pub fn way_to_replay(&self) -> Option<&'static str> {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Rows(_) => Some(
                "name a column with unique values, &key=K; without one the run keeps a transaction open",
            ),
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
            Place::Supplied(Supplied(supply)) => {
                Ok(supply.fingerprint().unwrap_or_else(|| "stream".into()))
            }
        }
    }

    /// Whether the input still is what this fingerprint was taken of, or has grown at its end: a file that was appended
    /// to, a range with a larger end.
    ///
    /// # Errors
    /// A sentence that says what differs.
    pub fn continues(&self, earlier: &str) -> Result<(), Error> {
        let other = |now: &str| format!("the input was {earlier}, and is {now}");
        match &self.place {
            Place::Range(now) => match range::parse(earlier) {
                Some(Ok(before)) if before.start == now.start && before.end <= now.end => Ok(()),
                _ => Err(other(&self.to_string()).into()),
            },
            Place::Stdin if earlier == "stdin" => Ok(()),
            Place::Stdin => Err(other("stdin").into()),
            Place::File(path) if !self.is_replayable() => match earlier {
                "stream" => Ok(()),
                _ => Err(other(&format!("{path}, which can be read only once")).into()),
            },
            Place::File(path) => {
                let before = Fingerprint::parse(earlier).ok_or_else(|| other(path))?;
                let file =
                    File::open(path).map_err(|cause| unreadable(path, &cause).to_string())?;
                Ok(before.continues_in(&file, path)?)
            }
            #[cfg(feature = "postgres")]
            Place::Rows(selection) => match selection.fingerprint() {
                now if now == earlier => Ok(()),
                now => Err(other(&format!("{now}, of another query or key")).into()),
            },
            Place::Supplied(Supplied(supply)) => Ok(supply.continues(earlier)?),
        }
    }

    /// What can be read once, as the text that it holds.
    fn stream(&self, stream: impl Read + Send + 'static) -> Window {
        match &self.layout {
            Layout::Elements(_) => Window::of_stream(Elements::new(Decoded::new(stream))),
            _ => Window::of_stream(Decoded::new(stream)),
        }
    }

    fn open_file(&self, path: &str) -> io::Result<Kind> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !about.is_file() {
            return Ok(self.kind(path, self.stream(file), None, None));
        }
        let is_plain = self.look_at(path)? == Coding::Plain;
        let header = match &self.layout {
            Layout::Records(dialect) => read_header(Decoded::new(File::open(path)?), dialect)?,
            _ => None,
        };
        if !is_plain || matches!(self.layout, Layout::Elements(_)) {
            return Ok(self.kind(path, self.stream(file), header, None));
        }
        let remaining = self.count(&file, about.len())?;
        file.rewind()?;
        Ok(self.kind(path, Window::of_file(file), header, remaining))
    }

    fn kind(
        &self,
        path: &str,
        window: Window,
        header: Option<Arc<Header>>,
        remaining: Option<u64>,
    ) -> Kind {
        match &self.layout {
            Layout::Lines(content) | Layout::Elements(content) => Kind::Lines(Box::new(
                Lines::of_file(path, window, content.clone(), remaining),
            )),
            Layout::Records(dialect) => Kind::Records(Box::new(Records::new(
                path,
                window,
                dialect.clone(),
                header,
                remaining,
            ))),
        }
    }

    /// How many items a file of this size holds, where that is known soon.
    fn count(&self, file: &File, bytes: u64) -> io::Result<Option<u64>> {
        match &self.layout {
            Layout::Lines(content) if bytes <= COUNTED_BYTES_MAX => {
                let mut reader = BufReader::new(file);
                skip_byte_order_mark(&mut reader)?;
                lines::count(&mut reader, content, false).map(Some)
            }
            Layout::Records(dialect) if bytes <= COUNTED_CSV_MAX => {
                csv::count(file, dialect).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Why a file that begins so cannot be what the input was taken for; `None` where it can.
    fn unfit(&self, path: &str, first: &[u8]) -> Option<String> {
        if let Some(what) = decode::refused(first) {
            return Some(format!("it is {what}"));
        }
        let text = String::from_utf8_lossy(first);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default().trim_end();
        let is_whole = serde_json::from_str::<IgnoredAny>(line).is_ok();
        let begins_array = text.starts_with('[') && !is_whole;
        let inside = text.strip_prefix('[').map(str::trim_start);
        let holds_values = inside.is_some_and(|inside| inside.starts_with(['{', '[', '"']));
        let is_alone = text.lines().skip(1).all(|line| line.trim().is_empty());
        match &self.layout {
            _ if !self.is_guessed => None,
            Layout::Lines(Content::Json(_)) if begins_array => Some(
                "it holds a JSON array where JSON lines were expected; add --format json".into(),
            ),
            Layout::Lines(Content::Json(_)) if holds_values && is_alone => Some(
                "its only line is a JSON array; add --format json to take the values in it, or --format jsonl to take the line".into(),
            ),
            Layout::Lines(Content::Text) if holds_values && (begins_array || is_alone) => {
                Some(format!(
                    "it seems to hold a JSON array; add --format json, or --format text to take {path} line by line"
                ))
            }
            Layout::Records(_) if text.starts_with('{') && is_whole => {
                Some("it holds JSON lines where CSV was expected; add --format jsonl".into())
            }
            Layout::Records(dialect) => other_separator(line, dialect.delimiter),
            _ => None,
        }
    }
}

/// Why a first line without the delimiter is no header of this format: another character stands where that would.
fn other_separator(line: &str, delimiter: u8) -> Option<String> {
    if line.contains(char::from(delimiter)) || line.starts_with('"') {
        return None;
    }
    let (name, format) = match delimiter {
        b'\t' => ("tab", "tsv"),
        _ => ("comma", "csv"),
    };
    let shown: String = line.chars().take(60).collect();
    let way = match line.chars().find(|c| matches!(c, '\t' | ',' | ';' | '|'))? {
        '\t' => "add --format tsv".to_owned(),
        ',' => "add --format csv".to_owned(),
        other => format!("separate values by commas instead of `{other}`"),
    };
    Some(format!(
        "its first line has no {name}: `{shown}`; {way}, or add --format {format} if that is one column"
    ))
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
            Place::Supplied(Supplied(supply)) => f.write_str(&supply.name()),
        }
    }
}
