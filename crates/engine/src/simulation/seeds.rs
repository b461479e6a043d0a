//! Many seeds, one after the other; a failure says which, and how to try it alone.

use crate::fault::Fault;

/// How many seeds to try: as many as `INFLIGHT_SEEDS` asks for, or what is usual.
pub(crate) fn seeds(usual: u64) -> u64 {
    number("INFLIGHT_SEEDS").unwrap_or(usual)
}

/// Tries each seed, or only the one that `INFLIGHT_SEED` names; a failure says which, and how to try it alone.
pub(crate) fn each_seed(test: &str, count: u64, mut check: impl FnMut(u64)) {
    for seed in chosen(count) {
        let checked = std::panic::AssertUnwindSafe(|| check(seed));
        if let Err(panic) = std::panic::catch_unwind(checked) {
            let again = format!("INFLIGHT_SEED={seed} cargo test -p inflight {test}");
            panic!("{}\nagain: {again}", Fault::panicked(&*panic));
        }
    }
}

/// Whether all seeds are tried, so that something can be said of all of them together.
pub(crate) fn are_all_tried() -> bool {
    number("INFLIGHT_SEED").is_none()
}

fn chosen(count: u64) -> std::ops::Range<u64> {
    number("INFLIGHT_SEED").map_or(0..count, |seed| seed..seed + 1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
