//! How long it takes to do next to nothing: start, one item, end.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use bench::Outcome;

use crate::contender::Contender;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Row, Section, Verdict};
use bench::Machine;

const PAIRS: usize = 50;

const OURS: &str = "inflight run 0..1";
const TRUE: &str = "true";
const XARGS: &str = "echo 0 \\| xargs true";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let rounds = Rounds::run(
        pairs,
        &[
            Contender::new(OURS, || {
                let mut command = Command::new(plan.places.inflight());
                let job = "run 0..1 --compute none --save null: --no-journal --quiet";
                spawned(command.args(job.split(' ')))
            }),
            Contender::new(TRUE, || spawned(&mut Command::new("true"))),
            Contender::new(XARGS, || {
                spawned(Command::new("sh").args(["-c", "echo 0 | xargs true"]))
            }),
        ],
    )?;
    let ms = |o: &Outcome| o.elapsed_s * 1e3;
    Ok(Section {
        work: "One item, nothing to compute, nothing to save to; the whole process from its start to its end.".to_owned(),
        check: "Each must end with code 0.".to_owned(),
        machine,
        pairs,
        figure: "ms".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds
            .labels()
            .map(|label| Row {
                label: format!("`{label}`"),
                figure: rounds.spread(label, ms),
                ratio: (label != OURS).then(|| rounds.ratio(OURS, label, ms)),
            })
            .collect(),
        verdicts: vec![Verdict::at_most(20.0, "at most 20 ms", rounds.spread(OURS, ms))],
        growth: Vec::new(),
        notes: Vec::new(),
        missing: Vec::new(),
    })
}

/// Starts a process and waits for its end.
fn spawned(command: &mut Command) -> anyhow::Result<Outcome> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().context("failed to start")?;
    let elapsed_s = start.elapsed().as_secs_f64();
    ensure!(status.success(), "ended with {status}");
    Ok(Outcome {
        items: 1,
        elapsed_s,
        ..Outcome::default()
    })
}
