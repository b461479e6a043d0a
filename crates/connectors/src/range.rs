//! A range of numbers as input: `0..600` has the items 0, 1, … 599.

use std::ops::Range;

use inflight::{Fault, Place, Source};

use crate::block::Block;
use crate::payload::Payload;

/// The numbers of a range as decimal text, in order.
pub(crate) struct Numbers {
    start: u64,
    left: Range<u64>,
    block: Block,
}

impl Numbers {
    pub(crate) fn new(range: Range<u64>) -> Numbers {
        Numbers {
            start: range.start,
            left: range,
            block: Block::default(),
        }
    }
}

impl Source for Numbers {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        for number in self.left.by_ref().take(max) {
            let mut digits = [0; DIGITS_MAX];
            let bytes = self.block.cut(decimal(number, &mut digits));
            items.push(Ok(Payload::read(bytes)));
        }
        Ok(())
    }

    fn place(&mut self) -> Option<Place> {
        let numbers = [self.start, self.left.start];
        Some(Place(
            numbers.iter().flat_map(|n| n.to_le_bytes()).collect(),
        ))
    }

    fn resume(&mut self, from: Option<&Place>, read_to: Option<&Place>) -> Result<(), Fault> {
        let from = from.map(|place| self.next(place)).transpose()?;
        read_to.map(|place| self.next(place)).transpose()?;
        self.left.start = from.unwrap_or(self.start);
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left.end - self.left.start)
    }
}

impl Numbers {
    /// The number that comes next at a place of a range that began as this one does, and went no further.
    fn next(&self, place: &Place) -> Result<u64, Fault> {
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        let (start, next) = place
            .0
            .split_at_checked(8)
            .and_then(|(start, next)| Some((number(start)?, number(next)?)))
            .ok_or_else(|| Fault::permanent("what was read then is no range of numbers"))?;
        let Range { end, .. } = self.left;
        if start != self.start {
            return Err(Fault::permanent(format!(
                "the range began at {start}, and begins at {}",
                self.start
            )));
        }
        match next <= end {
            true => Ok(next),
            false => Err(Fault::permanent(format!(
                "the range ends at {end}, and had been read up to {next}"
            ))),
        }
    }
}

/// Reads `A..B`; `None` when the text is nothing of the sort, so that it may name a file.
pub(crate) fn parse(text: &str) -> Option<Result<Range<u64>, String>> {
    let (start, end) = text.split_once("..")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(start) || !digits(end) {
        return None;
    }
    Some(match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) if start <= end => Ok(start..end),
        (Ok(_), Ok(_)) => Err(format!(
            "range {text} runs backwards; did you mean {end}..{start}?"
        )),
        _ => Err(format!("range {text} goes beyond {}", u64::MAX)),
    })
}

/// The digits of the largest `u64`.
pub(crate) const DIGITS_MAX: usize = 20;

/// The number as decimal text, written into the end of the buffer; the formatting machinery takes longer
/// than all else that is done for a number.
pub(crate) fn decimal(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut start = DIGITS_MAX;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Result<Range<u64>, &str>>) {
        match (parse(text), expected) {
            (None, None) => {}
            (Some(Ok(range)), Some(Ok(expected))) => assert_eq!(range, expected),
            (Some(Err(message)), Some(Err(part))) => assert!(message.contains(part), "{message}"),
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn ranges_are_told_from_file_names() {
        check("0..600", Some(Ok(0..600)));
        check("5..5", Some(Ok(5..5)));
        check("600..0", Some(Err("did you mean 0..600")));
        check("0..99999999999999999999", Some(Err("beyond")));
        for name in ["words.txt", "../words", "a..b", "1..", "..2", "1...2", "-"] {
            check(name, None);
        }
    }

    #[test]
    fn numbers_come_as_text_and_are_counted() {
        let mut numbers = Numbers::new(9..12);
        let mut items = Vec::new();
        numbers.read(2, &mut items).unwrap();
        assert_eq!(numbers.remaining(), Some(1));
        numbers.read(2, &mut items).unwrap();
        numbers.read(2, &mut items).unwrap();
        let texts: Vec<_> = items
            .into_iter()
            .map(|item| item.unwrap().bytes().clone())
            .collect();
        assert_eq!(texts, ["9", "10", "11"]);
        assert_eq!(numbers.remaining(), Some(0));
        assert_eq!(decimal(u64::MAX, &mut [0; 20]), b"18446744073709551615");
    }
    #[test]
    fn reading_goes_on_in_a_range_that_may_have_grown() {
        let mut numbers = Numbers::new(5..9);
        let mut items = Vec::new();
        numbers.read(3, &mut items).unwrap();
        let place = numbers.place().unwrap();
        for end in [8, 9, 20] {
            let mut later = Numbers::new(5..end);
            later.resume(Some(&place), Some(&place)).unwrap();
            assert_eq!(later.remaining(), Some(end - 8));
        }
        let refused = |range: Range<u64>, part: &str| {
            let fault = Numbers::new(range).resume(None, Some(&place)).unwrap_err();
            assert!(fault.to_string().contains(part), "{fault}");
        };
        refused(5..7, "ends at 7, and had been read up to 8");
        refused(4..9, "began at 5, and begins at 4");
        let mut odd = Numbers::new(5..9);
        assert!(odd.resume(Some(&Place(vec![1; 33])), None).is_err());
    }
}
