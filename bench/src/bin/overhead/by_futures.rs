//! By futures: a stream of items, a hundred of them under way at once, added up as they come.

use std::future::ready;
use std::hint::black_box;

use futures_util::{StreamExt, stream};

/// Futures under way at once, as `buffer_unordered` is mostly used.
const IN_FLIGHT: usize = 100;

pub(crate) fn buffered(items: u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    runtime.block_on(
        stream::iter(0..items)
            .map(|item| async move { black_box(item) })
            .buffer_unordered(IN_FLIGHT)
            .fold(0, |sum, item| ready(sum + item)),
    )
}
