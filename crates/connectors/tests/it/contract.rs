//! What every sink has to keep, whatever it is: one table of behaviours, run against each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use inflight::{Counts, Ending, Fact, Options, Stop, Strategy};

use crate::places::{self, Place, begin, expected, run};

/// Runs this against each sink, and says which one it was that failed.
fn each(behaviour: impl Fn(&Place)) {
    for place in places::all() {
        let outcome = catch_unwind(AssertUnwindSafe(|| behaviour(&place)));
        outcome
            .unwrap_or_else(|panic| panic!("{}: {:?}", place.name, panic.downcast_ref::<String>()));
    }
}

fn nobody(_: &Fact, _: &Counts) {}

#[test]
fn all_results_are_saved_with_every_strategy() {
    const ITEMS: u64 = 700;
    for strategy in Strategy::ALL {
        let options = Options {
            strategy,
            ..Options::default()
        };
        each(|place| {
            let folder = tempfile::tempdir().unwrap();
            let summary = run(
                place,
                folder.path(),
                ITEMS,
                &[],
                &options,
                nobody,
                &Stop::new(),
            );
            assert_eq!(summary.ending, Ending::Complete);
            assert_eq!((summary.saved, summary.dead, summary.left), (ITEMS, 0, 0));
            assert_eq!((place.saved)(), expected(ITEMS, &[]), "{strategy:?}");
        });
    }
}

#[test]
fn a_bad_result_dies_alone_and_its_letter_names_it() {
    const ITEMS: u64 = 3000;
    const BAD: &[u64] = &[0, 7, 8, 1500, 2999];
    each(|place| {
        let folder = tempfile::tempdir().unwrap();
        let dead = Arc::new(Mutex::new(Vec::new()));
        let watch = {
            let dead = Arc::clone(&dead);
            move |fact: &Fact, _: &Counts| {
                if let Fact::Dead {
                    index,
                    fault,
                    attempts,
                    ..
                } = fact
                {
                    assert_eq!(*attempts, 1);
                    dead.lock().unwrap().push((*index, fault.to_string()));
                }
            }
        };
        let options = Options::default();
        let summary = run(
            place,
            folder.path(),
            ITEMS,
            BAD,
            &options,
            watch,
            &Stop::new(),
        );
        assert_eq!(summary.ending, Ending::Complete);
        assert_eq!((summary.saved, summary.dead), (ITEMS - 5, 5));
        let mut dead = dead.lock().unwrap().clone();
        dead.sort_unstable();
        let indexes: Vec<u64> = dead.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, BAD);
        let words = ["CHECK constraint", "check constraint", "not UTF-8"];
        for (_, reason) in &dead {
            assert!(words.iter().any(|word| reason.contains(word)), "{reason}");
        }
        assert_eq!((place.saved)(), expected(ITEMS, BAD));
    });
}

#[test]
fn a_run_that_goes_on_leaves_each_result_once() {
    const ITEMS: u64 = 2000;
    const BAD: &[u64] = &[3, 1999];
    for strategy in Strategy::ALL {
        each(|place| {
            let folder = tempfile::tempdir().unwrap();
            let options = Options {
                strategy,
                bulk: Some(50),
                ..Options::default()
            };
            let stop = Stop::new();
            let stopping = stop.clone();
            let is_stopped = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&is_stopped);
            let watch = move |_: &Fact, counts: &Counts| {
                if counts.saved > 300 && counts.saved < 400 {
                    // At the second time it does not wait for answers.
                    stopping.now();
                    stopped.store(true, Ordering::Relaxed);
                }
            };
            // The run does not end before it is stopped.
            let pace = move |number| {
                if number > ITEMS / 2 && !is_stopped.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
            };
            let begun = begin(place, folder.path(), &options);
            let first = begun.run(ITEMS, BAD, &options, watch, &stop, pace);
            assert_eq!(first.ending, Ending::Stopped);
            assert!(first.left > 0);
            assert_eq!(first.saved + first.dead + first.left, ITEMS);
            let second = run(
                place,
                folder.path(),
                ITEMS,
                BAD,
                &options,
                nobody,
                &Stop::new(),
            );
            assert_eq!(second.ending, Ending::Complete);
            assert!(second.saved_before > 0);
            assert_eq!((second.saved, second.dead), (ITEMS - 2, 2));
            assert_eq!((place.saved)(), expected(ITEMS, BAD), "{strategy:?}");
        });
    }
}

#[test]
fn a_job_that_is_done_again_changes_nothing() {
    const ITEMS: u64 = 500;
    // A file takes only what is new, and says so beforehand.
    for place in places::all().iter().filter(|place| place.name != "file") {
        for _ in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let options = Options::default();
            run(
                place,
                folder.path(),
                ITEMS,
                &[],
                &options,
                nobody,
                &Stop::new(),
            );
            assert_eq!((place.saved)(), expected(ITEMS, &[]), "{}", place.name);
        }
    }
}
