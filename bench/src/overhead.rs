//! What the library costs by itself: numbers through nothing into nothing.

use crate::contender::{Contender, outcome};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Section, Verdict};
use bench::Machine;

const ITEMS: u64 = 10_000_000;
const PAIRS: usize = 7;

/// A way to do it: its label, and its name on the command line of the program `overhead`.
const WAYS: [(&str, &str); 6] = [
    (OURS, "inflight"),
    (JOURNAL, "inflight-journal"),
    (CROSSBEAM, "crossbeam-items"),
    ("crossbeam loop, chunks of 1,024", "crossbeam-chunks"),
    ("rayon `par_iter`, collected", "rayon"),
    ("futures `buffer_unordered(100)`", "futures"),
];
const OURS: &str = "inflight";
const JOURNAL: &str = "inflight, with a journal";
const CROSSBEAM: &str = "crossbeam loop, item by item";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let sizes = [ITEMS / 100, ITEMS / 10, ITEMS].map(|items| plan.items(items));
    let runs = sizes
        .iter()
        .map(|items| Rounds::run(pairs, &contenders(plan, *items)))
        .collect::<Result<Vec<_>, _>>()?;
    let [.., full] = runs.as_slice() else {
        unreachable!("three sizes were measured")
    };
    let ns = |o: &bench::Outcome| o.elapsed_s * 1e9 / o.items as f64;
    let growth = WAYS.iter().map(|(label, _)| {
        let costs = runs
            .iter()
            .map(|run| run.spread(label, |o| o.elapsed_s * 1e3).median);
        Growth::new(label, "ms", sizes.iter().copied().zip(costs).collect())
    });
    Ok(Section {
        work: format!(
            "{} numbers from a source, past a computation that does nothing, to a sink that takes up to 65,536 at once \
             and adds them up. By the library, not the command line.",
            grouped(sizes[2])
        ),
        check: "Each contender's sum of all numbers must be the right one.".to_owned(),
        machine,
        pairs,
        figure: "ns an item".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: full.rows(OURS, ns),
        verdicts: vec![
            Verdict::at_most(100.0, "at most 100 ns an item", full.spread(OURS, ns)),
            Verdict::at_most(
                2.0,
                "at most twice the crossbeam loop, item by item",
                full.ratio(OURS, CROSSBEAM, ns),
            ),
            Verdict::at_most(
                100.0,
                "the journal costs at most 100 ns an item",
                full.by(JOURNAL, OURS, |with, without| ns(with) - ns(without)),
            ),
            Verdict::at_most(
                0.1,
                "and at most 0.1 byte an item",
                full.spread(JOURNAL, |o| o.journal_bytes as f64 / o.items as f64),
            ),
        ],
        growth: growth.collect(),
        notes: vec![
            "The chunked loop, rayon and futures know nothing of indexes, attempts, deadlines, bounds in bytes or \
             distributions; they show the floor, not a rival that does the same."
                .to_owned(),
        ],
        missing: Vec::new(),
    })
}

fn contenders(plan: &Plan, items: u64) -> Vec<Contender<'_>> {
    let contender = |(label, way): (&'static str, &'static str)| {
        Contender::new(label, move || {
            let mut command = plan.places.binary("overhead");
            let outcome = outcome(command.arg(way).arg(items.to_string()), items)?;
            anyhow::ensure!(outcome.sum == items * (items - 1) / 2, "the sum is wrong");
            Ok(outcome)
        })
    };
    WAYS.map(contender).into()
}
