//! A service that a crowd slows down: what a limit that finds itself loses against the best that could have been set.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context;
use bench::{Machine, Outcome};

use crate::contender::{Contender, inflight_remembering, inflight_run};
use crate::lab::{Lab, Setup, saved_again_to_lab};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Growth, Row, Section, Verdict};
use crate::spread::Spread;

const ITEMS: u64 = 5_000;
/// The slowest of the fixed limits takes half a minute.
const PAIRS: usize = 5;
/// A thousand at once take 46 times as long as one, a hundred no longer than one.
const LAB: Setup = Setup {
    flags: "--latency 100ms --capacity 100 --overload degrade:0.5",
    core: None,
};

/// Labels and limits: a tenth of what the service handles, all of it, ten times that.
const FIXED: [(&str, &str); 3] = [
    ("limit 10", "10"),
    ("limit 100", "100"),
    ("limit 1,000", "1000"),
];
const COLD: &str = "found, cold";
const REMEMBERED: &str = "found, remembered";

/// Requests refused, by contender, over all rounds.
type Refused = RefCell<BTreeMap<&'static str, u64>>;

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let refused = Refused::default();
    let mut contenders: Vec<_> = FIXED
        .map(|(label, limit)| once(plan, label, limit, items, &refused))
        .into();
    contenders.push(once(plan, COLD, "auto", items, &refused));
    contenders.push(again(plan, items, &refused));
    let sizes = [items / 100, items / 10];
    let small = ["found, cold, a hundredth", "found, cold, a tenth"];
    for (label, items) in small.into_iter().zip(sizes) {
        contenders.push(once(plan, label, "auto", items, &refused));
    }
    let rounds = Rounds::run(pairs, &contenders)?;
    let elapsed = |label| rounds.spread(label, |o| o.elapsed_s);
    let best = FIXED
        .iter()
        .min_by(|one, other| elapsed(one.0).median.total_cmp(&elapsed(other.0).median))
        .context("there are fixed limits")?
        .0;
    let of_best = |label| rounds.ratio(label, best, goodput);
    let ratio_refused = |label: &str| {
        let refused = refused.borrow().get(label).copied().unwrap_or(0) as f64;
        Spread::of([refused / (items * pairs as u64) as f64].into_iter())
    };
    let points = [
        (sizes[0], elapsed(small[0]).median),
        (sizes[1], elapsed(small[1]).median),
        (items, elapsed(COLD).median),
    ];
    Ok(Section {
        work: format!(
            "{} saves to a service that takes 100 ms and handles 100 at once; more than that slow it down for all \
             (`--overload degrade:0.5`). `inflight run 0..{items} --save http://…/add -c N`: by fixed limits, and by one that \
             is found, without and with what a run before it has learnt.",
            grouped(items)
        ),
        check: "The service must have each item once from each run.".to_owned(),
        machine,
        pairs,
        figure: "saves a second".to_owned(),
        ratio: "this ÷ the best fixed limit".to_owned(),
        rows: FIXED
            .iter()
            .map(|(label, _)| *label)
            .chain([COLD, REMEMBERED])
            .map(|label| Row {
                label: label.to_owned(),
                figure: rounds.spread(label, goodput),
                ratio: (label != best).then(|| of_best(label)),
            })
            .collect(),
        verdicts: vec![
            Verdict::at_least(
                0.9,
                "found, cold: at least 0.90 of the best fixed limit",
                of_best(COLD),
            ),
            Verdict::at_least(
                0.95,
                "found, remembered: at least 0.95 of the best fixed limit",
                of_best(REMEMBERED),
            ),
            Verdict::at_most(
                0.01,
                "found: at most 0.01 refused for each save",
                ratio_refused(COLD),
            ),
        ],
        growth: vec![Growth::new(
            "inflight, limit found, cold",
            "s",
            points.into(),
        )],
        notes: Vec::new(),
        missing: Vec::new(),
    })
}

fn goodput(outcome: &Outcome) -> f64 {
    outcome.items as f64 / outcome.elapsed_s
}

/// A run with a fresh service.
fn once<'a>(
    plan: &'a Plan,
    label: &'static str,
    limit: &'static str,
    items: u64,
    refused: &'a Refused,
) -> Contender<'a> {
    Contender::new(label, move || {
        let lab = Lab::start(plan, LAB)?;
        let mut tool = Command::new(plan.places.inflight());
        let outcome = inflight_run(&mut tool, &["--save", &lab.add(), "-c", limit], items)?;
        let stats = lab.has_saved_times(1, items)?;
        *refused.borrow_mut().entry(label).or_default() += stats.rejected;
        Ok(outcome)
    })
}

/// The second of two runs with the same service, which knows what the first has learnt.
fn again<'a>(plan: &'a Plan, items: u64, refused: &'a Refused) -> Contender<'a> {
    Contender::new(REMEMBERED, move || {
        let (outcome, rejected) = saved_again_to_lab(plan, LAB, items, |lab, state| {
            let mut tool = Command::new(plan.places.inflight());
            tool.env("XDG_STATE_HOME", state);
            inflight_remembering(&mut tool, &["--save", &lab.add(), "-c", "auto"], items)
        })?;
        *refused.borrow_mut().entry(REMEMBERED).or_default() += rejected;
        Ok(outcome)
    })
}
