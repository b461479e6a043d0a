//! An input that is read ahead, and knows how far it was taken and what the bytes up to there hash to.
//!
//! Hashing is put off until a buffer is used up or somebody asks, so that it runs over many bytes at once; and nothing is
//! hashed before somebody wants to be asked.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::Xxh3;

/// Bytes read at once: a system call for each thousand lines or so.
const READ_BYTES: usize = 256 << 10;

/// A file or stream, and the part of it that has been read and not taken yet.
pub(crate) struct Window {
    from: From,
    buffer: Vec<u8>,
    /// What has been taken of the buffer, and what it holds.
    start: usize,
    end: usize,
    /// Bytes taken since the beginning of the input.
    offset: u64,
    hash: Option<Hash>,
}

enum From {
    /// One in which reading can go on anywhere.
    File(File),
    Stream(Box<dyn Read + Send>),
}

/// The hash of what was taken.
#[derive(Clone)]
struct Hash {
    state: Xxh3,
    /// Up to where the buffer has gone into it.
    hashed: usize,
}

/// Where to go back to: an offset, and the hash of all before it.
pub(crate) struct Return {
    offset: u64,
    state: Xxh3,
}

impl Window {
    /// Over a regular file, at its beginning.
    pub(crate) fn of_file(file: File) -> Window {
        Window::new(From::File(file))
    }

    /// Over what can be read once.
    pub(crate) fn of_stream(stream: impl Read + Send + 'static) -> Window {
        Window::new(From::Stream(Box::new(stream)))
    }

    fn new(from: From) -> Window {
        Window {
            from,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            hash: None,
        }
    }

    /// Whether reading can go on anywhere.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.from, From::File(_))
    }

    /// Hashes everything from now on; asked at the beginning.
    pub(crate) fn hash(&mut self) {
        debug_assert_eq!(self.offset, 0, "what was taken before would be missing");
        let (state, hashed) = (Xxh3::new(), self.start);
        self.hash = Some(Hash { state, hashed });
    }

    /// What is there without reading on.
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Bytes taken since the beginning.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The hash of all bytes taken; `None` when nobody asked for hashing.
    pub(crate) fn digest(&mut self) -> Option<u64> {
        self.hash_taken();
        Some(self.hash.as_ref()?.state.digest())
    }

    /// Where it stands now, to go back there.
    pub(crate) fn here(&mut self) -> Option<Return> {
        self.hash_taken();
        let (offset, state) = (self.offset, self.hash.as_ref()?.state.clone());
        Some(Return { offset, state })
    }

    /// Goes back. Nothing happens in a stream.
    pub(crate) fn go_back(&mut self, to: Return) -> io::Result<()> {
        let From::File(file) = &mut self.from else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(to.offset))?;
        (self.start, self.end, self.offset) = (0, 0, to.offset);
        let (state, hashed) = (to.state, 0);
        self.hash = Some(Hash { state, hashed });
        Ok(())
    }

    /// Takes everything up to this offset, or to the end of the input, and says whether it got there.
    pub(crate) fn take_to(&mut self, offset: u64) -> io::Result<bool> {
        while self.offset < offset {
            let there = match self.fill_buf() {
                Ok([]) => return Ok(false),
                Ok(there) => there.len(),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(cause),
            };
            let missing = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            self.consume(there.min(missing));
        }
        Ok(true)
    }

    /// The next two bytes, or as many as there are; for files.
    pub(crate) fn peek(&mut self) -> io::Result<Vec<u8>> {
        let mut next = Vec::new();
        if let From::File(file) = &mut self.from {
            let stands_at = file.stream_position()?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(2).read_to_end(&mut next)?;
            file.seek(SeekFrom::Start(stands_at))?;
        }
        Ok(next)
    }

    fn hash_taken(&mut self) {
        if let Some(Hash { state, hashed }) = &mut self.hash {
            state.update(&self.buffer[*hashed..self.start]);
            *hashed = self.start;
        }
    }
}

impl Read for Window {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.hash_taken();
            if let Some(hash) = &mut self.hash {
                hash.hashed = 0;
            }
            (self.start, self.end) = (0, 0);
            self.buffer.resize(READ_BYTES, 0);
            self.end = match &mut self.from {
                From::File(file) => file.read(&mut self.buffer)?,
                From::Stream(stream) => stream.read(&mut self.buffer)?,
            };
        }
        Ok(self.buffer())
    }

    fn consume(&mut self, bytes: usize) {
        debug_assert!(
            bytes <= self.end - self.start,
            "only what is there can be taken"
        );
        self.start += bytes;
        self.offset += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn what_was_taken_is_what_is_hashed() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        let mut window = Window::of_stream(io::Cursor::new(bytes.clone()));
        window.hash();
        let mut taken = 0;
        for step in [0, 1, 7, 100_000, 262_144, 5, 300_000] {
            taken += step;
            assert!(window.take_to(taken).unwrap());
            assert_eq!(window.offset(), taken);
            assert_eq!(window.digest(), Some(xxh3_64(&bytes[..taken as usize])));
        }
        assert!(!window.take_to(700_001).unwrap());
        assert_eq!(window.digest(), Some(xxh3_64(&bytes)));
    }

    #[test]
    fn going_back_leads_to_the_same_bytes_and_hash() {
        let file = tempfile::tempfile().unwrap();
        let bytes = vec![b'x'; 600_000];
        io::Write::write_all(&mut &file, &bytes).unwrap();
        (&file).rewind().unwrap();
        let mut window = Window::of_file(file);
        window.hash();
        assert!(window.take_to(300_000).unwrap());
        let there = window.here().unwrap();
        assert!(window.take_to(500_000).unwrap());
        assert_eq!(window.peek().unwrap(), b"xx");
        let digest = window.digest();
        window.go_back(there).unwrap();
        assert!(window.take_to(500_000).unwrap());
        assert_eq!(window.digest(), digest);
        assert!(window.take_to(599_999).unwrap());
        assert_eq!(window.peek().unwrap(), b"x");
    }
}
