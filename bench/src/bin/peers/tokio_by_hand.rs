//! One thread: compute an item, spawn its save, yield; wait for what is left.

use std::time::{Duration, Instant};

use bench::Outcome;
use nix::time::{ClockId, clock_gettime};
use reqwest::Client;
use tokio::task::{JoinSet, yield_now};

use crate::hashes::hash;

pub(crate) fn run(items: u64, url: &str) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::new();
    let start = Instant::now();
    let compute = runtime.block_on(saved(items, &client, url))?;
    Ok(Outcome {
        items,
        elapsed_s: start.elapsed().as_secs_f64(),
        compute_s: compute.as_secs_f64(),
        ..Outcome::default()
    })
}

/// Saves all items; the CPU time of their hashes.
async fn saved(items: u64, client: &Client, url: &str) -> anyhow::Result<Duration> {
    let mut saves = JoinSet::new();
    let mut compute = Duration::ZERO;
    for item in 0..items {
        let before = thread_cpu()?;
        let hash = hash(item);
        compute += thread_cpu()? - before;
        let request = client.post(url).body(hash);
        saves.spawn(async move { request.send().await?.error_for_status()?.bytes().await });
        yield_now().await;
    }
    while let Some(saved) = saves.join_next().await {
        saved??;
    }
    Ok(compute)
}

fn thread_cpu() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from)
}
