//! Postgres behind a pooler that gives each transaction another process of the server: nothing of a session is relied on.

use inflight::{Connection, Source};
use inflight_connectors::{Input, Ledger, Payload, Sink, SinkSettings};
use inflight_testbed::{Pooler, Postgres};

use crate::{connect, record, save, wait};

const SESSIONS: &str = "SELECT count(*) FROM pg_prepared_statements";

#[test]
fn rows_go_to_their_own_table_though_processes_change_under_them() {
    let server = Postgres::shared();
    let database = server.database();
    server.query(
        &database,
        "CREATE TABLE a(\"index\" bigint PRIMARY KEY, result text); CREATE TABLE b(LIKE a INCLUDING ALL)",
    );
    let pooler = Pooler::start(server, 2);
    let sink = |table: &str| {
        let settings = SinkSettings {
            ledger: Some(Ledger {
                job: table.into(),
                epoch: 1,
                is_known: true,
            }),
            ..SinkSettings::default()
        };
        let address = format!("{}?table={table}", pooler.url(&database));
        Sink::parse(&address, &settings).unwrap()
    };
    let (a, b) = (sink("a"), sink("b"));
    a.check().unwrap();
    b.check().unwrap();
    wait(async {
        // More connections than processes, so that each meets those of others.
        let mut connections = Vec::new();
        for _ in 0..4 {
            connections.push(("a", connect(&a).await));
            connections.push(("b", connect(&b).await));
        }
        for round in 0..10 {
            let saves = connections
                .iter_mut()
                .zip(0..)
                .map(async |((table, connection), n)| {
                    // Each second bulk replaces what is there.
                    let index = n + 8 * (round / 2);
                    let bulk = [
                        record(index, format!("{table}{round}")),
                        record(1000 + index, *table),
                    ];
                    save(connection, &bulk).await.unwrap();
                });
            futures_util::future::join_all(saves).await;
        }
        assert!(
            connections
                .iter_mut()
                .all(|(_, connection)| connection.is_open())
        );
    });
    for (table, other) in [("a", "b"), ("b", "a")] {
        let right =
            format!("SELECT count(*), count(*) FILTER (WHERE result LIKE '{other}%') FROM {table}");
        assert_eq!(server.query(&database, &right), "40|0", "{table}");
    }
    assert_eq!(
        a.ledger().unwrap().unwrap().into_iter().flatten().count(),
        40
    );
    // What was prepared is forgotten by the processes, which others use after us.
    let address = pooler.url(&database);
    for _ in 0..4 {
        let left = std::process::Command::new("psql")
            .args(["-X", "-At", &address, "-c", SESSIONS])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), "0");
    }
}

#[test]
fn rows_are_read_through_a_pooler() {
    let server = Postgres::shared();
    let database = server.database();
    server.query(
        &database,
        "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE t AS SELECT n AS id, 'good'::mood AS mood, \
         repeat('x', 100) AS x FROM generate_series(1, 30000) AS n",
    );
    let pooler = Pooler::start(server, 1);
    for parameters in ["table=t&key=id", "query=SELECT id, mood FROM t&key=id"] {
        let address = format!("{}?{parameters}", pooler.url(&database));
        let mut items = Input::parse(&address, None, Some("id".into()))
            .unwrap()
            .open()
            .unwrap();
        items.resume(None, None).unwrap();
        let mut read: Vec<Result<Payload, _>> = Vec::new();
        while {
            let before = read.len();
            items.read(5000, &mut read).unwrap();
            read.len() > before
        } {}
        assert_eq!(read.len(), 30_000, "{parameters}");
    }
}
