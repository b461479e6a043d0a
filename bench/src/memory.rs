//! Whether memory grows with the number of items; it must not.

use bench::Outcome;

use crate::contender::{Contender, kept, outcome};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Row, Section, Verdict};
use bench::Machine;

const ITEMS: u64 = 10_000_000;
const PAIRS: usize = 5;

/// Labels of the command line, at a tenth and in full.
const COMMAND: [&str; 2] = ["command line, a tenth", "command line"];
/// The same for the library.
const LIBRARY: [&str; 2] = ["library, a tenth", "library"];
/// At a hundredth, for the growth only.
const LEAST: [&str; 2] = ["command line, a hundredth", "library, a hundredth"];

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let [least, less, full] = [ITEMS / 100, ITEMS / 10, ITEMS].map(|items| plan.items(items));
    let rounds = Rounds::run(
        pairs,
        &[
            command(plan, COMMAND[1], full),
            command(plan, COMMAND[0], less),
            command(plan, LEAST[0], least),
            library(plan, LIBRARY[1], full),
            library(plan, LIBRARY[0], less),
            library(plan, LEAST[1], least),
        ],
    )?;
    let growth = |[tenth, whole]: [&str; 2]| rounds.by(whole, tenth, |w, t| mib(w) - mib(t));
    let curve = |label: &str, lanes: [&str; 3]| {
        let medians = lanes.map(|lane| rounds.spread(lane, mib).median);
        Growth::new(
            label,
            "MiB",
            [least, less, full].into_iter().zip(medians).collect(),
        )
    };
    let peak = |label| rounds.spread(label, mib);
    Ok(Section {
        work: format!(
            "{} items, and a tenth and a hundredth of them, computing nothing and saving to nothing: \
             `inflight run 0..{full} --compute none --save null:`, which keeps its journal, and the library in the program \
             `overhead`, which has none.",
            grouped(full)
        ),
        check: "All items must be saved; the library's sum must be the right one.".to_owned(),
        machine,
        pairs,
        figure: "peak MiB".to_owned(),
        ratio: "full ÷ this".to_owned(),
        rows: COMMAND
            .iter()
            .rev()
            .map(|label| (label, COMMAND[1]))
            .chain(LIBRARY.iter().rev().map(|label| (label, LIBRARY[1])))
            .map(|(label, whole)| Row {
                label: (*label).to_owned(),
                figure: peak(label),
                ratio: (*label != whole).then(|| rounds.ratio(whole, label, mib)),
            })
            .collect(),
        verdicts: vec![
            Verdict::at_most(
                2.0,
                "command line: growth of at most 2 MiB",
                growth(COMMAND),
            ),
            Verdict::at_most(2.0, "library: growth of at most 2 MiB", growth(LIBRARY)),
            Verdict::at_most(
                64.0,
                "command line: peak of at most 64 MiB",
                peak(COMMAND[1]),
            ),
            Verdict::at_most(64.0, "library: peak of at most 64 MiB", peak(LIBRARY[1])),
        ],
        growth: vec![
            curve("command line", [LEAST[0], COMMAND[0], COMMAND[1]]),
            curve("library", [LEAST[1], LIBRARY[0], LIBRARY[1]]),
        ],
        notes: Vec::new(),
        missing: Vec::new(),
    })
}

fn mib(outcome: &Outcome) -> f64 {
    outcome.rss_max_bytes as f64 / f64::from(1 << 20)
}

fn command<'a>(plan: &'a Plan, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        let nothing = ["--compute", "none", "--save", "null:"];
        kept(plan, &nothing, items)
    })
}

fn library<'a>(plan: &'a Plan, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        let mut program = plan.places.binary("overhead");
        let outcome = outcome(program.arg("inflight").arg(items.to_string()), items)?;
        anyhow::ensure!(outcome.sum == items * (items - 1) / 2, "the sum is wrong");
        Ok(outcome)
    })
}
