//! A stream of hashes, each posted, a fixed number of them under way at once.

use std::time::Instant;

use bench::Outcome;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use sha2::{Digest, Sha256};

pub(crate) fn run(items: u64, url: &str, connections: usize) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let client = Client::new();
    let start = Instant::now();
    let saved = runtime.block_on(
        stream::iter(0..items)
            .map(|item| client.post(url).body(hash(item)).send())
            .buffer_unordered(connections)
            .and_then(async |answer| answer.error_for_status()?.bytes().await)
            .try_fold(0, async |saved, _| Ok(saved + 1)),
    )?;
    Ok(Outcome {
        items: saved,
        elapsed_s: start.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}

/// The hash of an item's number as text, in hex.
pub(crate) fn hash(item: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = Sha256::digest(item.to_string());
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
