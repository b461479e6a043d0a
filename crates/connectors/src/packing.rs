//! How the bytes of an output are packed: each write by itself, so that a file can be cut off after any of them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::decode::{Coding, Decoded};

/// What an output is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    /// One gzip member for each write.
    Gzip,
    /// One zstd frame for each write.
    Zstd,
}

impl Packing {
    /// What the name of a file says: `.gz` or `.zst`, in any case.
    pub(crate) fn of(path: &Path) -> Packing {
        let end = path.extension().map(|end| end.to_ascii_lowercase());
        match end.as_ref().and_then(|end| end.to_str()) {
            Some("gz") => Packing::Gzip,
            Some("zst") => Packing::Zstd,
            _ => Packing::None,
        }
    }

    /// These bytes, packed.
    pub(crate) fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Packing::None => Ok(bytes.to_vec()),
            Packing::Gzip => {
                let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
                gzip.write_all(bytes)?;
                gzip.finish()
            }
            // The level that the program zstd takes by default.
            Packing::Zstd => zstd::encode_all(bytes, 3),
        }
    }

    /// Whether the file may be cut off at this length: something packed begins there, or the file ends.
    pub(crate) fn begins_at(self, mut file: &File, length: u64) -> io::Result<bool> {
        let mut next = Vec::new();
        file.seek(SeekFrom::Start(length))?;
        file.take(4).read_to_end(&mut next)?;
        Ok(next.is_empty()
            || match self {
                Packing::None => true,
                Packing::Gzip => Coding::of(&next) == Coding::Gzip,
                Packing::Zstd => Coding::of(&next) == Coding::Zstd,
            })
    }
}

/// Whether a file holds anything but this head, which a run writes before its first line.
pub(crate) fn holds_more_than(file: &File, head: &[u8]) -> io::Result<bool> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut begin = Vec::new();
    Decoded::new(file)
        .take(head.len() as u64 + 1)
        .read_to_end(&mut begin)?;
    Ok(begin != head)
}

/// What a file of CSV or packed lines is missing, so that nothing may be added to it; `None` where it is whole. `head` is how
/// it must begin. Reads all of the file.
pub(crate) fn unfit_for_more(file: &File, head: &[u8]) -> io::Result<Option<&'static str>> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut reader = Decoded::new(file);
    let mut begin = Vec::new();
    reader
        .by_ref()
        .take(head.len() as u64)
        .read_to_end(&mut begin)?;
    if begin != head && !begin.is_empty() {
        return Ok(Some("has other columns than these"));
    }
    let mut quotes = count_quotes(&begin);
    let mut piece = vec![0; 64 << 10];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => quotes += count_quotes(&piece[..read]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(Some("ends in something packed that is not whole")),
        }
    }
    let is_open = !head.is_empty() && quotes % 2 == 1;
    Ok(is_open.then_some("ends within a value in quotes"))
}

fn count_quotes(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'"', bytes).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_in_pieces_is_read_as_a_whole() {
        for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
            let mut file = tempfile::tempfile().unwrap();
            let mut borders = Vec::new();
            for line in ["a\n", "1\n", "2\n"] {
                borders.push(file.stream_position().unwrap());
                file.write_all(&packing.pack(line.as_bytes()).unwrap())
                    .unwrap();
            }
            for border in borders {
                assert!(packing.begins_at(&file, border).unwrap(), "{packing:?}");
            }
            if packing != Packing::None {
                assert!(!packing.begins_at(&file, 1).unwrap());
            }
            let mut text = String::new();
            file.rewind().unwrap();
            Decoded::new(file.try_clone().unwrap())
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "a\n1\n2\n");
            assert_eq!(unfit_for_more(&file, b"a\n").unwrap(), None);
            assert!(
                unfit_for_more(&file, b"b\n")
                    .unwrap()
                    .unwrap()
                    .contains("columns")
            );
        }
    }

    #[test]
    fn names_say_how_a_file_is_packed() {
        let of = |name: &str| Packing::of(Path::new(name));
        assert_eq!(
            [of("a.csv.gz"), of("a.GZ"), of("a.zst")],
            [Packing::Gzip, Packing::Gzip, Packing::Zstd]
        );
        assert_eq!([of("a.csv"), of("gz"), of("-")], [Packing::None; 3]);
    }

    #[test]
    fn what_was_cut_off_gets_nothing_more() {
        let check = |bytes: &[u8], head: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            unfit_for_more(&file, head).unwrap()
        };
        assert_eq!(check(b"", b"a\n"), None);
        assert_eq!(check(b"a\n\"x\ny\"\n", b"a\n"), None);
        assert_eq!(
            check(b"a\n\"x\n", b"a\n"),
            Some("ends within a value in quotes")
        );
        let mut cut = Packing::Gzip.pack(b"{\"index\":1}\n").unwrap();
        assert_eq!(check(&cut, b""), None);
        cut.pop();
        assert_eq!(
            check(&cut, b""),
            Some("ends in something packed that is not whole")
        );
    }
}
