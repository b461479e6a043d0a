//! The bytes of one key in the file of keys: 12 of its hash, 4 of a checksum. Pure.
//!
//! An entry says by itself whether it is whole and stands where it was written, so that a file that was cut, torn or changed
//! is known for that.

use crate::key::Key;

/// Bytes of an entry.
pub(crate) const ENTRY: usize = 16;

/// Bytes of the hash.
const HASH: usize = 12;

/// What is kept of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) [u8; HASH]);

impl Hash {
    pub(crate) fn of(key: Key) -> Hash {
        let bytes = key.0.to_be_bytes();
        Hash(*bytes.first_chunk().expect("a hash is longer than that"))
    }

    /// The first 32 bits, which are spread evenly.
    pub(crate) fn beginning(self) -> u32 {
        u32::from_be_bytes(*self.0.first_chunk().expect("a hash is longer than that"))
    }
}

/// The entry of this number.
pub(crate) fn write(salt: [u8; 4], number: u64, hash: Hash) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..HASH].copy_from_slice(&hash.0);
    entry[HASH..].copy_from_slice(&checksum(salt, number, &hash.0).to_le_bytes());
    entry
}

/// What the entry of this number holds; `None` of anything that was not written as that.
pub(crate) fn read(salt: [u8; 4], number: u64, entry: &[u8; ENTRY]) -> Option<Hash> {
    let (hash, sum) = entry.split_first_chunk::<HASH>()?;
    (sum == checksum(salt, number, hash).to_le_bytes()).then_some(Hash(*hash))
}

fn checksum(salt: [u8; 4], number: u64, hash: &[u8]) -> u32 {
    let mut place = [0; 12];
    place[..4].copy_from_slice(&salt);
    place[4..].copy_from_slice(&number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_for_what_it_is() {
        let (salt, hash) = ([1, 2, 3, 4], Hash::of(Key::of("a")));
        let entry = write(salt, 7, hash);
        assert_eq!(read(salt, 7, &entry), Some(hash));
        assert_eq!(read(salt, 8, &entry), None, "of another number");
        assert_eq!(read([0; 4], 7, &entry), None, "of another file");
        assert_eq!(read(salt, 7, &[0; ENTRY]), None);
        for at in 0..ENTRY {
            let mut changed = entry;
            changed[at] ^= 1;
            assert_eq!(read(salt, 7, &changed), None, "byte {at}");
        }
    }
}
