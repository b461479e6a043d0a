//! The idempotency key of a save: what lets a service tell a repeated request from a new one.

use hyper::header::HeaderValue;
use inflight::Record;
use xxhash_rust::xxh3::xxh3_128;

use crate::payload::Payload;

/// 32 hex digits that depend on the job and the items only: on their keys, or on their places and contents.
pub(super) fn idempotency_key(job: u64, records: &[Record<Payload>]) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let hash = match records {
        [record] => hash_of(job, record),
        _ => {
            let hashes = records
                .iter()
                .map(|record| hash_of(job, record).to_be_bytes());
            xxh3_128(&hashes.collect::<Vec<_>>().concat())
        }
    };
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&digits).expect("hex digits are allowed in a header")
}

fn hash_of(job: u64, record: &Record<Payload>) -> u128 {
    let mut who = [0; 32];
    who[..8].copy_from_slice(&job.to_le_bytes());
    // The number of a key is another in another journal.
    if record.value.key_text().is_none() {
        who[8..16].copy_from_slice(&record.index.to_le_bytes());
    }
    who[16..].copy_from_slice(&record.value.key.to_le_bytes());
    xxh3_128(&who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_job_index_and_item() {
        let key = |job, index, item: &'static str| {
            idempotency_key(job, &[Record::new(index, Payload::read(item))])
        };
        // Written down, because a key that changes between versions would repeat saves.
        assert_eq!(key(1, 2, "x"), "01af5d82bffc8fbb6138bebef1c49cc0");
        let computed = Record::new(2, Payload::read("x").becomes("other"));
        assert_eq!(
            key(1, 2, "x"),
            idempotency_key(1, std::slice::from_ref(&computed))
        );
        for other in [key(0, 2, "x"), key(1, 3, "x"), key(1, 2, "y")] {
            assert_ne!(key(1, 2, "x"), other);
        }
        let two = [computed, Record::new(3, Payload::read("x"))];
        assert_ne!(idempotency_key(1, &two), idempotency_key(1, &two[..1]));
    }
}
