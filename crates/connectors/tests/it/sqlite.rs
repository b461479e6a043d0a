//! SQLite as a sink: rows by index, refusals by row, foreign files left alone.

use inflight::{Ending, Fault, Job, Options, Service, Verdict};
use inflight_connectors::{Columns, Kind, Ledger, Payload, Sink, SinkSettings};
use rusqlite::types::Value;

use crate::{connect, record, save, wait};

fn sink(path: &std::path::Path, inline: bool) -> Sink {
    let settings = SinkSettings {
        inline,
        ..SinkSettings::default()
    };
    Sink::parse(&format!("sqlite:{}?table=t", path.display()), &settings).unwrap()
}

fn rows(path: &std::path::Path) -> Vec<(i64, Value)> {
    let database = rusqlite::Connection::open(path).unwrap();
    let mut select = database
        .prepare("SELECT \"index\", result FROM t ORDER BY 1")
        .unwrap();
    let rows = select
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn results_become_rows() {
    for inline in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.db");
        let sink = sink(&path, inline);
        sink.check().unwrap();
        assert!(!path.exists(), "a check leaves nothing behind");
        assert_eq!((sink.bulk_max(), sink.connections_max()), (8192, 1));
        wait(async {
            let mut connection = connect(&sink).await;
            let bulk: Vec<_> = (0..3000).map(|n| record(n, n.to_string())).collect();
            assert_eq!(save(&mut connection, &bulk).await.unwrap().len(), 3000);
            let again = [record(0, "again"), record(1, &b"\xff"[..])];
            save(&mut connection, &again).await.unwrap();
        });
        sink.check().unwrap();
        let rows = rows(&path);
        assert_eq!(rows.len(), 3000);
        assert_eq!(rows[0], (0, Value::Text("again".into())));
        assert_eq!(rows[1], (1, Value::Blob(vec![0xff])));
        assert_eq!(rows[2], (2, Value::Text("2".into())));
    }
}

#[test]
fn a_row_that_is_refused_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result TEXT CHECK (result <> 'bad'))",
        )
        .unwrap();
    let sink = sink(&path, false);
    sink.check().unwrap();
    wait(async {
        let mut connection = connect(&sink).await;
        let bulk = [record(0, "a"), record(1, "bad"), record(2, "c")];
        let outcomes = save(&mut connection, &bulk).await.unwrap();
        let fault = outcomes[1].as_ref().unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent);
        assert!(fault.to_string().contains("CHECK constraint"), "{fault}");
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    });
    assert_eq!(rows(&path).len(), 2);
}

#[test]
fn a_row_that_a_trigger_drops_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result TEXT);
             CREATE TRIGGER odd BEFORE INSERT ON t WHEN new.\"index\" % 2 = 1 BEGIN SELECT RAISE(IGNORE); END;
             CREATE TRIGGER kept BEFORE UPDATE ON t BEGIN SELECT RAISE(IGNORE); END;",
        )
        .unwrap();
    let sink = accounted(&path, 1);
    wait(async {
        let mut connection = connect(&sink).await;
        let bulk = [record(0, "a"), record(1, "b"), record(2, "c")];
        for round in 0..2 {
            // The second time, rows are there as they should be.
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            let fault = outcomes[1].as_ref().unwrap_err();
            assert_eq!(fault.verdict(), Verdict::Permanent);
            assert!(
                fault.to_string().contains("a trigger dropped it"),
                "{fault}"
            );
            assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{round}");
        }
        let changed = save(&mut connection, &[record(0, "other")]).await.unwrap();
        assert!(changed[0].is_err(), "the old value stands there");
    });
    let kept = [(0, Value::Text("a".into())), (2, Value::Text("c".into()))];
    assert_eq!(rows(&path), kept);
    let saved = accounted(&path, 2).ledger().unwrap();
    assert_eq!(saved, Some(vec![0..1, 2..3]));
}

#[test]
fn a_database_that_is_locked_is_transient() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let sink = sink(&path, false);
    wait(async {
        let mut connection = connect(&sink).await;
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let fault = save(&mut connection, &[record(0, "x")]).await.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Transient, "{fault}");
        assert!(fault.to_string().contains("locked"), "{fault}");
        other.execute_batch("ROLLBACK").unwrap();
        save(&mut connection, &[record(0, "x")]).await.unwrap();
    });
}

#[test]
fn a_database_that_is_locked_as_a_run_begins_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE z(a); BEGIN EXCLUSIVE")
        .unwrap();
    std::thread::scope(|scope| {
        let begun = scope.spawn(|| {
            let sink = accounted(&path, 1);
            sink.check().unwrap();
            sink.forget().unwrap();
            sink.ledger().unwrap()
        });
        // Longer than SQLite waits by itself.
        std::thread::sleep(std::time::Duration::from_secs(6));
        assert!(!begun.is_finished());
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(begun.join().unwrap(), Some(vec![]));
    });
}

#[test]
fn a_database_keeps_its_journal_mode() {
    let mode = |path: &std::path::Path| -> String {
        let database = rusqlite::Connection::open(path).unwrap();
        database
            .query_row("PRAGMA journal_mode", (), |row| row.get(0))
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, before: &str, expected: &str| {
        let path = folder.path().join(name);
        if !before.is_empty() {
            let database = rusqlite::Connection::open(&path).unwrap();
            database.execute_batch(before).unwrap();
        }
        for epoch in 1..3 {
            let sink = accounted(&path, epoch);
            sink.check().unwrap();
            sink.ledger().unwrap();
            wait(async {
                save(&mut connect(&sink).await, &[record(epoch, "x")])
                    .await
                    .unwrap();
            });
            assert_eq!(mode(&path), expected, "{name}");
        }
        assert_eq!(rows(&path).len(), 2);
    };
    check("new.db", "", "wal");
    check("old.db", "CREATE TABLE z(a)", "delete");
    check(
        "log.db",
        "PRAGMA journal_mode = WAL; CREATE TABLE z(a)",
        "wal",
    );
}

#[test]
fn what_somebody_did_to_the_table_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let sink = sink(&path, false);
    let ended = wait(async {
        let mut connection = connect(&sink).await;
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .execute_batch("DROP TABLE t; CREATE TABLE t(other)")
            .unwrap();
        save(&mut connection, &[record(0, "x")]).await.unwrap_err()
    });
    assert_eq!(ended.verdict(), Verdict::Transient);
    assert!(ended.to_string().contains("needs the columns"), "{ended}");
    let job = Job::new(0..10).compute(|n: u64| Payload::read(n.to_string()));
    let summary = job.save_to(sink).run(&Options::default()).unwrap();
    assert!(
        matches!(summary.ending, Ending::Halted(_)),
        "{:?}",
        summary.ending
    );
    assert_eq!((summary.dead, summary.left), (0, 10));
}

#[test]
fn a_trigger_that_rolls_back_is_about_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result TEXT);
             CREATE TRIGGER three BEFORE INSERT ON t WHEN new.\"index\" = 3
             BEGIN SELECT RAISE(ROLLBACK, 'not three'); END;",
        )
        .unwrap();
    let job = Job::new(0..100).compute(|n: u64| Payload::read(n.to_string()));
    let summary = job
        .save_to(sink(&path, false))
        .run(&Options::default())
        .unwrap();
    assert_eq!((summary.saved, summary.dead), (99, 1));
}

/// A sink with these columns.
fn with_columns(path: &std::path::Path, columns: &str) -> Sink {
    let settings = SinkSettings {
        columns: Columns::parse(columns).unwrap(),
        ..SinkSettings::default()
    };
    Sink::parse(&format!("sqlite:{}?table=t", path.display()), &settings).unwrap()
}

#[test]
fn columns_are_named_and_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let columns = "id=.id,two words=.text,n=.n,order=.ok,more=.more,none=.none";
    let sink = with_columns(&path, columns);
    sink.check().unwrap();
    let lines = [
        r#"{"id":"a","text":"x","n":9007199254740993,"ok":true,"more":{"b":[1]}}"#,
        r#"{"id":"b","text":"y","n":1.5,"ok":false,"more":[]}"#,
        "no object",
    ];
    wait(async {
        let mut connection = connect(&sink).await;
        for _ in 0..2 {
            let bulk: Vec<_> = (0..).zip(lines).map(|(n, line)| record(n, line)).collect();
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
            assert_eq!(
                outcomes[2].as_ref().unwrap_err().verdict(),
                Verdict::Permanent
            );
        }
    });
    let database = rusqlite::Connection::open(&path).unwrap();
    let select = "SELECT group_concat(quote(\"index\") || quote(id) || quote(\"two words\") || quote(n) || quote(\"order\") || \
                  quote(more) || quote(none), ' ') FROM t";
    let all: String = database.query_row(select, (), |row| row.get(0)).unwrap();
    let expected = "0'a''x'90071992547409931'{\"b\":[1]}'NULL 1'b''y'1.50'[]'NULL";
    assert_eq!(all, expected);
    let lacking = with_columns(&path, "index,ordr=.x").check().unwrap_err();
    assert!(
        lacking.to_string().contains("did you mean `order`?"),
        "{lacking}"
    );
    let other = with_columns(&path, "index=.n,id=.id");
    let outcomes = wait(async {
        save(&mut connect(&other).await, &[record(0, lines[0])])
            .await
            .unwrap()
    });
    let fault = outcomes[0].as_ref().unwrap_err();
    assert!(
        fault.to_string().contains("the number of the item"),
        "{fault}"
    );
}

#[test]
fn foreign_files_and_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let check = |part: &str| {
        let message = sink(&path, false).check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    };
    std::fs::write(
        &path,
        "no database, but longer than a hundred bytes".repeat(9),
    )
    .unwrap();
    check("is no SQLite database");
    std::fs::remove_file(&path).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, result)")
        .unwrap();
    check("needs the columns");
    database
        .execute_batch("DROP TABLE t; CREATE TABLE t(\"index\" INTEGER, result)")
        .unwrap();
    check("needs the columns");
    let sink = sink(std::path::Path::new("/no/such/dir/x.db"), false);
    assert!(
        sink.check()
            .unwrap_err()
            .to_string()
            .contains("/no/such/dir/x.db")
    );
    assert_eq!(
        wait(sink.connect()).err().unwrap().verdict(),
        Verdict::Unreached
    );
}

/// A sink that keeps account, of the run with this number.
fn accounted(path: &std::path::Path, epoch: u64) -> Sink {
    let settings = SinkSettings {
        ledger: Some(Ledger {
            job: "night".into(),
            epoch,
            is_known: true,
        }),
        ..SinkSettings::default()
    };
    Sink::parse(&format!("sqlite:{}?table=t", path.display()), &settings).unwrap()
}

#[test]
fn what_is_saved_and_the_account_of_it_come_about_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result TEXT CHECK (result <> 'bad'))",
        )
        .unwrap();
    let first = accounted(&path, 1);
    first.check().unwrap();
    assert_eq!(first.kind(), Kind::Transactional);
    assert_eq!(first.ledger().unwrap(), Some(vec![]));
    wait(async {
        let mut connection = connect(&first).await;
        let bulk = [
            record(1, "b"),
            record(0, "a"),
            record(2, "bad"),
            record(7, "h"),
        ];
        let outcomes = save(&mut connection, &bulk).await.unwrap();
        assert!(outcomes[2].is_err());
        save(&mut connection, &[record(8, "i")]).await.unwrap();
        let none = save(&mut connection, &[record(3, "bad")]).await.unwrap();
        assert!(none[0].is_err());
    });
    let second = accounted(&path, 2);
    assert_eq!(second.ledger().unwrap(), Some(vec![0..2, 7..9]));
    assert_eq!(
        second.ledger().unwrap(),
        Some(vec![0..2, 7..9]),
        "asked twice"
    );
    let database = rusqlite::Connection::open(&path).unwrap();
    let items: String = database
        .query_row("SELECT items FROM inflight_progress", (), |row| row.get(0))
        .unwrap();
    assert_eq!(items, "0-1,7-8", "one row is left");
    second.forget().unwrap();
    assert_eq!(second.ledger().unwrap(), Some(vec![]));
    assert_eq!(rows(&path).len(), 4, "results stay");
    assert_eq!(sink(&path, false).ledger().unwrap(), None);
}

#[test]
fn a_run_that_was_taken_over_saves_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let old = accounted(&path, 1);
    wait(async {
        // Nobody asked for the ledger: the first connection takes over.
        let mut connection = connect(&old).await;
        save(&mut connection, &[record(0, "old")]).await.unwrap();
        // A journal that was lost counts from 1 again, and takes over all the same.
        let new = accounted(&path, 1);
        assert_eq!(new.ledger().unwrap().unwrap().first(), Some(&(0..1)));
        let superseded = |fault: Fault| {
            assert!(
                fault.to_string().contains("number 2, has taken over"),
                "{fault}"
            );
        };
        let stale = [record(0, "stale"), record(1, "stale")];
        superseded(save(&mut connection, &stale).await.unwrap_err());
        // Nor can it by connecting anew.
        drop(connection);
        let mut connection = connect(&old).await;
        superseded(save(&mut connection, &stale).await.unwrap_err());
        let mut connection = connect(&new).await;
        save(&mut connection, &[record(1, "new")]).await.unwrap();
    });
    let expected = [
        (0, Value::Text("old".into())),
        (1, Value::Text("new".into())),
    ];
    assert_eq!(rows(&path), expected);
}

#[test]
fn an_account_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let sink = accounted(&path, 1);
    sink.ledger().unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("INSERT INTO inflight_progress VALUES ('night', 1, '0-9,x')")
        .unwrap();
    let message = sink.ledger().unwrap_err().to_string();
    assert!(
        message.contains("holds `0-9,x`, which is no list of items"),
        "{message}"
    );
    database
        .execute_batch("DROP TABLE inflight_runs; CREATE TABLE inflight_runs(name)")
        .unwrap();
    let message = sink.check().unwrap_err().to_string();
    assert!(message.contains("cannot keep account"), "{message}");
    let settings = SinkSettings::default();
    let reserved = Sink::parse("sqlite:a.db?table=inflight_Progress", &settings);
    assert!(reserved.err().unwrap().to_string().contains("name another"));
}

#[test]
fn what_is_committed_is_made_durable_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let sink = sink(&path, false);
    let mut durable = sink.durable().unwrap();
    durable.sync().unwrap();
    wait(async {
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        assert!(folder.path().join("out.db-wal").exists());
        durable.sync().unwrap();
    });
    durable.sync().unwrap();
    assert_eq!(durable.mark().unwrap(), None);
}
