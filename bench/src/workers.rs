//! What it costs to let another process compute: the same hashes here and there, and a worker that does nothing.

use std::process::Command;

use bench::Outcome;

use crate::contender::{Contender, inflight_run};
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Row, Section, Verdict};
use bench::Machine;

/// Each takes about 16 ms.
const HASHES: u64 = 600;
/// Each takes some microseconds.
const ECHOES: u64 = 500_000;
const PAIRS: usize = 5;

const OURS: &str = "bcrypt 8 by a worker in Python";
const HERE: &str = "bcrypt 8 in our process";
const ECHO: &str = "a worker that does nothing";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let (hashes, echoes) = (plan.items(HASHES), plan.items(ECHOES));
    let mut missing = Vec::new();
    let mut contenders = vec![Contender::new(HERE, move || run(plan, "bcrypt:8", hashes))];
    match (
        worker(plan, "hash_worker.py"),
        worker(plan, "echo_worker.py"),
    ) {
        (Some(hash), Some(echo)) => {
            contenders.insert(0, Contender::new(OURS, move || run(plan, &hash, hashes)));
            contenders.push(Contender::new(ECHO, move || run(plan, &echo, echoes)));
        }
        _ => missing.push("workers in Python".to_owned()),
    }
    let rounds = Rounds::run(pairs, &contenders)?;
    let cores = machine.cores as f64;
    // Each process has a core, and is busy from the start to the end.
    let cost = move |outcome: &Outcome| outcome.elapsed_s * cores / outcome.items as f64 * 1e6;
    let throughput = rounds.ratio(HERE, OURS, cost);
    let verdicts = vec![
        Verdict::at_least(
            0.95,
            "a worker's hashes a second at least 0.95 of ours",
            throughput,
        ),
        Verdict::at_most(
            15.0,
            "at most 15 µs an item and process where a worker does nothing",
            rounds.spread(ECHO, cost),
        ),
    ];
    Ok(Section {
        work: format!(
            "{hashes} hashes and {echoes} items of nothing, on all cores, saved to nothing: `inflight run 0..{hashes} --compute \
             'exec:python3 hash_worker.py' --save null:`. The start of the interpreters is part of it."
        ),
        check: "All items must be saved.".to_owned(),
        pairs,
        figure: "µs an item and process: elapsed × cores ÷ items".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds
            .labels()
            .map(|label| Row {
                label: label.to_owned(),
                figure: rounds.spread(label, cost),
                ratio: (label == HERE && missing.is_empty())
                    .then(|| rounds.ratio(OURS, HERE, cost)),
            })
            .collect(),
        growth: growth(plan, &rounds, echoes)?,
        verdicts: if missing.is_empty() {
            verdicts
        } else {
            Vec::new()
        },
        notes: Vec::new(),
        missing,
        machine,
    })
}

fn run(plan: &Plan, compute: &str, items: u64) -> anyhow::Result<Outcome> {
    let mut tool = Command::new(plan.places.inflight());
    inflight_run(&mut tool, &["--compute", compute, "--save", "null:"], items)
}

/// The task of a worker in Python, if there is one here.
fn worker(plan: &Plan, script: &str) -> Option<String> {
    let command = plan.places.python(script)?;
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    Some(format!("exec:{}", words.join(" ")))
}

/// Items of nothing at three sizes, the last of them from the rounds in full.
fn growth(plan: &Plan, rounds: &Rounds, echoes: u64) -> anyhow::Result<Vec<Growth>> {
    let Some(echo) = worker(plan, "echo_worker.py") else {
        return Ok(Vec::new());
    };
    let sizes = [echoes / 100, echoes / 10].map(|items| items.max(1));
    let labels = ["a hundredth", "a tenth"];
    let echo = &echo;
    let small = [0, 1].map(|i| Contender::new(labels[i], move || run(plan, echo, sizes[i])));
    let small = Rounds::run(plan.pairs(PAIRS), &small)?;
    let median = |rounds: &Rounds, label| rounds.spread(label, |o| o.elapsed_s).median;
    let points = vec![
        (sizes[0], median(&small, labels[0])),
        (sizes[1], median(&small, labels[1])),
        (echoes, median(rounds, ECHO)),
    ];
    Ok(vec![Growth::new(
        "a worker that does nothing, elapsed",
        "s",
        points,
    )])
}
