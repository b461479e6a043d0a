//! Memory that many small items are cut from, so that an item costs no allocation of its own.

use bytes::{Bytes, BytesMut};

/// Bytes in one block. A block lives as long as its last item, so that a single slow item pins at most this
/// much: 8 KiB holds hundreds of short items and is no burden when thousands wait to be tried again.
const BLOCK_BYTES: usize = 8 << 10;

/// Items larger than this get memory of their own; the share of a block they would leave unused is too big.
const SHARED_BYTES_MAX: usize = BLOCK_BYTES / 4;

/// Cuts items from blocks of memory.
#[derive(Default)]
pub(crate) struct Block(BytesMut);

impl Block {
    /// A copy of these bytes, in the current block where it fits.
    pub(crate) fn cut(&mut self, item: &[u8]) -> Bytes {
        if item.len() > SHARED_BYTES_MAX {
            return Bytes::copy_from_slice(item);
        }
        // After each cut the capacity is what is left of the block.
        if item.len() > self.0.capacity() {
            self.0 = BytesMut::with_capacity(BLOCK_BYTES);
        }
        self.0.extend_from_slice(item);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_bytes_across_blocks() {
        let mut block = Block::default();
        let lengths = [0, 1, 2047, 2048, 2049, 8192, 9000, 2048, 2048, 2048, 5];
        let items: Vec<Bytes> = (0_u8..)
            .zip(lengths)
            .map(|(fill, length)| block.cut(&vec![fill; length]))
            .collect();
        for ((fill, length), item) in (0_u8..).zip(lengths).zip(items) {
            assert_eq!(item, vec![fill; length]);
        }
    }
}
