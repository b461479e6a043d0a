//! The same work as users of other Rust crates would write it by hand.
//!
//! `peers WAY ITEMS [URL|FILE [CONNECTIONS]]` does it in one way and says what it did.

mod csv_by_hand;
mod hashes;
mod rayon_reqwest;
mod reqwest_by_hand;
mod rusqlite_by_hand;
mod tokio_by_hand;

use anyhow::{Context, bail};
use bench::Outcome;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let items = words.get(1).copied().unwrap_or_default();
    let items = items.parse().context("ITEMS is a number")?;
    let outcome: Outcome = match words.as_slice() {
        ["hashes", _] => hashes::run(items),
        ["rayon-reqwest", _, url] => rayon_reqwest::run(items, url)?,
        ["tokio-by-hand", _, url] => tokio_by_hand::run(items, url)?,
        ["reqwest-by-hand", _, url, connections] => {
            reqwest_by_hand::run(items, url, connections.parse()?)?
        }
        ["csv-by-hand", _, file] => csv_by_hand::run(items, file)?,
        ["rusqlite-by-hand", _, file] => rusqlite_by_hand::run(items, file)?,
        _ => bail!("usage: peers WAY ITEMS [URL|FILE [CONNECTIONS]]"),
    };
    Ok(outcome.tell()?)
}
