//! What rows cost: records of a CSV file that only pass, and requests made of them by a template.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use bench::{Machine, Outcome};

use crate::contender::{Contender, outcome, run_of};
use crate::lab::{Setup, saved_to_lab};
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Row, Section, Verdict};

/// Records that only pass, and records of which requests are made.
const PASSED: u64 = 1_000_000;
const SENT: u64 = 100_000;
const PAIRS: usize = 5;
const COLUMNS: usize = 10;

const PASS: &str = "inflight: CSV to `null:`";
const BY_HAND: &str = "Rust: the `csv` crate alone, on one thread";
const TEMPLATE: &str = "inflight: CSV, a JSON template of ten columns, HTTP";
const RAW: &str = "inflight: the same bytes as lines, sent as they are";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let (passed, sent) = (plan.items(PASSED), plan.items(SENT));
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (all, some, lines) = (at("all.csv"), at("some.csv"), at("lines.txt"));
    write(Path::new(&all), passed, true)?;
    write(Path::new(&some), sent, true)?;
    write(Path::new(&lines), sent, false)?;
    let template = format!("@{}", at("body.json"));
    std::fs::write(&template[1..], body())?;
    let rounds = Rounds::run(
        pairs,
        &[
            Contender::new(PASS, || {
                let job = ["--compute", "none", "--save", "null:", "--no-journal"];
                run_of(
                    &mut Command::new(plan.places.inflight()),
                    &all,
                    &job,
                    passed,
                )
            }),
            Contender::new(BY_HAND, || {
                let mut program = plan.places.binary("peers");
                outcome(
                    program.args(["csv-by-hand", &passed.to_string(), &all]),
                    passed,
                )
            }),
            Contender::new(TEMPLATE, || {
                to_lab(plan, &some, &["--save-body", &template], sent)
            }),
            Contender::new(RAW, || to_lab(plan, &lines, &["--save-body", "raw"], sent)),
        ],
    )?;
    let per_second = |o: &Outcome| o.items as f64 / o.elapsed_s;
    let cpu_us = |o: &Outcome| o.cpu_s * 1e6 / o.items as f64;
    let row = |label: &str, peer: Option<&str>| Row {
        label: label.to_owned(),
        figure: rounds.spread(label, per_second),
        ratio: peer.map(|peer| rounds.ratio(PASS, peer, per_second)),
    };
    Ok(Section {
        work: format!(
            "{} records of 1 KB in {COLUMNS} columns to `null:`; and {} of them made into JSON bodies by a template that names \
             each column, posted to a service of 0 ms, 64 at once.",
            grouped(passed),
            grouped(sent)
        ),
        check: "Each record must be counted; the service must have each body once.".to_owned(),
        machine,
        pairs,
        figure: "rows a second".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: vec![
            row(PASS, None),
            row(BY_HAND, Some(BY_HAND)),
            row(TEMPLATE, None),
            row(RAW, None),
        ],
        verdicts: vec![
            Verdict::at_least(
                0.7,
                "to `null:` at least 0.7 of the `csv` crate's records a second",
                rounds.ratio(PASS, BY_HAND, per_second),
            ),
            Verdict::at_most(
                6.0,
                "a template of ten columns costs at most 6 µs of CPU time a row more than bodies that are sent as they are",
                rounds.by(TEMPLATE, RAW, |with, without| {
                    cpu_us(with) - cpu_us(without)
                }),
            ),
        ],
        growth: Vec::new(),
        notes: Vec::new(),
        missing: Vec::new(),
    })
}

fn to_lab(plan: &Plan, input: &str, body: &[&str], items: u64) -> anyhow::Result<Outcome> {
    saved_to_lab(plan, Setup::default(), items, |lab| {
        let add = lab.add();
        let job = ["--compute", "none", "--save", &add, "-c", "64"];
        let job = [&job[..], body, &["--no-journal", "--no-profile"]].concat();
        run_of(
            &mut Command::new(plan.places.inflight()),
            input,
            &job,
            items,
        )
    })
}

/// Ten columns of a hundred bytes, the first of which tells the record; as records with a header, or as lines.
fn write(path: &Path, items: u64, is_csv: bool) -> anyhow::Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let names: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
        if is_csv {
            writeln!(file, "{}", names.join(","))?;
        }
        let rest = format!(",{}", "x".repeat(99)).repeat(COLUMNS - 1);
        for item in 0..items {
            writeln!(file, "{item:0>99}{rest}")?;
        }
        file.flush()
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// A template that names each column.
fn body() -> String {
    let fields: Vec<String> = (0..COLUMNS)
        .map(|column| format!("\"field{column}\": \"{{c{column}}}\""))
        .collect();
    format!("{{{}}}", fields.join(", "))
}
