//! Spans as packed columns, in a recording and in the page: differences as variable-length numbers, one column after the
//! other, so that they compress well. The page's script reads the same.

use anyhow::{Context, bail};

use super::span::{Kind, Span};

/// The columns, in this order: per item its index and its number of spans; per span its kind, its start and how long it
/// took.
const COLUMNS: usize = 5;

/// Packs spans that are sorted by item and time.
///
/// A number is 7 bits a byte, lowest first. An index is the difference to that of the item before. The start of an item's
/// first span is the difference to the start of the item before, any other one the difference to the end of the span
/// before; both may be negative: 0, -1, 1, -2 … are 0, 1, 2, 3 …. The column's length in bytes comes before each column.
pub(crate) fn pack(spans: &[Span]) -> Vec<u8> {
    let mut columns: [Vec<u8>; COLUMNS] = Default::default();
    let [indexes, counts, kinds, starts, lengths] = &mut columns;
    let (mut index, mut row_start) = (0, 0);
    for row in spans.chunk_by(|a, b| a.index == b.index) {
        push(indexes, row[0].index - index);
        push(counts, row.len() as u64);
        index = row[0].index;
        let mut before = row_start;
        row_start = row[0].at_us();
        for span in row {
            kinds.push(span.kind() as u8);
            push(starts, zigzag(span.at_us() as i64 - before as i64));
            push(lengths, span.took_us());
            before = span.end_us();
        }
    }
    let mut packed = Vec::with_capacity(columns.iter().map(Vec::len).sum::<usize>() + 5 * COLUMNS);
    for column in &columns {
        push(&mut packed, column.len() as u64);
        packed.extend_from_slice(column);
    }
    packed
}

/// What was packed.
///
/// # Errors
/// When the bytes are not what [`pack`] makes.
pub(crate) fn unpack(packed: &[u8]) -> anyhow::Result<Vec<Span>> {
    let mut rest = Reader(packed);
    let mut columns = [Reader(&[]); COLUMNS];
    for column in &mut columns {
        let length = rest.number()? as usize;
        *column = Reader(rest.bytes(length)?);
    }
    let [mut indexes, mut counts, mut kinds, mut starts, mut lengths] = columns;
    let mut spans = Vec::with_capacity(kinds.0.len());
    let (mut index, mut row_start) = (0_u64, 0);
    while !indexes.0.is_empty() {
        index = sum(index, indexes.number()?)?;
        let mut before = row_start;
        for place in 0..counts.number()? {
            let kind = kinds.bytes(1)?[0];
            let kind = *Kind::ALL.get(usize::from(kind)).context("no such kind")?;
            let at = (before as i64).checked_add(unzigzag(starts.number()?));
            let at = at.and_then(|at| u64::try_from(at).ok());
            let at = at.context("a span before the start of the run")?;
            let took = lengths.number()?;
            if took >> 56 > 0 {
                bail!("a span without end");
            }
            if place == 0 {
                row_start = at;
            }
            before = sum(at, took)?;
            spans.push(Span::of_micros(index, kind, at, took));
        }
    }
    Ok(spans)
}

fn sum(a: u64, b: u64) -> anyhow::Result<u64> {
    let sum = a.checked_add(b).filter(|sum| i64::try_from(*sum).is_ok());
    sum.context("a number too large")
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Reads from the front of what is left.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> anyhow::Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length).context("it ends early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> anyhow::Result<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.bytes(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        bail!("a number too large")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans() -> Vec<Span> {
        let mut spans: Vec<Span> = (0..1_000_u64)
            .flat_map(|item| {
                let at = 1_000_000 - 900 * item;
                [
                    Span::of_micros(7 * item, Kind::Compute, at, 16_000 + item),
                    Span::of_micros(7 * item, Kind::SaveFailed, at + 15_999, 1 << 40),
                    Span::of_micros(7 * item, Kind::Dead, at + (1 << 41), 0),
                ]
            })
            .collect();
        spans.sort_unstable();
        spans
    }

    #[test]
    fn what_is_packed_comes_back() {
        for spans in [spans(), Vec::new()] {
            assert_eq!(unpack(&pack(&spans)).unwrap(), spans);
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        let packed = pack(&spans());
        for length in (0..packed.len()).step_by(97) {
            assert!(unpack(&packed[..length]).is_err(), "{length}");
        }
        let mut random = 1_u64;
        for _ in 0..2_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let mut damaged = packed.clone();
            let place = (random >> 20) as usize % damaged.len();
            damaged[place] ^= (random >> 11) as u8 | 1;
            // Either is right; what must not be is a panic.
            let _ = unpack(&damaged);
        }
    }
}
