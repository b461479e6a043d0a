//! `kill -9` at random moments of real runs, resumed until they are done: what is saved then, and how often.
//!
//! The seed of a failure is printed; `INFLIGHT_SEED=N cargo test -p inflight-cli crash` tries that one again, and
//! `INFLIGHT_KILLS=2000` asks for more.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use inflight_testbed::Postgres;

use crate::support::{Running, get, inflight_in, lab};

/// Kills in an ordinary run of the tests.
const KILLS: u64 = 100;

/// What a run into a plain service prints that a crash may repeat: in flight at most, and ahead of the journal.
const REPEATS_MAX: u64 = 1000 + 1024;

/// Items of one job: enough for several kills at the pace below.
const ITEMS: u64 = 400;

/// One job after the other, until there were enough kills.
fn each_job(name: &str, share: f64, job: impl Fn(&mut Crashing)) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let kills = (number("INFLIGHT_KILLS").unwrap_or(KILLS) as f64 * share).ceil() as u64;
    let only = number("INFLIGHT_SEED");
    let mut seed = only.unwrap_or(1);
    let (mut killed, begun) = (0, Instant::now());
    while killed < kills {
        let mut crashing = Crashing::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut crashing)));
        if let Err(panic) = outcome {
            let again = format!("again: INFLIGHT_SEED={seed} cargo test -p inflight-cli {name}");
            panic!("{again}\n{:?}", panic.downcast_ref::<String>());
        }
        killed += crashing.kills;
        seed += 1;
        if only.is_some() {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(3600),
            "kills hit nothing"
        );
    }
}

/// A job that is killed again and again.
struct Crashing {
    random: fastrand::Rng,
    folder: tempfile::TempDir,
    kills: u64,
    /// What the runs have printed of what a crash may repeat, added up.
    bound: u64,
}

impl Crashing {
    fn new(seed: u64) -> Crashing {
        Crashing {
            random: fastrand::Rng::with_seed(seed),
            folder: tempfile::tempdir().unwrap(),
            kills: 0,
            bound: 0,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn strategy(&mut self) -> &'static str {
        let strategies = [
            "sequential -c 1",
            "batched -b 50",
            "async",
            "parallel",
            "parallel -c 7",
        ];
        strategies[self.random.usize(..strategies.len())]
    }

    /// Kills the run at random moments until one of them has ended by itself.
    fn run(&mut self, line: &str) {
        self.run_prepared(line, |_| true);
    }

    /// The same, where something is done before each run. Says whether all items are there for it; one that ends without all of
    /// them is not the last.
    fn run_prepared(&mut self, line: &str, mut prepare: impl FnMut(&mut Crashing) -> bool) {
        // In a place of its own: at the usual one a job that was done when it was killed would begin anew.
        let line = format!("{line} --journal {}", self.path("journal"));
        for attempt in 0..200 {
            let is_whole = prepare(self);
            let run = Running::start_in(self.folder.path(), &line);
            // Later and later: on a machine that is busy, a run may take as long only to begin.
            sleep(Duration::from_millis(
                self.random.u64(15..250 + 10 * attempt),
            ));
            match run.kill_unless_ended() {
                None => self.kills += 1,
                Some(outcome) => {
                    let outcome = outcome.expect(0);
                    if !is_whole {
                        continue;
                    }
                    let last = format!("saved={ITEMS} dead=0 in_doubt=");
                    assert!(outcome.last_line().starts_with(&last), "{}", outcome.stderr);
                    return;
                }
            }
            self.bound += REPEATS_MAX;
        }
        panic!("the job does not get on: {line}");
    }
}

#[test]
fn what_is_printed_as_the_bound_of_repeats_is_what_the_crashes_are_held_to() {
    let folder = tempfile::tempdir().unwrap();
    let (_lab, address) = lab("");
    let outcome = inflight_in(
        folder.path(),
        &format!("run 0..3 --save http://{address}/add"),
        "",
    )
    .expect(0);
    let said = format!("append: at least once; at most {REPEATS_MAX} may repeat after a crash");
    assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
}

#[test]
fn a_service_gets_every_item_and_repeats_are_bounded() {
    each_job("a_service_gets_every_item", 0.4, |crashing| {
        let knows_keys = crashing.random.bool();
        let more = if knows_keys { "--idempotent" } else { "" };
        let seed = crashing.random.u16(1..);
        let (_lab, address) = lab(&format!(
            "--latency 10ms --after-apply 2% --fail 2% --seed {seed} {more}"
        ));
        let strategy = crashing.strategy();
        crashing.run(&format!("run 0..{ITEMS} --compute sleep:2ms -j 2 --save http://{address}/add --strategy {strategy}"));
        let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
        let (saved, distinct) = (
            stats["saved"].as_u64().unwrap(),
            stats["distinct"].as_u64().unwrap(),
        );
        assert_eq!(distinct, ITEMS, "every item, and nothing that was none");
        if knows_keys {
            assert_eq!(
                saved, ITEMS,
                "the key of an item never changes, whatever happens"
            );
        }
        // What the lab itself cut off after it was stored comes again in any case; of that there are some percent.
        assert!(
            saved - distinct <= crashing.bound + ITEMS / 5,
            "{saved} saves of {distinct} items"
        );
    });
}

#[test]
fn a_database_holds_every_item_once() {
    each_job("a_database_holds_every_item", 0.3, |crashing| {
        let (database, strategy) = (crashing.path("out.db"), crashing.strategy());
        crashing.run(&format!(
            "run 0..{ITEMS} --compute sleep:2ms -j 2 --save sqlite:{database} --strategy {strategy}"
        ));
        let connection = rusqlite::Connection::open(&database).unwrap();
        let count = |what: &str| -> i64 {
            let query = format!("select {what} from results");
            connection.query_row(&query, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(
            (count("count(*)"), count("count(distinct result)")),
            (ITEMS as i64, ITEMS as i64)
        );
        assert_eq!(
            count("count(*) filter (where result = \"index\")"),
            ITEMS as i64
        );
    });
}

#[test]
fn a_table_in_postgres_holds_every_item_once() {
    let server = Postgres::shared();
    each_job("a_table_in_postgres", 0.3, |crashing| {
        let (database, strategy) = (server.database(), crashing.strategy());
        let address = format!("{}?table=t", server.url(&database));
        crashing.run(&format!(
            "run 0..{ITEMS} --compute sleep:2ms -j 2 --save {address} --create --strategy {strategy}"
        ));
        let exact = format!(
            "SELECT count(*) = {ITEMS} AND count(DISTINCT result) = {ITEMS} AND bool_and(result = \"index\"::text) FROM t"
        );
        assert_eq!(server.query(&database, &exact), "t");
    });
}

#[test]
fn a_file_holds_every_line_once() {
    each_job("a_file_holds_every_line", 0.3, |crashing| {
        let (input, output) = (crashing.path("in.txt"), crashing.path("out.jsonl"));
        fs::write(
            &input,
            (0..ITEMS).map(|n| format!("{n}\n")).collect::<String>(),
        )
        .unwrap();
        let strategy = crashing.strategy();
        crashing.run(&format!(
            "run {input} --compute sleep:2ms -j 2 --save file:{output} --strategy {strategy}"
        ));
        let text = fs::read_to_string(&output).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        let mut expected: Vec<String> = (0..ITEMS)
            .map(|n| format!(r#"{{"index":{n},"result":"{n}"}}"#))
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
    });
}

#[test]
fn a_file_in_order_holds_every_line_once_and_in_order() {
    each_job("a_file_in_order", 0.15, |crashing| {
        let (output, strategy) = (crashing.path("out.jsonl"), crashing.strategy());
        crashing.run(&format!(
            "run 0..{ITEMS} --compute sleep:2ms -j 4 --save file:{output} --keep-order --strategy {strategy}"
        ));
        let text = fs::read_to_string(&output).unwrap();
        let expected: String = (0..ITEMS)
            .map(|n| format!("{{\"index\":{n},\"result\":\"{n}\"}}\n"))
            .collect();
        assert_eq!(text, expected);
    });
}

#[test]
fn responses_in_order_are_kept_once_and_in_order() {
    each_job("responses_in_order", 0.15, |crashing| {
        let seed = crashing.random.u16(1..);
        let (_lab, address) = lab(&format!(
            "--latency lognormal:5ms,1 --fail 2% --after-apply 2% --seed {seed}"
        ));
        let (responses, strategy) = (crashing.path("responses.jsonl"), crashing.strategy());
        crashing.run(&format!(
            "run 0..{ITEMS} --compute sleep:1ms -j 4 --save http://{address}/add --responses {responses} --keep-order \
             --strategy {strategy}"
        ));
        assert_eq!(indexes(&responses), (0..ITEMS).collect::<Vec<_>>());
    });
}

/// Rows with a key, in another order each time, edited but for their key, and as often as not without some of them. Says
/// whether all are there.
fn write_keyed(crashing: &mut Crashing) -> bool {
    let random = &mut crashing.random;
    let is_whole = random.bool();
    let mut ids: Vec<u64> = (0..ITEMS)
        .filter(|_| is_whole || random.u8(0..4) > 0)
        .collect();
    random.shuffle(&mut ids);
    let note = random.u16(..);
    let rows = ids.iter().map(|id| format!("{note},user-{id}\n"));
    let text = format!("note,id\n{}", rows.collect::<String>());
    fs::write(crashing.path("in.csv"), text).unwrap();
    is_whole
}

#[test]
fn by_key_a_file_holds_every_line_once_though_the_input_changes() {
    each_job("by_key_a_file", 0.35, |crashing| {
        let (input, output) = (crashing.path("in.csv"), crashing.path("out.csv"));
        let strategy = crashing.strategy();
        let line = format!(
            "run {input} --key id --columns id --compute sleep:2ms -j 2 --save file:{output} --strategy {strategy}"
        );
        crashing.run_prepared(&line, write_keyed);
        let text = fs::read_to_string(&output).unwrap();
        let mut lines: Vec<&str> = text.lines().skip(1).collect();
        lines.sort_unstable();
        let mut expected: Vec<String> = (0..ITEMS).map(|id| format!("user-{id}")).collect();
        expected.sort();
        assert_eq!(lines, expected);
    });
}

#[test]
fn by_key_a_database_holds_every_row_once_though_the_input_changes() {
    each_job("by_key_a_database", 0.35, |crashing| {
        let (input, database) = (crashing.path("in.csv"), crashing.path("out.db"));
        // Without a unique key a row that was saved twice would be seen.
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE t(id PRIMARY KEY, note);
                 CREATE TABLE log(id); CREATE TRIGGER twice AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.id); END;",
            )
            .unwrap();
        let strategy = crashing.strategy();
        let line = format!(
            "run {input} --key id --columns id,note --compute sleep:2ms -j 2 --save sqlite:{database}?table=t --strategy {strategy}"
        );
        crashing.run_prepared(&line, write_keyed);
        let count = |what: &str| -> i64 {
            connection
                .query_row(&format!("SELECT count(*) FROM {what}"), [], |row| {
                    row.get(0)
                })
                .unwrap()
        };
        assert_eq!((count("t"), count("log")), (ITEMS as i64, 0));
    });
}

#[test]
fn by_key_a_service_that_knows_idempotency_keys_stores_every_item_once_though_the_input_changes() {
    each_job("by_key_a_service", 0.3, |crashing| {
        let seed = crashing.random.u16(1..);
        let (_lab, address) = lab(&format!(
            "--latency 10ms --after-apply 2% --fail 2% --seed {seed} --idempotent"
        ));
        let (input, strategy) = (crashing.path("in.csv"), crashing.strategy());
        let line = format!(
            "run {input} --key id --compute jq:.id -j 2 --save http://{address}/add --strategy {strategy}"
        );
        crashing.run_prepared(&line, write_keyed);
        let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
        let (saved, distinct) = (&stats["saved"], &stats["distinct"]);
        assert_eq!((saved, distinct), (&ITEMS.into(), &ITEMS.into()));
    });
}

/// The index in each line.
fn indexes(path: &str) -> Vec<u64> {
    let index = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["index"].as_u64().unwrap()
    };
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(index)
        .collect()
}

#[test]
fn every_strategy_keeps_responses_in_order_when_asked() {
    for strategy in ["sequential", "batched -b 20", "async", "parallel"] {
        let folder = tempfile::tempdir().unwrap();
        let responses = folder.path().join("responses.jsonl").display().to_string();
        inflight_in(
            folder.path(),
            &format!(
                "run 0..60 --compute none --save lab:?latency=lognormal:20ms,1&fail=10%&seed=3 --responses {responses} \
                 --keep-order --strategy {strategy}"
            ),
            "",
        )
        .expect(0);
        assert_eq!(
            indexes(&responses),
            (0..60).collect::<Vec<_>>(),
            "{strategy}"
        );
    }
}
