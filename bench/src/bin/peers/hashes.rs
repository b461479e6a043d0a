//! Hashes alone, on all cores: no way of saving them can be quicker.

use bench::{Outcome, timed};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// bcrypt's cost in all of the experiment.
const COST: u32 = 8;

pub(crate) fn run(items: u64) -> Outcome {
    let (hashes, elapsed_s) = timed(|| {
        let hashes: Vec<String> = (0..items).into_par_iter().map(hash).collect();
        hashes
    });
    Outcome {
        items: hashes.len() as u64,
        elapsed_s,
        ..Outcome::default()
    }
}

/// The work on one item: its number as text, hashed with a salt of its own.
pub(crate) fn hash(item: u64) -> String {
    bcrypt::hash(item.to_string(), COST).expect("the cost is in range and the text short")
}
