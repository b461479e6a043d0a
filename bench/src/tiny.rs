//! Next to no computing, a service that answers at once: how many requests a second.

use std::cell::Cell;
use std::process::Command;

use anyhow::ensure;
use bench::Outcome;

use crate::contender::{Contender, inflight_run, outcome};
use crate::hashes::hash;
use crate::lab::{Lab, Setup, saved_to_lab, sum_of_hashes};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Section, Verdict};
use crate::wrk::{self, Load};
use bench::Machine;

const ITEMS: u64 = 500_000;
const PAIRS: usize = 5;
/// For all contenders alike: enough that none waits for the service, few enough that none chokes.
const CONNECTIONS: usize = 64;
/// aiohttp is an order of magnitude behind; a tenth of the items gives its requests a second as well.
const AIOHTTP_PART: u64 = 10;

const OURS: &str = "inflight";
const WRK: &str = "wrk, as long as our run took";
const REQWEST: &str = "Rust: reqwest by hand, `buffer_unordered(64)`";
const AIOHTTP: &str = "Python: aiohttp (a tenth of the items)";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let our_seconds = Cell::new(1);
    let (contenders, missing) = contenders(plan, items, &our_seconds);
    let rounds = Rounds::run(pairs, &contenders)?;
    let growth = rounds.growth(OURS, (pairs, items), |label, items| {
        ours(plan, label, items, &our_seconds)
    })?;
    let per_second = |o: &Outcome| o.items as f64 / o.elapsed_s;
    let verdict = || {
        let against = rounds.ratio(OURS, WRK, per_second);
        Verdict::at_least(0.7, "at least 0.7 of wrk's requests a second", against)
    };
    Ok(Section {
        work: format!(
            "{} items, each hashed once by SHA-256 and saved over HTTP/1.1, one request each, on {CONNECTIONS} \
             connections, to a service of 0 ms on one thread: `inflight run 0..{items} --compute sha256 --save \
             http://…/add -c {CONNECTIONS}`.",
            grouped(items)
        ),
        check: "The service must have each of the right hashes once; wrk's bodies, which are as long and all different, \
                as often as wrk counts answers."
            .to_owned(),
        machine,
        pairs,
        figure: "requests a second".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds.rows(OURS, per_second),
        verdicts: rounds.labels().any(|label| label == WRK).then(verdict).into_iter().collect(),
        growth: vec![growth],
        notes: vec![
            "wrk computes nothing, keeps no count of items and tries nothing again; its requests have no Idempotency-Key."
                .to_owned(),
        ],
        missing,
    })
}

fn contenders<'a>(
    plan: &'a Plan,
    items: u64,
    our_seconds: &'a Cell<u64>,
) -> (Vec<Contender<'a>>, Vec<String>) {
    let mut contenders = vec![ours(plan, OURS, items, our_seconds)];
    let mut missing = Vec::new();
    if wrk::is_there() {
        contenders.push(Contender::new(WRK, || {
            let load = Load {
                connections: CONNECTIONS,
                seconds: our_seconds.get(),
            };
            wrk::send(plan, &Lab::start(plan, Setup::default())?, load)
        }));
    } else {
        missing.push("wrk".to_owned());
    }
    contenders.push(Contender::new(REQWEST, move || {
        hashed_to_lab(plan, items, |lab| {
            let mut program = plan.places.binary("peers");
            program.args(["reqwest-by-hand", &items.to_string(), &lab.add()]);
            outcome(program.arg(CONNECTIONS.to_string()), items)
        })
    }));
    if plan.places.python("tiny.py").is_some() {
        let items = items / AIOHTTP_PART;
        contenders.push(Contender::new(AIOHTTP, move || {
            hashed_to_lab(plan, items, |lab| {
                let mut python = plan.places.python("tiny.py").expect("it was there");
                python.args([lab.add(), items.to_string(), CONNECTIONS.to_string()]);
                outcome(&mut python, items)
            })
        }));
    } else {
        missing.push("aiohttp".to_owned());
    }
    (contenders, missing)
}

fn ours<'a>(
    plan: &'a Plan,
    label: &'static str,
    items: u64,
    our_seconds: &'a Cell<u64>,
) -> Contender<'a> {
    Contender::new(label, move || {
        let outcome = hashed_to_lab(plan, items, |lab| {
            let mut tool = Command::new(plan.places.inflight());
            let connections = CONNECTIONS.to_string();
            let job = [
                "--compute",
                "sha256",
                "--save",
                &lab.add(),
                "-c",
                &connections,
            ];
            inflight_run(&mut tool, &job, items)
        })?;
        our_seconds.set(outcome.elapsed_s.ceil() as u64);
        Ok(outcome)
    })
}

/// As `saved_to_lab`, and each result must be the hash of its item.
fn hashed_to_lab(
    plan: &Plan,
    items: u64,
    run: impl FnOnce(&Lab) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    saved_to_lab(plan, Setup::default(), items, |lab| {
        let outcome = run(lab)?;
        ensure!(
            lab.results_sum()? == hashes_sum(items),
            "the hashes are wrong"
        );
        Ok(outcome)
    })
}

fn hashes_sum(items: u64) -> u64 {
    sum_of_hashes((0..items).map(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_results_does_not_matter() {
        assert_eq!(
            sum_of_hashes(["a", "b"].iter()),
            sum_of_hashes(["b", "a"].iter())
        );
        assert_ne!(
            sum_of_hashes(["a", "b"].iter()),
            sum_of_hashes(["a", "c"].iter())
        );
        assert!(hash(0).starts_with("5feceb66"));
    }
}
