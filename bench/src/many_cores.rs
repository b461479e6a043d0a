//! More computing than this machine has cores for: computations that sleep, so that sixteen run at once anywhere.

use std::process::Command;

use bench::Outcome;

use crate::contender::{Contender, inflight_remembering, inflight_run};
use crate::lab::{Setup, saved_again_to_lab, saved_to_lab};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Row, Section, Verdict};
use bench::Machine;

const ITEMS: u64 = 20_000;
/// A job as short as the experiment, in which the ends weigh.
const ITEMS_SHORT: u64 = 600;
const PAIRS: usize = 5;
const LAB: Setup = Setup {
    flags: "--latency 100ms --capacity 200",
    core: None,
};

/// Labels and limits: below what the computing needs (103 at once), just above, and the service's capacity.
const LIMITS: [(&str, &str); 4] = [
    ("limit 50", "50"),
    ("limit 100", "100"),
    ("limit 150", "150"),
    ("limit 200", "200"),
];
const FOUND: &str = "found, cold";
const REMEMBERED: &str = "found, remembered";
const SHORT: &str = "600 items, limit 150";
const SHORT_FOUND: &str = "600 items, found, cold";
const SHORT_REMEMBERED: &str = "600 items, found, remembered";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let mut contenders: Vec<_> = LIMITS
        .map(|(label, limit)| ours(plan, label, limit, items))
        .into();
    contenders.push(ours(plan, FOUND, "auto", items));
    contenders.push(remembered(plan, REMEMBERED, items));
    contenders.push(ours(plan, SHORT, "150", ITEMS_SHORT));
    contenders.push(ours(plan, SHORT_FOUND, "auto", ITEMS_SHORT));
    contenders.push(remembered(plan, SHORT_REMEMBERED, ITEMS_SHORT));
    let small = ours(plan, "200 items, limit 150", "150", items / 100);
    let tenth = ours(plan, "a tenth, limit 150", "150", items / 10);
    let growth_labels = [small.label, tenth.label, "limit 150"];
    contenders.extend([small, tenth]);
    let rounds = Rounds::run(pairs, &contenders)?;
    let best = LIMITS
        .map(|(label, _)| rounds.spread(label, attainment))
        .into_iter()
        .max_by(|one, other| one.median.total_cmp(&other.median))
        .unwrap_or_default();
    let growth = [items / 100, items / 10, items]
        .into_iter()
        .zip(growth_labels.map(|label| rounds.spread(label, |o| o.elapsed_s).median));
    Ok(Section {
        work: format!(
            "{} items of `sleep:15.6ms` on 16 compute threads, saved to a service that takes 100 ms and handles 200 at \
             once: `inflight run 0..{items} --compute sleep:15.6ms --jobs 16 --save http://…/add -c N`, by fixed limits, and by one \
             that is found, without and with what a run before it has learnt.",
            grouped(items)
        ),
        check: "The service must have each item once, and have refused none.".to_owned(),
        machine,
        pairs,
        figure: "attainment: what computing and the ends take at least ÷ elapsed".to_owned(),
        ratio: "best of the fixed limits ÷ this".to_owned(),
        rows: LIMITS
            .iter()
            .map(|(label, _)| (*label, true))
            .chain([
                (FOUND, true),
                (REMEMBERED, true),
                (SHORT, false),
                (SHORT_FOUND, false),
                (SHORT_REMEMBERED, false),
            ])
            .map(|(label, is_full)| Row {
                label: label.to_owned(),
                figure: rounds.spread(label, attainment),
                ratio: is_full.then(|| rounds.spread(label, |o| best.median / attainment(o))),
            })
            .collect(),
        verdicts: vec![
            Verdict::at_least(
                0.97,
                "attainment of at least 0.97 at the best fixed limit",
                best,
            ),
            Verdict::at_least(
                0.97,
                "found, cold: attainment of at least 0.97",
                rounds.spread(FOUND, attainment),
            ),
            Verdict::at_least(
                0.97,
                "found, remembered: attainment of at least 0.97",
                rounds.spread(REMEMBERED, attainment),
            ),
            Verdict::at_least(
                0.8,
                "600 items, found, cold: attainment of at least 0.80",
                rounds.spread(SHORT_FOUND, attainment),
            ),
            Verdict::at_least(
                0.92,
                "600 items, found, remembered: attainment of at least 0.92",
                rounds.spread(SHORT_REMEMBERED, attainment),
            ),
        ],
        growth: vec![Growth::new("inflight, limit 150", "s", growth.collect())],
        notes: Vec::new(),
        missing: Vec::new(),
    })
}

/// By what was asked for, not by what was measured: 15.6 ms on each of 16 threads, and the ends.
fn attainment(outcome: &Outcome) -> f64 {
    let computing = outcome.items as f64 * 0.0156 / 16.0;
    (computing + 0.0156 + 0.1) / outcome.elapsed_s
}

fn ours<'a>(plan: &'a Plan, label: &'static str, limit: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        saved_to_lab(plan, LAB, items, |lab| {
            let mut tool = Command::new(plan.places.inflight());
            inflight_run(&mut tool, &job(&lab.add(), limit), items)
        })
    })
}

/// The second of two runs, which knows what the first has learnt.
fn remembered<'a>(plan: &'a Plan, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        let second = saved_again_to_lab(plan, LAB, items, |lab, state| {
            let mut tool = Command::new(plan.places.inflight());
            tool.env("XDG_STATE_HOME", state);
            inflight_remembering(&mut tool, &job(&lab.add(), "auto"), items)
        });
        second.map(|(outcome, _)| outcome)
    })
}

fn job<'a>(save: &'a str, limit: &'a str) -> [&'a str; 8] {
    [
        "--compute",
        "sleep:15.6ms",
        "--jobs",
        "16",
        "--save",
        save,
        "-c",
        limit,
    ]
}
