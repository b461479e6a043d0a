//! The elements of one JSON array as JSON lines, so that whoever reads lines reads them.
//!
//! It looks at brackets, commas and quotes only; whether each element is JSON is for the reader of lines to say. What is no
//! array is passed on as it is.

use std::io::{self, Read};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// White space that is kept between two parts of an element: as much as anybody indents.
const SPACES_MAX: usize = 1 << 10;

/// A stream of JSON as lines.
pub(crate) struct Elements<R> {
    reader: R,
    state: State,
    /// Arrays and objects that are open inside of an element.
    depth: usize,
    is_text: bool,
    is_escaped: bool,
    /// Whether anything was seen of the element, and of any before it.
    has_element: bool,
    has_comma: bool,
    /// White space that was seen and is left out where the element ends with it.
    spaces: usize,
    piece: Vec<u8>,
    lines: Vec<u8>,
    taken: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Only white space, or a byte order mark, was seen.
    Begin,
    Array,
    /// After the array.
    Closed,
    /// No array.
    Lines,
    End,
}

impl<R: Read> Elements<R> {
    pub(crate) fn new(reader: R) -> Elements<R> {
        Elements {
            reader,
            state: State::Begin,
            depth: 0,
            is_text: false,
            is_escaped: false,
            has_element: false,
            has_comma: false,
            spaces: 0,
            piece: vec![0; PIECE_BYTES],
            lines: Vec::new(),
            taken: 0,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        (self.taken, _) = (0, self.lines.clear());
        let read = self.reader.read(&mut self.piece)?;
        if read == 0 {
            if self.state == State::Array {
                let why = "the array is not closed; is the file cut off?";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            self.state = State::End;
        }
        let piece = std::mem::take(&mut self.piece);
        for byte in &piece[..read] {
            self.pass(*byte);
        }
        self.piece = piece;
        Ok(())
    }

    fn pass(&mut self, byte: u8) {
        match (self.state, byte) {
            (State::Lines | State::End, _) => self.lines.push(byte),
            (State::Begin, b'[') => self.state = State::Array,
            (State::Begin, _) => {
                self.lines.push(byte);
                if !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(&byte) {
                    self.state = State::Lines;
                }
            }
            // Whatever follows is no JSON, which the reader says.
            (State::Closed, _) => self.lines.push(byte),
            (State::Array, _) => self.element(byte),
        }
    }

    fn element(&mut self, byte: u8) {
        if self.is_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_text = false,
                // No JSON, and must not look like two lines.
                b'\n' => return self.lines.push(b'\x01'),
                _ => {}
            }
            return self.lines.push(byte);
        }
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                self.spaces += usize::from(self.has_element);
                return;
            }
            b'"' => self.is_text = true,
            b'[' | b'{' => self.depth += 1,
            b']' if self.depth == 0 => return self.close(),
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 0 => {
                self.end_element();
                self.has_comma = true;
                return;
            }
            _ => {}
        }
        self.has_element = true;
        let length = self.lines.len() + std::mem::take(&mut self.spaces).min(SPACES_MAX);
        self.lines.resize(length, b' ');
        self.lines.push(byte);
    }

    fn close(&mut self) {
        if self.has_element || self.has_comma {
            self.end_element();
        }
        self.state = State::Closed;
    }

    /// An element that is missing is a line that is no JSON.
    fn end_element(&mut self) {
        if !self.has_element {
            self.lines.push(b',');
        }
        self.lines.push(b'\n');
        (self.has_element, self.spaces) = (false, 0);
    }
}

impl<R: Read> Read for Elements<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.lines.len() && self.state != State::End {
            self.fill()?;
        }
        let rest = &self.lines[self.taken..];
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text, read in pieces of one byte and at once.
    fn lines(text: &str) -> Vec<String> {
        let mut whole = String::new();
        Elements::new(text.as_bytes())
            .read_to_string(&mut whole)
            .unwrap();
        let mut pieces = String::new();
        Elements::new(OneByOne(text.as_bytes()))
            .read_to_string(&mut pieces)
            .unwrap();
        assert_eq!(whole, pieces);
        whole
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(str::to_owned)
            .collect()
    }

    struct OneByOne<'a>(&'a [u8]);

    impl Read for OneByOne<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut to[..1])
        }
    }

    #[test]
    fn elements_are_lines() {
        assert_eq!(
            lines("[\n {\"a\": [1,\n 2]},\n \"x],\\\"\",3 ]\n"),
            ["{\"a\": [1,  2]}", "\"x],\\\"\"", "3"]
        );
        assert_eq!(lines(" [ ] "), [""; 0]);
        assert_eq!(lines(""), [""; 0]);
        assert_eq!(lines("\u{feff}[1]"), ["\u{feff}1"]);
        assert_eq!(lines("{\"a\":\n1}"), ["{\"a\":", "1}"]);
    }

    #[test]
    fn what_is_no_array_shows() {
        assert_eq!(lines("[1,,2,]"), ["1", ",", "2", ","]);
        assert_eq!(lines("[1] [2]"), ["1", " [2]"]);
        let mut text = String::new();
        let cut = Elements::new(&b"[1,2"[..])
            .read_to_string(&mut text)
            .unwrap_err();
        assert!(cut.to_string().contains("not closed"));
    }
}
