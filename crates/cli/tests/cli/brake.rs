//! A brake: what is asked whether a run may go on, and what comes of the answer.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use inflight_testbed::{Postgres, Setup};

use crate::support::{Running, get, inflight, lab};

#[test]
fn nothing_is_sent_while_a_command_says_no() {
    let folder = tempfile::tempdir().unwrap();
    let hold = folder.path().join("hold");
    fs::write(&hold, "").unwrap();
    let (_lab, address) = lab("");
    let mut run = Running::start_in(
        folder.path(),
        &format!(
            "run 0..50 --save http://{address}/add --brake 'exec:test ! -e {}'",
            hold.display()
        ),
    );
    while run.told() != "brake: held, test says so" {}
    // Time enough to send all of them.
    sleep(Duration::from_millis(500));
    let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    assert_eq!(stats["received"], 0);
    fs::remove_file(&hold).unwrap();
    let outcome = run.end().expect(0);
    assert!(
        outcome.stderr.contains("brake: goes on after"),
        "{}",
        outcome.stderr
    );
    let said = "limited by the brake, which held for";
    assert!(outcome.stdout.contains(said), "{}", outcome.stdout);
    assert_eq!(outcome.counts(), "saved=50 dead=0 in_doubt=0 left=0");
}

#[test]
fn a_brake_that_cannot_be_asked_is_said_before_anything_is_sent() {
    let (_lab, address) = lab("");
    let check = |brake: &str, code: i32, said: &str| {
        let line = format!("run 0..3 --save http://{address}/add --no-journal --brake '{brake}'");
        let outcome = inflight(&line).expect(code);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    };
    check("exec:sh -c \"exit 3\"", 2, "sh ended with exit status: 3");
    check("exec:no-such-command", 2, "cannot run no-such-command");
    check("lag<5s", 2, "postgres://USER@HOST/DATABASE?lag<5s");
    check("postgres://me@localhost/x", 2, "add '?lag<5s'");
    check("postgres://me@localhost/x?lag<soon", 2, "no duration");
    let server = Postgres::shared();
    check(
        &format!("{}?lag<5s", server.url("postgres")),
        2,
        "is no replica",
    );
    let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    assert_eq!(stats["received"], 0);
    check(&format!("http://{address}/stats"), 0, "saved=3");
}

#[test]
fn a_replica_gets_no_further_behind_than_twice_the_bound() {
    let primary = Postgres::start();
    let table = "CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text, at timestamptz DEFAULT clock_timestamp())";
    primary.query("postgres", table);
    let replica = Postgres::start_with(Setup {
        settings: vec!["recovery_min_apply_delay = '3s'".to_owned()],
        replica_of: Some(primary.port()),
        ..Setup::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let mut run = Running::start_in(
        folder.path(),
        &format!(
            "run 0..400 --save '{}?table=t' --bulk 1 --rate 100/s --brake '{}?lag<2s'",
            primary.url("postgres"),
            replica.url("postgres")
        ),
    );
    let (begun, mut lag_max) = (Instant::now(), 0.0_f64);
    while !run.has_ended() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run does not end"
        );
        let last = replica.query("postgres", "SELECT COALESCE(max(at), '-infinity') FROM t");
        let lag = format!(
            "SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - min(at)), 0) FROM t WHERE at > '{last}'"
        );
        lag_max = lag_max.max(primary.query("postgres", &lag).parse().unwrap());
        sleep(Duration::from_millis(100));
    }
    let outcome = run.end().expect(0);
    assert!(outcome.stderr.contains(" s behind"), "{}", outcome.stderr);
    assert!(lag_max > 1.0 && lag_max < 4.0, "{lag_max} s behind");
    let pause = "SELECT max(gap) > interval '1s' FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM t) AS gaps";
    assert_eq!(primary.query("postgres", pause), "t", "{}", outcome.stderr);
    println!("at most {lag_max:.1} s behind; {}", outcome.stderr);
}
