//! How a file of lines ends: whole, or in a line that a crash cut off.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

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

/// Whether the last line has its end.
pub(crate) fn ends_whole(file: &File) -> io::Result<bool> {
    is_line_end(file, file.metadata()?.len())
}

/// Where the first line begins, from this byte on, that cannot be one of a run that was killed before it recorded it:
/// it is of another shape, or its item was finished before. The last line may be cut anywhere.
pub(crate) fn first_foreign(
    mut file: &File,
    from: u64,
    finished: &[Range<u64>],
) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(from))?;
    let (mut reader, mut at, mut line) = (BufReader::new(file), from, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let is_whole = line.ends_with(b"\n");
        if !is_unrecorded(&line, is_whole, finished) {
            return Ok(Some(at));
        }
        at += length;
    }
}

fn is_unrecorded(line: &[u8], is_whole: bool, finished: &[Range<u64>]) -> bool {
    // Blocks that a loss of power left unwritten are zero.
    if line.iter().all(|byte| *byte == 0) {
        return true;
    }
    let Some(rest) = line.strip_prefix(BEGIN) else {
        return !is_whole;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let index = std::str::from_utf8(&rest[..digits]).ok();
    match index.and_then(|text| text.parse::<u64>().ok()) {
        Some(index) if is_whole => !finished.iter().any(|range| range.contains(&index)),
        // Where the line was cut, more digits may be missing.
        _ => !is_whole,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_of_others_are_told_from_our_own() {
        let check = |content: &str, expected: Option<u64>| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"before\n").unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let found = first_foreign(&file, 7, &[0..10, 20..30]).unwrap();
            assert_eq!(found, expected, "{content:?}");
        };
        check("", None);
        check("{\"index\":10,\"result\":1}\n{\"index\":12,\"res", None);
        check("{\"index\":2", None);
        check("{\"ind", None);
        check("{\"index\":10,\"result\":1}\n\0\0\0", None);
        check(
            "{\"index\":10,\"result\":1}\n{\"index\":5,\"result\":1}\n",
            Some(31),
        );
        check("{\"index\":20,\"result\":1}\n", Some(7));
        check("a note\n", Some(7));
    }
}
