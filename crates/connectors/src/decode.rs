//! What a file holds, told from its first bytes; and reads gzip, zstd and UTF-16 as the text that they hold.

use std::io::{self, BufReader, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

/// Bytes that are looked at.
const LOOKED_AT: usize = 4 << 10;

/// Bytes that are read at once from what is decoded.
const PIECE_BYTES: usize = 64 << 10;

/// The most memory that a zstd frame may ask for, as a power of two: 128 MiB, as the program zstd has it by default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Nothing: text as it is.
    Plain,
    Gzip,
    Zstd,
    /// UTF-16 with a byte order mark; whether the low byte comes first.
    Utf16 {
        is_little: bool,
    },
}

/// What the beginning of a file says of what it is packed or written in, in words; `None` of plain text.
pub(crate) fn coding_in_words(coding: Coding) -> Option<&'static str> {
    match coding {
        Coding::Plain => None,
        Coding::Gzip => Some("gzip"),
        Coding::Zstd => Some("zstd"),
        Coding::Utf16 { .. } => Some("UTF-16"),
    }
}

/// How what is coded begins; and the byte order mark of UTF-8, which whoever takes it off must get whole.
const MAGIC: [&[u8]; 5] = [
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
];

impl Coding {
    pub(crate) fn of(first: &[u8]) -> Coding {
        match first {
            [0x1f, 0x8b, ..] => Coding::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Coding::Zstd,
            [0xff, 0xfe, ..] => Coding::Utf16 { is_little: true },
            [0xfe, 0xff, ..] => Coding::Utf16 { is_little: false },
            _ => Coding::Plain,
        }
    }
}

/// Why bytes are no text that could be read, whatever the format; `None` of all others.
pub(crate) fn refused(first: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"\xff\xfe\0\0", "UTF-32; save it as UTF-8"),
        (b"\0\0\xfe\xff", "UTF-32; save it as UTF-8"),
        (b"BZh", "bzip2; unpack it with bunzip2"),
        (b"\xfd7zXZ\0", "xz; unpack it with unxz"),
        (
            b"PK\x03\x04",
            "a zip file or a spreadsheet; unpack it, or save it as CSV",
        ),
        (b"PAR1", "Parquet; save it as CSV or JSON lines"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| first.starts_with(magic));
    if let Some((_, what)) = known {
        return Some(what);
    }
    // Every second byte of European text in UTF-16 is zero.
    let zeros = |odd: usize| {
        first
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let half = first.len() / 2;
    let looks_wide = half >= 2 && (zeros(0) * 10 > half * 7 || zeros(1) * 10 > half * 7);
    looks_wide.then_some("UTF-16 without a byte order mark; save it as UTF-8")
}

/// Up to [`LOOKED_AT`] bytes from the beginning of what this reads, once decoded.
pub(crate) fn first_bytes(reader: impl Read + Send + 'static) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    Decoded::new(reader)
        .take(LOOKED_AT as u64)
        .read_to_end(&mut first)?;
    Ok(first)
}

/// A stream as the text that it holds. What that is shows when it is first read.
pub(crate) struct Decoded(State);

enum State {
    Begun(Option<Box<dyn Read + Send>>),
    Text(Box<dyn Read + Send>),
}

impl Decoded {
    pub(crate) fn new(reader: impl Read + Send + 'static) -> Decoded {
        Decoded(State::Begun(Some(Box::new(reader))))
    }
}

impl Read for Decoded {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if let State::Begun(reader) = &mut self.0 {
            let reader = reader.take().ok_or(io::ErrorKind::UnexpectedEof)?;
            self.0 = State::Text(decoded(reader)?);
        }
        match &mut self.0 {
            State::Text(text) => text.read(to),
            State::Begun(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Unpacks what is packed, and then decodes it.
fn decoded(reader: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let (coding, reader) = begin(reader)?;
    let unpacked: Box<dyn Read + Send> = match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            PIECE_BYTES,
            reader,
        ))),
        Coding::Zstd => {
            let mut zstd = zstd::Decoder::new(reader)?;
            zstd.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(zstd)
        }
        Coding::Utf16 { is_little } => return Ok(Box::new(Wide::new(reader, is_little))),
        Coding::Plain => return Ok(reader),
    };
    let (coding, text) = begin(unpacked)?;
    match coding {
        Coding::Plain => Ok(text),
        Coding::Utf16 { is_little } => Ok(Box::new(Wide::new(text, is_little))),
        Coding::Gzip | Coding::Zstd => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is packed twice; unpack it once",
        )),
    }
}

/// What the first bytes say, and the reader with these bytes before it. Waits for no more than it takes to say so: somebody
/// may be typing.
fn begin(mut reader: Box<dyn Read + Send>) -> io::Result<(Coding, Box<dyn Read + Send>)> {
    let mut first = Vec::new();
    while MAGIC
        .iter()
        .any(|magic| magic.len() > first.len() && magic.starts_with(&first))
    {
        if reader.by_ref().take(1).read_to_end(&mut first)? == 0 {
            break;
        }
    }
    let coding = Coding::of(&first);
    Ok((coding, Box::new(Cursor::new(first).chain(reader))))
}

/// UTF-16 as UTF-8. What is no UTF-16 is an error: a replaced letter would be another text.
struct Wide<R> {
    reader: R,
    decoder: Decoder,
    /// Bytes that were read and not decoded, and text that was decoded and not taken.
    bytes: Vec<u8>,
    text: String,
    taken: usize,
    is_end: bool,
}

impl<R: Read> Wide<R> {
    fn new(reader: R, is_little: bool) -> Wide<R> {
        let encoding = if is_little { UTF_16LE } else { UTF_16BE };
        Wide {
            reader,
            decoder: encoding.new_decoder_with_bom_removal(),
            bytes: Vec::new(),
            text: String::new(),
            taken: 0,
            is_end: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let read = self.reader.read(&mut piece)?;
        self.is_end = read == 0;
        self.bytes.extend_from_slice(&piece[..read]);
        self.text.clear();
        self.taken = 0;
        // One unit of UTF-16 is at most three bytes of UTF-8.
        self.text.reserve(self.bytes.len() * 2 + 16);
        let (result, used, had_errors) =
            self.decoder
                .decode_to_string(&self.bytes, &mut self.text, self.is_end);
        debug_assert_eq!(
            result,
            CoderResult::InputEmpty,
            "there was room for all of it"
        );
        self.bytes.drain(..used);
        match had_errors {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is not valid UTF-16",
            )),
            false => Ok(()),
        }
    }
}

impl<R: Read> Read for Wide<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.text.len() && !self.is_end {
            self.fill()?;
        }
        let rest = &self.text.as_bytes()[self.taken..];
        let length = rest.len().min(to.len());
        to[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        Decoded::new(Cursor::new(bytes)).read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    fn wide(text: &str, is_little: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes = units.map(|unit| {
            if is_little {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        });
        bytes.flatten().collect()
    }

    #[test]
    fn what_is_packed_is_read_as_what_it_holds() {
        let text = "one\r\nzwö 💣\n".repeat(20_000);
        assert_eq!(read(text.clone().into_bytes()).unwrap(), text);
        let halves = text.split_at(text.len() / 2 - 1);
        let members = [gzip(halves.0.as_bytes()), gzip(halves.1.as_bytes())].concat();
        assert_eq!(read(members).unwrap(), text);
        let frames = [halves.0, halves.1].map(|half| zstd::encode_all(half.as_bytes(), 1).unwrap());
        assert_eq!(read(frames.concat()).unwrap(), text);
        for is_little in [true, false] {
            assert_eq!(read(wide(&text, is_little)).unwrap(), text);
            assert_eq!(read(gzip(&wide(&text, is_little))).unwrap(), text);
        }
        for short in ["", "a", "\u{feff}"] {
            assert_eq!(read(short.as_bytes().to_vec()).unwrap(), short);
        }
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let text = "text ".repeat(10_000);
        let mut cut = gzip(text.as_bytes());
        cut.truncate(cut.len() - 9);
        assert!(read(cut).is_err());
        let mut lone = wide("ab", true);
        lone.extend([0x00, 0xd8]);
        assert!(read(lone).unwrap_err().to_string().contains("UTF-16"));
        assert!(
            read(gzip(&gzip(b"x")))
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(
            refused(b"PK\x03\x04...")
                .unwrap()
                .contains("save it as CSV")
        );
        assert!(refused(b"a\0b\0c\0d\0").unwrap().contains("UTF-16"));
        assert!(refused(b"\0a\0b\0c\0d").unwrap().contains("UTF-16"));
        for text in [&b""[..], b"a", b"a\0", b"abc\0def", b"id,name\n"] {
            assert_eq!(refused(text), None, "{text:?}");
        }
    }
}
