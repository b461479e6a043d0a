//! The commands of the README, same at a desk and in CI: `cargo xtask test`, `ci`, `tidy`, `torture`, `limit`, `insight`,
//! `bench`, `python`, `wheel` and `experiment`.
//!
//! It depends on nothing, so that the first command on a fresh machine starts in seconds.

mod bench;
mod ci;
mod experiment;
mod insight;
mod limit;
mod needs;
mod peers;
mod python;
mod shell;
mod test;
mod tidy;
mod torture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

const USAGE: &str = "usage: cargo xtask COMMAND

  test                     installs what is missing, then runs all tests and doc tests
  ci                       format, tidy, clippy, docs, each feature alone, licences, test: what must hold before a push
  tidy                     the rules of the house that no other tool checks
  torture [PART]           a million losses of power, thousands of kills: the long form of what the tests try; about two hours
  limit                    plays every scenario in virtual time, checks what each must come to; writes docs/limit.md
  insight                  stages every bottleneck and forecasts 200 jobs, checks what runs say; writes two pages of docs; minutes
  bench [NAME…] [FLAGS]    measures us and our peers in one run; writes docs/benchmarks.md; `bench --help` says more
  python [ARGUMENTS]       builds the Python package, installs it below target/ and tests it; the arguments go to pytest
  wheel                    makes the wheel that is published, and tries it in an empty environment
  experiment [--quick]     measures the eight statements of the experiment; writes docs/experiment.md and its pictures";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match enter_root().and_then(|root| dispatch(&root, &arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            shell::tell(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(root: &Path, arguments: &[String]) -> Result<(), String> {
    let mut words = arguments.iter().map(String::as_str);
    match (words.next(), words.next()) {
        (Some("test"), None) => test::test(),
        (Some("ci"), None) => ci::ci(root),
        (Some("tidy"), None) => tidy::tidy(root),
        (Some("torture"), part) if arguments.len() <= 2 => torture::torture(part),
        (Some("limit"), None) => limit::limit(),
        (Some("insight"), None) => insight::insight(),
        (Some("bench"), _) => bench::bench(root, &arguments[1..]),
        (Some("python"), _) => python::python(&arguments[1..]),
        (Some("wheel"), None) => python::wheel(),
        (Some("experiment"), _) => experiment::experiment(&arguments[1..]),
        (Some("help" | "--help" | "-h"), None) => {
            shell::tell(USAGE);
            Ok(())
        }
        _ => Err(format!(
            "no such command: {}\n\n{USAGE}",
            arguments.join(" ")
        )),
    }
}

/// Makes the folder of the workspace the current one, wherever the command was typed.
fn enter_root() -> Result<PathBuf, String> {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = here
        .parent()
        .expect("this package is a folder of the workspace");
    let failed = |error: io::Error| format!("failed to enter {}: {error}", root.display());
    env::set_current_dir(root).map_err(failed)?;
    Ok(root.to_owned())
}
