//! Worker processes from the command line: what they cost, what they say, and that none outlives us.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Running, inflight, inflight_with};

/// Longer than anything here takes, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/workers")
        .join(name)
}

/// A worker that does to each item what this line of Python says, in a folder of its own with a list of its processes.
fn worker(folder: &Path, work: &str) -> String {
    let pids = folder.join("pids");
    let script = format!(
        "import json, os, sys, time\n\
         open({pids:?}, 'a').write(f'{{os.getpid()}}\\n')\n\
         print('{{\"version\":1}}', flush=True)\n\
         for line in sys.stdin:\n    \
             job = json.loads(line)\n    \
             item = job['item']\n    \
             {work}\n    \
             print(json.dumps({{'id': job['id'], 'result': item}}), flush=True)\n"
    );
    let path = folder.join("worker.py");
    fs::write(&path, script).unwrap();
    format!("'exec:python3 {}'", path.display())
}

/// Waits until none of the processes that ever worked in this folder runs; there was at least one.
#[track_caller]
fn all_end(folder: &Path) {
    let pids = fs::read_to_string(folder.join("pids")).unwrap();
    assert!(pids.lines().count() > 0);
    let is_running = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    let began = Instant::now();
    while pids.lines().any(is_running) {
        assert!(began.elapsed() < PATIENCE, "still there: {pids}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a worker has written something into this file.
fn appears(path: &Path) {
    let began = Instant::now();
    while fs::read_to_string(path).unwrap_or_default().is_empty() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_examples_count_words() {
    for (program, name) in [("python3", "worker.py"), ("node", "worker.mjs")] {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out.jsonl");
        let (worker, to) = (example(name), to.display().to_string());
        let line = format!(
            "run - --compute 'exec:{program} {}' --save file:{to}",
            worker.display()
        );
        let outcome = inflight_with(&line, "one two\nthree\n").expect(0);
        assert_eq!(outcome.last_line(), "saved=2 dead=0 in_doubt=0 left=0");
        let saved = fs::read_to_string(to).unwrap();
        let saved = saved.replace(' ', "");
        assert!(
            saved.contains(r#""result":{"text":"onetwo","words":2}"#),
            "{saved}"
        );
        assert!(
            saved.contains(r#""result":{"text":"three","words":1}"#),
            "{saved}"
        );
    }
}

#[test]
fn a_worker_that_cannot_be_started_is_a_usage_error() {
    for (command, part) in [
        (
            "no-such-program",
            "failed to start `no-such-program`: No such file",
        ),
        ("true", "said no hello"),
        ("echo hi", "not `hi`"),
    ] {
        let outcome =
            inflight(&format!("run 0..5 --compute 'exec:{command}' --save null:")).expect(2);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("saved="), "{}", outcome.stderr);
    }
    let refused = |flags: &str, part: &str| {
        let outcome = inflight(&format!("run 0..5 {flags} --save null:")).expect(2);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    };
    refused("--compute exec:", "such as exec:python3 worker.py");
    refused(
        "--compute exec:true --compute-timeout 0",
        "compute-timeout must be between 1ms",
    );
    refused("--compute exec", "did you mean `exec:COMMAND`");
    refused(
        "--compute sha256 --worker-recycle 5",
        "which --worker-recycle is for; exec:COMMAND has",
    );
}

#[test]
fn a_poison_item_is_one_dead_letter_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "if item == '7': raise ValueError('seven')");
    let outcome = inflight(&format!("run 0..50 --compute {worker} --save null:")).expect(3);
    let said = "dead: item 7, compute, after 2 attempts: the worker broke: its output ended; it ended (exit status: 1); it said: \
                ValueError: seven";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert_eq!(outcome.last_line(), "saved=49 dead=1 in_doubt=0 left=0");
    all_end(folder.path());
}

#[test]
fn a_hang_costs_one_item_and_one_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "if item == '7': time.sleep(600)");
    let line = format!("run 0..50 --compute {worker} --compute-timeout 2s --save null: -j 1");
    let outcome = inflight(&line).expect(3);
    assert!(
        outcome
            .stderr
            .contains("it gave no answer within 2s; it was killed"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.last_line(), "saved=49 dead=1 in_doubt=0 left=0");
    all_end(folder.path());
}

#[test]
fn what_a_worker_prints_without_end_fills_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let endless = "\n    while item == '7': sys.stdout.write('x' * 1000000)";
    let worker = worker(folder.path(), endless);
    let outcome = inflight(&format!(
        "run 0..50 --compute {worker} --save null: --json -"
    ))
    .expect(3);
    let run: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&run["saved"], &run["dead"]), (&49.into(), &1.into()));
    let bytes = run["rss_max_bytes"].as_u64().unwrap();
    assert!(bytes < 128 << 20, "{bytes}");
}

#[test]
fn standard_error_is_shown_with_v_only() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "print('at', item, file=sys.stderr)");
    let line = format!("run 0..3 --compute {worker} --save null: -j 1");
    let loud = inflight(&format!("{line} -v")).expect(0);
    assert!(loud.stderr.contains("worker 0: at 2\n"), "{}", loud.stderr);
    assert!(!inflight(&line).expect(0).stderr.contains("at 2"));
}

#[test]
fn a_crew_that_only_breaks_ends_the_run_and_the_rest_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path(), "os._exit(9)");
    let outcome = inflight(&format!("run 0..100 --compute {worker} --save null: -j 1")).expect(4);
    assert!(
        outcome
            .stderr
            .contains("items in a row broke what computes them, twice each"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.counts(), "saved=0 dead=0 in_doubt=0 left=100");
    all_end(folder.path());
}

#[test]
fn compare_computes_with_workers_too() {
    let worker = example("worker.py");
    let line = format!(
        "compare 0..40 --compute 'exec:python3 {}' --save lab:?latency=1ms --json -",
        worker.display()
    );
    let outcome = inflight(&line).expect(0);
    let compared: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let runs = compared["runs"].as_array().unwrap();
    assert!(
        runs.len() == 4 && runs.iter().all(|run| run["saved"] == 40),
        "{compared}"
    );
    assert!(
        compared["workload"]["compute"]
            .as_str()
            .unwrap()
            .starts_with("exec:python3 ")
    );
}

/// A run whose worker has begun with its first item and hangs in it.
fn hanging(folder: &Path) -> Running {
    let begun = folder.join("begun");
    let work = format!("open({begun:?}, 'w').write('x'); time.sleep(600)");
    let worker = worker(folder, &work);
    let run = Running::start(&format!("run 0..10 --compute {worker} --save null: -j 1"));
    appears(&begun);
    run
}

#[test]
fn two_signals_end_workers_that_hang() {
    let folder = tempfile::tempdir().unwrap();
    let run = hanging(folder.path());
    run.signal("INT");
    run.signal("INT");
    let outcome = run.end();
    assert_eq!(outcome.code, 130, "{}", outcome.stderr);
    assert_eq!(outcome.counts(), "saved=0 dead=0 in_doubt=0 left=10");
    all_end(folder.path());
}

#[test]
fn a_signal_lets_a_worker_finish_its_item() {
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let work = format!("open({begun:?}, 'w').write('x'); time.sleep(1)");
    let worker = worker(folder.path(), &work);
    let run = Running::start(&format!("run 0..10 --compute {worker} --save null: -j 1"));
    appears(&begun);
    run.signal("INT");
    let outcome = run.end();
    assert_eq!(outcome.code, 130, "{}", outcome.stderr);
    // The item was computed, and neither dead nor in doubt; whether it could still be saved is another matter.
    assert!(
        outcome.last_line().contains(" dead=0 in_doubt=0 left="),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("broke"), "{}", outcome.stderr);
    all_end(folder.path());
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_survives_us_even_if_we_are_killed_and_it_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let run = hanging(folder.path());
    run.signal("KILL");
    all_end(folder.path());
    drop(run);
}
