//! Reads items from the records of a CSV file or stream: a header, and one row for each record after it.
//!
//! A quoted value may hold line ends, so that a record is more than a line: a place lies between two records, and whoever goes
//! on there knows the header, which was read when the file was opened.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod parser;

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use inflight::{Fault, Key, Place, Source};

use crate::block::Block;
use crate::going_on::{check, read_place, unreadable};
use crate::line_place::LinePlace;
use crate::payload::Payload;
use crate::row::{Header, Row, Value, pack, ragged};
use crate::window::Window;
use parser::{Parsed, Parser};

/// How the records of a file are written, and what is used of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// What stands between two values.
    pub(crate) delimiter: u8,
    /// Whether the first record names the values; else they are called `1`, `2` and so on.
    pub(crate) has_header: bool,
    /// The one value that compute gets; all of them as a JSON object otherwise.
    pub(crate) field: Option<String>,
}

/// The records of a file or stream.
pub(crate) struct Records {
    name: String,
    dialect: Dialect,
    reader: Window,
    parser: Parser,
    /// `None` of a stream whose header has not been read yet.
    header: Option<Arc<Header>>,
    /// Whether the first record was passed, where it is the header.
    has_begun: bool,
    has_ended: bool,
    /// Whether the parser holds a part of a record.
    is_in_pieces: bool,
    /// Where a later run would go on, if that is not where the reader stands.
    place: Option<LinePlace>,
    /// Lines and items before the reader.
    line: u64,
    items: u64,
    remaining: Option<u64>,
    block: Block,
    packed: Vec<u8>,
}

impl Records {
    /// The records of a file, whose header was read, or of a stream.
    pub(crate) fn new(
        name: &str,
        reader: Window,
        dialect: Dialect,
        header: Option<Arc<Header>>,
        remaining: Option<u64>,
    ) -> Records {
        Records {
            name: name.into(),
            parser: Parser::new(dialect.delimiter),
            has_begun: !dialect.has_header,
            dialect,
            reader,
            header,
            has_ended: false,
            is_in_pieces: false,
            place: None,
            line: 0,
            items: 0,
            remaining,
            block: Block::default(),
            packed: Vec::new(),
        }
    }

    /// Reads one buffer or record further; false at the end of the input.
    fn step(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<bool, Fault> {
        if !self.is_in_pieces {
            // Looked up before anything is taken, and only where a buffer ends within a record.
            self.place = None;
        }
        let buffer = match self.reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(cause) => {
                let message = format!("cannot read {} on", self.name);
                return Err(Fault::permanent(message).because(cause));
            }
        };
        if buffer.is_empty() {
            let checked = self.reader.check_end(&self.name);
            checked
                .map_err(|cause| unreadable(&self.name, cause))?
                .map_err(Fault::permanent)?;
            self.end(items)?;
            return Ok(false);
        }
        let (parsed, taken) = self.parser.parse(buffer);
        let is_piece = parsed == Parsed::Piece;
        if is_piece && !self.is_in_pieces {
            self.place = self.here(false);
        }
        self.is_in_pieces = is_piece;
        self.reader.consume(taken);
        if !is_piece {
            self.record(items)?;
            self.place = None;
        }
        Ok(true)
    }

    /// Takes a last record that has no end for whole.
    fn end(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        self.has_ended = true;
        if !self.is_in_pieces {
            return Ok(());
        }
        let before = self.items;
        let is_open = self.parser.parse(b"\n").0 == Parsed::Piece;
        if is_open && self.parser.is_begun {
            self.push(Err(self.fault("a quote is never closed")), items);
            self.parser.forget();
        } else if !is_open {
            self.record(items)?;
        }
        self.is_in_pieces = false;
        if self.items > before {
            self.place = self.here(true);
        }
        Ok(())
    }

    /// Makes an item of the record that has ended.
    fn record(&mut self, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        if !self.has_begun {
            self.has_begun = true;
            if self.header.is_none() {
                self.header = Some(self.named()?);
            }
        } else {
            let item = self.item()?;
            self.push(item, items);
        }
        self.line = self.parser.reader.line() - 1;
        self.parser.forget();
        Ok(())
    }

    fn named(&self) -> Result<Arc<Header>, Fault> {
        let header = self
            .parser
            .values()
            .and_then(|(text, ends)| header_of(text, ends));
        header.map_err(|why| Fault::permanent(format!("{} line 1: {why}", self.name)))
    }

    fn item(&mut self) -> Result<Result<Payload, Fault>, Fault> {
        let header = match &self.header {
            Some(header) => Arc::clone(header),
            None => {
                let header = numbered(self.parser.count);
                Arc::clone(self.header.insert(header))
            }
        };
        let (text, ends) = match self.parser.values() {
            Ok(values) => values,
            Err(why) => return Ok(Err(self.unusable(&why))),
        };
        if ends.len() != header.names().len() {
            return Ok(Err(self.unusable(&ragged(ends.len(), &header))));
        }
        self.packed.clear();
        pack(ends, text.as_bytes(), &mut self.packed);
        let key = Payload::key_of(&self.packed);
        let row = Row::of_cells(&header, self.block.cut(&self.packed));
        let Some(field) = &self.dialect.field else {
            return Ok(Ok(Payload::of_row(key, row)));
        };
        let value = match row.field(field) {
            Some(Value::Text(value)) if value.is_empty() => {
                return Ok(Err(self.unusable(&format!("field {field} is empty"))));
            }
            Some(Value::Text(value)) => self.block.cut(value.as_bytes()),
            _ => {
                return Err(Fault::permanent(format!(
                    "{}: {}",
                    self.name,
                    header.lacks(field)
                )));
            }
        };
        Ok(Ok(Payload::of_field(key, row, value)))
    }

    fn push(&mut self, item: Result<Payload, Fault>, items: &mut Vec<Result<Payload, Fault>>) {
        self.remaining = self.remaining.map(|count| count.saturating_sub(1));
        self.items += 1;
        items.push(item);
    }

    /// The same of a record that is known, and so by what it holds.
    fn unusable(&self, why: &str) -> Fault {
        let fault = self.fault(why);
        match self.parser.text() {
            // It was too long to be kept.
            [] => fault,
            text => fault.of_item(Key::of(text)),
        }
    }

    /// The line is that in which the record begins, which empty lines may come before.
    fn fault(&self, why: &str) -> Fault {
        let lines_in = self.parser.lines_within();
        let begins = lines_in.map_or(self.line + 1, |lines| self.parser.reader.line() - 1 - lines);
        Fault::permanent(format!("{} line {begins}: {why}", self.name))
            .counted_as("a record that cannot be used")
    }

    /// Where the reader stands; `None` where nobody can go back, or wants to.
    fn here(&mut self, is_cut: bool) -> Option<LinePlace> {
        if !self.reader.is_file() {
            return None;
        }
        Some(LinePlace {
            hash: self.reader.digest()?,
            offset: self.reader.offset(),
            line: self.line,
            items: self.items,
            is_cut,
        })
    }

    /// Goes on at this place, where the reader stands.
    fn go_on(&mut self, place: &LinePlace) -> Result<(), Fault> {
        if place.offset > 0 {
            self.has_begun = true;
            self.parser.restart(place);
        }
        (self.line, self.items) = (place.line, place.items);
        self.remaining = self.remaining.map(|all| all.saturating_sub(place.items));
        if place.is_cut {
            let next = self
                .reader
                .peek()
                .map_err(|cause| unreadable(&self.name, cause))?;
            if next.is_empty() {
                // Whatever comes from now on is for another run, which will see whether it continues that record.
                self.has_ended = true;
                self.place = Some(place.clone());
            }
        }
        Ok(())
    }
}

impl Source for Records {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
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
        let read = |place| read_place(&self.reader, &self.name, place);
        let (from, read_to) = (read(from)?, read(read_to)?);
        check(
            &mut self.reader,
            &self.name,
            from.as_ref(),
            read_to.as_ref(),
        )?;
        from.map_or(Ok(()), |from| self.go_on(&from))
    }

    fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

/// The header of a file, read from its beginning; `None` where the first record is no header. An empty file has an empty one.
pub(crate) fn read_header(reader: impl Read, dialect: &Dialect) -> io::Result<Option<Arc<Header>>> {
    if !dialect.has_header {
        return Ok(None);
    }
    let invalid =
        |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("line 1: {why}"));
    let mut parser = Parser::new(dialect.delimiter);
    let mut reader = BufReader::new(reader);
    loop {
        let buffer = reader.fill_buf()?;
        let is_end = buffer.is_empty();
        let (parsed, taken) = parser.parse(if is_end { b"\n" } else { buffer });
        if is_end && parsed == Parsed::Piece && parser.is_begun {
            return Err(invalid("a quote is never closed".to_owned()));
        }
        if parsed == Parsed::Record || is_end {
            break;
        }
        reader.consume(taken);
        if parser.is_over {
            break;
        }
    }
    let header = parser
        .values()
        .and_then(|(text, ends)| header_of(text, ends));
    let header = header.map_err(invalid)?;
    if let Some(field) = &dialect.field
        && header.names().len() > 0
        && header.names().all(|name| name != field)
    {
        return Err(invalid(header.lacks(field)));
    }
    Ok(Some(header))
}

fn header_of(text: &str, ends: &[usize]) -> Result<Arc<Header>, String> {
    let mut start = 0;
    let names = ends.iter().map(|end| {
        let name = &text[start..*end];
        start = *end;
        name
    });
    let header = Header::new(names).map_err(|why| why.to_string())?;
    Ok(Arc::new(header))
}

/// The header of a file without one: `1`, `2` and so on.
fn numbered(count: usize) -> Arc<Header> {
    let names = (1..=count).map(|number| number.to_string());
    Arc::new(Header::new(names).expect("numbers differ"))
}

/// Counts the records that are items, from the beginning to the end.
pub(crate) fn count(reader: impl Read, dialect: &Dialect) -> io::Result<u64> {
    let mut parser = Parser::new(dialect.delimiter);
    let mut reader = BufReader::with_capacity(256 << 10, reader);
    let mut count = 0_u64;
    loop {
        let buffer = reader.fill_buf()?;
        let is_end = buffer.is_empty();
        let (parsed, taken) = parser.parse(if is_end { b"\n" } else { buffer });
        let is_record = parsed == Parsed::Record;
        count += u64::from(is_record || (is_end && parser.is_begun));
        if is_end {
            return Ok(count - count.min(u64::from(dialect.has_header)));
        }
        if is_record {
            parser.forget();
        }
        reader.consume(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::cutter::LINE_BYTES_MAX;

    const COMMA: Dialect = Dialect {
        delimiter: b',',
        has_header: true,
        field: None,
    };

    /// Reads in pieces of these lengths, in turn.
    struct Pieces(io::Cursor<Vec<u8>>, Vec<usize>);

    impl Read for Pieces {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let length = self.1[0].min(to.len());
            self.1.rotate_left(1);
            self.0.read(&mut to[..length])
        }
    }

    fn stream(text: &[u8], pieces: &[usize], dialect: Dialect) -> Records {
        let pieces = Pieces(io::Cursor::new(text.to_vec()), pieces.to_vec());
        Records::new("in.csv", Window::of_stream(pieces), dialect, None, None)
    }

    fn file(text: &[u8]) -> Records {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let header = read_header(file.try_clone().unwrap(), &COMMA).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Records::new("in.csv", Window::of_file(file), COMMA, header, None)
    }

    /// All items from where it stands, as JSON or as what is wrong.
    fn all(records: &mut Records) -> Vec<String> {
        let mut items = Vec::new();
        loop {
            let before = items.len();
            records.read(3, &mut items).unwrap();
            if items.len() == before {
                break;
            }
        }
        let text = |item: Result<Payload, Fault>| match item {
            Ok(item) => String::from_utf8(item.bytes().to_vec()).unwrap(),
            Err(fault) => fault.to_string(),
        };
        items.into_iter().map(text).collect()
    }

    /// A file of random values that need quotes, and the values.
    fn random(random: &mut fastrand::Rng) -> (Vec<u8>, Vec<Vec<String>>) {
        const PARTS: [&str; 10] = [
            "a",
            "é",
            "💣",
            ",",
            "\"",
            "\n",
            "\r\n",
            "\r",
            " ",
            "long text ",
        ];
        let columns = random.usize(1..5);
        let mut text = Vec::new();
        let mut rows = vec![(0..columns).map(|n| format!("n{n}")).collect::<Vec<_>>()];
        for _ in 0..random.usize(0..20) {
            let value = |random: &mut fastrand::Rng| {
                let count = random.usize(0..6);
                (0..count)
                    .map(|_| PARTS[random.usize(0..PARTS.len())])
                    .collect::<String>()
            };
            rows.push((0..columns).map(|_| value(random)).collect());
        }
        let end = if random.bool() { "\n" } else { "\r\n" };
        for row in &rows {
            for (place, value) in row.iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                let must =
                    value.contains([',', '"', '\n', '\r']) || (columns == 1 && value.is_empty());
                if must || random.bool() {
                    text.extend_from_slice(
                        format!("\"{}\"", value.replace('"', "\"\"")).as_bytes(),
                    );
                } else {
                    text.extend_from_slice(value.as_bytes());
                }
            }
            text.extend_from_slice(end.as_bytes());
        }
        if random.bool() {
            text.truncate(text.len() - end.len());
        }
        (text, rows)
    }

    fn objects(rows: &[Vec<String>]) -> Vec<String> {
        let header = Arc::new(Header::new(rows[0].iter().map(String::as_str)).unwrap());
        let object = |row: &Vec<String>| {
            let values: Vec<&str> = row.iter().map(String::as_str).collect();
            let row = Row::cells(&header, &values).unwrap();
            let mut json = Vec::new();
            row.to_json(&mut json);
            String::from_utf8(json).unwrap()
        };
        rows[1..].iter().map(object).collect()
    }

    #[test]
    fn records_are_read_in_pieces_of_any_length() {
        let mut seeds = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let (text, rows) = random(&mut seeds);
            let expected = objects(&rows);
            let pieces: Vec<usize> = (0..5).map(|_| seeds.usize(1..9)).collect();
            assert_eq!(
                all(&mut stream(&text, &pieces, COMMA)),
                expected,
                "{text:?}"
            );
            assert_eq!(all(&mut file(&text)), expected, "{text:?}");
            assert_eq!(
                count(&text[..], &COMMA).unwrap(),
                expected.len() as u64,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_later_run_goes_on_at_every_record() {
        let mut seeds = fastrand::Rng::with_seed(8);
        for _ in 0..100 {
            let (text, rows) = random(&mut seeds);
            let expected = objects(&rows);
            let mut first = file(&text);
            first.resume(None, None).unwrap();
            for done in 0..=expected.len() {
                let place = first.place().unwrap();
                let mut later = file(&text);
                later.resume(Some(&place), None).unwrap();
                assert_eq!(
                    all(&mut later),
                    expected[done..],
                    "after {done} of {text:?}"
                );
                let before = first.line;
                let mut items = Vec::new();
                first.read(1, &mut items).unwrap();
                assert!(first.line >= before);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let check = |text: &[u8], expected: &[&str]| {
            let got = all(&mut file(text));
            assert_eq!(got.len(), expected.len(), "{got:?}");
            for (got, part) in got.iter().zip(expected) {
                assert!(got.contains(part), "{got}, expected {part}");
            }
        };
        check(
            b"a,b\r\n1,2\r\n3\r\n\r\n4,5,6\r\n",
            &[
                "{",
                "line 3: 1 value where the header has 2 names",
                "line 5: 3 values",
            ],
        );
        check(b"a,b\n\"1\n\n\",2\n3\n", &["{", "line 5: 1 value"]);
        check(b"a,b\n1,\"2\n3,4\n", &["line 2: a quote is never closed"]);
        check(b"a\n\"", &["line 2: a quote is never closed"]);
        check(b"a\n\xff\nok\n", &["line 2: not UTF-8", "ok"]);
        check(b"a,b\n\xc3,\xa9\n", &["line 2: not UTF-8"]);
        check(b"a,b\n5\" pipe,x\"y\n", &["5\\\" pipe"]);
        check(b"", &[]);
        check(b"a,b\n", &[]);
        let long = format!("a\n\"{}\"\nok\n", "x\n".repeat(LINE_BYTES_MAX));
        check(
            long.as_bytes(),
            &["line 2: longer than 16 MiB; is there a quote", "ok"],
        );
        check(
            &long.as_bytes()[..LINE_BYTES_MAX * 2],
            &["line 2: a quote is never closed"],
        );
    }

    #[test]
    fn a_header_is_checked_when_the_file_is_opened() {
        let header = |text: &str, field: Option<&str>| {
            let field = field.map(str::to_owned);
            let header = read_header(text.as_bytes(), &Dialect { field, ..COMMA });
            header.map_err(|cause| cause.to_string())
        };
        assert!(
            header("a,b,a\n", None)
                .unwrap_err()
                .contains("columns 1 and 3 are both named `a`")
        );
        assert!(
            header("id,question\n", Some("questoin"))
                .unwrap_err()
                .contains("did you mean `question`")
        );
        assert_eq!(
            header("\u{feff}a,\"b\nc\"", None)
                .unwrap()
                .unwrap()
                .names()
                .collect::<Vec<_>>(),
            ["a", "b\nc"]
        );
    }

    #[test]
    fn without_a_header_values_are_numbered() {
        let dialect = Dialect {
            has_header: false,
            field: Some("2".into()),
            delimiter: b'\t',
        };
        let mut records = stream(b"x\ty\nz\t\n", &[3], dialect);
        assert_eq!(all(&mut records), ["y", "in.csv line 2: field 2 is empty"]);
    }

    #[test]
    fn a_record_that_was_continued_is_noticed() {
        let mut cut = file(b"a,b\n1,2");
        cut.resume(None, None).unwrap();
        assert_eq!(all(&mut cut).len(), 1);
        let place = cut.place().unwrap();
        let why = file(b"a,b\n1,2,3\n")
            .resume(Some(&place), None)
            .unwrap_err();
        assert!(why.to_string().contains("continued"), "{why}");
        let mut ended = file(b"a,b\n1,2\n3,4,5\n");
        ended.resume(Some(&place), None).unwrap();
        assert_eq!(
            all(&mut ended),
            [
                "in.csv line 3: 3 values where the header has 2 names; put a value that holds the separator in double quotes"
            ]
        );
    }
}
