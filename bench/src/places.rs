//! Where things are: our binary, the peers, the pages that are written.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// What the Python peers need.
const IMPORTS: &str = "import aiohttp, asyncpg, bcrypt, uvloop";

/// Files and folders of the workspace.
#[derive(Debug)]
pub(crate) struct Places {
    /// Where this program lies, and ours and the Rust peers beside it.
    binaries: PathBuf,
    root: PathBuf,
    /// The interpreter that has what the Python peers import, if it could be installed.
    python: Option<PathBuf>,
}

impl Places {
    /// # Errors
    /// When the binary that is measured was not built.
    pub(crate) fn find() -> anyhow::Result<Places> {
        let this = env::current_exe().context("failed to find this program")?;
        let binaries = this.parent().context("a program lies in a folder")?;
        let inflight = binaries.join("inflight");
        ensure!(
            inflight.is_file(),
            "the tool is not built: cargo build --release --package inflight-cli"
        );
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .parent()
            .context("this package is a folder of the workspace")?;
        let python = root.join("target/bench-venv/bin/python");
        let check = Command::new(&python).args(["-c", IMPORTS]).output();
        let is_complete = check.is_ok_and(|check| check.status.success());
        Ok(Places {
            binaries: binaries.to_owned(),
            root: root.to_owned(),
            python: is_complete.then_some(python),
        })
    }

    /// Our tool.
    pub(crate) fn inflight(&self) -> PathBuf {
        self.binaries.join("inflight")
    }

    /// A contender built from this package.
    pub(crate) fn binary(&self, name: &str) -> Command {
        Command::new(self.binaries.join(name))
    }

    /// A Python peer, if the environment for them is there.
    pub(crate) fn python(&self, script: &str) -> Option<Command> {
        let mut command = Command::new(self.python.as_ref()?);
        command.arg(self.peer(script));
        Some(command)
    }

    /// Whether the Python package is installed there, beside the peers of its jobs.
    pub(crate) fn has_package(&self) -> bool {
        let check = |python| {
            Command::new(python)
                .args(["-c", "import inflight, joblib, numpy"])
                .output()
        };
        let check = self.python.as_ref().map(check);
        check.is_some_and(|check| check.is_ok_and(|check| check.status.success()))
    }

    /// A file in `bench/peers`.
    pub(crate) fn peer(&self, file: &str) -> PathBuf {
        self.root.join("bench/peers").join(file)
    }

    /// A file in `docs`.
    pub(crate) fn page(&self, file: &str) -> PathBuf {
        self.root.join("docs").join(file)
    }
}
