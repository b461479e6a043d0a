//! Runs the experiment the tool is made for, and writes `docs/experiment.md`, its Korean twin and their pictures.
//!
//! Every figure in them comes from a run of this program: the words know none. `cargo xtask experiment` builds and calls it.

mod chart;
mod english;
mod figure;
mod korean;
mod measures;
mod page;
mod statement;
mod tool;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use bench::Machine;

use crate::page::{Language, page};
use crate::statement::Experiment;
use crate::tool::Tool;

const USAGE: &str = "usage: cargo xtask experiment [--quick]

  Measures the eight statements of the experiment, in less than 20 minutes on two cores, and writes docs/experiment.md,
  docs/experiment.ko.md and the pictures in docs/experiment.

  --quick   a tenth of the items, and into target/experiment: to see that it works";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write(false),
        ["--quick"] => write(true),
        ["--help" | "-h"] => {
            tell(USAGE);
            Ok(())
        }
        _ => Err(anyhow::anyhow!(
            "no such flag: {}\n\n{USAGE}",
            words.join(" ")
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn write(is_quick: bool) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.context("this package is a folder of the workspace")?;
    let folder = match is_quick {
        true => root.join("target/experiment"),
        false => root.join("docs"),
    };
    let pictures = folder.join("experiment");
    std::fs::create_dir_all(&pictures)
        .with_context(|| format!("failed to create {}", pictures.display()))?;
    let machine = Machine::now();
    let tool = Tool::find(&pictures, is_quick)?;
    let experiment = Experiment::run(&tool, machine)?;
    for (name, language) in [
        ("experiment.md", Language::English),
        ("experiment.ko.md", Language::Korean),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, page(&experiment, language))
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    let held = experiment.statements.iter().filter(|s| s.is_held).count();
    tell(&format!(
        "{held} of {} statements held; written to {}",
        experiment.statements.len(),
        folder.display()
    ));
    Ok(())
}

/// One line for whoever waits. Nobody is left to be told when standard error is closed.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
