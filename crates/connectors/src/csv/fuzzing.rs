//! What a fuzzer tries with CSV, and what must hold whatever it tries.

use std::io::{self, Read};

use super::{Dialect, Records};
use crate::payload::Payload;
use crate::window::Window;
use inflight::{Fault, Source};

/// Items that are read at a time.
const AT_A_TIME: usize = 3;

/// Reads the bytes behind the first two as a file, once in pieces as long as the first says and once as a whole: the same items come out,
/// or the same error. Short pieces are cut by one byte after the other, whole lines many bytes at a time.
///
/// # Panics
/// When the two differ.
pub fn csv(bytes: &[u8]) {
    let Some(([piece, dialect], text)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let dialect = Dialect {
        delimiter: if dialect % 2 == 0 { b',' } else { b'\t' },
        has_header: dialect % 4 < 2,
        field: None,
    };
    let pieces = all(text, usize::from(*piece).max(1), dialect.clone());
    let whole = all(text, text.len().max(1), dialect);
    assert_eq!(pieces, whole);
}

/// Every item, or what is wrong with it; and what ended it.
fn all(text: &[u8], piece: usize, dialect: Dialect) -> (Vec<String>, Option<String>) {
    let pieces = Pieces {
        rest: text.to_vec(),
        piece,
    };
    let mut records = Records::new("in.csv", Window::of_stream(pieces), dialect, None, None);
    let mut items: Vec<Result<Payload, Fault>> = Vec::new();
    let ended = loop {
        let before = items.len();
        match records.read(AT_A_TIME, &mut items) {
            Ok(()) if items.len() == before => break None,
            Ok(()) => {}
            Err(cause) => break Some(cause.to_string()),
        }
    };
    let shown = items.into_iter().map(|item| match item {
        Ok(item) => String::from_utf8_lossy(item.bytes()).into_owned(),
        Err(fault) => fault.to_string(),
    });
    (shown.collect(), ended)
}

/// Gives no more than so many bytes at a time.
struct Pieces {
    rest: Vec<u8>,
    piece: usize,
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.min(to.len()).min(self.rest.len());
        to[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}
