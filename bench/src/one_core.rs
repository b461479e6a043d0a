//! The same on one core: what is left of the waiting when computing and I/O share a thread.

use bench::Outcome;

use crate::contender::{Contender, inflight_run, outcome, pinned};
use crate::lab::{Setup, saved_to_lab};
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Section, Verdict};
use bench::Machine;

const ITEMS: u64 = 600;
const PAIRS: usize = 5;
/// All contenders share this core; the service has another where there is one.
const CORE: usize = 0;

const OURS: &str = "inflight, async";
const TOKIO: &str = "Rust: tokio by hand, reqwest";
const ASYNCIO: &str = "Python: asyncio";

/// Python peers, by label and flag.
const PYTHON: [(&str, &[&str]); 2] = [(ASYNCIO, &[]), ("Python: uvloop", &["--uvloop"])];

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let (contenders, missing) = contenders(plan, items, lab(&machine));
    let rounds = Rounds::run(pairs, &contenders)?;
    let against = rounds.ratio(OURS, ASYNCIO, overhead);
    let small = [items / 100, items / 10].map(|items| items.max(1));
    let verdict = Verdict::at_most(0.5, "I/O overhead at most half of asyncio's", against);
    Ok(Section {
        work: format!(
            "{items} items, each hashed by bcrypt at cost 8 and saved to a service that takes 100 ms, by one thread on \
             one core: `inflight run 0..{items} --strategy async`. The service has another core."
        ),
        check: "The service must have each of the hashes once, and have refused none.".to_owned(),
        pairs,
        figure: "I/O overhead s: elapsed − CPU time of the hashes".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds.rows(OURS, overhead),
        verdicts: if missing.is_empty() {
            vec![verdict]
        } else {
            Vec::new()
        },
        growth: vec![growth(
            plan,
            &rounds,
            lab(&machine),
            [small[0], small[1], items],
        )?],
        notes: rounds.labels().map(|label| times(&rounds, label)).collect(),
        missing,
        machine,
    })
}

fn overhead(outcome: &Outcome) -> f64 {
    outcome.elapsed_s - outcome.compute_s
}

/// The overhead stands beside what it is the difference of; the last save's 100 ms are in everybody's.
fn times(rounds: &Rounds, label: &str) -> String {
    let median = |figure: fn(&Outcome) -> f64| rounds.spread(label, figure).median;
    format!(
        "{label}: elapsed {:.2} s, hashes {:.2} s; overhead beyond the last save's 100 ms: {:.0} ms.",
        median(|o| o.elapsed_s),
        median(|o| o.compute_s),
        (median(overhead) - 0.1) * 1e3
    )
}

fn lab(machine: &Machine) -> Setup {
    Setup {
        flags: "--latency 100ms --capacity 100",
        core: (machine.cores > 1).then_some(CORE + 1),
    }
}

fn contenders(plan: &Plan, items: u64, lab: Setup) -> (Vec<Contender<'_>>, Vec<String>) {
    let mut contenders = vec![
        ours(plan, OURS, items, lab),
        Contender::new(TOKIO, move || {
            saved_to_lab(plan, lab, items, |lab| {
                let program = plan.places.binary("peers");
                let mut program = pinned(CORE, program.get_program().as_ref());
                outcome(
                    program.args(["tokio-by-hand", &items.to_string(), &lab.add()]),
                    items,
                )
            })
        }),
    ];
    let mut missing = Vec::new();
    for (label, flags) in PYTHON {
        let Some(script) = plan.places.python("asynchronous.py") else {
            missing.push(label.to_owned());
            continue;
        };
        contenders.push(Contender::new(label, move || {
            saved_to_lab(plan, lab, items, |lab| {
                let mut python = pinned(CORE, script.get_program().as_ref());
                python
                    .args(script.get_args())
                    .args([lab.add(), items.to_string()]);
                outcome(python.args(flags), items)
            })
        }));
    }
    (contenders, missing)
}

fn ours<'a>(plan: &'a Plan, label: &'static str, items: u64, lab: Setup) -> Contender<'a> {
    Contender::new(label, move || {
        saved_to_lab(plan, lab, items, |lab| {
            let mut tool = pinned(CORE, &plan.places.inflight());
            let job = [
                "--compute",
                "bcrypt:8",
                "--strategy",
                "async",
                "--save",
                &lab.add(),
            ];
            inflight_run(&mut tool, &job, items)
        })
    })
}

/// Our elapsed time at three sizes, the last of them from the rounds in full.
fn growth(plan: &Plan, rounds: &Rounds, lab: Setup, sizes: [u64; 3]) -> anyhow::Result<Growth> {
    let labels = ["inflight, a hundredth", "inflight, a tenth"];
    let contenders = [0, 1].map(|i| ours(plan, labels[i], sizes[i], lab));
    let small = Rounds::run(plan.pairs(PAIRS), &contenders)?;
    let median = |rounds: &Rounds, label| rounds.spread(label, |o| o.elapsed_s).median;
    let points = vec![
        (sizes[0], median(&small, labels[0])),
        (sizes[1], median(&small, labels[1])),
        (sizes[2], median(rounds, OURS)),
    ];
    Ok(Growth::new("inflight, elapsed", "s", points))
}
