//! Ten thousand requests in flight at once, and what that takes.

use std::process::Command;

use bench::Outcome;

use crate::contender::{Contender, inflight_run, outcome};
use crate::lab::{Lab, Setup, saved_to_lab};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Section, Verdict};
use crate::wrk::{self, Load};
use bench::Machine;

const ITEMS: u64 = 100_000;
const IN_FLIGHT: usize = 10_000;
const PAIRS: usize = 5;
const LAB: Setup = Setup {
    flags: "--latency 1s",
    core: None,
};

const OURS: &str = "inflight";
const WRK: &str = "wrk, 10 s";
const AIOHTTP: &str = "Python: aiohttp";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let (contenders, missing) = contenders(plan, items);
    let rounds = Rounds::run(pairs, &contenders)?;
    let memory = rounds.spread(OURS, |o| o.rss_max_bytes as f64 / f64::from(1 << 20));
    Ok(Section {
        work: format!(
            "{} saves to a service that takes 1 s and handles any number at once, {} in flight: at best \
             that many a second. `inflight run 0..{items} --compute none --save http://…/add -c {IN_FLIGHT}`.",
            grouped(items),
            grouped(IN_FLIGHT as u64)
        ),
        check: "The service must have each item once; wrk's bodies as often as wrk counts answers.".to_owned(),
        machine,
        pairs,
        figure: "attainment: saves a second ÷ the best".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds.rows(OURS, attainment),
        verdicts: vec![
            Verdict::at_least(0.9, "attainment of at least 0.90", rounds.spread(OURS, attainment)),
            Verdict::at_most(200.0, "at most 200 MiB", memory),
        ],
        growth: vec![growth(plan, &rounds, items)?],
        notes: vec![
            "wrk's 10 s hold nine answers on each connection: the first second brings none.".to_owned(),
            "A connection that waits for its answer holds 4 KiB: its socket, and the state of one save.".to_owned(),
            "Each process needs a file for each connection: `ulimit -n` must allow more than 10,000.".to_owned(),
        ],
        missing,
    })
}

fn attainment(outcome: &Outcome) -> f64 {
    outcome.items as f64 / outcome.elapsed_s / IN_FLIGHT as f64
}

fn contenders(plan: &Plan, items: u64) -> (Vec<Contender<'_>>, Vec<String>) {
    let mut contenders = vec![ours(plan, OURS, items, IN_FLIGHT)];
    let mut missing = Vec::new();
    if wrk::is_there() {
        contenders.push(Contender::new(WRK, || {
            let load = Load {
                connections: IN_FLIGHT,
                seconds: 10,
            };
            wrk::send(plan, &Lab::start(plan, LAB)?, load)
        }));
    } else {
        missing.push("wrk".to_owned());
    }
    if plan.places.python("tiny.py").is_some() {
        contenders.push(Contender::new(AIOHTTP, move || {
            saved_to_lab(plan, LAB, items, |lab| {
                let mut python = plan.places.python("tiny.py").expect("it was there");
                python.args([lab.add(), items.to_string(), IN_FLIGHT.to_string()]);
                outcome(&mut python, items)
            })
        }));
    } else {
        missing.push("aiohttp".to_owned());
    }
    (contenders, missing)
}

fn ours<'a>(plan: &'a Plan, label: &'static str, items: u64, in_flight: usize) -> Contender<'a> {
    Contender::new(label, move || {
        saved_to_lab(plan, LAB, items, |lab| {
            let mut tool = Command::new(plan.places.inflight());
            let in_flight = in_flight.to_string();
            let job = ["--compute", "none", "--save", &lab.add(), "-c", &in_flight];
            inflight_run(&mut tool, &job, items)
        })
    })
}

/// How memory grows with the number in flight: ten rounds of requests each.
fn growth(plan: &Plan, rounds: &Rounds, items: u64) -> anyhow::Result<Growth> {
    let labels = ["inflight, 100 in flight", "inflight, 1,000 in flight"];
    let sizes = [IN_FLIGHT / 100, IN_FLIGHT / 10];
    let part = |i: usize| {
        ours(
            plan,
            labels[i],
            items * sizes[i] as u64 / IN_FLIGHT as u64,
            sizes[i],
        )
    };
    let small = Rounds::run(plan.pairs(PAIRS).min(2), &[part(0), part(1)])?;
    let mib = |rounds: &Rounds, label| {
        rounds
            .spread(label, |o| o.rss_max_bytes as f64 / f64::from(1 << 20))
            .median
    };
    let points = vec![
        (sizes[0] as u64, mib(&small, labels[0])),
        (sizes[1] as u64, mib(&small, labels[1])),
        (IN_FLIGHT as u64, mib(rounds, OURS)),
    ];
    Ok(Growth::new(
        "inflight, in flight instead of items",
        "MiB",
        points,
    ))
}
