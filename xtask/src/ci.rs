//! `cargo xtask ci`: everything that must hold before a push, quickest first, tests last.

use std::fs;
use std::path::Path;

use crate::shell::{cargo, find, run, step, tell};
use crate::{needs, test, tidy};

/// Runs every step, and stops at the first that fails.
///
/// # Errors
/// The name of that step, and what failed in it.
pub(crate) fn ci(root: &Path) -> Result<(), String> {
    step("needs", || needs::install(needs::TEST))?;
    step("format", || run(&mut cargo(["fmt", "--all", "--check"])))?;
    step("tidy", || tidy::tidy(root))?;
    step("licences", licences)?;
    step("clippy", || {
        let workspace = ["clippy", "--workspace", "--all-targets", "--locked"];
        run(cargo(workspace).args(["--", "-D", "warnings"]))
    })?;
    step("features", || features(root))?;
    step("docs", || {
        let doc = ["doc", "--workspace", "--no-deps", "--locked"];
        run(cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("test", test::test)
}

fn licences() -> Result<(), String> {
    if find("cargo-deny").is_none() {
        tell(
            "cargo-deny is missing, so licences were not checked: cargo install --locked cargo-deny",
        );
        return Ok(());
    }
    run(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
}

/// Each feature of the connectors alone, and none: whoever takes one service gets no other.
///
/// By clippy, because it sees what is unused without that feature, and shares what it needs with the step before.
fn features(root: &Path) -> Result<(), String> {
    let manifest = root.join("crates/connectors/Cargo.toml");
    let manifest = fs::read_to_string(&manifest)
        .map_err(|error| format!("failed to read {}: {error}", manifest.display()))?;
    for feature in std::iter::once("").chain(feature_names(&manifest)) {
        let alone = ["clippy", "--package", "inflight-connectors", "--locked"];
        run(cargo(alone)
            .args(["--no-default-features", "--features", feature])
            .args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn feature_names(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| *name != "default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_the_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = [\"a\"]\na = [\n    \"dep:b\",\n]\nc = []\n\n[dependencies]\nb = \"1\"\n";
        assert_eq!(feature_names(manifest).collect::<Vec<_>>(), ["a", "c"]);
    }
}
