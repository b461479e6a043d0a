//! The model service as a process of its own, on one thread, so that every contender meets the same one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use bench::Outcome;
use serde::Deserialize;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::contender::pinned;
use crate::plan::Plan;

/// A running lab; dropping it ends the process.
pub(crate) struct Lab {
    process: Child,
    /// Such as `http://127.0.0.1:40000`.
    address: String,
}

/// What it counted; see `GET /stats`.
#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) saved: u64,
    pub(crate) distinct: u64,
    pub(crate) rejected: u64,
}

/// How a lab is started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    /// Flags of `inflight lab`, by words.
    pub(crate) flags: &'static str,
    /// The core it is kept on, if it is.
    pub(crate) core: Option<usize>,
}

impl Lab {
    /// Starts a lab with nothing in it, on a free port.
    ///
    /// # Errors
    /// When it does not start, or does not say where it listens.
    pub(crate) fn start(plan: &Plan, setup: Setup) -> anyhow::Result<Lab> {
        let tool = plan.places.inflight();
        let mut command = match setup.core {
            Some(core) => pinned(core, &tool),
            None => Command::new(tool),
        };
        command.args(["lab", "--listen", "127.0.0.1:0"]);
        command.args(setup.flags.split_whitespace());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().context("failed to start the lab")?;
        let stdout = process.stdout.take().context("its output is piped")?;
        let mut lab = Lab {
            process,
            address: String::new(),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let address = address.with_context(|| format!("the lab said no address: {line:?}"))?;
        address.trim_end_matches(':').clone_into(&mut lab.address);
        Ok(lab)
    }

    /// Where to save.
    pub(crate) fn add(&self) -> String {
        format!("{}/add", self.address)
    }

    /// What it counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn stats(&self) -> anyhow::Result<Stats> {
        let stats = get(&format!("{}/stats", self.address))?;
        Ok(serde_json::from_str(&stats)?)
    }

    /// Whether everything that was to be saved was, once each and nothing else.
    ///
    /// # Errors
    /// When it was not, with what was.
    pub(crate) fn has_saved(&self, items: u64) -> anyhow::Result<()> {
        let stats = self.stats()?;
        ensure!(
            stats.saved == items && stats.distinct == items && stats.rejected == 0,
            "of {items} results the service has {stats:?}"
        );
        Ok(())
    }

    /// The same of a lab to which the same was saved twice; what it refused is for the bench to judge.
    ///
    /// # Errors
    /// When it was not, with what was.
    pub(crate) fn has_saved_times(&self, times: u64, items: u64) -> anyhow::Result<Stats> {
        let stats = self.stats()?;
        ensure!(
            stats.saved == times * items && stats.distinct == items,
            "of {items} results, saved {times} times, the service has {stats:?}"
        );
        Ok(stats)
    }

    /// A sum of hashes of all that was saved, whatever its order.
    ///
    /// # Errors
    /// When the lab does not answer.
    pub(crate) fn results_sum(&self) -> anyhow::Result<u64> {
        let results = get(&format!("{}/results", self.address))?;
        let bodies = results.lines().map(|line| line.trim_matches('"'));
        Ok(sum_of_hashes(bodies))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Gives a fresh lab to a run, and checks that it saved each of `items` once.
///
/// # Errors
/// When the lab does not start, the run fails, or something else was saved.
pub(crate) fn saved_to_lab(
    plan: &Plan,
    setup: Setup,
    items: u64,
    run: impl FnOnce(&Lab) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let lab = Lab::start(plan, setup)?;
    let outcome = run(&lab)?;
    lab.has_saved(items)?;
    Ok(outcome)
}

/// Gives a fresh lab to two runs that share a state folder, in which the second finds what the first has learnt; what the second
/// came to, and how many requests of it were refused.
///
/// # Errors
/// As [`saved_to_lab`].
pub(crate) fn saved_again_to_lab(
    plan: &Plan,
    setup: Setup,
    items: u64,
    run: impl Fn(&Lab, &Path) -> anyhow::Result<Outcome>,
) -> anyhow::Result<(Outcome, u64)> {
    let lab = Lab::start(plan, setup)?;
    let state = TempDir::new().context("failed to make a state folder")?;
    run(&lab, state.path())?;
    let before = lab.stats()?.rejected;
    let outcome = run(&lab, state.path())?;
    let stats = lab.has_saved_times(2, items)?;
    Ok((outcome, stats.rejected - before))
}

/// A sum of hashes: the same for the same texts in any order.
pub(crate) fn sum_of_hashes(texts: impl Iterator<Item = impl AsRef<[u8]>>) -> u64 {
    texts
        .map(|text| xxh3_64(text.as_ref()))
        .fold(0, u64::wrapping_add)
}

fn get(url: &str) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async { reqwest::get(url).await?.error_for_status()?.text().await })?)
}
