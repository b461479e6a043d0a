//! Moves numbers through nothing: from a source, past a computation that does nothing, to a sink that adds them up.
//!
//! `overhead WAY ITEMS` does it in one way and says how long it took. What is left is what each way costs by itself.

mod by_crossbeam;
mod by_futures;
mod by_inflight;
mod by_rayon;

use anyhow::{Context, bail};
use bench::{Outcome, timed};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, items] = arguments.as_slice() else {
        bail!("usage: overhead WAY ITEMS");
    };
    let items = items.parse().context("ITEMS is a number")?;
    let (sum, elapsed_s) = match way.as_str() {
        "inflight" => return Ok(by_inflight::run(items)?.tell()?),
        "inflight-journal" => {
            let folder = tempfile::tempdir().context("failed to make a folder for the journal")?;
            let outcome = by_inflight::journalled(items, &folder.path().join("journal"))?;
            return Ok(outcome.tell()?);
        }
        "crossbeam-items" => timed(|| by_crossbeam::items(items)),
        "crossbeam-chunks" => timed(|| by_crossbeam::chunks(items)),
        "rayon" => timed(|| by_rayon::collected(items)),
        "futures" => timed(|| by_futures::buffered(items)),
        _ => bail!("no such way: {way}"),
    };
    let outcome = Outcome {
        items,
        elapsed_s,
        sum,
        ..Outcome::default()
    };
    Ok(outcome.tell()?)
}
