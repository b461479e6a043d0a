//! The experiment the tool is made for: hashes that take time, a service that takes time, all cores.

use std::process::Command;

use bench::Outcome;

use crate::contender::{Contender, inflight_run, outcome};
use crate::lab::{Setup, saved_to_lab};
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Row, Section, Verdict};
use bench::Machine;

const ITEMS: u64 = 600;
const PAIRS: usize = 5;
/// Sequential waits for every answer; a tenth of the items says as much, times ten.
const SEQUENTIAL_PART: u64 = 10;
const LAB: Setup = Setup {
    flags: "--latency 100ms --capacity 100",
    core: None,
};

const OURS: &str = "inflight, parallel";
const COMPUTE_ONLY: &str = "compute only: inflight, saving to nothing";
const COMPUTE_ONLY_RAYON: &str = "compute only: rayon";
const RAYON: &str = "Rust: rayon, reqwest, `buffer_unordered(100)`";
const SEQUENTIAL: &str = "Python: sequential (a tenth of the items, times ten)";

/// Python peers that do all items, by label and script.
const PYTHON: [(&str, &str); 3] = [
    ("Python: process pool, async", "pool.py"),
    ("Python: async", "asynchronous.py"),
    ("Python: batches of 100", "batches.py"),
];

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let (contenders, missing) = contenders(plan, items);
    let rounds = Rounds::run(pairs, &contenders)?;
    let elapsed = |o: &Outcome| o.elapsed_s;
    let beside = |alone| {
        rounds.by(OURS, alone, |ours, alone| {
            ours.elapsed_s / (alone.elapsed_s + ours.ends_s)
        })
    };
    Ok(Section {
        work: format!(
            "{items} items, each hashed by bcrypt at cost 8 and saved over HTTP to a service that takes 100 ms and \
             handles 100 at once: `inflight run 0..{items} --compute bcrypt:8 --save http://…/add`. All cores; the \
             service is a process of its own."
        ),
        check: "The service must have each of the hashes once, and have refused none.".to_owned(),
        machine,
        pairs,
        figure: "elapsed s".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds
            .labels()
            .map(|label| Row {
                label: label.to_owned(),
                figure: rounds.spread(label, |o| elapsed(o) * scale(label)),
                ratio: (label != OURS).then(|| {
                    rounds.by(OURS, label, |ours, theirs| {
                        elapsed(ours) / (elapsed(theirs) * scale(label))
                    })
                }),
            })
            .collect(),
        verdicts: vec![Verdict::at_most(
            1.03,
            "at most 1.03 × (compute only on all cores, in the same round, + what cannot overlap)",
            beside(COMPUTE_ONLY),
        )],
        growth: vec![growth(plan, &rounds, items)?],
        notes: vec![
            format!(
                "What cannot overlap, as our run states it: {:.3} s, the first item's hash and the last item's save.",
                rounds.spread(OURS, |o| o.ends_s).median
            ),
            format!(
                "The same ratio against rayon's computing instead of our own: {:.3}.",
                beside(COMPUTE_ONLY_RAYON).median
            ),
        ],
        missing,
    })
}

fn scale(label: &str) -> f64 {
    if label == SEQUENTIAL {
        SEQUENTIAL_PART as f64
    } else {
        1.0
    }
}

fn contenders(plan: &Plan, items: u64) -> (Vec<Contender<'_>>, Vec<String>) {
    let mut contenders = vec![
        ours(plan, OURS, items),
        Contender::new(COMPUTE_ONLY, move || {
            let mut tool = Command::new(plan.places.inflight());
            let job = ["--compute", "bcrypt:8", "--save", "null:"];
            inflight_run(&mut tool, &job, items)
        }),
        Contender::new(COMPUTE_ONLY_RAYON, move || {
            let mut program = plan.places.binary("peers");
            outcome(program.args(["hashes", &items.to_string()]), items)
        }),
        Contender::new(RAYON, move || {
            saved_to_lab(plan, LAB, items, |lab| {
                let mut program = plan.places.binary("peers");
                outcome(
                    program.args(["rayon-reqwest", &items.to_string(), &lab.add()]),
                    items,
                )
            })
        }),
    ];
    let part = items / SEQUENTIAL_PART;
    let scripts = PYTHON.map(|(label, script)| (label, script, items));
    let mut missing = Vec::new();
    for (label, script, items) in scripts
        .into_iter()
        .chain([(SEQUENTIAL, "sequential.py", part)])
    {
        if plan.places.python(script).is_none() {
            missing.push(label.to_owned());
            continue;
        }
        contenders.push(Contender::new(label, move || {
            saved_to_lab(plan, LAB, items, |lab| {
                let mut python = plan.places.python(script).expect("it was there");
                outcome(python.args([lab.add(), items.to_string()]), items)
            })
        }));
    }
    (contenders, missing)
}

fn ours<'a>(plan: &'a Plan, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        saved_to_lab(plan, LAB, items, |lab| {
            let mut tool = Command::new(plan.places.inflight());
            let job = ["--compute", "bcrypt:8", "--save", &lab.add()];
            inflight_run(&mut tool, &job, items)
        })
    })
}

/// Ours at a hundredth and a tenth, beside the rounds in full.
fn growth(plan: &Plan, rounds: &Rounds, items: u64) -> anyhow::Result<Growth> {
    let sizes = [items / 100, items / 10].map(|items| items.max(1));
    let labels = ["inflight, a hundredth", "inflight, a tenth"];
    let contenders = [
        ours(plan, labels[0], sizes[0]),
        ours(plan, labels[1], sizes[1]),
    ];
    let small = Rounds::run(plan.pairs(PAIRS), &contenders)?;
    let median = |label| small.spread(label, |o| o.elapsed_s).median;
    let points = vec![
        (sizes[0], median(labels[0])),
        (sizes[1], median(labels[1])),
        (items, rounds.spread(OURS, |o| o.elapsed_s).median),
    ];
    Ok(Growth::new("inflight", "s", points))
}
