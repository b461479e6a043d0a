//! How a file of lines ends: whole, or in a line that a crash cut off.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// How each line begins that is written here; a last line that begins so and has no end was cut by a crash.
const BEGIN: &[u8] = b"{\"index\":";

/// How a file ends.
pub(crate) enum Tail {
    Whole,
    /// In a line of ours without an end; the length without it.
    Cut(u64),
    /// In such a line of somebody else's.
    Foreign,
}

impl Tail {
    /// Looks for a last line without an end, block by block from the back.
    pub(crate) fn of(mut file: &File) -> io::Result<Tail> {
        const BLOCK_BYTES: usize = 64 << 10;
        let about = file.metadata()?;
        if !about.is_file() || about.len() == 0 {
            return Ok(Tail::Whole);
        }
        let mut block = vec![0; BLOCK_BYTES];
        let mut start = about.len();
        while start > 0 {
            let size = start.min(BLOCK_BYTES as u64);
            start -= size;
            let block = &mut block[..size as usize];
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(block)?;
            if let Some(at) = memchr::memrchr(b'\n', block) {
                start += at as u64 + 1;
                break;
            }
        }
        if start == about.len() {
            return Ok(Tail::Whole);
        }
        file.seek(SeekFrom::Start(start))?;
        let mut begin = Vec::new();
        file.take(BEGIN.len() as u64).read_to_end(&mut begin)?;
        let is_ours = BEGIN.starts_with(&begin);
        Ok(if is_ours {
            Tail::Cut(start)
        } else {
            Tail::Foreign
        })
    }
}

/// Whether a line ends, or the file begins, at this length.
pub(crate) fn is_line_end(mut file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}
