//! A place in a file of lines, as a journal keeps it: enough to go on there, and to see whether all before it has changed.

use inflight::Place;

/// Between two lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinePlace {
    /// Bytes before it.
    pub(crate) offset: u64,
    /// Lines before it, whether they were items or not.
    pub(crate) line: u64,
    /// Items before it.
    pub(crate) items: u64,
    /// `xxh3_64` of all bytes before it.
    pub(crate) hash: u64,
    /// Whether the last line before it had no end, and was taken for whole because the file ended there.
    pub(crate) is_cut: bool,
}

impl LinePlace {
    /// Reads what [`LinePlace::to_place`] wrote; `None` of anything else.
    pub(crate) fn read(place: &Place) -> Option<LinePlace> {
        let (numbers, last) = place.0.split_at_checked(32)?;
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of eight")));
        let mut number = || numbers.next();
        Some(LinePlace {
            offset: number()?,
            line: number()?,
            items: number()?,
            hash: number()?,
            is_cut: match last {
                [0] => false,
                [1] => true,
                _ => return None,
            },
        })
    }

    pub(crate) fn to_place(&self) -> Place {
        let numbers = [self.offset, self.line, self.items, self.hash];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        bytes.push(u8::from(self.is_cut));
        Place(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = LinePlace {
            offset: 1,
            line: 2,
            items: 3,
            hash: u64::MAX,
            is_cut: true,
        };
        assert_eq!(LinePlace::read(&place.to_place()), Some(place));
        for length in [0, 8, 32, 34] {
            assert_eq!(LinePlace::read(&Place(vec![1; length])), None);
        }
    }
}
