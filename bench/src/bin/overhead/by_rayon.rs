//! By rayon: all items computed in parallel and collected, then added up in one place.

use std::hint::black_box;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub(crate) fn collected(items: u64) -> u64 {
    let results: Vec<u64> = (0..items).into_par_iter().map(black_box).collect();
    results.into_iter().sum()
}
