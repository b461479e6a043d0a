//! `inflight plan`: what it predicts, held against what `compare` then measures, and what it leaves alone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use serde_json::Value;

use crate::support::{get, inflight, inflight_in, lab};

/// How far a prediction may be off.
const OFF_MAX: f64 = 0.1;
/// The machine does other things too: so many tries are made.
const TRIES: usize = 12;

fn json(line: &str) -> Value {
    let outcome = inflight(&format!("{line} --json -")).expect(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// How far predictions were off: by strategy what was predicted, and what was then measured.
fn predictions(job: &str) -> Vec<(String, f64, f64)> {
    let (plan, comparison) = (
        json(&format!("plan {job}")),
        json(&format!("compare {job}")),
    );
    let runs = comparison["runs"].as_array().unwrap();
    let forecasts = plan["strategies"].as_array().unwrap();
    let pairs = forecasts.iter().zip(runs).map(|(forecast, run)| {
        assert_eq!(forecast["strategy"], run["strategy"]);
        let predicted_s = forecast["predicted_s"].as_f64().unwrap();
        let elapsed_s = run["elapsed_s"].as_f64().unwrap();
        (forecast["strategy"].to_string(), predicted_s, elapsed_s)
    });
    pairs.collect()
}

/// Each strategy must be near in one of the tries.
#[track_caller]
fn check(job: &str) {
    let (mut near, mut seen) = (BTreeSet::new(), Vec::new());
    for _ in 0..TRIES {
        for (strategy, predicted_s, elapsed_s) in predictions(job) {
            seen.push(format!(
                "{strategy}: predicted {predicted_s:.3} s, took {elapsed_s:.3} s"
            ));
            if (predicted_s / elapsed_s - 1.0).abs() <= OFF_MAX {
                near.insert(strategy);
            }
        }
        if near.len() == 4 {
            return;
        }
    }
    panic!("{job}: near were only {near:?}\n{}", seen.join("\n"));
}

#[test]
fn a_slow_service_takes_what_was_predicted() {
    for capacity in [1, 10, 100] {
        check(&format!(
            "0..24 --compute sleep:5ms --jobs 2 -c 100 --save lab:?latency=100ms&capacity={capacity}"
        ));
    }
}

#[test]
fn a_quick_service_takes_what_was_predicted() {
    for capacity in [1, 10, 100] {
        check(&format!(
            "0..150 --compute sleep:5ms --jobs 2 -c 100 --save lab:?latency=5ms&capacity={capacity}"
        ));
    }
}

#[test]
#[ignore = "takes minutes of computing, alone on the machine; `cargo xtask limit` does it"]
fn every_strategy_takes_what_was_predicted_at_full_size() {
    for compute in ["bcrypt:8", "spin:5ms"] {
        for capacity in [1, 10, 100] {
            for latency in [5, 100] {
                check(&format!(
                    "0..300 --compute {compute} --save lab:?latency={latency}ms&capacity={capacity} -c 100"
                ));
            }
        }
    }
}

#[test]
fn the_table_says_what_would_change_it() {
    let outcome =
        inflight("plan 0..50 --compute sleep:2ms --save lab:?latency=20ms&capacity=10").expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("50 items × sleep:2ms → lab:?latency=20ms&capacity=10, "));
    assert!(
        lines[2].contains("(measured), 10 at once (declared)"),
        "{}",
        lines[2]
    );
    let names: Vec<_> = lines[5..10]
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["strategy", "sequential", "batched", "async", "parallel"]
    );
    let last = lines[11];
    assert!(
        last.contains("is the quickest") && last.contains("twice the service's capacity: −"),
        "{last}"
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn the_json_object_has_every_field() {
    let plan = json("plan 0..20 --compute sleep:1ms --save lab:?latency=5ms");
    let has = |object: &Value, fields: &str| {
        for field in fields.split(' ') {
            assert!(object.get(field).is_some(), "{field} is not in {object}");
        }
    };
    has(
        &plan,
        "version items cores workload sampled compute fetch save strategies quickest",
    );
    has(&plan["sampled"], "items saves elapsed_s rungs top");
    has(&plan["compute"]["alone_ms"], "value off basis");
    has(
        &plan["save"],
        "latency_ms spread capacity quota_per_s per_record_ms bulk_max",
    );
    let forecast = &plan["strategies"][3];
    has(
        forecast,
        "strategy predicted_s low_s high_s in_flight bottleneck terms changes",
    );
    has(&forecast["changes"][0], "what predicted_s by");
    let of = |name: &str| forecast[name].as_f64().unwrap();
    assert!(of("low_s") < of("predicted_s") && of("predicted_s") < of("high_s"));
}

#[test]
fn nothing_is_sent_where_it_may_not_be() {
    let (_lab, address) = lab("--latency 5ms");
    let job = format!("0..40 --compute sleep:1ms --save http://{address}/add");
    let saved = || {
        let stats: Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
        stats["received"].as_u64().unwrap()
    };
    let outcome = inflight(&format!("plan {job}")).expect(0);
    assert!(
        outcome.stderr.contains("--repeat-saves allows it"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stdout.contains("100 ms (assumed)"),
        "{}",
        outcome.stdout
    );
    inflight(&format!("plan {job} --no-probe --repeat-saves")).expect(0);
    assert_eq!(saved(), 0);
    let outcome = inflight(&format!("plan {job} --repeat-saves")).expect(0);
    assert!(
        outcome.stderr.contains("saving a sample to"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stdout.contains("(measured)"), "{}", outcome.stdout);
    assert!(saved() > 0);
}

#[test]
fn a_refusal_ends_the_sample() {
    let (_lab, address) = lab("--latency 20ms --capacity 4 --queue 0");
    let plan = json(&format!(
        "plan 0..200 --save http://{address}/add --repeat-saves"
    ));
    assert_eq!(plan["sampled"]["top"], "refused");
    let rungs = plan["sampled"]["rungs"].as_array().unwrap();
    assert_eq!(rungs.last().unwrap()["in_flight"], 8);
    let stats: Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    assert!(stats["rejected"].as_u64() <= Some(8), "{stats}");
    assert!(
        plan["save"]["capacity"]["value"].as_f64() <= Some(6.0),
        "{plan}"
    );
}

#[test]
fn what_an_earlier_run_learnt_is_used() {
    let state = tempfile::tempdir().unwrap();
    let (_lab, address) = lab("--latency 20ms --capacity 5");
    let job = format!("0..400 --save http://{address}/add");
    inflight_in(state.path(), &format!("run {job} --no-journal"), "").expect(0);
    let outcome = inflight_in(state.path(), &format!("plan {job} --no-probe"), "").expect(0);
    assert!(outcome.stdout.contains("(learned)"), "{}", outcome.stdout);
}

#[test]
fn files_stay_as_they_are_and_nothing_is_kept() {
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("out.jsonl");
    let line = format!(
        "plan 0..2000 --compute sha256 --save file:{} --repeat-saves",
        file.display()
    );
    inflight_in(state.path(), &line, "").expect(0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let refused = |line: &str, part: &str| {
        let outcome = inflight(line).expect(2);
        assert!(outcome.stderr.contains(part), "{line}: {}", outcome.stderr);
    };
    refused(
        "plan - --save null:",
        "standard input can be read only once",
    );
    refused(
        "plan 0..9 --fetch lab: --save null: --no-probe",
        "--no-probe sends nothing",
    );
    refused("plan 0..9 --save nowhere:", "nowhere");
    let outcome = inflight("plan 0..9 --save http://127.0.0.1:9/add --repeat-saves").expect(4);
    assert!(
        outcome.stderr.contains("no save of the sample succeeded"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_service_that_refuses_all_cannot_be_planned_for() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap();
    std::thread::spawn(move || {
        let answer = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        for stream in busy.incoming() {
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _end = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let line = format!("plan 0..9 --save http://{address}/add --repeat-saves");
    let outcome = inflight(&line).expect(4);
    let said = outcome.stderr;
    assert!(
        said.contains("refused the sample") && said.contains("/add"),
        "{said}"
    );
}

#[test]
fn a_fetch_is_planned_too() {
    let plan =
        json("plan 0..60 --compute sleep:1ms --fetch lab:?latency=10ms --save lab:?latency=5ms");
    assert!(
        plan["fetch"]["latency_ms"]["value"].as_f64() >= Some(10.0),
        "{plan}"
    );
}

#[test]
fn a_run_says_what_it_was_predicted_to_take_where_that_can_be_said() {
    let short =
        json("run 0..60 --compute sleep:5ms --jobs 2 --save lab:?latency=20ms --no-journal");
    assert_eq!(short["predicted_s"], Value::Null, "it was over too soon");
    let job = "0..600 --compute sleep:5ms --jobs 2 --save lab:?latency=20ms --no-journal";
    // The machine does other things too.
    let is_near = |_| {
        let run = json(&format!("run {job}"));
        let (Some(predicted_s), elapsed_s) = (
            run["predicted_s"].as_f64(),
            run["elapsed_s"].as_f64().unwrap(),
        ) else {
            return false;
        };
        assert!(
            run["predicted_after_s"].as_f64().unwrap() <= elapsed_s / 2.0,
            "{run}"
        );
        (predicted_s / elapsed_s - 1.0).abs() <= 0.2
    };
    assert!((0..TRIES).any(is_near));
}
