//! Bad items and outages, played by the real engine in simulated time: how long nothing gets on, who dies, and how it ends.
//!
//! [`played`] is the job and its service, [`cases`] what goes wrong in each case and what must come of it.
//! `cargo xtask torture outage` plays all cases; an ordinary run of the tests plays some.

mod cases;
mod played;

use cases::{Case, quick};

/// What goes wrong in a case of this number, if anything does.
pub(super) fn trial(number: u64) -> Result<(), String> {
    let cases = quick();
    let case = cases.get(number as usize);
    case.map_or(Ok(()), Case::check)
}

#[test]
fn bad_items_are_no_outage_and_an_outage_kills_nobody() {
    let wrong = quick().into_iter().filter_map(|case| case.check().err());
    let wrong: Vec<_> = wrong.collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
