//! Postgres as a sink, against a server of our own: rows by index, bad rows by themselves, one run at a time, TLS.

use inflight::{Connection, Ending, Fault, Job, Options, Record, Service, Verdict};
use inflight_connectors::{Columns, Kind, Ledger, Payload, Sink, SinkConnection, SinkSettings};
use inflight_testbed::{Postgres, Setup};

use crate::{connect, record, save, wait};

/// A database of the shared server, and a sink into its table `t`.
struct Place {
    server: &'static Postgres,
    database: String,
}

impl Place {
    /// With a table like this.
    fn with(table: &str) -> Place {
        let server = Postgres::shared();
        let place = Place {
            database: server.database(),
            server,
        };
        if !table.is_empty() {
            place.sql(table);
        }
        place
    }

    fn sql(&self, sql: &str) -> String {
        self.server.query(&self.database, sql)
    }

    fn address(&self, parameters: &str) -> String {
        format!("{}?{parameters}", self.server.url(&self.database))
    }

    fn sink(&self, settings: &SinkSettings) -> Sink {
        Sink::parse(&self.address("table=t"), settings).unwrap()
    }

    fn plain(&self) -> Sink {
        self.sink(&SinkSettings::default())
    }

    /// A sink that keeps account, of the run with this number.
    fn accounted(&self, epoch: u64) -> Sink {
        self.sink(&SinkSettings {
            ledger: Some(Ledger {
                job: "night".into(),
                epoch,
                is_known: true,
            }),
            ..SinkSettings::default()
        })
    }

    fn rows(&self) -> String {
        self.sql("SELECT * FROM t ORDER BY 1").replace('\n', " ")
    }
}

const PLAIN: &str = "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text)";

/// The items that the account of a sink calls saved.
fn noted(sink: &Sink) -> Vec<u64> {
    let ranges = sink.ledger().unwrap().unwrap();
    ranges.into_iter().flatten().collect()
}

/// The fault of a bulk that was refused as a whole.
async fn refused(connection: &mut SinkConnection, bulk: &[Record<Payload>]) -> Fault {
    save(connection, bulk).await.unwrap_err()
}

#[test]
fn results_become_rows_and_replace_themselves() {
    for ledger in [None, Some(())] {
        let place = Place::with(PLAIN);
        let sink = match ledger {
            None => place.plain(),
            Some(()) => place.accounted(1),
        };
        sink.check().unwrap();
        assert_eq!((sink.bulk_max(), sink.connections_max()), (8192, 4));
        assert!(sink.durable().unwrap().repeats_nothing());
        wait(async {
            let mut connection = connect(&sink).await;
            let bulk: Vec<_> = (0..3000).map(|n| record(n, n.to_string())).collect();
            assert_eq!(save(&mut connection, &bulk).await.unwrap().len(), 3000);
            for round in ["again", "and again", "at last"] {
                let again = [record(0, round), record(3000, "new")];
                save(&mut connection, &again).await.unwrap();
            }
            save(&mut connection, &[record(3001, "\\\t\n\"é")])
                .await
                .unwrap();
            assert!(connection.is_open());
        });
        let sum = "SELECT count(*), sum(\"index\"), count(*) FILTER (WHERE result = \"index\"::text) FROM t";
        assert_eq!(place.sql(sum), format!("3002|{}|2999", 3001 * 3002 / 2));
        let some = "SELECT result FROM t WHERE \"index\" IN (0, 3001) ORDER BY \"index\"";
        assert_eq!(place.sql(some), "at last\n\\\t\n\"é");
    }
}

#[test]
fn rows_of_a_table_of_parts_replace_themselves_too() {
    let place = Place::with(&format!(
        "{PLAIN} PARTITION BY RANGE (\"index\"); \
         CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (2) PARTITION BY RANGE (\"index\"); \
         CREATE TABLE lowest PARTITION OF low DEFAULT; CREATE TABLE high PARTITION OF t DEFAULT"
    ));
    let sink = place.plain();
    sink.check().unwrap();
    wait(async {
        for round in ["one", "two"] {
            // Anew, so that each tries COPY first.
            let mut connection = connect(&sink).await;
            let bulk = [record(1, round), record(2, round)];
            save(&mut connection, &bulk).await.unwrap();
        }
    });
    assert_eq!(place.rows(), "1|two 2|two");
}

#[test]
fn a_table_is_made_when_asked() {
    let place = Place::with("");
    let message = place.plain().check().unwrap_err().to_string();
    assert!(
        message.contains("does not exist; --create makes it"),
        "{message}"
    );
    let sink = place.sink(&SinkSettings {
        create: true,
        ..SinkSettings::default()
    });
    sink.check().unwrap();
    assert_eq!(
        place.sql("SELECT to_regclass('t') IS NULL"),
        "t",
        "a check leaves nothing behind"
    );
    wait(async {
        // Together, as slots open them.
        let (mut one, mut two) = futures(connect(&sink), connect(&sink)).await;
        save(&mut one, &[record(0, "a")]).await.unwrap();
        save(&mut two, &[record(1, "b")]).await.unwrap();
    });
    assert_eq!(place.rows(), "0|a 1|b");
}

/// Both at a time.
async fn futures<A, B>(one: impl Future<Output = A>, two: impl Future<Output = B>) -> (A, B) {
    tokio::join!(one, two)
}

#[test]
fn what_a_table_lacks_is_said() {
    let check = |table: &str, parameters: &str, part: &str| {
        let place = Place::with(table);
        let address = place.address(&format!("table=t{parameters}"));
        let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
        let fault = sink.check().unwrap_err();
        assert!(fault.to_string().contains(part), "{fault}");
        let job = Job::new(0..10).compute(|n: u64| Payload::read(n.to_string()));
        let summary = job.save_to(sink).run(&Options::default()).unwrap();
        let Ending::Halted(words) = &summary.ending else {
            panic!("{:?}", summary.ending)
        };
        assert!(words.contains(part), "{words}");
        assert_eq!((summary.dead, summary.left), (0, 10), "no item is to blame");
    };
    check(
        "CREATE TABLE t(id bigint PRIMARY KEY, result text)",
        "",
        "column index is missing: bigint, the primary key",
    );
    check(
        "CREATE TABLE t(\"index\" text PRIMARY KEY, result text, owner int NOT NULL)",
        "",
        "column owner is NOT NULL without a default, and nothing of a result goes there; column index is text, and not bigint",
    );
    check(
        "CREATE TABLE t(\"index\" bigint, result text)",
        "",
        "no unique key of its own",
    );
}

#[test]
fn a_bulk_with_a_bad_row_is_refused_as_a_whole() {
    let place = Place::with(
        "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result varchar(5) UNIQUE CHECK (result <> 'bad'))",
    );
    let sink = place.accounted(1);
    wait(async {
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "a")]).await.unwrap();
        let cases = [
            (
                "too long",
                "value too long for type character varying(5) (22001)",
            ),
            ("bad", "violates check constraint"),
            ("a", "Key (result)=(a) already exists."),
        ];
        for (result, part) in cases {
            let bulk = [record(1, "b"), record(2, result), record(3, "c")];
            let fault = refused(&mut connection, &bulk).await;
            assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
            assert!(fault.to_string().contains(part), "{fault}");
            assert!(!fault.reason().contains("too long"), "{}", fault.reason());
            assert!(connection.is_open());
        }
        // What no row can be made of is known before anything is sent.
        let bulk = [record(1, "b"), record(2, &b"\xff"[..]), record(3, "a\0b")];
        let outcomes = save(&mut connection, &bulk).await.unwrap();
        assert!(outcomes[0].is_ok());
        for outcome in &outcomes[1..] {
            assert_eq!(outcome.as_ref().unwrap_err().verdict(), Verdict::Permanent);
        }
        let none = save(&mut connection, &bulk[1..2]).await.unwrap();
        assert!(none[0].is_err());
    });
    assert_eq!(place.rows(), "0|a 1|b");
    assert_eq!(
        noted(&place.accounted(2)),
        [0, 1],
        "only what was saved is noted"
    );
}

/// A trigger that runs this before each row of `t` is written.
fn trigger(body: &str) -> String {
    format!(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN new; END$$; \
         CREATE TRIGGER f BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()"
    )
}

/// Saves 0 to 9 twice, once to insert and once to replace; the indexes that were refused each time.
fn refused_twice(place: &Place) -> [Vec<usize>; 2] {
    let sink = place.accounted(1);
    sink.check().unwrap();
    ["a", "b"].map(|round| {
        wait(async {
            let mut connection = connect(&sink).await;
            let bulk: Vec<_> = (0..10).map(|n| record(n, format!("{round}{n}"))).collect();
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            let refused = outcomes
                .iter()
                .enumerate()
                .filter(|(_, outcome)| outcome.is_err());
            let refused = refused.map(|(at, outcome)| {
                let fault = outcome.as_ref().unwrap_err();
                assert_eq!(fault.verdict(), Verdict::Permanent);
                assert!(
                    fault.to_string().contains("a trigger dropped it"),
                    "{fault}"
                );
                at
            });
            refused.collect()
        })
    })
}

#[test]
fn rows_that_a_trigger_drops_are_not_saved() {
    let check = |table: &str, body: &str, expected: [&[usize]; 2]| {
        let place = Place::with(&format!("{table}; {}", trigger(body)));
        assert_eq!(refused_twice(&place), expected, "{table} {body}");
        let dead: u64 = expected[1].iter().map(|at| 1 << at).sum();
        let right = "SELECT sum(1 << \"index\"::int) FROM t WHERE result LIKE '%' || \"index\"";
        let there: u64 = place.sql(right).parse().unwrap_or(0);
        if expected[0] == expected[1] {
            assert_eq!(there | dead, 1023, "what is not there is dead");
            let saved: u64 = noted(&place.accounted(2)).iter().map(|at| 1 << at).sum();
            assert_eq!(saved, there);
        }
    };
    let odd = "IF new.\"index\" % 2 = 1 THEN RETURN NULL; END IF;";
    check(PLAIN, odd, [&[1, 3, 5, 7, 9], &[1, 3, 5, 7, 9]]);
    let parts = format!(
        "{PLAIN} PARTITION BY RANGE (\"index\"); CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (4); \
         CREATE TABLE high PARTITION OF t DEFAULT"
    );
    check(&parts, odd, [&[1, 3, 5, 7, 9], &[1, 3, 5, 7, 9]]);
    let all: Vec<usize> = (0..10).collect();
    check(PLAIN, "RETURN NULL;", [&all, &all]);
    // A trigger that changes a row, and one that lets a row be that is as it should be, drop none.
    check(
        PLAIN,
        "new.result := new.result || new.\"index\";",
        [&[], &[]],
    );
    let unchanged =
        "IF TG_OP = 'UPDATE' AND old IS NOT DISTINCT FROM new THEN RETURN NULL; END IF;";
    check(
        PLAIN,
        &format!("new.result := 'r' || new.\"index\"; {unchanged}"),
        [&[], &all],
    );
    // The old value stands there, so that the new one is not saved.
    let first = "IF TG_OP = 'UPDATE' AND new.\"index\" > 7 THEN RETURN NULL; END IF;";
    check(PLAIN, first, [&[], &[8, 9]]);
    // Rows that a trigger writes elsewhere are there if they are seen in the table.
    let heirs = format!("{PLAIN}; CREATE TABLE heir(PRIMARY KEY(\"index\")) INHERITS (t)");
    let redirect = "INSERT INTO heir VALUES (new.*) ON CONFLICT (\"index\") DO UPDATE SET result = excluded.result; \
                    RETURN NULL;";
    let only_parent =
        "IF TG_TABLE_NAME = 't' THEN %; END IF;".replace('%', redirect.trim_end_matches(';'));
    check(&heirs, &only_parent, [&[], &[]]);
}

#[test]
fn row_security_is_obeyed() {
    let place = Place::with(&format!(
        "{PLAIN}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN; \
         CREATE POLICY p ON t USING (true) WITH CHECK (result <> 'bad'); GRANT ALL ON t TO limited"
    ));
    let address = place.address("table=t").replace("postgres@", "limited@");
    let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
    sink.check().unwrap();
    wait(async {
        let mut connection = connect(&sink).await;
        for round in ["a", "b"] {
            let bulk = [record(0, round), record(1, round)];
            save(&mut connection, &bulk).await.unwrap();
        }
        let fault = refused(&mut connection, &[record(2, "bad")]).await;
        assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
        assert!(
            fault.to_string().contains("row-level security policy"),
            "{fault}"
        );
    });
    assert_eq!(place.rows(), "0|b 1|b");
    place.sql("DROP OWNED BY limited; DROP ROLE limited");
}

#[test]
fn results_take_the_form_of_their_column() {
    let check = |kind: &str, result: &[u8], expected: Result<&str, &str>| {
        let place = Place::with(&format!(
            "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result {kind})"
        ));
        let sink = place.plain();
        let outcome =
            wait(async { save(&mut connect(&sink).await, &[record(0, result.to_vec())]).await });
        match expected {
            Ok(text) => {
                outcome.unwrap();
                assert_eq!(place.sql("SELECT result FROM t"), text, "{kind}");
            }
            Err(part) => {
                let fault = outcome.unwrap_err();
                assert!(fault.to_string().contains(part), "{kind}: {fault}");
            }
        }
    };
    check("bytea", b"\x00\xff", Ok("\\x00ff"));
    check("jsonb", b"{\"a\": [1]}", Ok("{\"a\": [1]}"));
    check("json", b"7", Ok("7"));
    check(
        "jsonb",
        b"nonsense",
        Err("invalid input syntax for type json"),
    );
    check("integer", b"7", Ok("7"));
    check("integer", b"x", Err("column result: \"x\""));
    check(
        "timestamptz",
        b"2026-11-24T12:00:00Z",
        Ok("2026-11-24 12:00:00+00"),
    );
    check("char(3)", b"ab", Ok("ab"));
    check("int[]", b"[1, null]", Ok("{1,NULL}"));
    check("int[]", b"{1,2}", Ok("{1,2}"));
}

#[test]
fn fields_go_into_columns() {
    let table = "CREATE TABLE t(\"index\" bigint PRIMARY KEY, name text NOT NULL, age int, more jsonb, \
                 made timestamptz DEFAULT now(), twice int GENERATED ALWAYS AS (age * 2) STORED)";
    let place = Place::with(table);
    let sink = place.plain();
    sink.check().unwrap();
    let lines = [
        r#"{"name":"a\tb","age":7,"more":{"b":[1, "x"]}}"#,
        r#"{"name":"c"}"#,
        r#"{"name":"d","extra":1}"#,
        "nonsense",
    ];
    wait(async {
        let mut connection = connect(&sink).await;
        let bulk: Vec<_> = (0..).zip(lines).map(|(n, line)| record(n, line)).collect();
        for _ in 0..2 {
            let outcomes = save(&mut connection, &bulk).await.unwrap();
            assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
            let words = outcomes[2].as_ref().unwrap_err().to_string();
            assert!(words.contains("field `extra`"), "{words}");
            let words = outcomes[3].as_ref().unwrap_err().to_string();
            assert!(words.contains("no JSON object"), "{words}");
        }
        let fault = refused(&mut connection, &[record(4, r#"{"age":1}"#)]).await;
        assert!(
            fault.to_string().contains("null value in column \"name\""),
            "{fault}"
        );
        assert!(fault.to_string().contains("column name"), "{fault}");
    });
    let rows = "SELECT \"index\", name, age, more, twice FROM t ORDER BY 1";
    assert_eq!(place.sql(rows), "0|a\tb|7|{\"b\": [1, \"x\"]}|14\n1|c|||");
    let settings = |columns: &str| SinkSettings {
        columns: Columns::parse(columns).unwrap(),
        ..SinkSettings::default()
    };
    let sink = place.sink(&settings("name=.name,made=.made"));
    sink.check().unwrap();
    let line = r#"{"name":"e","made":"2026-01-01","extra":true}"#;
    wait(async {
        save(&mut connect(&sink).await, &[record(0, line)])
            .await
            .unwrap()
    });
    let row = "SELECT name, age, made::date FROM t WHERE \"index\" = 0";
    assert_eq!(
        place.sql(row),
        "e|7|2026-01-01",
        "no other column is touched"
    );
    let refused = |columns: &str, part: &str| {
        let message = place
            .sink(&settings(columns))
            .check()
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{message}");
    };
    refused(
        "name=.name,mad=.made",
        "column mad is missing; did you mean `made`?",
    );
    refused("name=.name,twice=.age", "column twice is generated");
    refused("age=.age", "column name is NOT NULL without a default");
    let typed = place.address("table=t&columns=name,made");
    let message = Sink::parse(&typed, &SinkSettings::default()).err().unwrap();
    assert!(message.to_string().contains("--columns"), "{message}");
}

#[test]
fn columns_are_named_and_made() {
    let place = Place::with("");
    let settings = SinkSettings {
        columns: Columns::parse("index,two words=.a,order=.b,Big=.c,result").unwrap(),
        create: true,
        ..SinkSettings::default()
    };
    let sink = place.sink(&settings);
    sink.check().unwrap();
    let save_all = |sink: &Sink, lines: &[&str]| {
        wait(async {
            let bulk: Vec<_> = (0..)
                .zip(lines)
                .map(|(n, line)| record(n, line.to_string()))
                .collect();
            save(&mut connect(sink).await, &bulk).await.unwrap()
        })
    };
    let outcomes = save_all(&sink, &[r#"{"a":"x\ty","b":1.50,"c":null}"#, "no object"]);
    assert!(outcomes[0].is_ok() && outcomes[1].is_err());
    let all =
        "SELECT \"index\", \"two words\", \"order\", \"Big\" IS NULL, result::json->>'a' FROM t";
    assert_eq!(place.sql(all), "0|x\ty|1.50|t|x\ty");
    // A text stays a text in a column of JSON; a result there is JSON.
    place.sql("DROP TABLE t; CREATE TABLE t(\"index\" bigint PRIMARY KEY, \"order\" jsonb, result jsonb, ids int[])");
    let settings = SinkSettings {
        columns: Columns::parse("order=.a,ids=.b,result").unwrap(),
        ..SinkSettings::default()
    };
    let outcomes = save_all(&place.sink(&settings), &[r#"{"a":"12","b":[1,null]}"#]);
    assert!(outcomes[0].is_ok());
    let all = "SELECT \"order\", result->'a', ids FROM t";
    assert_eq!(place.sql(all), "\"12\"|\"12\"|{1,NULL}");
}

/// What a field of each kind becomes in a column of each type; all of it in one row, and read back by Postgres.
#[test]
fn every_type_takes_what_json_can_say_of_it() {
    let columns = [
        ("int[]", "[1,2,null]", "{1,2,NULL}"),
        ("int[]", "[[1,2],[3,4]]", "{{1,2},{3,4}}"),
        ("int[]", "\"{7}\"", "{7}"),
        (
            "text[]",
            r#"["a","b,c","d\"e\\","NULL",""," {x} "]"#,
            r#"{a,"b,c","d\"e\\","NULL",""," {x} "}"#,
        ),
        ("text[]", r#"[{"a":1}]"#, r#"{"{\"a\":1}"}"#),
        ("jsonb[]", r#"["a",[1],null]"#, r#"{"\"a\"",[1],NULL}"#),
        ("numeric[]", "[1.50]", "{1.50}"),
        ("boolean[]", "[true,false]", "{t,f}"),
        ("smallint", "-3", "-3"),
        (
            "numeric",
            "123456789012345678901234567890.5",
            "123456789012345678901234567890.5",
        ),
        ("double precision", "1e300", "1e+300"),
        ("boolean", "true", "t"),
        ("text", "12", "12"),
        ("text", "[1]", "[1]"),
        ("jsonb", "\"a\"", "\"a\""),
        ("jsonb", "{\"b\": 1}", "{\"b\": 1}"),
        ("json_domain", "[\"a\"]", "[\"a\"]"),
        ("ints", "[5]", "{5}"),
        (
            "timestamptz",
            "\"2026-11-30T12:00:00+02:00\"",
            "2026-11-30 10:00:00+00",
        ),
        ("date", "\"2026-11-30\"", "2026-11-30"),
        ("interval", "\"1 day\"", "1 day"),
        (
            "uuid",
            "\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("bytea", r#""\\x00ff""#, "\\x00ff"),
        ("inet", "\"10.0.0.1\"", "10.0.0.1/32"),
        ("point", "\"(1,2)\"", "(1,2)"),
        ("int4range", "\"[1,5)\"", "[1,5)"),
        ("mood", "\"so so\"", "so so"),
        ("mood[]", "[\"so so\"]", "{\"so so\"}"),
        ("pair", "\"(1,a)\"", "(1,a)"),
    ];
    let defined = |at: usize, kind: &str| format!("\"Order {at}\" {kind}");
    let all: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, (kind, ..))| defined(at, kind))
        .collect();
    let place = Place::with(&format!(
        "CREATE TYPE mood AS ENUM ('so so'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN json_domain AS jsonb; \
         CREATE DOMAIN ints AS int[]; CREATE TABLE t(\"index\" bigint PRIMARY KEY, {}, \
         \"select\" int GENERATED BY DEFAULT AS IDENTITY, twice bigint GENERATED ALWAYS AS (\"index\" * 2) STORED)",
        all.join(", ")
    ));
    let fields = columns.iter().enumerate();
    let fields: Vec<String> = fields
        .map(|(at, (_, json, _))| format!("\"Order {at}\":{json}"))
        .collect();
    let sink = place.plain();
    sink.check().unwrap();
    let line = format!("{{{}}}", fields.join(","));
    wait(async {
        let mut connection = connect(&sink).await;
        for _ in 0..2 {
            save(&mut connection, &[record(0, line.clone())])
                .await
                .unwrap();
        }
    });
    for (at, (kind, json, expected)) in columns.iter().enumerate() {
        let value = place.sql(&format!("SELECT \"Order {at}\"::text FROM t"));
        let expected = if *kind == "boolean" { "true" } else { expected };
        assert_eq!(value, expected, "{kind} of {json}");
    }
}

#[test]
fn a_field_whose_column_is_not_for_it_is_told_why() {
    let place = Place::with(
        "CREATE TABLE t(\"index\" bigint PRIMARY KEY, a int, made date DEFAULT now(), \
         c int GENERATED ALWAYS AS (a * 2) STORED)",
    );
    let cases = [
        (r#"{"index":7,"a":1}"#, "the number of the item"),
        (r#"{"a":2,"c":4}"#, "the database generates"),
        (r#"{"a":2,"made":"2026-01-01"}"#, "it has a default"),
        (r#"{"a":2,"b":4}"#, "has no column; add one"),
    ];
    wait(async {
        let mut connection = connect(&place.plain()).await;
        for (line, part) in cases {
            let outcomes = save(&mut connection, &[record(0, line)]).await.unwrap();
            let words = outcomes[0].as_ref().unwrap_err().to_string();
            assert!(words.contains(part), "{line}: {words}");
        }
    });
}

#[test]
fn what_is_saved_and_the_account_of_it_come_about_together() {
    let place =
        Place::with("CREATE SCHEMA s; CREATE TABLE s.t(\"index\" bigint PRIMARY KEY, result text)");
    let accounted = |epoch| {
        let settings = SinkSettings {
            ledger: Some(Ledger {
                job: "night".into(),
                epoch,
                is_known: true,
            }),
            ..SinkSettings::default()
        };
        Sink::parse(&place.address("table=s.t"), &settings).unwrap()
    };
    let first = accounted(1);
    first.check().unwrap();
    assert_eq!(
        place.sql("SELECT to_regclass('s.inflight_runs') IS NULL"),
        "t"
    );
    assert_eq!(first.kind(), Kind::Transactional);
    assert_eq!(first.ledger().unwrap(), Some(vec![]));
    wait(async {
        let mut connection = connect(&first).await;
        let bulk = [record(1, "b"), record(0, "a"), record(7, "h")];
        save(&mut connection, &bulk).await.unwrap();
        save(&mut connection, &[record(8, "i")]).await.unwrap();
    });
    let second = accounted(2);
    for _ in 0..2 {
        assert_eq!(second.ledger().unwrap(), Some(vec![0..2, 7..9]));
    }
    let progress = "SELECT job, epoch, items FROM s.inflight_progress";
    assert_eq!(place.sql(progress), "night|2|0-1,7-8", "one row is left");
    second.forget().unwrap();
    assert_eq!(second.ledger().unwrap(), Some(vec![]));
    assert_eq!(place.sql("SELECT count(*) FROM s.t"), "4", "results stay");
    place.sql("INSERT INTO s.inflight_progress VALUES ('night', 1, '0-9,x')");
    let message = second.ledger().unwrap_err().to_string();
    assert!(
        message.contains("holds `0-9,x`, which is no list of items"),
        "{message}"
    );
}

#[test]
fn a_run_that_was_taken_over_saves_nothing_more() {
    let place = Place::with(PLAIN);
    let old = place.accounted(1);
    wait(async {
        // Nobody asked for the ledger: the first connection takes over.
        let mut connection = connect(&old).await;
        save(&mut connection, &[record(0, "old")]).await.unwrap();
        // A journal that was lost counts from 1 again, and takes over all the same.
        let new = place.accounted(1);
        assert_eq!(noted(&new), [0]);
        let stale = [record(0, "stale"), record(1, "stale")];
        let superseded = |fault: Fault| {
            assert!(
                fault.to_string().contains("number 2, has taken over"),
                "{fault}"
            );
        };
        superseded(refused(&mut connection, &stale).await);
        // Nor can it by connecting anew.
        let mut connection = connect(&old).await;
        superseded(refused(&mut connection, &stale).await);
        save(&mut connect(&new).await, &[record(1, "new")])
            .await
            .unwrap();
    });
    assert_eq!(place.rows(), "0|old 1|new");
}

#[test]
fn whoever_takes_over_waits_for_what_has_begun() {
    let place = Place::with(PLAIN);
    let old = place.accounted(1);
    old.ledger().unwrap();
    // As a run that has looked who is the latest and not committed yet.
    let mut holding = place.server.psql_command(&place.database);
    let sql = "BEGIN; SELECT epoch FROM inflight_runs WHERE job = 'night' FOR SHARE; SELECT pg_sleep(0.5); \
               INSERT INTO inflight_progress VALUES ('night', 1, '5'); COMMIT";
    let mut holding = holding
        .args(["-c", sql])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let locks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%' AND pid <> pg_backend_pid()";
    while place.sql(locks) == "0" {}
    assert_eq!(noted(&place.accounted(2)), [5]);
    assert!(holding.wait().unwrap().success());
}

#[test]
fn an_account_stays_short() {
    let place = Place::with(PLAIN);
    let sink = place.accounted(1);
    wait(async {
        let mut connection = connect(&sink).await;
        for item in 0..4200 {
            save(&mut connection, &[record(item * 2, "x")])
                .await
                .unwrap();
        }
    });
    let rows: u64 = place
        .sql("SELECT count(*) FROM inflight_progress")
        .parse()
        .unwrap();
    assert!(rows < 200, "{rows}");
    assert_eq!(sink.ledger().unwrap().unwrap().len(), 4200);
}

#[test]
fn a_row_that_somebody_else_is_at_is_waited_for_and_a_lock_is_transient() {
    let place = Place::with(PLAIN);
    let sink = place.plain();
    wait(async {
        let mut connection = connect(&sink).await;
        place.sql(&format!(
            "ALTER DATABASE {} SET lock_timeout = '100ms'",
            place.database
        ));
        let mut impatient = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        let mut holding = place.server.psql_command(&place.database);
        let sql = "BEGIN; LOCK TABLE t; SELECT pg_sleep(30)";
        let mut holding = holding.args(["-c", sql]).spawn().unwrap();
        let locked = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock'";
        while place.sql(locked) == "0" {}
        let fault = refused(&mut impatient, &[record(1, "x")]).await;
        assert_eq!(fault.verdict(), Verdict::Transient, "{fault}");
        assert!(fault.to_string().contains("55P03"), "{fault}");
        holding.kill().unwrap();
        holding.wait().unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' \
                   AND pid <> pg_backend_pid()";
        place.sql(end);
        while place.sql(locked) != "0" {}
        // COPY had not begun: the client counts answers wrongly from then on, and is not used again.
        assert!(!impatient.is_open());
        save(&mut connect(&sink).await, &[record(1, "x")])
            .await
            .unwrap();
    });
    assert_eq!(place.rows(), "0|x 1|x");
}

#[test]
fn a_connection_whose_answers_are_out_of_step_is_not_used_again() {
    let place = Place::with(
        "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result int); CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''closed today''; END'; \
         CREATE TRIGGER shut BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION shut()",
    );
    let sink = place.accounted(1);
    wait(async {
        let mut connection = connect(&sink).await;
        // Refused when COPY had begun and no row was read: the server says twice that it is ready for more.
        let fault = refused(&mut connection, &[record(0, "7")]).await;
        assert!(
            fault.to_string().contains("closed today (P0001)"),
            "{fault}"
        );
        assert_eq!(fault.verdict(), Verdict::Permanent);
        assert!(!connection.is_open());
        place.sql("DROP TRIGGER shut ON t");
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "7")]).await.unwrap();
    });
    assert_eq!(place.rows(), "0|7");
    assert_eq!(noted(&sink), [0]);
}

#[test]
fn a_statement_that_nobody_waits_for_is_cancelled() {
    let place = Place::with(PLAIN);
    let sink = place.plain();
    wait(async {
        let mut connection = connect(&sink).await;
        let mut holding = place.server.psql_command(&place.database);
        let sql = "BEGIN; LOCK TABLE t; SELECT pg_sleep(30)";
        let mut holding = holding.args(["-c", sql]).spawn().unwrap();
        let waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass";
        while place.sql(waits) == "0" {}
        let bulk = [record(0, "late")];
        let patience = std::time::Duration::from_millis(200);
        let saved = tokio::time::timeout(patience, save(&mut connection, &bulk)).await;
        assert!(saved.is_err(), "it waits for the lock");
        assert_eq!(place.sql(waits), "2");
        drop(connection);
        // The cancellation needs this runtime to go on.
        while place.sql(waits) != "1" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        holding.kill().unwrap();
        holding.wait().unwrap();
    });
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> \
               pg_backend_pid()";
    place.sql(end);
    while place.sql("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass") != "0" {}
    assert_eq!(place.rows(), "", "what came too late is not saved");
}

#[test]
fn a_connection_that_the_server_ends_is_closed() {
    let place = Place::with(PLAIN);
    let sink = place.plain();
    wait(async {
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'inflight' AND \
                   datname = current_database()";
        assert_eq!(place.sql(end), "1");
        while connection.is_open() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let fault = refused(&mut connection, &[record(1, "x")]).await;
        assert_eq!(fault.verdict(), Verdict::Transient, "{fault}");
        assert!(!connection.is_open());
    });
    assert_eq!(place.rows(), "0|x");
}

/// What becomes of a job after this was done to the database of its table.
fn halted_by(change: &str, part: &str) {
    let place = Place::with(PLAIN);
    let sink = place.plain();
    sink.check().unwrap();
    let job = Job::new(0..1000).compute(move |n: u64| Payload::read(n.to_string()));
    place.sql(change);
    let summary = job.save_to(sink).run(&Options::default()).unwrap();
    let Ending::Halted(words) = &summary.ending else {
        panic!("{change}: {:?}", summary.ending)
    };
    assert!(words.contains(part), "{change}: {words}");
    assert_eq!((summary.dead, summary.left), (0, 1000), "{change}");
}

#[test]
fn what_cannot_heal_ends_the_run_and_no_item_is_to_blame() {
    halted_by("DROP TABLE t", "table t does not exist");
    halted_by(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM * FROM nothing_there; RETURN new; END$$; \
         CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "make the table as it was",
    );
    let place = Place::with(PLAIN);
    let nobody = place
        .address("table=t")
        .replace("postgres@", "nobody_like_this@");
    let sink = Sink::parse(&nobody, &SinkSettings::default()).unwrap();
    let job = Job::new(0..10).compute(|n: u64| Payload::read(n.to_string()));
    let summary = job.save_to(sink).run(&Options::default()).unwrap();
    assert!(matches!(&summary.ending, Ending::Halted(words) if words.contains("check the user")));
}

#[test]
fn a_code_of_a_functions_own_is_about_the_row() {
    let body = "IF new.\"index\" IN (3, 250) THEN RAISE EXCEPTION USING ERRCODE = 'MY001', MESSAGE = 'rule'; END IF;";
    let place = Place::with(&format!("{PLAIN}; {}", trigger(body)));
    let job = Job::new(0..500).compute(|n: u64| Payload::read(n.to_string()));
    let summary = job.save_to(place.plain()).run(&Options::default()).unwrap();
    assert_eq!((summary.saved, summary.dead), (498, 2));
}

#[test]
fn two_rows_that_fail_again_and_again_are_no_outage() {
    // With a code that passes in other cases: the server has answered, so that it is not away.
    let body = "IF new.\"index\" IN (3, 250) THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'not yet'; END IF;";
    let place = Place::with(&format!("{PLAIN}; {}", trigger(body)));
    let job = Job::new(0..500).compute(|n: u64| Payload::read(n.to_string()));
    let begun = std::time::Instant::now();
    let summary = job.save_to(place.plain()).run(&Options::default()).unwrap();
    assert_eq!((summary.saved, summary.dead), (498, 2));
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn connections_that_cannot_be_had_are_done_without() {
    let place = Place::with(&format!(
        "{PLAIN}; DROP ROLE IF EXISTS narrow; CREATE ROLE narrow LOGIN CONNECTION LIMIT 2; GRANT ALL ON t TO narrow"
    ));
    let address = place.address("table=t").replace("postgres@", "narrow@");
    let sink = || Sink::parse(&address, &SinkSettings::default()).unwrap();
    wait(async {
        let sink = sink();
        let _two = (connect(&sink).await, connect(&sink).await);
        let fault = sink.connect().await.err().unwrap();
        assert_eq!(fault.verdict(), Verdict::Unreached);
        assert_eq!(fault.reason(), "no further connection", "{fault}");
    });
    let job = Job::new(0..20_000).compute(|n: u64| Payload::read(n.to_string()));
    let options = Options::default();
    let summary = job.save_to(sink()).run(&options).unwrap();
    assert_eq!((summary.saved, summary.dead), (20_000, 0));
    place.sql("DROP OWNED BY narrow; DROP ROLE narrow");
}

#[test]
fn a_server_that_is_away_is_unreached() {
    let sink = Sink::parse(
        "postgres://me@127.0.0.1:1/d?table=t",
        &SinkSettings::default(),
    )
    .unwrap();
    let fault = sink.check().unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Unreached);
    assert!(
        fault
            .to_string()
            .contains("cannot connect to postgres://127.0.0.1:1/d: "),
        "{fault}"
    );
    assert_eq!(
        wait(sink.connect()).err().unwrap().verdict(),
        Verdict::Unreached
    );
}

#[test]
fn passwords_come_from_elsewhere_and_are_never_shown() {
    let server = Postgres::start_with(Setup {
        password: Some("s3cr3t-canary".into()),
        ..Setup::default()
    });
    server.query("postgres", PLAIN);
    let check = |password: &str, expected: Result<(), &str>| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, password).unwrap();
        let place = file.path().display();
        let address = format!("{}?table=t&password=file:{place}", server.url("postgres"));
        let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
        match (sink.check().map_err(|fault| fault.to_string()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(message), Err(part)) => {
                assert!(message.contains(part), "{message}");
                assert!(!message.contains("canary"), "{message}");
            }
            (got, _) => panic!("{got:?}"),
        }
        assert!(!sink.to_string().contains("canary"));
    };
    check("s3cr3t-canary\n", Ok(()));
    check("other-canary", Err("password authentication failed"));
    let typed = "postgres://me:s3cr3t-canary@h/d?table=t";
    let message = Sink::parse(typed, &SinkSettings::default()).err().unwrap();
    assert!(
        message.to_string().contains("env:NAME") && !message.to_string().contains("canary"),
        "{message}"
    );
}

#[test]
fn tls_is_verified_as_far_as_is_asked() {
    let made = rcgen::generate_simple_self_signed(vec!["db.example".into()]).unwrap();
    let local = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = |name: &str, pem: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let (other, own) = (
        ca_file("other", local.cert.pem()),
        ca_file("own", made.cert.pem()),
    );
    let start = |certificate: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let certificate = (
            certificate.cert.pem(),
            certificate.signing_key.serialize_pem(),
        );
        let server = Postgres::start_with(Setup {
            certificate: Some(certificate),
            ..Setup::default()
        });
        server.query("postgres", PLAIN);
        server
    };
    let server = start(&made);
    let check = |server: &Postgres, parameters: &str, expected: Result<(), &str>| {
        let address = format!(
            "postgres://postgres@localhost:{}/postgres?table=t{parameters}",
            server.port()
        );
        let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
        match (sink.check().map_err(|fault| fault.to_string()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(message), Err(part)) => assert!(message.contains(part), "{parameters}: {message}"),
            (got, _) => panic!("{parameters}: {got:?}"),
        }
    };
    check(&server, "", Ok(()));
    check(&server, "&sslmode=require", Err("invalid peer certificate"));
    check(
        &server,
        &format!("&sslmode=require&sslrootcert={other}"),
        Err("invalid peer certificate"),
    );
    check(
        &server,
        &format!("&sslmode=require&sslrootcert={own}"),
        Ok(()),
    );
    check(
        &server,
        &format!("&sslmode=verify-full&sslrootcert={own}"),
        Err("not valid for name"),
    );
    let server = start(&local);
    let full = format!("&sslmode=verify-full&sslrootcert={other}");
    check(&server, &full, Ok(()));
    let address = format!(
        "postgres://postgres@localhost:{}/postgres?table=t{full}",
        server.port()
    );
    let sink = Sink::parse(&address, &SinkSettings::default()).unwrap();
    wait(async {
        save(&mut connect(&sink).await, &[record(0, "x")])
            .await
            .unwrap()
    });
    assert_eq!(server.query("postgres", "SELECT count(*) FROM t"), "1");
    // A server that offers none is not talked to in the open.
    let plain = Postgres::shared();
    check(plain, &full, Err("does not support TLS"));
}
