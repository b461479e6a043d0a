//! Postgres as a sink and as a source, with the real binary: what is in the table after crashes on either side, and what is
//! said of bad rows.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use inflight_testbed::{Postgres, Setup};

use crate::support::{Running, inflight, inflight_in, inflight_with_env};

const PLAIN: &str = "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text)";

/// A database of its own in the shared server, and the address of its table `t`.
fn database(sql: &str) -> (&'static Postgres, String, String) {
    let server = Postgres::shared();
    let name = server.database();
    if !sql.is_empty() {
        server.query(&name, sql);
    }
    let address = format!("{}?table=t", server.url(&name));
    (server, name, address)
}

/// Waits until there are so many rows.
fn wait_for_rows(server: &Postgres, database: &str, rows: u64) {
    let begun = Instant::now();
    loop {
        let count = server.psql(database, "SELECT count(*) FROM t");
        let count = String::from_utf8_lossy(&count.stdout).trim().parse();
        if count.is_ok_and(|count: u64| count >= rows) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no rows come");
        sleep(Duration::from_millis(5));
    }
}

/// What is in the table, if each of so many items is there once and as it should be.
fn is_exact(items: u64) -> String {
    format!(
        "SELECT count(*) = {items} AND count(DISTINCT result) = {items} AND bool_and(result = \"index\"::text) FROM t"
    )
}

#[test]
fn a_look_shows_which_column_gets_what() {
    let (server, name, address) = database(
        "CREATE TABLE t(\"index\" bigint PRIMARY KEY, n int, square jsonb, at timestamptz DEFAULT now())",
    );
    let columns = "--columns 'n=.,square=[., .*.]'";
    let line = format!("run 3..5 {columns} --save '{address}' --dry-run");
    let shown = inflight(&line).expect(0);
    let row = "# saved: {\"index\":0,\"n\":3,\"square\":[3,9]}";
    assert!(shown.stdout.contains(row), "{}", shown.stdout);
    assert_eq!(server.query(&name, "SELECT count(*) FROM t"), "0");
    // Without columns the fields of a result go into the columns of their names.
    let line = format!("try 3..4 --compute 'jq:{{n: .}}' --save '{address}'");
    let shown = inflight(&line).expect(0);
    let row = "save, not written:\n{\"index\":0,\"n\":3,\"square\":null}";
    assert!(shown.stdout.contains(row), "{}", shown.stdout);
    let line = format!("run 3..4 --compute 'jq:{{m: .}}' --save '{address}' --dry-run");
    let shown = inflight(&line).expect(3);
    assert!(
        shown
            .stdout
            .contains("field `m`, for which the table has no column"),
        "{}",
        shown.stdout
    );
}

#[test]
fn a_job_replaces_no_rows_of_another() {
    let (server, name, postgres) =
        database("CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text)");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let sqlite = format!("sqlite:{}?table=t", folder.path().join("out.db").display());
    let results = |address: &str| {
        if address == postgres {
            return server.query(&name, "SELECT string_agg(result, ' ' ORDER BY 1) FROM t");
        }
        let connection = rusqlite::Connection::open(folder.path().join("out.db")).unwrap();
        let sql = "SELECT group_concat(result, ' ') FROM t";
        connection.query_row(sql, (), |row| row.get(0)).unwrap()
    };
    for address in [&sqlite, &postgres] {
        let run = |rest: &str| inflight_in(&state, &format!("run {rest} --save '{address}'"), "");
        run("5..7").expect(0);
        let refused = run("8..9").expect(2);
        for part in ["holds rows that this job did not save", "?table=NAME"] {
            assert!(refused.stderr.contains(part), "{}", refused.stderr);
        }
        assert_eq!(results(address), "5 6", "{address}");
        // The same job, and the same place with another computation, are meant to replace what they saved.
        run("5..7").expect(0);
        run("5..7 --compute jq:.*2 --fresh").expect(0);
        assert_eq!(results(address), "10 12", "{address}");
        // Also where the journal was lost.
        fs::remove_dir_all(&state).unwrap();
        run("5..7").expect(0);
        assert_eq!(results(address), "5 6", "{address}");
    }
}

#[test]
fn results_go_into_a_table_that_is_made() {
    let (server, name, address) = database("");
    let line = format!("run 0..1000 --compute sha256 --save '{address}'");
    let outcome = inflight(&line).expect(2);
    assert!(
        outcome
            .stderr
            .contains("table t does not exist; --create makes it"),
        "{}",
        outcome.stderr
    );
    let outcome = inflight(&format!("{line} --create")).expect(0);
    assert!(
        outcome
            .stderr
            .contains("transactional: exactly once in this database"),
        "{}",
        outcome.stderr
    );
    let right = "SELECT count(*) FILTER (WHERE result = encode(sha256(\"index\"::text::bytea), 'hex')) FROM t";
    assert_eq!(server.query(&name, right), "1000");
}

#[test]
fn mistakes_are_said_before_anything_is_sent() {
    let refused = |line: &str, code: i32, part: &str| {
        let outcome = inflight(line).expect(code);
        assert!(outcome.stderr.contains(part), "{line}: {}", outcome.stderr);
    };
    refused(
        "run 0..1 --save sqlite:a.db --create",
        2,
        "--create makes a missing table in Postgres",
    );
    refused(
        "run 0..1 --save postgres://me@localhost/d",
        2,
        "names no table",
    );
    refused(
        "run 0..1 --save postgres://me:pw@localhost/d?table=t",
        2,
        "password=env:NAME",
    );
    refused(
        "run 0..1 --save postgres://me@localhost/d?table=t --save-body json",
        2,
        "--save-body is that of an HTTP",
    );
    refused(
        "plan 0..1 --save postgres://me@localhost/d?table=t --repeat-saves",
        2,
        "it would write over those of other items",
    );
    refused(
        "run 0..1 --save postgre://me@localhost/d?table=t",
        2,
        "did you mean `postgres:`",
    );
    refused(
        "run 'postgres://me@localhost/d?tabel=t' --save null:",
        2,
        "did you mean `table`",
    );
    refused(
        "run 'postgres://me@127.0.0.1:1/d?table=t&key=id' --save null:",
        4,
        "cannot connect to postgres://127.0.0.1:1/d: ",
    );
    refused(
        "run 0..1 --save postgres://me@127.0.0.1:1/d?table=t",
        4,
        "cannot connect to postgres://127.0.0.1:1/d: ",
    );
}

#[test]
fn three_bad_rows_in_a_hundred_thousand_are_three_dead_letters() {
    let (server, name, address) =
        database("CREATE TABLE t(\"index\" bigint PRIMARY KEY, name varchar(10) UNIQUE, age int)");
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("people.jsonl");
    let line = |n: u32| match n {
        20_000 => "{\"name\":\"n20000\",\"age\":\"many\"}\n".to_owned(),
        50_000 => "{\"name\":\"n7\",\"age\":1}\n".to_owned(),
        99_999 => "{\"name\":\"far too long\",\"age\":1}\n".to_owned(),
        n => format!("{{\"name\":\"n{n}\",\"age\":{}}}\n", n % 100),
    };
    fs::write(&input, (0..100_000).map(line).collect::<String>()).unwrap();
    let journal = folder.path().join("journal");
    let outcome = inflight_in(
        folder.path(),
        &format!(
            "run {} --save '{address}' --journal {}",
            input.display(),
            journal.display()
        ),
        "",
    )
    .expect(3);
    assert_eq!(outcome.counts(), "saved=99997 dead=3 in_doubt=0 left=0");
    assert_eq!(server.query(&name, "SELECT count(*) FROM t"), "99997");
    let letters = fs::read_to_string(folder.path().join("journal.dead.jsonl")).unwrap();
    let letters = letters.lines().map(|line| {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| letter[name].to_string();
        (
            letter["index"].as_u64().unwrap(),
            text("reason") + &text("message") + line,
        )
    });
    let mut letters: Vec<_> = letters.collect();
    letters.sort();
    let causes = [
        (20_000, "column age: \\\"many\\\""),
        (50_000, "Key (name)=(n7) already exists."),
        (
            99_999,
            "value too long for type character varying(10) (22001)",
        ),
    ];
    assert_eq!(letters.len(), 3, "{letters:?}");
    for ((index, letter), (expected, cause)) in letters.iter().zip(causes) {
        assert_eq!(*index, expected);
        assert!(letter.contains(cause), "{letter}");
    }
}

#[test]
fn a_server_that_is_killed_is_waited_for() {
    const ITEMS: u64 = 3000;
    let mut server = Postgres::start();
    server.query("postgres", PLAIN);
    let address = format!("{}?table=t", server.url("postgres"));
    let folder = tempfile::tempdir().unwrap();
    let run = Running::start_in(
        folder.path(),
        &format!("run 0..{ITEMS} --compute sleep:2ms -j 2 --bulk 100 --save '{address}'"),
    );
    for rows in [300, 1500] {
        wait_for_rows(&server, "postgres", rows);
        server.kill();
        sleep(Duration::from_millis(300));
        server.restart();
    }
    let outcome = run.end().expect(0);
    assert!(
        outcome
            .counts()
            .starts_with(&format!("saved={ITEMS} dead=0 ")),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.query("postgres", &is_exact(ITEMS)), "t");
}

#[test]
fn rows_are_read_on_after_a_crash() {
    const ROWS: u64 = 2000;
    let (server, name, _) = database(&format!(
        "{PLAIN}; CREATE TABLE words(id int PRIMARY KEY, word text); \
         INSERT INTO words SELECT n * 3, 'word ' || n FROM generate_series(0, {}) AS n",
        ROWS - 1
    ));
    let url = server.url(&name);
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "run '{url}?query=SELECT * FROM words WHERE word <> ''''&key=id' --field word --compute sleep:1ms -j 2 --bulk 50 \
         --save '{url}?table=t'"
    );
    let line = line.replace("''''", "%27%27");
    let mut kills = 0;
    loop {
        let run = Running::start_in(folder.path(), &line);
        sleep(Duration::from_millis(150 + 100 * kills));
        match run.kill_unless_ended() {
            None => kills += 1,
            Some(outcome) => {
                let outcome = outcome.expect(0);
                assert!(
                    outcome
                        .counts()
                        .starts_with(&format!("saved={ROWS} dead=0 ")),
                    "{}",
                    outcome.stderr
                );
                break;
            }
        }
    }
    assert!(kills > 0, "it was killed in the middle");
    let exact = format!(
        "SELECT count(*) = {ROWS} AND bool_and(t.result = words.word) FROM t JOIN words ON words.id = t.\"index\" * 3"
    );
    assert_eq!(server.query(&name, &exact), "t");
}

#[test]
fn rows_without_a_key_cannot_be_resumed_and_that_is_said() {
    let (server, name, address) = database(PLAIN);
    server.query(
        &name,
        "INSERT INTO t SELECT n, n FROM generate_series(1, 10) AS n",
    );
    let line = format!("run '{address}' --save null:");
    let outcome = inflight(&line).expect(0);
    assert!(
        outcome
            .stderr
            .contains("cannot be resumed; name a column with unique values, &key=K"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.counts(), "saved=10 dead=0 in_doubt=0 left=0");
    let outcome = inflight(&format!("{line} --journal j")).expect(2);
    assert!(outcome.stderr.contains("&key=K"), "{}", outcome.stderr);
}

#[test]
fn a_password_is_in_nothing_that_is_written() {
    let server = Postgres::start_with(Setup {
        password: Some("canary-4711".into()),
        ..Setup::default()
    });
    server.query("postgres", PLAIN);
    let address = format!("{}?table=t", server.url("postgres"));
    let state = tempfile::tempdir().unwrap();
    let state_path = state.path().display().to_string();
    let run = |password: &str, code: i32| {
        let env = [("PGPASSWORD", password), ("XDG_STATE_HOME", &state_path)];
        let line = format!("run 0..10 --save '{address}' -v");
        let outcome = inflight_with_env(&line, &env).expect(code);
        let said = outcome.stdout + &outcome.stderr;
        assert!(!said.contains("4711"), "{said}");
        said
    };
    run("canary-4711", 0);
    let said = run("wrong-4711", 2);
    assert!(said.contains("password authentication failed"), "{said}");
    let mut folders = vec![state.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap();
                    let found = bytes.windows(4).any(|window| window == b"4711");
                    assert!(!found, "{}", path.display());
                }
            }
        }
    }
}

#[test]
fn items_whose_keys_a_table_has_are_left_out_a_page_at_a_time() {
    // More than a page of keys, in an order that is not that of the text.
    let table = "CREATE TABLE t(id bigint PRIMARY KEY, result text); \
        INSERT INTO t SELECT n, 'theirs' FROM generate_series(1, 100000) AS n WHERE n % 1000 <> 7";
    let (server, name, address) = database(table);
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (1..100_011).map(|id| format!("{id},{id}\n")).collect();
    let input = folder.path().join("in.csv");
    fs::write(&input, format!("id,result\n{rows}")).unwrap();
    let line = format!(
        "run {} --key id --save '{address}&missing=insert' --columns 'id,result=$row.result' --skip-existing",
        input.display()
    );
    let outcome = inflight_in(folder.path(), &line, "").expect(0);
    assert_eq!(
        outcome.counts(),
        "saved=110 dead=0 in_doubt=0 left=0 skipped=99900"
    );
    let right = "SELECT count(*), count(*) FILTER (WHERE result = id::text) FROM t";
    assert_eq!(server.query(&name, right), "100010|110");
}
