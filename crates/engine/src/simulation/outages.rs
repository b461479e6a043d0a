//! Bad items and outages, played by the real engine in simulated time: how long nothing gets on, who dies, and how it ends.
//!
//! [`played`] is the job and its service, [`cases`] what goes wrong in each case and what must come of it.
//! `cargo xtask torture outage` plays all cases; an ordinary run of the tests plays some.

mod cases;
mod played;

use std::fmt::Write as _;

use cases::{Case, full, quick};

use crate::options::Strategy;

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

/// A case, and what was wrong with what came of it.
type Played = (Case, Result<(), String>);

/// Plays every case, also those in which the rule is known to be wrong, and prints what came of them.
#[test]
#[ignore = "minutes; `cargo xtask torture outage` plays it"]
fn table_of_outages() {
    let cases = full();
    let mut kinds: Vec<(String, Vec<Played>)> = Vec::new();
    for case in cases {
        let kind = case.kind();
        let checked = case.check();
        match kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, played)) => played.push((case, checked)),
            None => kinds.push((kind, vec![(case, checked)])),
        }
    }
    let mut table = String::from(
        "| trouble | `sequential` | `batched` | `async` | `parallel` | wrong |\n|---|---|---|---|---|---|\n",
    );
    let mut surprises = Vec::new();
    for (kind, played) in &kinds {
        write!(table, "| {kind} |").expect("a string takes it");
        for strategy in Strategy::ALL {
            let of = || played.iter().filter(|(case, _)| case.strategy == strategy);
            let right = of().filter(|(_, checked)| checked.is_ok()).count();
            write!(table, " {right} of {} |", of().count()).expect("a string takes it");
        }
        let mut wrong: Vec<String> = Vec::new();
        for (case, checked) in played {
            if let Err(why) = checked {
                let why = why.split(':').next().unwrap_or_default();
                let said = format!("{why} ({})", case.place_name());
                if !wrong.contains(&said) {
                    wrong.push(said);
                }
                if !case.is_undecidable() {
                    surprises.push(checked.clone().unwrap_err());
                }
            }
        }
        writeln!(table, " {} |", wrong.join("; ")).expect("a string takes it");
    }
    println!("{table}");
    assert!(
        surprises.is_empty(),
        "{} are wrong and not known to be:\n{}",
        surprises.len(),
        surprises.join("\n")
    );
}
