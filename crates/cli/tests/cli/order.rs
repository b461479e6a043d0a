//! Items of one value go one after the other: what a service sees, whatever fails, dies or is killed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Outcome, Running, get, inflight_in, lab};

/// Events of users, in an order of no use to whoever wants few of one user at a time.
fn write_events(path: &Path, events: u64, users: u64) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut text = "id,user,n\n".to_owned();
    let mut of_user = vec![0; users as usize];
    for id in 0..events {
        let user = random.usize(..users as usize);
        of_user[user] += 1;
        writeln!(text, "{id},u{user},{}", of_user[user]).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// What the lab was sent of each user, in the order in which it took effect.
fn arrived(address: &str) -> BTreeMap<String, Vec<u64>> {
    let mut users: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    // Between the lines stand the lengths of the parts in which they come.
    let results = get(address, "/results");
    for line in results.lines().filter(|line| line.starts_with('"')) {
        let body: String = serde_json::from_str(line).unwrap();
        let event: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let n = text("n").parse().unwrap();
        users.entry(text("user")).or_default().push(n);
    }
    users
}

#[test]
fn the_events_of_a_user_arrive_in_order_whatever_fails_and_whenever_it_is_killed() {
    const EVENTS: u64 = 3000;
    let folder = tempfile::tempdir().unwrap();
    write_events(&folder.path().join("events.csv"), EVENTS, 60);
    let (_lab, address) = lab("--latency 5ms --fail 3%");
    let input = folder.path().join("events.csv");
    let input = input.display();
    let line = format!("run {input} --order-by user --save http://{address}/add -c 40");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3 {
        let run = Running::start_in(folder.path(), &line);
        sleep(Duration::from_millis(random.u64(150..400)));
        run.kill_unless_ended();
    }
    let outcome = inflight_in(folder.path(), &line, "").expect(0);
    assert_eq!(
        outcome.counts(),
        format!("saved={EVENTS} dead=0 in_doubt=0 left=0")
    );
    let users = arrived(&address);
    assert_eq!(users.len(), 60);
    for (user, mut events) in users {
        assert!(events.is_sorted(), "{user}: {events:?}");
        events.dedup();
        let all: Vec<u64> = (1..=events.len() as u64).collect();
        assert_eq!(events, all, "{user}");
    }
}

/// Runs a job of events, of which the service refuses those whose path ends in `bad`.
fn run(folder: &Path, address: &str, flags: &str) -> Outcome {
    let (input, journal) = (folder.join("in.csv"), folder.join("journal"));
    let line = format!(
        "run {} --order-by user --save 'POST http://{address}/{{path}}' --journal {} {flags}",
        input.display(),
        journal.display()
    );
    inflight_in(folder, &line, "")
}

const REFUSED: &str =
    "id,user,n,path\n1,a,1,add\n2,a,2,no-such-place\n3,b,1,add\n4,a,3,add\n5,a,4,add\n";

#[test]
fn a_dead_item_lets_its_successors_go() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.csv"), REFUSED).unwrap();
    let (_lab, address) = lab("");
    for strategy in ["sequential", "batched", "async", "parallel"] {
        let flags = format!("--strategy {strategy} --fresh");
        let outcome = run(folder.path(), &address, &flags).expect(3);
        assert_eq!(outcome.counts(), "saved=4 dead=1 in_doubt=0 left=0");
    }
    assert_eq!(arrived(&address)["a"], [1, 3, 4].repeat(4));
}

#[test]
fn with_halt_key_they_are_left_until_the_dead_one_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    fs::write(&input, REFUSED).unwrap();
    let (_lab, address) = lab("");
    let flags = "--key id --halt-key";
    for _ in 0..2 {
        let outcome = run(folder.path(), &address, flags).expect(4);
        assert_eq!(outcome.counts(), "saved=2 dead=1 in_doubt=0 left=2");
        let said = "2 items are left, because one before them with the same value is dead";
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    }
    fs::write(&input, REFUSED.replace("no-such-place", "add")).unwrap();
    let journal = folder.path().join("journal");
    let retry = format!("dead-letters retry {} --trust", journal.display());
    // Those behind it are not tried with it.
    let retried = inflight_in(folder.path(), &retry, "").expect(4);
    assert_eq!(retried.counts(), "saved=3 dead=0 in_doubt=0 left=2");
    let outcome = run(folder.path(), &address, flags).expect(0);
    assert_eq!(outcome.counts(), "saved=5 dead=0 in_doubt=0 left=0");
    assert_eq!(arrived(&address)["a"], [1, 2, 3, 4]);
}

#[test]
fn an_item_without_a_value_is_a_dead_letter_and_a_wrong_order_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    fs::write(&input, "id,user\n1,a\n2,\n3,a\n").unwrap();
    let check = |line: &str, code: i32, said: &str| {
        let line = format!("run {} {line}", input.display());
        let outcome = inflight_in(folder.path(), &line, "").expect(code);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
        outcome
    };
    let outcome = check(
        "--save null: --order-by user",
        3,
        "its --order-by value `user` is empty",
    );
    assert_eq!(outcome.counts(), "saved=2 dead=1 in_doubt=0 left=0");
    check("--save null: --order-by usr", 2, "did you mean `user`");
    check(
        "--save null: --order-by user --halt-key",
        2,
        "--halt-key needs --key",
    );
    check("--save null: --halt-key --key id", 2, "add --order-by NAME");
    check(
        "--order-by user --keep-order --save file:out.csv",
        2,
        "--keep-order lets no item overtake",
    );
}
