//! Bearer tokens that expire: each is good for a time after its first use.

use std::collections::HashMap;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

/// Tokens that are remembered; beyond them every new one is refused, so that a client that makes tokens up costs no memory.
const TOKENS_MAX: usize = 4096;

/// The tokens that were seen, by their hash.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashMap<u128, Duration>);

impl Tokens {
    /// Whether the value of an `Authorization` header is good now; its time begins when it is seen first.
    pub(crate) fn accept(&mut self, header: Option<&[u8]>, life: Duration, now: Duration) -> bool {
        let Some(token) = header.and_then(bearer) else {
            return false;
        };
        let key = xxh3_128(token);
        if !self.0.contains_key(&key) && self.0.len() >= TOKENS_MAX {
            return false;
        }
        let first_used = *self.0.entry(key).or_insert(now);
        now.saturating_sub(first_used) < life
    }
}

/// The token of `Bearer TOKEN`; none where it is empty.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_and_another_takes_over() {
        let mut tokens = Tokens::default();
        let life = Duration::from_secs(5);
        let mut accept = |header: &str, at_s| {
            let now = Duration::from_secs(at_s);
            tokens.accept(Some(header.as_bytes()), life, now)
        };
        assert!(accept("Bearer one", 10));
        assert!(accept("bearer one", 14));
        assert!(!accept("Bearer one", 15));
        assert!(accept("Bearer two", 15));
        assert!(!accept("Bearer one", 16));
        assert!(!accept("Bearer ", 16) && !accept("Basic one", 16));
        assert!(!tokens.accept(None, life, life));
    }
}
