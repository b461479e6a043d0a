//! Our tool, run as anyone would run it, and as much of its JSON as the page needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// Our tool, and where its pictures go.
#[derive(Debug)]
pub(crate) struct Tool {
    binary: PathBuf,
    pictures: PathBuf,
    is_quick: bool,
}

/// What came of one command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// As it was typed.
    pub(crate) command: String,
    /// The picture it drew, by its name in the folder of pictures.
    pub(crate) picture: String,
    /// One comparison, or one for each value of a sweep.
    pub(crate) points: Vec<Point>,
}

/// A comparison, with the value that was swept.
#[derive(Debug, Deserialize)]
pub(crate) struct Point {
    pub(crate) value: String,
    pub(crate) comparison: Comparison,
}

/// See `compare --json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) compute_only_s: f64,
    pub(crate) compute_only_all_s: f64,
    pub(crate) service_ms: Option<Dist>,
    pub(crate) runs: Vec<Run>,
}

/// See `run --json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) strategy: String,
    pub(crate) items: u64,
    pub(crate) saved: u64,
    pub(crate) rejected: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) attainment: f64,
    pub(crate) compute_s: f64,
    pub(crate) save_ms: Dist,
    pub(crate) in_flight: InFlight,
    pub(crate) loop_stall_ms_max: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Dist {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) mean: f64,
}

#[derive(Deserialize)]
struct Swept {
    points: Vec<Point>,
}

impl Tool {
    /// The tool that was built beside this program.
    ///
    /// # Errors
    /// When it was not.
    pub(crate) fn find(pictures: &Path, is_quick: bool) -> anyhow::Result<Tool> {
        let this = std::env::current_exe().context("failed to find this program")?;
        let binary = this.with_file_name("inflight");
        ensure!(
            binary.is_file(),
            "the tool is not built: cargo build --release --package inflight-cli"
        );
        Ok(Tool {
            binary,
            pictures: pictures.to_owned(),
            is_quick,
        })
    }

    /// How many items, where so many are written down.
    pub(crate) fn items(&self, usual: u64) -> u64 {
        match self.is_quick {
            true => (usual / 10).max(5),
            false => usual,
        }
    }

    /// The cost of a hash, where this is written down: three less take an eighth of the time.
    pub(crate) fn cost(&self, usual: u32) -> u32 {
        match self.is_quick {
            true => usual - 3,
            false => usual,
        }
    }

    /// Runs `inflight compare` with these arguments, and has it draw a picture of this name.
    ///
    /// # Errors
    /// When it fails, saves not every item, or writes what cannot be read.
    pub(crate) fn compare(&self, picture: &str, arguments: &str) -> anyhow::Result<Ran> {
        let command = format!("inflight compare {arguments}");
        super::tell(&format!("$ {command}"));
        let picture = format!("{picture}.svg");
        // What is recorded there is drawn and forgotten.
        let state = tempfile::tempdir().context("failed to make a folder for the recording")?;
        let output = Command::new(&self.binary)
            .arg("compare")
            .args(words(arguments))
            .args(["--progress", "none", "--json", "-"])
            .env("XDG_STATE_HOME", state.path())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("failed to start the tool")?;
        ensure!(
            output.status.success(),
            "{command} ended with {}",
            output.status
        );
        let drawn = Command::new(&self.binary)
            .args(["report", "last", "--svg"])
            .arg(self.pictures.join(&picture))
            .env("XDG_STATE_HOME", state.path())
            .status()
            .context("failed to start the tool")?;
        ensure!(
            drawn.success(),
            "the picture of {command} ended with {drawn}"
        );
        let points = match arguments.contains("--sweep") {
            true => serde_json::from_slice::<Swept>(&output.stdout).map(|swept| swept.points),
            false => serde_json::from_slice(&output.stdout).map(|comparison| {
                let value = String::new();
                vec![Point { value, comparison }]
            }),
        };
        let points = points.with_context(|| format!("failed to read what {command} wrote"))?;
        for run in points.iter().flat_map(|point| &point.comparison.runs) {
            ensure!(
                run.saved == run.items,
                "{command}: {} saved {} of {} items",
                run.strategy,
                run.saved,
                run.items
            );
        }
        Ok(Ran {
            command,
            picture,
            points,
        })
    }

    /// Writes a picture of our own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn draw(&self, picture: &str, drawing: &str) -> anyhow::Result<String> {
        let name = format!("{picture}.svg");
        let path = self.pictures.join(&name);
        std::fs::write(&path, drawing)
            .with_context(|| format!("failed to write {}", path.display()))?;
        Ok(name)
    }
}

impl Ran {
    /// The runs of the only comparison, or of the first value.
    pub(crate) fn comparison(&self) -> &Comparison {
        &self.points[0].comparison
    }
}

impl Comparison {
    /// The run with this strategy.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn run(&self, strategy: &str) -> anyhow::Result<&Run> {
        let mut runs = self.runs.iter();
        runs.find(|run| run.strategy == strategy)
            .with_context(|| format!("no run with {strategy}"))
    }
}

/// Arguments as a shell would split them; a `'` keeps what stands between two of them together.
fn words(arguments: &str) -> Vec<String> {
    let parts = arguments.split('\'').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(
            words("0..6 --save 'lab:?rate=1/s,burst 2' -j 1"),
            ["0..6", "--save", "lab:?rate=1/s,burst 2", "-j", "1"]
        );
    }
}
