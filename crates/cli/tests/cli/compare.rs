//! `inflight compare`: the table, the JSON object, and what it refuses to touch.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{STATE, get, inflight, lab};

const QUICK: &str = "compare 0..10 --compute spin:1ms";

#[test]
fn the_table_has_a_row_for_each_strategy_and_a_conclusion() {
    let outcome = inflight(&format!("{QUICK} --save lab:?latency=10ms")).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        lines[0].split(", ").next(),
        Some("10 items × spin:1ms → lab:?latency=10ms")
    );
    let names: Vec<_> = lines[3..8]
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["strategy", "sequential", "batched", "async", "parallel"]
    );
    assert!(lines[9].contains("limited by"), "{}", lines[9]);
    assert_eq!(outcome.last_line(), "saved=40 dead=0 in_doubt=0 left=0");
    assert!(!outcome.stdout.contains('\x1b'));
}

#[test]
fn the_json_object_has_every_field() {
    let outcome = inflight(&format!("{QUICK} --save lab:?latency=10ms --json -")).expect(0);
    let comparison: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let has = |object: &Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(object.get(field).is_some(), "{field} is not in {object}");
        }
    };
    has(
        &comparison,
        "version cores workload compute_only_s compute_only_all_s service_ms runs",
    );
    has(&comparison["workload"], "items compute sink");
    has(&comparison["service_ms"], "mean p50 p90 p99 max");
    assert!(
        comparison["service_ms"]["p50"].as_f64() >= Some(10.0),
        "{comparison}"
    );
    let runs = comparison["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4);
    for run in runs {
        has(
            run,
            "version strategy items saved dead in_doubt left retried rejected rejected_ratio elapsed_s bound_s \
             attainment bottleneck limited_s terms quota predicted_s speedup compute_s io_overhead_s compute_ms slot_wait_ms save_ms \
             fetch_ms in_flight bulk loop_stall_ms_max cores_busy rss_max_bytes",
        );
        assert_eq!(
            run["bound_s"], runs[0]["bound_s"],
            "all runs share one bound"
        );
    }
    assert_eq!(runs[0]["speedup"], 1.0);
}

#[test]
fn without_sequential_there_is_no_speedup() {
    let outcome = inflight(&format!(
        "{QUICK} --save null: --strategies parallel,async --json -"
    ))
    .expect(0);
    let comparison: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let runs = comparison["runs"].as_array().unwrap();
    let names: Vec<_> = runs.iter().map(|run| &run["strategy"]).collect();
    assert_eq!(names, ["parallel", "async"]);
    assert_eq!(
        (&runs[0]["speedup"], &comparison["service_ms"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn a_fetch_is_compared_too() {
    let line = format!("{QUICK} --fetch lab:?latency=5ms --save lab:?latency=5ms --json -");
    let outcome = inflight(&line).expect(0);
    let comparison: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(
        comparison["compute_only_s"].as_f64() > Some(0.005),
        "{comparison}"
    );
}

#[test]
fn local_files_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, database) = (
        folder.path().join("out.jsonl"),
        folder.path().join("out.db"),
    );
    for sink in [
        format!("file:{}", lines.display()),
        format!("sqlite:{}?table=t", database.display()),
    ] {
        let outcome = inflight(&format!("{QUICK} --repeat-saves --save {sink}")).expect(0);
        assert_eq!(outcome.last_line(), "saved=40 dead=0 in_doubt=0 left=0");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_sink_that_cannot_be_is_refused_before_anything_is_computed() {
    let outcome =
        inflight("compare --repeat-saves --save file:/no/such/folder/out.jsonl").expect(2);
    assert!(
        outcome.stderr.contains("/no/such/folder"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_service_that_knows_keys_saves_every_run() {
    let (_lab, address) = lab("--idempotent");
    inflight(&format!(
        "{QUICK} --repeat-saves --save http://{address}/add"
    ))
    .expect(0);
    let stats: Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    assert_eq!(stats["saved"], 40);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inflight"))
        .env("XDG_STATE_HOME", STATE)
        .args(format!("{QUICK} --save null:").split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert_eq!(stderr, "saved=40 dead=0 in_doubt=0 left=0\n");
}
