//! What an item is known by when its place in the input says nothing: a hash of its key.

use xxhash_rust::xxh3::xxh3_128;

/// The key of an item, as 128 bits of hash; see [`Job::keyed_by`](crate::Job::keyed_by).
///
/// Of these a journal keeps 96: among 10 million keys two of them are taken for one with a probability of 1 in 10^15, among
/// a thousand million of 1 in 10^11. The hash (`xxh3_128`) is no defence against somebody who makes keys on purpose so that they collide.
///
/// ```
/// use inflight::Key;
///
/// assert_eq!(Key::of("user-7"), Key::of("user-7"));
/// assert_ne!(Key::of("user-7"), Key::of("user-8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u128);

impl Key {
    /// The key that is spelled so.
    pub fn of(text: impl AsRef<[u8]>) -> Key {
        Key(xxh3_128(text.as_ref()))
    }

    /// What an item is known by whose key so many items had before it in the same input.
    pub(crate) fn again(self, times: u64) -> Key {
        let mut text = [0; 24];
        text[..16].copy_from_slice(&self.0.to_le_bytes());
        text[16..].copy_from_slice(&times.to_le_bytes());
        Key::of(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_every_version() {
        // Written down, because journals hold it.
        assert_eq!(
            Key::of("user-7").0,
            147_455_747_473_731_927_016_825_209_140_158_416_450
        );
        let again = Key::of("user-7").again(1);
        assert_eq!(again.0, 221_394_690_121_740_786_798_733_791_937_754_781_257);
    }
}
