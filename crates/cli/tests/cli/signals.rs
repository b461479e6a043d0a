//! Ctrl-C and SIGTERM: the first drains, the second aborts, and the code says which it was.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Outcome, Running};

/// Long enough for a run to have begun, on a slow machine.
const BEGUN: Duration = Duration::from_millis(700);

#[track_caller]
fn count(outcome: &Outcome, name: &str) -> u64 {
    let words = outcome.last_line().split(' ');
    let found = words
        .filter_map(|word| word.split_once('='))
        .find(|(word, _)| *word == name);
    found
        .unwrap_or_else(|| panic!("{}", outcome.stderr))
        .1
        .parse()
        .unwrap()
}

#[test]
fn the_first_signal_drains() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let run = Running::start("run 0..100000 --compute sleep:5ms --save lab:?latency=100ms");
        sleep(BEGUN);
        run.signal(signal);
        let outcome = run.end().expect(code);
        let (saved, left) = (count(&outcome, "saved"), count(&outcome, "left"));
        assert!(saved > 0 && saved + left == 100_000, "{}", outcome.stderr);
        // Whatever was in flight was answered.
        assert_eq!(count(&outcome, "in_doubt"), 0);
        assert!(outcome.stderr.contains("stopping: "), "{}", outcome.stderr);
    }
}

#[test]
fn the_second_signal_aborts() {
    let run = Running::start("run 0..10 --save lab:?stall=100%");
    sleep(BEGUN);
    run.signal("INT");
    sleep(BEGUN);
    let second = Instant::now();
    run.signal("INT");
    let outcome = run.end().expect(130);
    assert!(
        second.elapsed() < Duration::from_secs(5),
        "{:?}",
        second.elapsed()
    );
    assert_eq!((count(&outcome, "saved"), count(&outcome, "left")), (0, 10));
    assert!(count(&outcome, "in_doubt") > 0, "{}", outcome.stderr);
}

#[test]
fn a_comparison_stops_as_a_run_does() {
    let compare = Running::start("compare 0..10 --compute none --save lab:?latency=10s");
    sleep(BEGUN);
    compare.signal("INT");
    sleep(BEGUN);
    compare.signal("INT");
    let outcome = compare.end().expect(130);
    assert_eq!(outcome.stdout, "");
    assert_eq!(count(&outcome, "left"), 10);
}
