//! `inflight run`: what arrives where it should, what is said, and the code.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{get, inflight, inflight_in, inflight_with, lab};

#[test]
fn a_range_is_saved_and_the_last_line_counts() {
    let outcome = inflight("run 0..100 --save null:").expect(0);
    assert_eq!(outcome.last_line(), "saved=100 dead=0 in_doubt=0 left=0");
    assert!(
        outcome.stdout.starts_with("saved 100 of 100 items in "),
        "{}",
        outcome.stdout
    );
}

#[test]
fn quiet_leaves_the_last_line() {
    let outcome = inflight("run 0..3 --save null: -q").expect(0);
    assert_eq!(outcome.stderr, "saved=3 dead=0 in_doubt=0 left=0\n");
}

#[test]
fn json_on_standard_output_has_it_for_itself() {
    let outcome = inflight("run 0..3 --save null: --json -").expect(0);
    let run: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&run["saved"], &run["strategy"]),
        (&3.into(), &"parallel".into())
    );
    assert!(outcome.stderr.contains("saved 3 of 3 items"));
}

#[test]
fn every_strategy_saves_lines_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("words.txt");
    fs::write(&input, "one\ntwo\r\n\nthree").unwrap();
    for strategy in ["sequential", "batched", "async", "parallel"] {
        let output = folder.path().join(strategy);
        let (from, to) = (input.display(), output.display());
        let line = format!("run {from} --compute sha256 --save file:{to} --strategy {strategy}");
        inflight(&line).expect(0);
        let saved = fs::read_to_string(&output).unwrap();
        assert_eq!(saved.lines().count(), 3, "{saved}");
        assert!(saved.contains(r#""index":2"#), "{saved}");
        let again = inflight(&line).expect(2);
        assert!(again.stderr.contains("--append"), "{}", again.stderr);
        inflight(&format!("{line} --append")).expect(0);
        assert_eq!(fs::read_to_string(&output).unwrap().lines().count(), 6);
    }
}

#[test]
fn a_field_of_json_lines_goes_into_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.db"));
    fs::write(&input, "{\"name\":\"one\"}\n{\"name\":\"two\"}\n").unwrap();
    let (from, to) = (input.display(), output.display());
    inflight(&format!(
        "run {from} --field name --save sqlite:{to}?table=names"
    ))
    .expect(0);
    let database = rusqlite::Connection::open(&output).unwrap();
    let mut rows = database
        .prepare(r#"select "index", "result" from names order by 1"#)
        .unwrap();
    let rows = rows.query_map([], |row| {
        let result = match row.get_ref(1)? {
            rusqlite::types::ValueRef::Text(bytes) | rusqlite::types::ValueRef::Blob(bytes) => {
                bytes.to_vec()
            }
            other => panic!("{other:?}"),
        };
        Ok((row.get::<_, i64>(0)?, String::from_utf8(result).unwrap()))
    });
    let rows: Vec<_> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows, [(0, "one".to_owned()), (1, "two".to_owned())]);
}

#[test]
fn bad_lines_are_dead_letters_with_file_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    fs::write(&input, "{\"name\":\"one\"}\nnonsense\n{\"title\":1}\n").unwrap();
    let outcome = inflight(&format!(
        "run {} --field name --save null:",
        input.display()
    ))
    .expect(3);
    assert_eq!(outcome.last_line(), "saved=1 dead=2 in_doubt=0 left=0");
    for part in [
        "dead: item 1, read: ",
        "in.jsonl line 2",
        "dead: item 2, read: ",
        "in.jsonl line 3",
        "name",
    ] {
        assert!(
            outcome.stderr.contains(part),
            "{part} is not in {}",
            outcome.stderr
        );
    }
}

#[test]
fn at_most_twenty_dead_letters_are_told_one_by_one() {
    let input = "x".repeat(80) + "\n";
    let outcome =
        inflight_with("run - --compute bcrypt:4 --save null:", &input.repeat(25)).expect(3);
    assert_eq!(outcome.stderr.matches("dead: item ").count(), 20);
    assert!(
        outcome.stderr.contains("dead: 5 more\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.last_line(), "saved=0 dead=25 in_doubt=0 left=0");
}

#[test]
fn a_refused_connection_ends_soon_and_nothing_is_dead() {
    let start = Instant::now();
    // Port 1 of this machine: nobody listens there.
    let outcome = inflight("run 0..5 --save http://127.0.0.1:1/add").expect(4);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(outcome.counts(), "saved=0 dead=0 in_doubt=0 left=5");
    assert!(
        outcome.stderr.contains("127.0.0.1 port 1"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn results_reach_a_lab_as_they_are() {
    let (_lab, address) = lab("--latency 10ms");
    inflight(&format!("run 0..20 --save http://{address}/add")).expect(0);
    let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    assert_eq!(
        (&stats["saved"], &stats["distinct"]),
        (&20.into(), &20.into())
    );
}

#[test]
fn another_field_of_the_same_lines_is_another_job() {
    let (_lab, address) = lab("--idempotent");
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.jsonl");
    fs::write(&input, "{\"url\":\"one\",\"title\":\"two\"}\n").unwrap();
    let run = |flags| {
        let from = input.display();
        inflight(&format!("run {from} {flags} --save http://{address}/add")).expect(0);
        let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
        stats["saved"].as_u64().unwrap()
    };
    assert_eq!(run("--field url"), 1);
    assert_eq!(run("--field title"), 2);
    assert_eq!(run("--field url"), 2, "the same job once more");
    assert_eq!(run("--field url --save-body json"), 3);
}

#[test]
fn a_lab_in_the_process_is_saved_to_and_fetched_from() {
    let line = "run 0..30 --fetch lab:?latency=5ms --compute sha256 --save lab:?latency=5ms&fail=5% --json -";
    let outcome = inflight(line).expect(0);
    let run: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(run["saved"], 30);
    assert!(run["fetch_ms"]["p50"].as_f64().unwrap() >= 5.0, "{run}");
}

#[test]
fn a_lab_that_always_fails_an_item_makes_it_a_dead_letter() {
    let line = "run 0..3 --retries 1 --save lab:?fail-match=1";
    let outcome = inflight(line).expect(3);
    assert!(
        outcome
            .stderr
            .contains("dead: item 1, save, after 2 attempts: "),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.last_line(), "saved=2 dead=1 in_doubt=0 left=0");
}

#[test]
fn what_a_run_has_learnt_the_next_begins_with() {
    let state = tempfile::tempdir().unwrap();
    let inflight = |line: &str| inflight_in(state.path(), line, "");
    let line = "run 0..300 --save lab:?latency=5ms&capacity=7 -v";
    let first = inflight(line).expect(0);
    assert!(first.stdout.contains("in flight"), "{}", first.stdout);
    let next = inflight(line).expect(0);
    assert!(
        next.stderr.contains("as an earlier run found"),
        "{}",
        next.stderr
    );
    let alone = inflight(&format!("{line} --no-profile")).expect(0);
    assert!(
        !alone.stderr.contains("as an earlier run found"),
        "{}",
        alone.stderr
    );
}

#[test]
fn decisions_are_told_with_their_reason() {
    let outcome =
        inflight("run 0..400 --save lab:?latency=10ms&capacity=1 -v --no-profile").expect(0);
    assert!(
        outcome.stderr.contains("more in flight bring little (e = "),
        "{}",
        outcome.stderr
    );
}
