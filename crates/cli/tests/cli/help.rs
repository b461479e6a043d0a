//! The help texts, held by snapshots: whoever changes a flag sees what people will read.

use crate::support::inflight;

#[track_caller]
fn check(name: &str, line: &str) {
    let outcome = inflight(line).expect(0);
    assert_eq!(outcome.stderr, "");
    insta::assert_snapshot!(name, outcome.stdout);
}

#[test]
fn help() {
    check("help", "--help");
}

#[test]
fn run() {
    check("run", "run --help");
}

#[test]
fn compare() {
    check("compare", "compare --help");
}

#[test]
fn try_run() {
    check("try", "try --help");
}

#[test]
fn short() {
    check("run_short", "run -h");
}

#[test]
fn plan() {
    check("plan", "plan --help");
}

#[test]
fn report() {
    check("report", "report --help");
}

#[test]
fn lab() {
    check("lab", "lab --help");
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = inflight(&format!("completions {shell}")).expect(0);
        assert!(outcome.stdout.contains("in-flight"), "{shell}");
    }
}
