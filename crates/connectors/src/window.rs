//! An input that is read ahead, and knows how far it was taken and what the bytes up to there hash to.
//!
//! Hashing is put off until a buffer is used up or somebody asks, so that it runs over many bytes at once; and nothing is
//! hashed before somebody wants to be asked.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::time::SystemTime;

use xxhash_rust::xxh3::Xxh3;

use crate::fingerprint::{Fingerprint, changed, shorter};

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
    /// One in which reading can go on anywhere, and what it was when it was opened.
    File(File, Option<Seen>),
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
        // Without it, only what was appended or cut meanwhile is not noticed.
        let seen = Seen::of(&file).ok();
        Window::new(From::File(file, seen))
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
        matches!(self.from, From::File(..))
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
        let From::File(file, _) = &mut self.from else {
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
        if let From::File(file, _) = &mut self.from {
            let stands_at = file.stream_position()?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(2).read_to_end(&mut next)?;
            file.seek(SeekFrom::Start(stands_at))?;
        }
        Ok(next)
    }

    /// Whether a file, read to its end, still is what it was when it was opened, but for what was appended; else what
    /// differs, in a sentence. What was read of one that was changed behind the reader is neither the old nor the new.
    pub(crate) fn check_end(&mut self, name: &str) -> io::Result<Result<(), String>> {
        let (offset, digest) = (self.offset, self.digest());
        let From::File(file, Some(seen)) = &mut self.from else {
            return Ok(Ok(()));
        };
        let about = file.metadata()?;
        let most = seen.bytes().max(offset);
        if about.len() < most {
            return Ok(Err(shorter(name, about.len(), most)));
        }
        if about.modified().ok() == seen.modified {
            return Ok(Ok(()));
        }
        let stands_at = file.stream_position()?;
        let mut outcome = seen.fingerprint.begins(file, name);
        if let (Ok(()), Some(digest)) = (&outcome, digest)
            && hash_of(file, offset)? != digest
        {
            outcome = Err(changed(name, offset));
        }
        file.seek(SeekFrom::Start(stands_at))?;
        Ok(outcome.map_err(|why| format!("{why}; it was changed while it was read")))
    }

    fn hash_taken(&mut self) {
        if let Some(Hash { state, hashed }) = &mut self.hash {
            state.update(&self.buffer[*hashed..self.start]);
            *hashed = self.start;
        }
    }
}

/// What a file was when reading it began.
struct Seen {
    fingerprint: Fingerprint,
    /// `None` where the file system keeps no time.
    modified: Option<SystemTime>,
}

impl Seen {
    fn of(file: &File) -> io::Result<Seen> {
        let modified = file.metadata()?.modified().ok();
        let fingerprint = Fingerprint::of(file)?;
        (&*file).rewind()?;
        Ok(Seen {
            fingerprint,
            modified,
        })
    }

    fn bytes(&self) -> u64 {
        self.fingerprint.bytes()
    }
}

/// The hash of the first bytes of a file.
fn hash_of(mut file: &File, bytes: u64) -> io::Result<u64> {
    file.rewind()?;
    let mut window = Window::new(From::Stream(Box::new(file.try_clone()?)));
    window.hash();
    window.take_to(bytes)?;
    Ok(window.digest().unwrap_or_default())
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
                From::File(file, _) => file.read(&mut self.buffer)?,
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
    fn a_file_that_was_changed_behind_the_reader_is_known() {
        let check = |is_hashed: bool, change: fn(&mut File), part: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            std::fs::write(&path, vec![b'x'; 5 << 20]).unwrap();
            let mut window = Window::of_file(File::open(&path).unwrap());
            if is_hashed {
                window.hash();
            }
            assert!(window.take_to(4 << 20).unwrap());
            // Clocks of file systems are coarse.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(&mut File::options().read(true).write(true).open(&path).unwrap());
            while !window.fill_buf().unwrap().is_empty() {
                let there = window.buffer().len();
                window.consume(there);
            }
            match (window.check_end("a").unwrap(), part) {
                (Ok(()), None) => {}
                (Err(why), Some(part)) => assert!(why.contains(part), "{why}"),
                (got, part) => panic!("{got:?}, expected {part:?}"),
            }
        };
        fn write(file: &mut File, at: u64) {
            file.seek(SeekFrom::Start(at)).unwrap();
            io::Write::write_all(file, b"y\n").unwrap();
        }
        for is_hashed in [true, false] {
            check(is_hashed, |_| {}, None);
            check(is_hashed, |file| file.set_len(9).unwrap(), Some("shorter"));
            check(is_hashed, |file| file.set_len(0).unwrap(), Some("shorter"));
        }
        for is_hashed in [true, false] {
            check(is_hashed, |file| write(file, 5 << 20), None);
            check(is_hashed, |file| write(file, 7), Some("not what they were"));
        }
        check(
            true,
            |file| write(file, 2 << 20),
            Some("not what they were"),
        );
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
