//! Items that are known by keys: the input changes between runs, and each key is done once.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Outcome, Running, inflight_in, inflight_with};

/// A folder, with an input and the commands that use it.
struct Keyed(tempfile::TempDir);

impl Keyed {
    fn new() -> Keyed {
        Keyed(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Runs this, where `IN` and `OUT` stand for files.
    fn run(&self, line: &str, input: &str) -> Outcome {
        self.write("in.csv", input);
        let line = line.replace("IN", &self.path("in.csv"));
        inflight_in(self.0.path(), &line.replace("OUT", &self.path("out")), "")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

#[test]
fn the_same_command_does_what_is_new_wherever_it_stands() {
    let keyed = Keyed::new();
    let line = "run IN --key id --compute 'jq:.n' --save file:OUT.jsonl";
    keyed.run(line, "id,n\na,1\nb,2\n").expect(0);
    assert_eq!(
        keyed.lines("out.jsonl"),
        [r#"{"key":"a","result":"1"}"#, r#"{"key":"b","result":"2"}"#]
    );
    // Turned around, a row before and one between, and one that is another but for its key.
    let again = keyed.run(line, "id,n\nc,3\nb,2\nd,4\na,100\n").expect(0);
    assert_eq!(again.counts(), "saved=4 dead=0 in_doubt=0 left=0");
    assert!(
        again.stderr.contains("resuming: 2 items saved before"),
        "{}",
        again.stderr
    );
    let expected = [
        "a\",\"result\":\"1",
        "b\",\"result\":\"2",
        "c\",\"result\":\"3",
        "d\",\"result\":\"4",
    ];
    let expected = expected.map(|line| format!("{{\"key\":\"{line}\"}}"));
    assert_eq!(keyed.lines("out.jsonl"), expected);
    let nothing = keyed.run(line, "id,n\na,1\n").expect(0);
    assert_eq!(nothing.counts(), "saved=4 dead=0 in_doubt=0 left=0");
    // Another key is another job.
    let other = keyed
        .run(
            "run IN --key n --compute 'jq:.n' --save file:OUT.jsonl",
            "id,n\na,1\n",
        )
        .expect(6);
    assert!(
        other.stderr.contains("key was id, and is n"),
        "{}",
        other.stderr
    );
}

#[test]
fn a_key_that_is_there_twice_or_not_at_all_is_a_dead_letter_that_says_so() {
    let keyed = Keyed::new();
    let line = "run IN --key id --compute 'jq:.n' --save file:OUT.jsonl --journal OUT.journal --halt never";
    let outcome = keyed.run(line, "id,n\na,1\n,2\na,3\n").expect(3);
    assert_eq!(outcome.counts(), "saved=1 dead=2 in_doubt=0 left=0");
    let said = [
        "its key a is also that of item 0, which came before",
        "its key `id` is empty",
    ];
    assert!(
        said.iter().all(|said| outcome.stderr.contains(said)),
        "{}",
        outcome.stderr
    );
    // They stay what they are, wherever they stand.
    let again = keyed.run(line, "id,n\nb,4\n,2\na,1\na,3\n").expect(3);
    assert_eq!(again.counts(), "saved=2 dead=2 in_doubt=0 left=0");
    let list = format!("dead-letters list {} --json", keyed.path("out.journal"));
    let letters = inflight_in(keyed.0.path(), &list, "").expect(0).stdout;
    let letters: Vec<Value> = letters
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys: Vec<_> = letters
        .iter()
        .map(|letter| letter.get("key").cloned())
        .collect();
    assert_eq!(keys, [None, Some("a".into())]);
    // The row is made good: what was dead for its own fault can be tried again.
    keyed.write("in.csv", "id,n\nb,4\nc,2\na,1\n");
    let retry = format!("dead-letters retry {} --trust", keyed.path("out.journal"));
    let retried = inflight_in(keyed.0.path(), &retry, "").expect(3);
    assert!(
        retried
            .stderr
            .contains("its key is not in the input any more"),
        "{}",
        retried.stderr
    );
    assert_eq!(retried.counts(), "saved=2 dead=2 in_doubt=0 left=0");
}

#[test]
fn dead_letters_are_tried_again_by_key() {
    let keyed = Keyed::new();
    let input = |rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(id, n)| format!("{id},{n}\n"));
        format!("id,n\n{}", rows.collect::<String>())
    };
    let line = "run IN --key id --compute 'jq:.n|tonumber' --save file:OUT.jsonl --journal OUT.journal --halt never";
    keyed
        .run(line, &input(&[("a", "1"), ("b", "x"), ("c", "3")]))
        .expect(3);
    let list = format!("dead-letters list {}", keyed.path("out.journal"));
    let listed = inflight_in(keyed.0.path(), &list, "").expect(0).stdout;
    assert!(listed.contains("item \"b\""), "{listed}");
    // Elsewhere, and good now.
    keyed.write(
        "in.csv",
        &input(&[("c", "3"), ("d", "4"), ("b", "2"), ("a", "1")]),
    );
    let retry = format!("dead-letters retry {} --trust", keyed.path("out.journal"));
    let retried = inflight_in(keyed.0.path(), &retry, "").expect(0);
    assert_eq!(retried.counts(), "saved=3 dead=0 in_doubt=0 left=0");
    assert_eq!(keyed.lines("out.jsonl")[1], r#"{"key":"b","result":2}"#);
}

#[test]
fn a_table_knows_its_rows_by_the_key() {
    let keyed = Keyed::new();
    let line = "run IN --key id --columns id,n=$row.n --save sqlite:OUT.db?table=t --fresh";
    keyed.run(line, "id,n\na,1\nb,2\n").expect(0);
    keyed.run(line, "id,n\nc,3\nb,20\n").expect(0);
    let connection = rusqlite::Connection::open(keyed.path("out.db")).unwrap();
    let mut select = connection
        .prepare("SELECT id || n FROM t ORDER BY id")
        .unwrap();
    let rows: Vec<String> = select
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows, ["a1", "b20", "c3"]);
    let lacking = keyed
        .run(
            "run IN --key id --columns n=$row.n --save sqlite:OUT.db?table=u",
            "id,n\n",
        )
        .expect(2);
    assert!(
        lacking.stderr.contains("--columns lacks the key"),
        "{}",
        lacking.stderr
    );
}

#[test]
fn what_can_be_read_only_once_can_be_gone_on_with_by_key() {
    let keyed = Keyed::new();
    let line = format!(
        "run - --format jsonl --key id --compute 'jq:.id' --save file:{} --journal {}",
        keyed.path("out.jsonl"),
        keyed.path("journal")
    );
    let run = |stdin: &str| inflight_in(keyed.0.path(), &line, stdin).expect(0);
    run("{\"id\":1}\n{\"id\":2}\n");
    let again = run("{\"id\":3}\n{\"id\":2}\n{\"id\":1}\n");
    assert_eq!(again.counts(), "saved=3 dead=0 in_doubt=0 left=0");
    assert_eq!(keyed.lines("out.jsonl").len(), 3);
}

#[test]
fn a_journal_whose_keys_are_gone_is_not_taken_for_an_empty_one() {
    let keyed = Keyed::new();
    let line = "run IN --key id --compute 'jq:.n' --save file:OUT.jsonl --journal OUT.journal";
    let input = "id,n\na,1\nb,2\n";
    keyed.run(line, input).expect(0);
    let keys = keyed.path("out.journal.keys");
    let bytes = fs::read(&keys).unwrap();
    fs::write(&keys, &bytes[..bytes.len() - 16]).unwrap();
    let refused = keyed.run(line, input).expect(7);
    assert!(
        refused
            .stderr
            .contains("holds 1 that are good; nothing was sent"),
        "{}",
        refused.stderr
    );
    let journal = |what: &str, code| {
        let line = format!("journal {what} {}", keyed.path("out.journal"));
        inflight_in(keyed.0.path(), &line, "").expect(code)
    };
    journal("check", 7);
    fs::remove_file(&keys).unwrap();
    assert!(
        keyed
            .run(line, input)
            .expect(7)
            .stderr
            .contains("holds 0 that are good")
    );
    assert!(!Path::new(&keys).exists(), "a look makes no file");
    fs::write(&keys, &bytes).unwrap();
    keyed.run(line, input).expect(0);
    fs::write(&keys, &bytes[..bytes.len() - 16]).unwrap();
    journal("repair", 0);
    journal("check", 0);
}

#[test]
fn a_key_that_cannot_be_is_said_before_anything_is_sent() {
    let check = |line: &str, said: &str| {
        let outcome = inflight_with(line, "").expect(2);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    };
    let keyed = Keyed::new();
    let input = keyed.write("in.csv", "user_id,n\na,1\n");
    check(
        &format!("run {input} --key userid --save null:"),
        "did you mean `user_id`",
    );
    check(
        &format!("run {input} --key '.n +' --save null:"),
        "--key: jq filter `.n +`",
    );
    check("run 0..3 --key id --save null:", "0..3 has no field `id`");
    inflight_with("run 0..3 --key . --save null:", "").expect(0);
}

#[test]
fn items_whose_keys_a_table_has_are_left_out() {
    let keyed = Keyed::new();
    let database = rusqlite::Connection::open(keyed.path("out.db")).unwrap();
    let table = "CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT); INSERT INTO t VALUES (2, 'theirs'), (9, 'theirs')";
    database.execute_batch(table).unwrap();
    let rows = "id,n\n1,a\n2,b\n3,c\n2,d\n";
    let line = "run IN --key id --columns id,n --save 'sqlite:OUT.db?table=t&missing=insert'";
    let outcome = keyed
        .run(&format!("{line} --skip-existing"), rows)
        .expect(0);
    assert_eq!(
        outcome.counts(),
        "saved=2 dead=0 in_doubt=0 left=0 skipped=2"
    );
    assert!(
        outcome
            .stderr
            .contains("2 items left out: their keys are in sqlite:"),
        "{}",
        outcome.stderr
    );
    let mut rows = database
        .prepare("SELECT id || n FROM t ORDER BY id")
        .unwrap();
    let rows: Vec<String> = rows
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows, ["1a", "2theirs", "3c", "9theirs"]);
    // Where rows must exist to be updated, that would leave out all of them.
    let update = keyed.run(
        "run IN --key id --columns id,n --save 'sqlite:OUT.db?table=t&key=id' --skip-existing",
        "id,n\n1,a\n",
    );
    let said = "would leave out every row that this job updates";
    assert!(update.expect(2).stderr.contains(said));
    let service = keyed.run(
        "run IN --key id --save null: --skip-existing",
        "id,n\n1,a\n",
    );
    assert!(service.expect(2).stderr.contains("null: cannot be asked"));
}

#[test]
fn items_whose_keys_a_file_has_are_left_out_and_each_is_there_once_whenever_it_is_killed() {
    for name in ["out.jsonl", "out.csv", "out.jsonl.gz"] {
        let keyed = Keyed::new();
        let (input, output) = (keyed.path("in.csv"), keyed.path(name));
        let rows = |ids: std::ops::Range<u32>| {
            let rows: String = ids.map(|id| format!("{id}\n")).collect();
            format!("id\n{rows}")
        };
        keyed.write("in.csv", &rows(100..200));
        let first = format!("run {input} --key id --save file:{output} --no-journal");
        inflight_in(keyed.0.path(), &first, "").expect(0);
        keyed.write("in.csv", &rows(0..300));
        let line = format!(
            "run {input} --key id --compute sleep:5ms -j 2 --save file:{output} --append --skip-existing"
        );
        let run = Running::start_in(keyed.0.path(), &line);
        std::thread::sleep(std::time::Duration::from_millis(350));
        run.kill_unless_ended();
        let outcome = inflight_in(keyed.0.path(), &line, "").expect(0);
        assert!(
            outcome
                .counts()
                .starts_with("saved=200 dead=0 in_doubt=0 left=0 skipped=100"),
            "{}",
            outcome.stderr
        );
        let read = format!(
            "run {output} --columns k=$row.key --save file:{} --keep-order",
            keyed.path("keys.csv")
        );
        inflight_in(keyed.0.path(), &read, "").expect(0);
        let keys = fs::read_to_string(keyed.path("keys.csv")).unwrap();
        let mut keys: Vec<u32> = keys
            .lines()
            .skip(1)
            .map(|key| key.parse().unwrap())
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..300).collect::<Vec<_>>(), "{name}");
    }
}
