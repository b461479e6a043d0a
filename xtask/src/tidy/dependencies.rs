//! Which crate of ours may use which: the direction that ARCHITECTURE.md draws.

use std::path::Path;

/// What a package may use of ours.
struct Rule {
    folder: &'static str,
    /// In what is shipped.
    uses: &'static [&'static str],
    /// In its tests, beyond that.
    tests_use: &'static [&'static str],
}

const OURS: [&str; 9] = [
    ENGINE,
    CONNECTORS,
    LAB,
    TESTBED,
    CLI,
    "inflight-python",
    "bench",
    "fuzz",
    "xtask",
];
const ENGINE: &str = "inflight";
const CONNECTORS: &str = "inflight-connectors";
const LAB: &str = "inflight-lab";
const TESTBED: &str = "inflight-testbed";
const CLI: &str = "inflight-cli";

/// Nobody may use `bench`, `fuzz`, `xtask` or the Python package: they stand in no list.
const RULES: [Rule; 9] = [
    Rule {
        folder: "crates/engine",
        uses: &[],
        tests_use: &[],
    },
    Rule {
        folder: "crates/lab",
        uses: &[],
        tests_use: &[],
    },
    Rule {
        folder: "crates/connectors",
        uses: &[ENGINE],
        tests_use: &[LAB, TESTBED],
    },
    Rule {
        folder: "crates/cli",
        uses: &[ENGINE, CONNECTORS, LAB],
        tests_use: &[TESTBED],
    },
    Rule {
        folder: "crates/python",
        uses: &[ENGINE, CONNECTORS, CLI],
        tests_use: &[],
    },
    Rule {
        folder: "crates/testbed",
        uses: &[],
        tests_use: &[],
    },
    Rule {
        folder: "bench",
        uses: &[ENGINE, TESTBED],
        tests_use: &[],
    },
    Rule {
        folder: "fuzz",
        uses: &[ENGINE, CONNECTORS],
        tests_use: &[],
    },
    Rule {
        folder: "xtask",
        uses: &[],
        tests_use: &[],
    },
];

/// What the manifest of a package uses though it must not.
pub(crate) fn check(name: &Path, manifest: &str) -> Vec<String> {
    let folder = name.parent().unwrap_or(Path::new(""));
    if folder == Path::new("") {
        return Vec::new();
    }
    let Some(rule) = RULES.iter().find(|rule| folder == Path::new(rule.folder)) else {
        return vec!["a package without a rule for what it may use".to_owned()];
    };
    dependencies(manifest)
        .filter(|(_, used)| OURS.contains(used))
        .filter(|(is_test, used)| {
            !(rule.uses.contains(used) || *is_test && rule.tests_use.contains(used))
        })
        .map(|(_, used)| format!("must not use {used}"))
        .collect()
}

/// The names a manifest depends on, each with whether only its tests do.
fn dependencies(manifest: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut section = None;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            // Only a heading that ends in "dependencies" begins a list; one may also be a heading of its own.
            let (list, single) = match header.split_once("dependencies.") {
                Some((kind, single)) => (Some(kind), Some(single)),
                None => (header.strip_suffix("dependencies"), None),
            };
            section = list.map(|kind| kind.ends_with("dev-"));
            return section.take_if(|_| single.is_some()).zip(single);
        }
        let key = line.split_once('=')?.0.trim();
        let named = key.split('.').next().unwrap_or(key);
        section.map(|is_test| (is_test, named.trim_matches('"')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(folder: &str, manifest: &str) -> Vec<String> {
        check(&Path::new(folder).join("Cargo.toml"), manifest)
    }

    #[test]
    fn the_engine_uses_nothing_of_ours() {
        let manifest = "[package]\nname = \"inflight\"\n[dependencies]\ntokio.workspace = true\ninflight-lab = { path = \"../lab\" }\n";
        assert_eq!(
            findings("crates/engine", manifest),
            ["must not use inflight-lab"]
        );
    }

    #[test]
    fn tests_of_connectors_may_use_the_lab() {
        let manifest = "[dependencies]\ninflight.workspace = true\n[dev-dependencies]\ninflight-lab.workspace = true\n";
        assert!(findings("crates/connectors", manifest).is_empty());
        let shipped = "[dependencies]\ninflight-lab.workspace = true\n";
        assert_eq!(
            findings("crates/connectors", shipped),
            ["must not use inflight-lab"]
        );
    }

    #[test]
    fn nobody_uses_the_bench() {
        for folder in RULES.map(|rule| rule.folder) {
            let manifest = "[target.'cfg(unix)'.dependencies]\nbench = { path = \"../bench\" }\n";
            assert_eq!(findings(folder, manifest), ["must not use bench"]);
        }
    }

    #[test]
    fn a_dependency_with_a_heading_of_its_own_counts_and_its_keys_do_not() {
        let manifest = "[dependencies.xtask]\nbench = 1\n[features]\nbench = []\n";
        assert_eq!(findings("crates/lab", manifest), ["must not use xtask"]);
    }

    #[test]
    fn a_new_package_needs_a_rule() {
        assert_eq!(findings("crates/new", "").len(), 1);
        assert!(
            check(
                Path::new("Cargo.toml"),
                "[workspace.dependencies]\ninflight = 1"
            )
            .is_empty()
        );
    }
}
