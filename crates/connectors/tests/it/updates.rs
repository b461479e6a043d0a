//! Rows that are there are updated by a key of the table's own, in Postgres and in SQLite: which columns change, what becomes of
//! an item whose row is missing, and that what a database did not take is noticed.

use std::path::Path;

use inflight::{Connection, Ending, Fault, Job, Options, Record, Source, Verdict};
use inflight_connectors::{Columns, Input, Ledger, Payload, Row, Sink, SinkSettings};
use inflight_testbed::Postgres;

use crate::{connect, save, wait};

/// A database with a table.
enum Place {
    Postgres(String),
    Sqlite(tempfile::TempDir),
}

impl Place {
    /// One of each kind, with a table like this.
    fn both(sql: &str) -> [Place; 2] {
        [Place::postgres(sql), Place::sqlite(sql)]
    }

    fn postgres(sql: &str) -> Place {
        let place = Place::Postgres(Postgres::shared().database());
        place.sql(sql);
        place
    }

    fn sqlite(sql: &str) -> Place {
        let place = Place::Sqlite(tempfile::tempdir().unwrap());
        place.sql(sql);
        place
    }

    /// What the database answers: values parted by `|`, rows by spaces.
    fn sql(&self, sql: &str) -> String {
        match self {
            Place::Postgres(database) => Postgres::shared().query(database, sql).replace('\n', " "),
            Place::Sqlite(folder) => in_sqlite(&folder.path().join("a.db"), sql),
        }
    }

    fn address(&self, parameters: &str) -> String {
        match self {
            Place::Postgres(database) => {
                format!("{}?{parameters}", Postgres::shared().url(database))
            }
            Place::Sqlite(folder) => {
                format!(
                    "sqlite:{}?{parameters}",
                    folder.path().join("a.db").display()
                )
            }
        }
    }

    /// A sink that keeps account and saves these columns.
    fn sink(&self, parameters: &str, columns: &str) -> Sink {
        self.sink_of(parameters, columns, None)
    }

    fn sink_of(&self, parameters: &str, columns: &str, key: Option<&str>) -> Sink {
        let settings = SinkSettings {
            columns: Columns::parse(columns).unwrap(),
            key: key.map(str::to_owned),
            ledger: Some(Ledger {
                job: "night".into(),
                epoch: 1,
                is_known: true,
            }),
            ..SinkSettings::default()
        };
        Sink::parse(&self.address(parameters), &settings).unwrap()
    }
}

fn in_sqlite(path: &Path, sql: &str) -> String {
    let database = rusqlite::Connection::open(path).unwrap();
    if !sql.starts_with("SELECT") {
        database.execute_batch(sql).unwrap();
        return String::new();
    }
    let mut select = database.prepare(sql).unwrap();
    let count = select.column_count();
    let mut rows = select.query(()).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let value = |at| match row.get::<_, rusqlite::types::Value>(at).unwrap() {
            rusqlite::types::Value::Null => String::new(),
            rusqlite::types::Value::Integer(integer) => integer.to_string(),
            rusqlite::types::Value::Real(real) => real.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(bytes) => format!("{bytes:?}"),
        };
        lines.push((0..count).map(value).collect::<Vec<_>>().join("|"));
    }
    lines.join(" ")
}

/// A result of an item with these fields.
fn result(index: u64, row: &str, text: &str) -> Record<Payload> {
    let read = Payload::of_row(index.into(), Row::json(row.to_owned()).unwrap());
    Record::new(index, read.becomes(text.to_owned()))
}

/// Results `r0`, `r1`, … of items whose ids are these.
fn results(ids: &[u64]) -> Vec<Record<Payload>> {
    let each = (0..).zip(ids);
    each.map(|(index, id)| result(index, &format!("{{\"id\":{id}}}"), &format!("r{index}")))
        .collect()
}

/// The faults of a bulk, by the places of its records.
fn faults(sink: &Sink, bulk: &[Record<Payload>]) -> Vec<(usize, String)> {
    let outcomes = wait(async { save(&mut connect(sink).await, bulk).await.unwrap() });
    let faults = outcomes
        .into_iter()
        .enumerate()
        .filter_map(|(at, outcome)| {
            let fault = outcome.err()?;
            assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
            Some((at, fault.to_string()))
        });
    faults.collect()
}

/// The items that the account of a sink calls saved.
fn noted(sink: &Sink) -> Vec<u64> {
    sink.ledger()
        .unwrap()
        .unwrap()
        .into_iter()
        .flatten()
        .collect()
}

const USERS: &str = "CREATE TABLE users(id integer PRIMARY KEY, name text NOT NULL, label text); \
                     INSERT INTO users VALUES (10, 'a', 'old'), (20, 'b', 'old'), (30, 'c', 'old')";
const ALL: &str = "SELECT id, name, label FROM users ORDER BY id";

#[test]
fn rows_that_are_there_are_updated_and_a_missing_one_is_named() {
    for place in Place::both(USERS) {
        let sink = place.sink("table=users&key=id", "id,label=.");
        sink.check().unwrap();
        let faults = faults(&sink, &results(&[20, 99, 10]));
        let [(1, fault)] = &faults[..] else {
            panic!("{faults:?}")
        };
        assert!(fault.contains("no row with id 99"), "{fault}");
        assert!(fault.contains("missing=insert"), "{fault}");
        assert_eq!(place.sql(ALL), "10|a|r2 20|b|r0 30|c|old");
        assert_eq!(noted(&sink), [0, 2], "only what was saved is noted");
    }
}

#[test]
fn a_key_need_not_be_typed_twice() {
    for place in Place::both(USERS) {
        // As `--key id` says it; the column is a field of the item where it is not named.
        let sink = place.sink_of("table=users", "label=.", Some("id"));
        sink.check().unwrap();
        assert_eq!(faults(&sink, &results(&[30])), []);
        assert_eq!(place.sql(ALL), "10|a|old 20|b|old 30|c|r0");
        let settings = SinkSettings {
            key: Some("id".into()),
            ..SinkSettings::default()
        };
        let other = Sink::parse(&place.address("table=users&key=name"), &settings);
        assert!(
            other
                .err()
                .unwrap()
                .to_string()
                .contains("is not the --key of the job")
        );
    }
}

#[test]
fn a_missing_row_is_inserted_or_passed_over_where_that_is_asked() {
    for place in Place::both(USERS) {
        let columns = "id,name=\"new\",label=.";
        let sink = place.sink("table=users&key=id&missing=insert", columns);
        sink.check().unwrap();
        for _ in 0..2 {
            assert_eq!(faults(&sink, &results(&[20, 40])), []);
        }
        assert_eq!(place.sql(ALL), "10|a|old 20|new|r0 30|c|old 40|new|r1");
        let sink = place.sink("table=users&key=id&missing=skip", columns);
        assert_eq!(faults(&sink, &results(&[50, 10])), []);
        let all = "10|new|r1 20|new|r0 30|c|old 40|new|r1";
        assert_eq!(place.sql(ALL), all);
        assert_eq!(noted(&sink), [0, 1]);
    }
}

#[test]
fn an_item_without_a_key_is_bad_and_so_is_a_second_one_with_the_same() {
    for place in Place::both(USERS) {
        let sink = place.sink("table=users&key=id", "id,label=.");
        let bulk = [result(0, r#"{"id":null}"#, "x"), result(1, "{}", "y")];
        let faults = faults(&sink, &bulk);
        assert!(faults[0].1.contains("key id is null"), "{faults:?}");
        assert!(faults[1].1.contains("column `id`"), "{faults:?}");
    }
    let place = Place::postgres(USERS);
    let sink = place.sink("table=users&key=id", "id,label=.");
    let bulk = [
        result(0, r#"{"id":"010"}"#, "first"),
        result(1, r#"{"id":20}"#, "b"),
        result(2, r#"{"id":10}"#, "second"),
        result(3, r#"{"id":99}"#, "none"),
    ];
    let faults = faults(&sink, &bulk);
    let [(2, twice), (3, none)] = &faults[..] else {
        panic!("{faults:?}")
    };
    assert!(
        twice.contains("id 10 is the key of an earlier item"),
        "{twice}"
    );
    assert!(none.contains("no row with id 99"), "{none}");
    assert_eq!(place.sql(ALL), "10|a|first 20|b|b 30|c|old");
}

#[test]
fn rows_that_a_trigger_drops_are_noticed() {
    let body = "IF new.id = 20 OR new.label IS NOT DISTINCT FROM old.label THEN RETURN NULL; END IF; RETURN new;";
    let postgres = Place::postgres(&format!(
        "{USERS}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$; \
         CREATE TRIGGER f BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f()"
    ));
    let sqlite = Place::sqlite(&format!(
        "{USERS}; CREATE TRIGGER f BEFORE UPDATE ON users WHEN new.id = 20 OR new.label IS old.label \
         BEGIN SELECT RAISE(IGNORE); END"
    ));
    for place in [postgres, sqlite] {
        let sink = place.sink("table=users&key=id", "id,label=.");
        // The second time, rows are there as they should be.
        for _ in 0..2 {
            let faults = faults(&sink, &results(&[10, 20, 30]));
            let [(1, fault)] = &faults[..] else {
                panic!("{faults:?}")
            };
            assert!(fault.contains("a trigger dropped it"), "{fault}");
        }
        assert_eq!(place.sql(ALL), "10|a|r0 20|b|old 30|c|r2");
        assert_eq!(noted(&sink), [0, 2]);
    }
}

#[test]
fn a_bad_row_of_many_is_the_only_one_that_is_not_updated() {
    for place in Place::both(
        "CREATE TABLE users(id integer PRIMARY KEY, label text CHECK (label <> 'r77')); \
         INSERT INTO users WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 299) SELECT n, NULL FROM n",
    ) {
        let sink = place.sink("table=users&key=id", "id=$index,label=.");
        let job = Job::new(0..300_u64).compute(|n: u64| Payload::read(format!("r{n}")));
        let summary = job.save_to(sink).run(&Options::default()).unwrap();
        assert_eq!((summary.saved, summary.dead), (299, 1));
        let wrong = "SELECT count(*), max(id) FROM users WHERE label IS NULL OR label <> 'r' || id";
        assert_eq!(place.sql(wrong), "1|77");
    }
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_saved() {
    let check = |place: &Place, parameters: &str, columns: &str, part: &str| {
        let fault = place.sink(parameters, columns).check().unwrap_err();
        assert!(fault.to_string().contains(part), "{fault}");
    };
    for place in Place::both(USERS) {
        let nothing = "nothing is saved";
        check(&place, "table=users&key=id", "id", nothing);
        check(
            &place,
            "table=users&key=id",
            "id,lable=.",
            "did you mean `label`?",
        );
        check(
            &place,
            "table=users&key=name",
            "name,label=.",
            "no unique key of its own",
        );
        check(&place, "table=user&key=id", "id,label=.", "does not exist");
        let wrong = |parameters: &str, part: &str| {
            let sink = Sink::parse(&place.address(parameters), &SinkSettings::default());
            let why = sink.err().unwrap();
            assert!(why.to_string().contains(part), "{why}");
        };
        wrong(
            "table=users&key=id&missing=ignore",
            "unknown missing `ignore`",
        );
        wrong("table=users&missing=skip", "add key=COLUMN");
        wrong("table=users&keys=id", "did you mean `key`");
    }
    let place = Place::postgres(USERS);
    let required = "name is NOT NULL without a default";
    check(
        &place,
        "table=users&key=id&missing=insert",
        "id,label=.",
        required,
    );
    let settings = SinkSettings {
        key: Some("id".into()),
        create: true,
        ..SinkSettings::default()
    };
    let why = Sink::parse(&place.address("table=new"), &settings)
        .err()
        .unwrap();
    assert!(why.to_string().contains("add missing=insert"), "{why}");
    let sink = Sink::parse(&place.address("table=new&missing=insert"), &settings).unwrap();
    sink.check().unwrap();
    assert_eq!(faults(&sink, &results(&[7])), []);
    assert_eq!(place.sql("SELECT * FROM new"), "7|r0");
}

#[test]
fn a_key_may_be_whatever_the_table_knows_its_rows_by() {
    let place = Place::postgres(
        "CREATE SCHEMA \"Old Shop\"; CREATE TABLE \"Old Shop\".\"User\"(\
         \"Order\" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"select\" text, \"E-Mail\" varchar(20) UNIQUE NOT NULL, \
         lower text GENERATED ALWAYS AS (lower(\"E-Mail\")) STORED UNIQUE, u uuid DEFAULT gen_random_uuid() UNIQUE); \
         INSERT INTO \"Old Shop\".\"User\"(\"E-Mail\") VALUES ('A@x.org'), ('b@x.org')",
    );
    let table = "table=\"Old Shop\".\"User\"";
    let all = "SELECT \"Order\", \"select\", \"E-Mail\" FROM \"Old Shop\".\"User\" ORDER BY 1";
    let row = r#"{"Order": 1, "E-Mail": "A@x.org", "lower": "b@x.org"}"#;
    for (key, expected) in [
        ("Order", "1|one|A@x.org 2||b@x.org"),
        ("E-Mail", "1|one|A@x.org 2||b@x.org"),
        ("lower", "1|one|A@x.org 2|one|b@x.org"),
    ] {
        let sink = place.sink_of(table, "select=.", Some(key));
        sink.check().unwrap();
        assert_eq!(faults(&sink, &[result(0, row, "one")]), [], "{key}");
        assert_eq!(place.sql(all), expected, "{key}");
    }
    let u = place.sql("SELECT upper(u::text) FROM \"Old Shop\".\"User\" WHERE \"Order\" = 1");
    let sink = place.sink_of(table, "select=.", Some("u"));
    let row = format!("{{\"u\":\"{u}\"}}");
    assert_eq!(faults(&sink, &[result(0, &row, "by u")]), []);
    // An identity that is always generated can be inserted, and is not changed.
    let insert = format!("{table}&missing=insert");
    let sink = place.sink_of(&insert, "E-Mail=\"c@x.org\",select=.", Some("Order"));
    sink.check().unwrap();
    assert_eq!(faults(&sink, &[result(0, r#"{"Order":9}"#, "new")]), []);
    assert_eq!(place.sql(all), "1|by u|A@x.org 2|one|b@x.org 9|new|c@x.org");
    let fixed = place.sink_of(table, "Order=9,select=.", Some("E-Mail"));
    let fault = fixed.check().unwrap_err().to_string();
    assert!(
        fault.contains("Order is an identity that nobody may change"),
        "{fault}"
    );
}

#[test]
fn tables_of_parts_and_row_security_are_no_obstacle() {
    let place = Place::postgres(
        "CREATE TABLE users(id int, label text, PRIMARY KEY (id)) PARTITION BY RANGE (id); \
         CREATE TABLE low PARTITION OF users FOR VALUES FROM (0) TO (15); CREATE TABLE high PARTITION OF users DEFAULT; \
         INSERT INTO users VALUES (10, 'old'), (20, 'old'), (30, 'hidden'); \
         DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN; GRANT SELECT, UPDATE (label) ON users TO clerk; \
         GRANT TEMP ON DATABASE postgres TO clerk; ALTER TABLE users ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY p ON users USING (label <> 'hidden')",
    );
    let address = place
        .address("table=users&key=id")
        .replace("postgres@", "clerk@");
    let settings = SinkSettings {
        columns: Columns::parse("id,label=.").unwrap(),
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&address, &settings).unwrap();
    sink.check().unwrap();
    let faults = faults(&sink, &results(&[10, 20, 30]));
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].1.contains("no row with id 30"), "{faults:?}");
    let all = place.sql("SELECT id, label FROM users ORDER BY id");
    assert_eq!(all, "10|r0 20|r1 30|hidden");
    place.sql("DROP OWNED BY clerk; DROP ROLE clerk");
}

/// A column of each of these types, with two values.
const KINDS: [(&str, &str, &str); 31] = [
    ("smallint", "-32768", "NULL"),
    ("integer", "2147483647", "0"),
    ("bigint", "-9223372036854775808", "9007199254740993"),
    (
        "numeric",
        "123456789012345678901234567890.0123456789",
        "'NaN'",
    ),
    ("numeric(12,4)", "1.5", "-0.0001"),
    ("real", "'1.1'", "'-Infinity'"),
    ("double precision", "0.1::float8 + 0.2", "'1e-300'"),
    ("boolean", "true", "false"),
    ("text", "E'a\\tb\\\\N\\n\"é\"'", "''"),
    ("varchar(10)", "'\\x41'", "'null'"),
    ("char(4)", "'ab'", "NULL"),
    ("bytea", "'\\x00ff5c0a'", "''"),
    ("date", "'2026-02-28'", "'infinity'"),
    ("time", "'23:59:59.999999'", "'00:00'"),
    ("timestamp", "'2026-11-24 12:00:00.123456'", "'-infinity'"),
    (
        "timestamptz",
        "'2026-11-24 12:00:00.5+09'",
        "'0044-03-15 BC'",
    ),
    ("interval", "'1 year 2 days 03:04:05.6'", "'-1 day'"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "NULL"),
    ("json", "'{\"b\" : 1, \"a\":[\"\\u00e9\"]}'", "'\"text\"'"),
    ("jsonb", "'{\"a\": {\"b\": [1, null, \"x\\\\y\"]}}'", "'7'"),
    ("jsonb[]", "ARRAY['[1]', '\"x\"', NULL]::jsonb[]", "'{}'"),
    (
        "text[]",
        "ARRAY['a,b', 'c\"d', 'NULL', NULL, '']",
        "'{{a,b},{c,d}}'",
    ),
    ("integer[]", "'{1,NULL,3}'", "'{{1},{2}}'"),
    ("bytea[]", "ARRAY['\\x00'::bytea, '\\xff']", "NULL"),
    (
        "timestamptz[]",
        "ARRAY['2026-11-24 12:00+00'::timestamptz]",
        "'{}'",
    ),
    ("mood", "'so so'", "'good'"),
    ("mood[]", "'{good,\"so so\"}'", "NULL"),
    ("positive", "7", "1"),
    ("inet", "'10.0.0.1/8'", "'::1'"),
    ("int4range", "'[1,5)'", "'empty'"),
    ("tsvector", "'a:1 b:2'", "NULL"),
];

#[test]
fn every_type_goes_through_and_comes_back_as_it_was() {
    let columns: Vec<String> = (0..)
        .zip(KINDS)
        .map(|(n, (kind, ..))| format!("c{n} {kind}"))
        .collect();
    let row = |id: u32, value: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let values: Vec<&str> = KINDS.iter().map(value).collect();
        format!("({id}, {})", values.join(", "))
    };
    let rows = [row(1, |kind| kind.1), row(2, |kind| kind.2)].join(", ");
    let place = Place::postgres(&format!(
        "CREATE TYPE mood AS ENUM ('good', 'so so'); CREATE DOMAIN positive AS int CHECK (value > 0); \
         CREATE TABLE a(id bigint PRIMARY KEY, {}); CREATE TABLE b(LIKE a INCLUDING ALL); \
         INSERT INTO a VALUES {rows}, (3{}); INSERT INTO b(id) SELECT id FROM a",
        columns.join(", "),
        ", NULL".repeat(KINDS.len())
    ));
    let mut items = Input::parse(&place.address("table=a&key=id"), None, None)
        .unwrap()
        .open()
        .unwrap();
    let mut read = Vec::new();
    items.read(10, &mut read).unwrap();
    let bulk: Vec<_> = (0..)
        .zip(read)
        .map(|(index, item)| Record::new(index, item.unwrap()))
        .collect();
    assert_eq!(bulk.len(), 3);
    let names: Vec<String> = (0..KINDS.len()).map(|n| format!("c{n}")).collect();
    let sink = place.sink("table=b&key=id", &names.join(","));
    sink.check().unwrap();
    assert_eq!(faults(&sink, &bulk), []);
    for (n, (kind, ..)) in KINDS.iter().enumerate() {
        let same = format!(
            "SELECT bool_and(a.c{n}::text IS NOT DISTINCT FROM b.c{n}::text) FROM a JOIN b USING (id)"
        );
        assert_eq!(place.sql(&same), "t", "{kind}");
    }
}

#[test]
fn vectors_and_lists_in_a_text_become_what_the_column_holds() {
    let place = Place::postgres(
        "CREATE TABLE t(id int PRIMARY KEY, list real[], kept jsonb, text text); INSERT INTO t VALUES (1), (2)",
    );
    let columns = "id,list=.embedding,kept=.embedding,text=.embedding";
    let sink = place.sink("table=t&key=id", columns);
    let one = result(0, r#"{"id":1}"#, r#"{"embedding":[0.5, -1e-3]}"#);
    // As a record of CSV holds a list.
    let two = result(1, r#"{"id":2}"#, r#"{"embedding":"[1, 2]"}"#);
    assert_eq!(faults(&sink, &[one, two]), []);
    let all = place.sql("SELECT * FROM t ORDER BY id");
    assert_eq!(
        all,
        r#"1|{0.5,-0.001}|[0.5, -0.001]|[0.5,-1e-3] 2|{1,2}|"[1, 2]"|[1, 2]"#
    );
}

#[test]
fn a_table_that_is_gone_ends_the_run_and_no_item_is_to_blame() {
    let place = Place::postgres(USERS);
    let sink = place.sink("table=users&key=id", "id=$index,label=.");
    sink.check().unwrap();
    place.sql("DROP TABLE users");
    let job = Job::new(0..100_u64).compute(|n: u64| Payload::read(n.to_string()));
    let summary = job.save_to(sink).run(&Options::default()).unwrap();
    let Ending::Halted(words) = &summary.ending else {
        panic!("{:?}", summary.ending)
    };
    assert!(words.contains("does not exist"), "{words}");
    assert_eq!((summary.dead, summary.left), (0, 100));
}

#[test]
fn a_connection_is_used_again_after_whatever_happened() {
    let place = Place::postgres(&format!(
        "{USERS}; ALTER TABLE users ADD CHECK (label <> 'bad')"
    ));
    let sink = place.sink("table=users&key=id", "id,label=.");
    wait(async {
        let mut connection = connect(&sink).await;
        let refused: Fault = save(&mut connection, &[result(0, r#"{"id":10}"#, "bad")])
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("check constraint"),
            "{refused}"
        );
        for round in 0..3 {
            let bulk = [
                result(0, r#"{"id":10}"#, &format!("a{round}")),
                result(1, r#"{"id":10}"#, "twice"),
                result(2, r#"{"id":11}"#, "none"),
            ];
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
            assert!(connection.is_open());
        }
    });
    assert_eq!(place.sql(ALL), "10|a|a2 20|b|old 30|c|old");
}
