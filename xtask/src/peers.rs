//! The peers that are not built here: wrk, Postgres and sqlite3 by apt-get, Python packages in an environment of their own.
//!
//! A peer that cannot be installed stops nothing; the bench names it as missing.

use std::path::Path;
use std::process::Command;

use crate::needs;
use crate::shell::{run, tell};

/// What the Python peers import. The bench looks for them in the same folder.
const IMPORTS: [&str; 4] = ["aiohttp", "asyncpg", "bcrypt", "uvloop"];

/// Installs whatever can be installed, and says what cannot.
pub(crate) fn install(root: &Path) {
    let told = |what: &str, outcome: Result<(), String>| {
        if let Err(message) = outcome {
            tell(&format!("{what} will be missing: {message}"));
        }
    };
    told("wrk", needs::install(&[needs::WRK]));
    told("Postgres", needs::install(&[needs::POSTGRES]));
    told("sqlite3", needs::install(&[needs::SQLITE]));
    told("Python", python(&root.join("target/bench-venv")));
}

fn python(environment: &Path) -> Result<(), String> {
    let python = environment.join("bin/python");
    if can_import(&python, &IMPORTS) {
        return Ok(());
    }
    if !can_import(Path::new("python3"), &["ensurepip", "venv"]) {
        needs::apt_install(&needs::PYTHON_PACKAGES)?;
    }
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(IMPORTS))
}

/// Installs our own package there, and what its jobs are measured beside.
pub(crate) fn install_package(root: &Path, wheel: &Path) {
    let mut pip = Command::new(root.join("target/bench-venv/bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--force-reinstall",
        "--disable-pip-version-check",
    ]);
    if let Err(message) = run(pip.args(["joblib", "numpy"]).arg(wheel)) {
        tell(&format!("the Python package will be missing: {message}"));
    }
}

fn can_import(python: &Path, modules: &[&str]) -> bool {
    let imports = format!("import {}", modules.join(", "));
    let check = Command::new(python).args(["-c", &imports]).output();
    check.is_ok_and(|check| check.status.success())
}
