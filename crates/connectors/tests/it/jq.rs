//! Filters against the program jq: the same output, except where `docs/jq.md` says so.

use std::io::Write;
use std::process::{Command, Stdio};

use inflight_connectors::{Jq, JqInput};

/// A program and its input on each line; `~` before one that differs.
const PROGRAMS: &str = include_str!("jq_programs.txt");

#[test]
fn filters_give_what_jq_gives() {
    let (mut same, mut wrong) = (0, Vec::new());
    for line in PROGRAMS.lines().filter(|line| !line.is_empty()) {
        let differs = line.starts_with('~');
        let (program, input) = line.trim_start_matches('~').split_once('\t').unwrap();
        let (ours, theirs) = (ours(program, input), theirs(program, input));
        if (ours == theirs) == differs {
            wrong.push(format!("{line}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
        same += usize::from(!differs);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same >= 200, "{same}");
}

/// `None` where it fails.
fn ours(program: &str, input: &str) -> Option<Vec<String>> {
    let jq = Jq::compile(program).ok()?;
    jq.run(&JqInput::new(input.as_bytes())).ok()
}

fn theirs(program: &str, input: &str) -> Option<Vec<String>> {
    let mut jq = Command::new("jq")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("jq is installed: apt-get install jq");
    jq.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = jq.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output
        .status
        .success()
        .then(|| text.lines().map(str::to_owned).collect())
}
