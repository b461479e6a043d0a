//! Rows of Postgres as items: streamed, by a key that a later run goes on from, and compared with what they were.

use inflight::{Place, Source};
use inflight_connectors::{Input, Items, Payload};
use inflight_testbed::Postgres;

/// A database with a table `t`.
struct Table {
    server: &'static Postgres,
    database: String,
}

impl Table {
    fn with(sql: &str) -> Table {
        let server = Postgres::shared();
        let table = Table {
            database: server.database(),
            server,
        };
        table.sql(sql);
        table
    }

    fn sql(&self, sql: &str) {
        self.server.query(&self.database, sql);
    }

    fn input(&self, parameters: &str, field: Option<&str>) -> Input {
        let address = format!("{}?{parameters}", self.server.url(&self.database));
        Input::parse(&address, None, field.map(str::to_owned)).unwrap()
    }

    fn open(&self, parameters: &str, field: Option<&str>) -> Items {
        let mut items = self.input(parameters, field).open().unwrap();
        items.resume(None, None).unwrap();
        items
    }

    /// What a later run reads that goes on at this place; or why it does not.
    fn resumed(
        &self,
        from: Option<&Place>,
        read_to: Option<&Place>,
    ) -> Result<Vec<String>, String> {
        let mut items = self.input("table=t&key=id", Some("id")).open().unwrap();
        items
            .resume(from, read_to)
            .map_err(|fault| fault.to_string())?;
        Ok(read(&mut items, usize::MAX))
    }
}

/// At most so many items, or what is wrong with them.
fn read(items: &mut Items, most: usize) -> Vec<String> {
    let mut read: Vec<Result<Payload, _>> = Vec::new();
    while read.len() < most {
        let before = read.len();
        match items.read((most - before).min(7), &mut read) {
            Ok(()) if read.len() == before => break,
            Ok(()) => {}
            Err(fault) => {
                read.push(Err(fault));
                break;
            }
        }
    }
    let text = |item: Result<Payload, inflight::Fault>| match item {
        Ok(item) => String::from_utf8(item.bytes().to_vec()).unwrap(),
        Err(fault) => format!("fault: {fault}"),
    };
    read.into_iter().map(text).collect()
}

const NUMBERS: &str = "CREATE TABLE t(id bigint PRIMARY KEY, name text); \
                       INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, 20000) AS n";

#[test]
fn rows_are_json_or_one_column() {
    let table = Table::with(
        "CREATE TABLE t(id int, name text, more jsonb); INSERT INTO t VALUES (2, 'b\"', NULL), (1, 'a', '[1]')",
    );
    let all = read(&mut table.open("table=t&key=id", None), 9);
    assert_eq!(
        all,
        [
            r#"{"id":1,"name":"a","more":[1]}"#,
            r#"{"id":2,"name":"b\"","more":null}"#
        ]
    );
    assert_eq!(
        read(&mut table.open("table=t&key=id", Some("name")), 9),
        ["a", "b\""]
    );
    let query = "query=SELECT upper(name) AS name FROM t WHERE id < 2 -- and a comment";
    assert_eq!(read(&mut table.open(query, Some("name")), 9), ["A"]);
    let more = read(&mut table.open("table=t&key=id", Some("more")), 9);
    assert_eq!(more[0], "[1]");
    assert!(more[1].ends_with("line 2: field more is null"), "{more:?}");
}

#[test]
fn many_rows_are_streamed_in_order() {
    let table = Table::with(NUMBERS);
    let mut items = table.open("table=t&key=id", Some("id"));
    assert_eq!(items.remaining(), None);
    let first = read(&mut items, 5);
    assert_eq!(first, ["1", "2", "3", "4", "5"]);
    assert_eq!(items.count_rest(), Some(19_995));
    let rest = read(&mut items, usize::MAX);
    assert!(
        rest.into_iter()
            .eq((6..=20_000).map(|n: u32| n.to_string()))
    );
    assert_eq!(items.remaining(), Some(0));
    let mut unordered = table.open("table=t", None);
    assert_eq!(read(&mut unordered, 3).len(), 3);
    assert_eq!(
        (unordered.count_rest(), unordered.place()),
        (Some(19_997), None)
    );
}

#[test]
fn reading_goes_on_after_a_key() {
    let table = Table::with(NUMBERS);
    let mut items = table.open("table=t&key=id", Some("id"));
    let start = items.place().unwrap();
    read(&mut items, 100);
    let from = items.place().unwrap();
    read(&mut items, 9000);
    let read_to = items.place().unwrap();
    drop(items);
    let rest = |from: u32| -> Vec<String> { (from..=20_000).map(|n| n.to_string()).collect() };
    assert_eq!(
        table.resumed(Some(&from), Some(&read_to)).unwrap(),
        rest(101)
    );
    assert_eq!(table.resumed(None, Some(&read_to)).unwrap(), rest(1));
    assert_eq!(table.resumed(Some(&start), Some(&from)).unwrap(), rest(1));
    // What is appended is for the run that goes on, and not for one that has begun.
    let mut begun = table.open("table=t&key=id", Some("id"));
    table.sql("INSERT INTO t VALUES (20001, 'new')");
    let longer = table.resumed(Some(&read_to), Some(&read_to)).unwrap();
    assert_eq!(longer.last().unwrap(), "20001");
    assert_eq!(begun.count_rest(), Some(20_000));
    assert_eq!(read(&mut begun, usize::MAX).last().unwrap(), "20000");
}

#[test]
fn a_connection_that_was_cut_is_opened_anew() {
    let table = Table::with(
        "CREATE TABLE t AS SELECT n AS id, repeat('x', 1000) AS name FROM generate_series(1, 20000) AS n",
    );
    let mut items = table.open("table=t&key=id", Some("id"));
    read(&mut items, 5);
    table.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'inflight' AND datname = \
         current_database()",
    );
    let rest = read(&mut items, usize::MAX);
    let expected = (6..=20_000).map(|n: u32| n.to_string());
    assert!(
        rest.into_iter().eq(expected),
        "no row is lost, and none is there twice"
    );
}

#[test]
fn rows_that_are_not_what_they_were_are_refused() {
    let table = Table::with(NUMBERS);
    let mut items = table.open("table=t&key=id", None);
    read(&mut items, 100);
    let from = items.place().unwrap();
    read(&mut items, 900);
    let read_to = items.place().unwrap();
    let refused = |change: &str, part: &str, back: &str| {
        table.sql(change);
        let message = table.resumed(Some(&from), Some(&read_to)).err();
        let message = message.unwrap_or_default();
        assert!(message.contains(part), "{change}: {message}");
        table.sql(back);
        table.resumed(Some(&from), Some(&read_to)).unwrap();
    };
    refused(
        "UPDATE t SET id = 20500 WHERE id = 500",
        "rows 101 to 1000 of",
        "UPDATE t SET id = 500 WHERE id = 20500",
    );
    refused(
        "INSERT INTO t VALUES (0, 'before')",
        "101 rows come up to id `100` now, and 100 came then",
        "DELETE FROM t WHERE id = 0",
    );
    // What rows hold besides their keys may change as it likes, by the run itself at least.
    table.sql("UPDATE t SET name = 'done' WHERE id <= 500");
    table.resumed(Some(&from), Some(&read_to)).unwrap();
    let foreign = Place(vec![1, 2, 3]);
    assert!(
        table
            .resumed(Some(&foreign), None)
            .unwrap_err()
            .contains("knows no row")
    );
}

#[test]
fn a_key_must_be_one() {
    let refused = |table: &Table, part: &str| {
        let message = table.input("table=t&key=id", None).open().err().unwrap();
        assert!(message.to_string().contains(part), "{message}");
    };
    let table = Table::with("CREATE TABLE t(id int); INSERT INTO t VALUES (1), (2), (2), (NULL)");
    table.sql("DELETE FROM t WHERE id IS NULL");
    refused(&table, "key id is not unique: `2` comes 2 times");
    table.sql("UPDATE t SET id = NULL WHERE id = 2");
    refused(&table, "key id is NULL in 2 rows");
    table.sql("DELETE FROM t WHERE id IS NULL; INSERT INTO t VALUES (2)");
    // Rows that come after the look are compared as they are read.
    let mut items = table.input("table=t&key=id", None).open().unwrap();
    items.resume(None, None).unwrap();
    table.sql("INSERT INTO t VALUES (2), (NULL)");
    let all = read(&mut items, 9);
    assert_eq!(&all[..2], [r#"{"id":1}"#, r#"{"id":2}"#]);
    assert_eq!(all.len(), 3);
    assert!(
        all[2].contains("fault: key id is not unique: `2` comes twice"),
        "{all:?}"
    );
    table.sql("DELETE FROM t WHERE id = 2 OR id IS NULL");
    let mut items = table.input("table=t&key=id", None).open().unwrap();
    items.resume(None, None).unwrap();
    table.sql("INSERT INTO t VALUES (NULL)");
    let all = read(&mut items, 9);
    assert!(all[1].contains("key id is NULL in row 2"), "{all:?}");
    // A unique key of a table says it by itself, and not of the tables that inherit from it.
    let heirs = Table::with(
        "CREATE TABLE t(id int PRIMARY KEY); CREATE TABLE heir() INHERITS (t); INSERT INTO t VALUES (1); \
         INSERT INTO heir VALUES (1)",
    );
    refused(&heirs, "`1` comes 2 times");
}

#[test]
fn no_transaction_lasts_longer_than_a_page() {
    let table = Table::with(NUMBERS);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'inflight' AND datname = current_database() AND \
                xact_start IS NOT NULL";
    let mut items = table.open("table=t&key=id", Some("id"));
    for more in [1, 5_000, 7_000] {
        assert_eq!(read(&mut items, more).len(), more);
        // The pages that are read ahead are there soon, and then nothing is open.
        let begun = std::time::Instant::now();
        while table.server.query(&table.database, open) != "0" {
            let waited = begun.elapsed();
            assert!(waited < std::time::Duration::from_secs(10), "it stays open");
        }
    }
    table.sql("DELETE FROM t WHERE id > 15000");
    read(&mut items, usize::MAX);
    assert_eq!(items.remaining(), Some(0));
}

#[test]
fn a_key_is_of_any_type_that_has_an_order() {
    let check = |kind: &str, value: &str| {
        let table = Table::with(&format!(
            "CREATE TABLE t(id {kind} UNIQUE, n int); INSERT INTO t SELECT {value}, n FROM generate_series(1, 2000) AS n"
        ));
        let mut items = table.open("table=t&key=id", Some("n"));
        let mut all = read(&mut items, 150);
        let place = items.place().unwrap();
        all.extend(read(&mut items, usize::MAX));
        all.sort_by_key(|n| n.parse::<u32>().unwrap_or(0));
        let expected = (1..=2000).map(|n: u32| n.to_string());
        assert!(all.into_iter().eq(expected), "{kind}");
        let mut again = table.input("table=t&key=id", Some("n")).open().unwrap();
        again.resume(Some(&place), None).unwrap();
        assert_eq!(read(&mut again, usize::MAX).len(), 1850, "{kind}");
    };
    check("timestamptz", "now() + n * interval '1.000001 s'");
    check("date", "'2000-01-01'::date + n");
    check("uuid", "md5(n::text)::uuid");
    check("numeric", "n / 7.0");
    check("double precision", "sqrt(n)");
    check("text", "chr(65 + n % 50) || '\"é' || n");
    check("char(8)", "n::text");
    check("bytea", "decode(md5(n::text), 'hex')");
    check("interval", "n * interval '1 hour'");
    let refused = |sql: &str, parameters: &str, part: &str| {
        let table = Table::with(sql);
        let opened = table.input(parameters, None).open();
        let message = opened.err().unwrap().to_string();
        assert!(message.contains(part), "{message}");
    };
    let json = "CREATE TABLE t(id json); INSERT INTO t VALUES ('1')";
    let no_order = "key id is of a type that has no order";
    refused(json, "table=t&key=id", no_order);
    let two = "CREATE TABLE t(a int, b int, PRIMARY KEY (a, b))";
    refused(two, "table=t&key=a,b", "make one of them in a query");
    refused(two, "table=t&key=a,c", "unknown key");
}

#[test]
fn columns_of_one_name_are_refused() {
    let table = Table::with("CREATE TABLE t(id int); INSERT INTO t VALUES (1)");
    let refused = |parameters: &str, part: &str| {
        let message = table
            .input(parameters, None)
            .open()
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains(part), "{message}");
    };
    refused(
        "query=SELECT 1 AS id, 2 AS id",
        "two columns are called `id`",
    );
    refused(
        "query=SELECT a.*, b.* FROM t a, t b&key=id",
        "two columns are called `id`",
    );
    table.open("query=SELECT 1 AS id, 2 AS \"Id\"&key=id", None);
}

#[test]
fn a_query_may_begin_with_a_byte_order_mark() {
    let table = Table::with("CREATE TABLE t(id int)");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "\u{feff}SELECT 1 AS id;\r\n").unwrap();
    let query = format!("query=file:{}", file.path().display());
    assert_eq!(read(&mut table.open(&query, Some("id")), 9), ["1"]);
}

#[test]
fn what_an_input_is_can_be_written_down() {
    let table = Table::with(NUMBERS);
    let keyed = table.input("table=t&key=id", None);
    assert!(keyed.is_replayable());
    let fingerprint = keyed.fingerprint().unwrap();
    keyed.continues(&fingerprint).unwrap();
    let other = table.input("query=SELECT * FROM t WHERE id > 3&key=id", None);
    let message = other.continues(&fingerprint).unwrap_err();
    assert!(
        message.to_string().contains("of another query or key"),
        "{message}"
    );
    let once = table.input("table=t", None);
    assert!(!once.is_replayable() && once.way_to_replay().is_some());
    assert_eq!(
        once.to_string(),
        format!(
            "postgres://127.0.0.1:{}/{}?table=t",
            table.server.port(),
            table.database
        )
    );
    for (parameters, part) in [
        ("table=missing", "relation \"missing\" does not exist"),
        ("table=t&key=nme", "unknown key `nme`; did you mean `name`?"),
        ("query=SELEC 1", "syntax error"),
    ] {
        let message = table
            .input(parameters, None)
            .open()
            .err()
            .unwrap()
            .to_string();
        assert!(message.contains(part), "{message}");
    }
    let away = Input::parse("postgres://me@127.0.0.1:1/d?table=t", None, None).unwrap();
    let message = away.open().err().unwrap().to_string();
    assert!(
        message.contains("cannot connect to postgres://127.0.0.1:1/d"),
        "{message}"
    );
}
