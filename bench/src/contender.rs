//! One side of a comparison: a program that is run, and says what it did.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use bench::Outcome;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Deserialize;

use crate::plan::Plan;

/// Something that can be run again and again, and does the same work each time.
pub(crate) struct Contender<'a> {
    /// As it stands in the table.
    pub(crate) label: &'static str,
    run: Box<dyn Fn() -> anyhow::Result<Outcome> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(
        label: &'static str,
        run: impl Fn() -> anyhow::Result<Outcome> + 'a,
    ) -> Contender<'a> {
        Contender {
            label,
            run: Box::new(run),
        }
    }

    /// # Errors
    /// When the program fails, or did other work than was asked.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        (self.run)().with_context(|| self.label)
    }
}

/// Runs a peer that tells its outcome in the last line.
///
/// # Errors
/// When it cannot be run, fails, says nothing, or did another number of items.
pub(crate) fn outcome(command: &mut Command, items: u64) -> anyhow::Result<Outcome> {
    let text = stdout(command)?;
    let line = text.lines().last().unwrap_or_default();
    let outcome: Outcome = serde_json::from_str(line)
        .with_context(|| format!("failed to read an outcome from {line:?}"))?;
    ensure!(
        outcome.items == items,
        "did {} of {items} items",
        outcome.items
    );
    Ok(outcome)
}

/// What is read of the object that our tool writes; the rest of it is none of the bench's business.
#[derive(Debug, Deserialize)]
struct Run {
    saved: u64,
    elapsed_s: f64,
    compute_s: f64,
    terms: Terms,
    rss_max_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Terms {
    ends: Option<Term>,
}

#[derive(Debug, Deserialize)]
struct Term {
    s: f64,
}

/// Runs our tool with these arguments after `run` and the input, without a journal, which no peer has either, and with nothing
/// that earlier runs have learnt.
///
/// # Errors
/// When it fails, or does not save all items.
pub(crate) fn inflight_run(
    tool: &mut Command,
    arguments: &[&str],
    items: u64,
) -> anyhow::Result<Outcome> {
    journalled_run(tool, &[arguments, &["--no-journal"]].concat(), items)
}

/// The same with the journal that a run keeps when it is not told otherwise.
///
/// # Errors
/// When it fails, or does not save all items.
pub(crate) fn journalled_run(
    tool: &mut Command,
    arguments: &[&str],
    items: u64,
) -> anyhow::Result<Outcome> {
    plain_run(tool, &[arguments, &["--no-profile"]].concat(), items)
}

/// The same without a journal, with what lies in the state folder of its environment.
///
/// # Errors
/// As [`inflight_run`].
pub(crate) fn inflight_remembering(
    tool: &mut Command,
    arguments: &[&str],
    items: u64,
) -> anyhow::Result<Outcome> {
    plain_run(tool, &[arguments, &["--no-journal"]].concat(), items)
}

fn plain_run(tool: &mut Command, arguments: &[&str], items: u64) -> anyhow::Result<Outcome> {
    run_of(tool, &format!("0..{items}"), arguments, items)
}

/// The same with the items of this input, and whatever the arguments say of a journal.
///
/// # Errors
/// As [`inflight_run`].
pub(crate) fn run_of(
    tool: &mut Command,
    input: &str,
    arguments: &[&str],
    items: u64,
) -> anyhow::Result<Outcome> {
    let command = tool.args(["run", input]).args(arguments);
    let cpu_before_s = children_cpu_s();
    let text = stdout(command.args(["--quiet", "--json", "-"]))?;
    let cpu_s = children_cpu_s() - cpu_before_s;
    let run: Run = serde_json::from_str(&text).context("failed to read our summary")?;
    ensure!(run.saved == items, "saved {} of {items} items", run.saved);
    Ok(Outcome {
        items: run.saved,
        elapsed_s: run.elapsed_s,
        compute_s: run.compute_s,
        cpu_s,
        ends_s: run.terms.ends.map_or(0.0, |ends| ends.s),
        rss_max_bytes: run.rss_max_bytes,
        ..Outcome::default()
    })
}

/// CPU time, in seconds, of all processes that this one started and waited for.
pub(crate) fn children_cpu_s() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system tells what it has used");
    [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .into_iter()
        .sum()
}

/// The same with a state folder that goes away, in which the journal lies.
///
/// # Errors
/// As [`inflight_run`].
pub(crate) fn kept(plan: &Plan, arguments: &[&str], items: u64) -> anyhow::Result<Outcome> {
    let mut tool = Command::new(plan.places.inflight());
    let state = tempfile::tempdir()?;
    tool.env("XDG_STATE_HOME", state.path());
    journalled_run(&mut tool, arguments, items)
}

/// Keeps a program on one core, where the system can.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

/// What the command writes to standard output.
///
/// # Errors
/// When it cannot be started or fails, with what it said on standard error.
pub(crate) fn stdout(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ended with {}: {}", output.status, said.trim_end());
    }
    String::from_utf8(output.stdout).context("standard output is not text")
}
