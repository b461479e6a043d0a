//! SQLite as a sink: rows by index, refusals by row, foreign files left alone.

use inflight::{Service, Verdict};
use inflight_connectors::{Sink, SinkSettings};
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
fn foreign_files_and_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.db");
    let check = |part: &str| {
        let message = sink(&path, false).check().unwrap_err();
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
    assert!(sink.check().unwrap_err().contains("/no/such/dir/x.db"));
    assert_eq!(
        wait(sink.connect()).err().unwrap().verdict(),
        Verdict::Unreached
    );
}
