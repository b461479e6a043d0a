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
fn the_first_signal_ends_computing_between_two_items() {
    // A batch takes 5 s to compute and an item 2 s: neither the rest of the batch nor another item may be waited for.
    for (how, at_most) in [
        ("--strategy batched -b 1000 --compute sleep:5ms", 1.5),
        ("--strategy sequential --compute sleep:2s", 2.5),
        (
            "--strategy async --yield-every never --compute sleep:5ms",
            1.5,
        ),
        ("--strategy parallel --compute sleep:2s", 2.5),
    ] {
        let run = Running::start(&format!("run 0..1000 {how} --save lab:?latency=10ms"));
        sleep(BEGUN);
        let first = Instant::now();
        run.signal("INT");
        let outcome = run.end().expect(130);
        let took = first.elapsed();
        assert!(took < Duration::from_secs_f64(at_most), "{how}: {took:?}");
        let (saved, left) = (count(&outcome, "saved"), count(&outcome, "left"));
        assert_eq!(saved + left, 1000, "{how}: {}", outcome.stderr);
        assert_eq!(count(&outcome, "in_doubt"), 0, "{how}");
    }
}

#[test]
fn a_signal_that_stops_nothing_changes_nothing() {
    for (fail, code, last_line) in [
        ("", 0, "saved=1 dead=0 in_doubt=0 left=0"),
        ("&fail-match=0", 130, "saved=0 dead=0 in_doubt=0 left=1"),
    ] {
        let sink = format!("lab:?latency=2s{fail}");
        let run = Running::start(&format!("run 0..1 --retries 0 --save {sink}"));
        sleep(BEGUN);
        // The only item is on its way; its answer is waited for.
        run.signal("INT");
        let outcome = run.end().expect(code);
        assert!(outcome.stderr.contains("stopping: "), "{}", outcome.stderr);
        // An item that failed with nothing beside it may be no worse than the service was: it is left.
        assert!(
            outcome.last_line().starts_with(last_line),
            "{}",
            outcome.last_line()
        );
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
