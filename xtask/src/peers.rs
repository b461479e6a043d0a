//! The peers that are not built here: wrk by apt-get, Python packages in an environment of their own.
//!
//! A peer that cannot be installed stops nothing; the bench names it as missing.

use std::path::Path;
use std::process::Command;

use crate::needs::{self, Need};
use crate::shell::{run, tell};

/// What the Python peers import. The bench looks for them in the same folder.
const PYTHON_PACKAGES: [&str; 3] = ["aiohttp", "bcrypt", "uvloop"];

/// Installs whatever can be installed, and says what cannot.
pub(crate) fn install(root: &Path) {
    let told = |what: &str, outcome: Result<(), String>| {
        if let Err(message) = outcome {
            tell(&format!("{what} will be missing: {message}"));
        }
    };
    told("wrk", needs::install(&[needs::WRK]));
    told(
        "Python",
        python(&root.join("target/bench-venv"), needs::PYTHON),
    );
}

fn python(environment: &Path, interpreter: Need) -> Result<(), String> {
    let python = environment.join("bin/python");
    if has_packages(&python) {
        return Ok(());
    }
    needs::install(&[interpreter])?;
    run(Command::new(interpreter.command)
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
        .args(PYTHON_PACKAGES))
}

fn has_packages(python: &Path) -> bool {
    let imports = format!("import {}", PYTHON_PACKAGES.join(", "));
    let check = Command::new(python).args(["-c", &imports]).output();
    check.is_ok_and(|check| check.status.success())
}
