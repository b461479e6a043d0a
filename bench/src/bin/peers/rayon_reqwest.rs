//! rayon computes, tokio saves a hundred at a time, a channel in between.

use bench::Outcome;
use futures_util::{StreamExt, TryStreamExt, stream};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use reqwest::Client;
use std::time::Instant;
use tokio::sync::mpsc;

use crate::hashes::hash;

const IN_FLIGHT: usize = 100;
/// Hashes that may wait to be saved.
const WAITING_MAX: usize = 1000;

pub(crate) fn run(items: u64, url: &str) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let client = Client::new();
    let start = Instant::now();
    let (sender, mut hashes) = mpsc::channel(WAITING_MAX);
    rayon::spawn(move || {
        (0..items).into_par_iter().for_each(|item| {
            // Nobody takes them any more once a save has failed.
            let _ = sender.blocking_send(hash(item));
        });
    });
    let saved = runtime.block_on(
        stream::poll_fn(move |context| hashes.poll_recv(context))
            .map(|hash| client.post(url).body(hash).send())
            .buffer_unordered(IN_FLIGHT)
            .and_then(async |answer| answer.error_for_status()?.bytes().await)
            .try_fold(0, async |saved, _| Ok(saved + 1)),
    )?;
    Ok(Outcome {
        items: saved,
        elapsed_s: start.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}
