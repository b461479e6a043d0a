//! What a run leaves for the next: the journal, what it refuses, and the commands that look into it.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Running, get, inflight_in, lab};

/// The number behind a name in the last line.
#[track_caller]
fn count(outcome: &Outcome, name: &str) -> u64 {
    let words = outcome.last_line().split(' ');
    let mut found = words.filter_map(|word| word.split_once('='));
    let (_, value) = found
        .find(|(word, _)| *word == name)
        .unwrap_or_else(|| panic!("{}", outcome.stderr));
    value.parse().unwrap()
}

fn in_folder(folder: &Path, line: &str) -> Outcome {
    inflight_in(folder, line, "")
}

/// Starts a run and stops it once it has saved something.
fn interrupted(folder: &Path, line: &str, signal: &str) -> Outcome {
    let run = Running::start_in(folder, line);
    sleep(Duration::from_millis(700));
    run.signal(signal);
    run.end()
}

fn stats(address: &str) -> (u64, u64) {
    let stats: serde_json::Value = serde_json::from_str(&get(address, "/stats")).unwrap();
    (
        stats["saved"].as_u64().unwrap(),
        stats["distinct"].as_u64().unwrap(),
    )
}

#[test]
fn a_run_that_was_interrupted_is_resumed_by_the_command_that_it_prints() {
    let (_lab, address) = lab("--latency 20ms");
    let folder = tempfile::tempdir().unwrap();
    let line = format!("run 0..2000 --compute sleep:2ms -j 2 --save http://{address}/add?a=1&b=2");
    let outcome = interrupted(folder.path(), &line, "INT").expect(130);
    let (saved, left) = (count(&outcome, "saved"), count(&outcome, "left"));
    assert!(saved > 0 && saved + left == 2000, "{}", outcome.stderr);
    let resume = outcome
        .last_line()
        .split_once(" resume='")
        .unwrap()
        .1
        .strip_suffix('\'')
        .unwrap()
        .to_owned();
    let output = std::process::Command::new("sh")
        .args(["-c", &resume])
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{resume}\n{stderr}");
    assert!(
        stderr.contains(&format!("resuming: {saved} items saved before")),
        "{stderr}"
    );
    assert!(
        stderr.ends_with("saved=2000 dead=0 in_doubt=0 left=0\n"),
        "{stderr}"
    );
    assert_eq!(stats(&address), (2000, 2000), "nothing was repeated");
}

#[test]
fn a_finished_job_starts_anew_and_with_a_journal_of_its_own_it_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_lab, address) = lab("");
    let line = format!("run 0..50 --save http://{address}/add");
    in_folder(folder.path(), &line).expect(0);
    in_folder(folder.path(), &line).expect(0);
    assert_eq!(stats(&address), (100, 50), "tonight's job runs tonight");
    let named = format!(
        "{line} --journal {}",
        folder.path().join("journal").display()
    );
    in_folder(folder.path(), &named).expect(0);
    let again = in_folder(folder.path(), &named).expect(0);
    assert_eq!(again.last_line(), "saved=50 dead=0 in_doubt=0 left=0");
    assert!(
        again.stdout.contains("nothing was left to do"),
        "{}",
        again.stdout
    );
    assert_eq!(stats(&address), (150, 50));
    in_folder(folder.path(), &format!("{named} --fresh")).expect(0);
    assert_eq!(stats(&address), (200, 50));
}

#[test]
fn a_run_that_is_refused_leaves_what_there_is_to_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "run 0..2000 --compute sleep:2ms -j 2 --save file:{}",
        folder.path().join("out.jsonl").display()
    );
    let outcome = interrupted(folder.path(), &line, "INT").expect(130);
    let saved = count(&outcome, "saved");
    assert!(saved > 0 && saved < 2000, "{}", outcome.stderr);
    // The file holds lines already, so nothing can start over there.
    let refused = in_folder(folder.path(), &format!("{line} --fresh")).expect(2);
    assert!(
        refused.stderr.contains("bytes already"),
        "{}",
        refused.stderr
    );
    let resumed = in_folder(folder.path(), &line).expect(0);
    assert!(
        resumed
            .stderr
            .contains(&format!("resuming: {saved} items saved before")),
        "{}",
        resumed.stderr
    );
    assert_eq!(count(&resumed, "saved"), 2000);
}

#[test]
fn another_input_or_computation_is_refused_and_other_tuning_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let lines = |from: usize, to: usize| {
        (from..to)
            .map(|n| format!("line {n}\n"))
            .collect::<String>()
    };
    fs::write(at("in.txt"), lines(0, 500)).unwrap();
    let line = |compute: &str, more: &str| {
        let (input, journal) = (at("in.txt"), at("journal"));
        format!(
            "run {input} --compute {compute} --save lab:?latency=5ms --journal {journal} {more}"
        )
    };
    let stopped = interrupted(folder.path(), &line("sleep:5ms", "-j 1"), "INT").expect(130);
    assert!(count(&stopped, "left") > 0);
    let check = |compute: &str, part: &str| {
        let refused = in_folder(folder.path(), &line(compute, "")).expect(6);
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    };
    check("sha256", "compute was sleep:5ms, and is sha256");
    let changed = lines(0, 500).replace("line 3\n", "lime 3\n");
    fs::write(at("in.txt"), changed).unwrap();
    check("sleep:5ms", "in.txt");
    fs::write(at("in.txt"), lines(0, 100)).unwrap();
    check("sleep:5ms", "in.txt");
    fs::write(at("in.txt"), lines(0, 510)).unwrap();
    let appended = in_folder(
        folder.path(),
        &line("sleep:5ms", "-j 4 -c 7 --strategy async"),
    )
    .expect(0);
    assert_eq!(appended.last_line(), "saved=510 dead=0 in_doubt=0 left=0");
}

#[test]
fn a_job_is_the_same_however_its_input_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (_lab, address) = lab("");
    // The journal alone knows what is saved in the one; the other keeps an account of its own, under the name of the job.
    for save in [
        format!("http://{address}/add"),
        format!("sqlite:{}", at("out.db")),
    ] {
        let journal = at(&format!("journal-{}", save.len()));
        let run = |input: &str| {
            let line = format!("run {input} --save {save} --journal {journal}");
            in_folder(folder.path(), &line).expect(0)
        };
        run("0..100");
        let longer = run("0..150");
        assert!(
            longer.stderr.contains("resuming: 100 items saved before"),
            "{save}\n{}",
            longer.stderr
        );
        assert_eq!(longer.last_line(), "saved=150 dead=0 in_doubt=0 left=0");
    }
    assert_eq!(stats(&address), (150, 150));
}

#[test]
fn a_file_of_responses_belongs_to_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let line = |responses: &str| {
        let journal = at("journal");
        format!(
            "run 0..50 --save lab: --responses {} --journal {journal}",
            at(responses)
        )
    };
    in_folder(folder.path(), &line("a.jsonl")).expect(0);
    fs::copy(at("a.jsonl"), at("b.jsonl")).unwrap();
    let refused = in_folder(folder.path(), &line("b.jsonl")).expect(6);
    assert!(
        refused.stderr.contains("responses was "),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_second_run_of_a_job_is_refused_at_once_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let line = "run 0..400 --compute sleep:5ms -j 2 --save lab:?latency=10ms";
    let first = Running::start_in(folder.path(), line);
    sleep(Duration::from_millis(400));
    let begun = Instant::now();
    let second = in_folder(folder.path(), line).expect(5);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(
        second.stderr.contains("in use by another run"),
        "{}",
        second.stderr
    );
    assert_eq!(
        first.end().expect(0).last_line(),
        "saved=400 dead=0 in_doubt=0 left=0"
    );
}

#[test]
fn dead_letters_are_kept_listed_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("out.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    let strict =
        r#"create table results("index" integer primary key, result text check (result <> '7'))"#;
    connection.execute_batch(strict).unwrap();
    let journal = folder.path().join("journal").display().to_string();
    let line = format!(
        "run 0..100 --save sqlite:{} --journal {journal}",
        database.display()
    );
    let run = in_folder(folder.path(), &line).expect(3);
    assert_eq!(run.last_line(), "saved=99 dead=1 in_doubt=0 left=0");
    let letters = fs::read_to_string(format!("{journal}.dead.jsonl")).unwrap();
    let letter: serde_json::Value = serde_json::from_str(letters.trim_end()).unwrap();
    assert_eq!(
        (&letter["index"], &letter["step"], &letter["verdict"]),
        (&7.into(), &"save".into(), &"permanent".into())
    );
    assert!(
        letter["reason"].as_str().unwrap().contains("CHECK"),
        "{letter}"
    );
    let list = in_folder(folder.path(), &format!("dead-letters list {journal}")).expect(0);
    assert!(
        list.stdout.starts_with("1 dead letter\n"),
        "{}",
        list.stdout
    );
    assert!(
        list.stdout.contains("CHECK") && list.stdout.contains("item 7"),
        "{}",
        list.stdout
    );
    let vain = in_folder(
        folder.path(),
        &format!("dead-letters retry --trust {journal}"),
    )
    .expect(3);
    assert_eq!(vain.last_line(), "saved=99 dead=1 in_doubt=0 left=0");
    // The cause is fixed.
    let loose = r#"alter table results rename to old; create table results("index" integer primary key, result text);
        insert into results select * from old; drop table old"#;
    connection.execute_batch(loose).unwrap();
    let retried = in_folder(
        folder.path(),
        &format!("dead-letters retry --trust {journal}"),
    )
    .expect(0);
    assert_eq!(retried.last_line(), "saved=100 dead=0 in_doubt=0 left=0");
    let rows: i64 = connection
        .query_row("select count(distinct result) from results", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(rows, 100);
    let list = in_folder(folder.path(), &format!("dead-letters list {journal}")).expect(0);
    assert_eq!(list.stdout, "0 dead letters\n");
}

#[test]
fn a_journal_is_shown_checked_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let name = journal.display().to_string();
    let line = format!("run 0..300 --compute sleep:2ms -j 1 --save lab: --journal {name}");
    in_folder(folder.path(), &line).expect(0);
    let show = in_folder(folder.path(), &format!("journal show {name} --json")).expect(0);
    let shown: serde_json::Value = serde_json::from_str(&show.stdout).unwrap();
    assert_eq!(
        (&shown["saved"], &shown["is_complete"]),
        (&300.into(), &true.into())
    );
    assert_eq!(shown["finished"], serde_json::json!([[0, 300]]));
    in_folder(folder.path(), &format!("journal check {name}")).expect(0);
    // Something other than a crash changes a byte in the middle.
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&journal, bytes).unwrap();
    in_folder(folder.path(), &format!("journal check {name}")).expect(7);
    let refused = in_folder(folder.path(), &line).expect(7);
    assert!(
        refused.stderr.contains("journal repair"),
        "{}",
        refused.stderr
    );
    in_folder(folder.path(), &format!("journal repair {name}")).expect(0);
    let resumed = in_folder(folder.path(), &line).expect(0);
    assert_eq!(resumed.last_line(), "saved=300 dead=0 in_doubt=0 left=0");
    assert!(resumed.stderr.contains("resuming: "), "{}", resumed.stderr);
    in_folder(folder.path(), "journal check no/such/file").expect(2);
    // All that is known stands behind the first byte of the first entry.
    let mut bytes = fs::read(&journal).unwrap();
    bytes[30] ^= 0x20;
    fs::write(&journal, bytes).unwrap();
    fs::remove_file(format!("{name}.damaged")).unwrap();
    let repaired = in_folder(folder.path(), &format!("journal repair {name}")).expect(0);
    assert!(
        repaired.stdout.contains("0 items saved"),
        "{}",
        repaired.stdout
    );
    let anew = in_folder(folder.path(), &line).expect(0);
    assert_eq!(anew.last_line(), "saved=300 dead=0 in_doubt=0 left=0");
}

#[test]
fn too_many_dead_letters_and_a_deadline_stop_a_run_that_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(80);
    fs::write(
        folder.path().join("in.txt"),
        format!("{long}\n").repeat(100_000),
    )
    .unwrap();
    let input = folder.path().join("in.txt").display().to_string();
    let halted = in_folder(
        folder.path(),
        &format!("run {input} --compute bcrypt:4 --save null: --halt fail=3%"),
    )
    .expect(4);
    assert!(
        halted
            .stderr
            .contains("more than the 3 % that were allowed"),
        "{}",
        halted.stderr
    );
    assert!(
        count(&halted, "left") > 0 && halted.last_line().contains(" resume='"),
        "{}",
        halted.stderr
    );
    let late = in_folder(
        folder.path(),
        "run 0..5000 --compute sleep:5ms -j 2 --save null: --deadline 300ms",
    )
    .expect(4);
    assert!(
        late.stderr.contains("the deadline of 300ms has passed"),
        "{}",
        late.stderr
    );
    assert!(count(&late, "saved") > 0 && count(&late, "left") > 0);
}

#[test]
fn an_input_that_can_be_read_once_says_so_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let piped = inflight_in(folder.path(), "run - --save null:", "one\ntwo\n").expect(0);
    assert!(
        piped.stderr.starts_with("this input can be read only once"),
        "{}",
        piped.stderr
    );
    let refused = inflight_in(folder.path(), "run - --save null: --journal j", "one\n").expect(2);
    assert!(
        refused.stderr.contains("write it to a file first"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_dead_letter_shows_its_item_when_asked_and_only_then() {
    let check = |flag: &str, expected: &[Option<&str>]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.txt"), "a\nb\"\nc\n").unwrap();
        let strict = r#"create table results("index" integer primary key, result text check (result < 'b'))"#;
        let connection = rusqlite::Connection::open(folder.path().join("out.db")).unwrap();
        connection.execute_batch(strict).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (input, database, journal) = (path("in.txt"), path("out.db"), path("journal"));
        let line = format!("run {input} --save sqlite:{database} --journal {journal} {flag}");
        in_folder(folder.path(), &line).expect(3);
        let letters = fs::read_to_string(format!("{journal}.dead.jsonl")).unwrap();
        let mut payloads: Vec<Option<String>> = letters
            .lines()
            .map(|letter| {
                let letter: serde_json::Value = serde_json::from_str(letter).unwrap();
                letter["payload"].as_str().map(str::to_owned)
            })
            .collect();
        payloads.sort();
        let expected: Vec<Option<String>> = expected
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect();
        assert_eq!(payloads, expected);
    };
    check("", &[None, None]);
    check("--dead-payload none", &[None, None]);
    check("--dead-payload full", &[Some("b\""), Some("c")]);
}

#[test]
fn the_same_command_goes_on_in_another_folder() {
    let state = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let folder = tempfile::tempdir().unwrap();
        let save = "lab:?latency=50ms&capacity=1";
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_inflight"))
            .args("run 0..40 --compute none --json - --save".split(' '))
            .arg(save)
            .args(more.split_whitespace())
            .env("XDG_STATE_HOME", state.path())
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    run("--deadline 600ms");
    let summary: serde_json::Value = serde_json::from_slice(&run("").stdout).unwrap();
    assert!(summary["saved_before"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["saved"], 40);
}
