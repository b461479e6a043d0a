//! `cargo xtask bench`: installs the peers, builds us and them, and lets the bench package measure.

use std::path::Path;

use crate::peers;
use crate::python;
use crate::shell::{cargo, run};

/// What needs no peer that is not built here.
const SELF_CONTAINED: [&str; 3] = ["overhead", "memory", "start"];

/// Measures what `arguments` name; the bench package itself reads them.
///
/// # Errors
/// When the build fails, a measurement fails, or both sides did not do the same work.
pub(crate) fn bench(root: &Path, arguments: &[String]) -> Result<(), String> {
    if !arguments.iter().any(|argument| argument == "--help") {
        if needs_peers(arguments) {
            peers::install(root);
        }
        let release = ["build", "--release", "--locked"];
        run(cargo(release).args(["--package", "inflight-cli", "--package", "bench"]))?;
        let is_named = |name: &str| arguments.iter().any(|argument| argument == name);
        if needs_peers(arguments) && (is_named("python") || !names_any(arguments)) {
            peers::install_package(root, &python::released()?);
        }
    }
    let measure = [
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "bench",
    ];
    run(cargo(measure)
        .args(["--bin", "bench", "--"])
        .args(arguments))
}

/// Whether a bench is asked for that has peers to install; no name asks for all.
fn needs_peers(arguments: &[String]) -> bool {
    let names = names(arguments);
    names.is_empty() || names.iter().any(|name| !SELF_CONTAINED.contains(name))
}

fn names_any(arguments: &[String]) -> bool {
    !names(arguments).is_empty()
}

fn names(arguments: &[String]) -> Vec<&str> {
    let words = arguments.iter().map(String::as_str);
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_installed_only_where_one_is_measured() {
        let needed = |typed: &str| {
            let arguments: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            needs_peers(&arguments)
        };
        assert!(needed("") && needed("--quick") && needed("start tiny"));
        assert!(!needed("overhead --pairs 7") && !needed("memory start"));
    }
}
