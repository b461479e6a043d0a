//! What each compute thread keeps for itself: it may break, and that costs no more than it must, four ways.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inflight::{
    Connection, Ending, Fault, InFlightLimit, Job, Options, Record, Reply, Service, Stop, Strategy,
    Summary,
};

const ITEMS: u64 = 3000;

fn options(strategy: Strategy) -> Options {
    Options {
        strategy,
        jobs: 2,
        retries: 3,
        backoff: Duration::from_millis(1),
        ..Options::default()
    }
}

/// What one call for some records comes to; `attempt` counts the calls in which their first record was.
type Behaviour = fn(bulk: &[Record<u64>], attempt: usize) -> Result<Reply<u64>, Fault>;

/// Runs 3,000 items with each strategy; `expected` gets what each came to and the items that were saved.
#[track_caller]
fn check(name: &str, behaviour: Behaviour, expected: impl Fn(&Summary, &[u64])) {
    for strategy in Strategy::ALL {
        let (summary, saved) = run(strategy, behaviour, &Stop::new());
        assert_eq!(summary.items, ITEMS, "{name}, {strategy:?}");
        assert_eq!(summary.saved, saved.len() as u64, "{name}, {strategy:?}");
        expected(&summary, &saved);
    }
}

fn run(strategy: Strategy, behaviour: Behaviour, stop: &Stop) -> (Summary, Vec<u64>) {
    run_with(&options(strategy), behaviour, stop)
}

fn run_with(options: &Options, behaviour: Behaviour, stop: &Stop) -> (Summary, Vec<u64>) {
    let attempts = Arc::new(Mutex::new(HashMap::<u64, usize>::new()));
    let saved = Arc::new(Mutex::new(Vec::new()));
    let make = move || {
        let attempts = Arc::clone(&attempts);
        move |bulk: &[Record<u64>]| {
            let attempt = {
                let mut attempts = attempts.lock().unwrap();
                let attempt = attempts.entry(bulk[0].index).or_default();
                *attempt += 1;
                *attempt
            };
            behaviour(bulk, attempt)
        }
    };
    let keep = {
        let saved = Arc::clone(&saved);
        async move |value: &u64| {
            saved.lock().unwrap().push(*value);
            Ok::<(), Fault>(())
        }
    };
    let summary = Job::new(0..ITEMS)
        .compute_with(make)
        .save(keep)
        .stopped_by(stop)
        .run(options)
        .unwrap();
    let mut saved = std::mem::take(&mut *saved.lock().unwrap());
    saved.sort_unstable();
    (summary, saved)
}

fn doubled(bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
    Ok(Reply::All(
        bulk.iter().map(|record| record.value * 2).collect(),
    ))
}

fn holds(bulk: &[Record<u64>], index: u64) -> bool {
    bulk.iter().any(|record| record.index == index)
}

#[test]
fn everything_is_computed_once() {
    check(
        "doubled",
        |bulk, _| doubled(bulk),
        |summary, saved| {
            assert_eq!(saved, (0..ITEMS).map(|n| n * 2).collect::<Vec<_>>());
            assert_eq!((summary.retried, &summary.ending), (0, &Ending::Complete));
        },
    );
}

#[test]
fn what_breaks_it_is_found_among_its_neighbours() {
    let breaks: Behaviour = |bulk, _| match holds(bulk, 1717) {
        true => Err(Fault::in_doubt("gone")),
        false => doubled(bulk),
    };
    check("breaks", breaks, |summary, saved| {
        assert_eq!(
            (summary.saved, summary.dead, summary.left),
            (ITEMS - 1, 1, 0)
        );
        assert!(!saved.contains(&(1717 * 2)));
    });
}

#[test]
fn what_was_answered_before_it_broke_is_kept() {
    let breaks: Behaviour = |bulk, attempt| {
        let outcome = |record: &Record<u64>| match record.index {
            1717.. if attempt == 1 && bulk.len() > 1 => Err(Fault::in_doubt("gone")),
            1717 => Err(Fault::permanent("bad")),
            _ => Ok(record.value * 2),
        };
        Ok(Reply::Each(bulk.iter().map(outcome).collect()))
    };
    check("breaks in the middle", breaks, |summary, _| {
        assert_eq!(
            (summary.saved, summary.dead, summary.left),
            (ITEMS - 1, 1, 0)
        );
    });
}

#[test]
fn a_panic_costs_one_item_and_what_was_kept() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let make = || {
        MADE.fetch_add(1, Ordering::SeqCst);
        |bulk: &[Record<u64>]| {
            assert!(!holds(bulk, 17), "item 17");
            doubled(bulk)
        }
    };
    let summary = Job::new(0..100)
        .compute_with(make)
        .save(async |_: &u64| Ok::<(), Fault>(()))
        .run(&Options {
            jobs: 1,
            ..options(Strategy::Parallel)
        })
        .unwrap();
    assert_eq!((summary.saved, summary.dead), (99, 1));
    let made = MADE.load(Ordering::SeqCst);
    assert!((3..=5).contains(&made), "{made}");
}

#[test]
fn an_item_is_asked_for_again_as_often_as_retries_say() {
    let busy: Behaviour = |bulk, attempt| {
        let outcome = |record: &Record<u64>| match record.index {
            // Its first two attempts fail; it may be anywhere in the first.
            1000 if bulk.len() > 1 || attempt < 3 => Err(Fault::transient("busy")),
            2000 => Err(Fault::overload("always")),
            _ => Ok(record.value),
        };
        Ok(Reply::Each(bulk.iter().map(outcome).collect()))
    };
    check("busy", busy, |summary, saved| {
        assert_eq!((summary.saved, summary.dead), (ITEMS - 1, 1));
        assert!(saved.contains(&1000) && !saved.contains(&2000));
        assert!((5..=6).contains(&summary.retried), "{}", summary.retried);
    });
}

#[test]
fn a_wrong_number_of_outcomes_is_no_answer() {
    let miscounts: Behaviour = |bulk, _| match holds(bulk, 1717) {
        true => Ok(Reply::All(vec![0; bulk.len() + 1])),
        false => doubled(bulk),
    };
    check("miscounts", miscounts, |summary, _| {
        assert_eq!((summary.saved, summary.dead), (ITEMS - 1, 1));
    });
}

#[test]
fn nobody_to_ask_is_no_items_fault() {
    let absent_twice: Behaviour = |bulk, attempt| match attempt {
        1 | 2 if holds(bulk, 1717) => Err(Fault::unreached("nobody there")),
        _ => doubled(bulk),
    };
    check("absent twice", absent_twice, |summary, _| {
        assert_eq!(
            (summary.saved, summary.dead, summary.retried),
            (ITEMS, 0, 0)
        );
    });
}

#[test]
fn a_run_ends_when_nobody_can_compute_any_more() {
    let gone: Behaviour = |bulk, _| match bulk[0].index {
        ..100 => doubled(bulk),
        _ => Err(Fault::unreached("no such program")),
    };
    check("gone", gone, |summary, _| {
        let Ending::Unavailable(why) = &summary.ending else {
            panic!("{:?}", summary.ending)
        };
        assert!(
            why.contains("nobody could compute")
                && why.contains("times in a row; the last time: no such program"),
            "{why}"
        );
        // What was computed was saved, and nothing is held against the rest.
        assert!(summary.saved >= 100, "{}", summary.saved);
        assert_eq!((summary.dead, summary.left), (0, ITEMS - summary.saved));
    });
    let breaks: Behaviour = |_, _| Err(Fault::in_doubt("gone"));
    check("breaks at everything", breaks, |summary, _| {
        assert!(matches!(summary.ending, Ending::Unavailable(_)));
        assert_eq!((summary.saved, summary.dead, summary.left), (0, 0, ITEMS));
    });
}

/// Runs so many items through something that takes 20 ms for up to 64 at once; gives the calls it took.
fn calls_of(items: u64, options: &Options) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&calls);
    let slow = move || {
        let calls = Arc::clone(&counting);
        move |bulk: &[Record<u64>]| {
            calls.fetch_add(bulk.len().div_ceil(64), Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20) * bulk.len().div_ceil(64) as u32);
            doubled(bulk)
        }
    };
    let summary = Job::new(0..items)
        .compute_with(slow)
        .save(async |_: &u64| Ok::<(), Fault>(()))
        .run(options)
        .unwrap();
    assert_eq!(summary.saved, items);
    calls.load(Ordering::SeqCst)
}

#[test]
fn a_call_that_costs_something_by_itself_holds_many_items() {
    for strategy in [Strategy::Parallel, Strategy::Batched] {
        let options = Options {
            batch: 500,
            ..options(strategy)
        };
        let calls = calls_of(4000, &options);
        // One by one it would be 4,000; with 64 in each, 63.
        assert!((63..200).contains(&calls), "{strategy:?}: {calls}");
    }
}

#[test]
fn a_batch_that_is_set_is_kept_to() {
    let options = Options {
        compute_batch: Some(10),
        ..options(Strategy::Parallel)
    };
    let calls = calls_of(1000, &options);
    assert!((100..150).contains(&calls), "{calls}");
}

#[test]
fn an_accident_is_no_items_fault() {
    // Each item of three breaks whoever computes it, the first time it comes there alone: a kill, or too little memory.
    let accident: Behaviour = |bulk, attempt| match bulk[0].index % 3 {
        0 if bulk.len() == 1 && attempt == 1 => Err(Fault::in_doubt("killed")),
        _ => doubled(bulk),
    };
    check("accident", accident, |summary, _| {
        assert_eq!(
            (summary.saved, summary.dead, &summary.ending),
            (ITEMS, 0, &Ending::Complete)
        );
    });
}

#[test]
fn one_that_gets_worse_the_longer_it_works_costs_no_item() {
    // As a leak does, under a limit of memory.
    for strategy in Strategy::ALL {
        let leaking = || {
            let mut done = 0;
            move |bulk: &[Record<u64>]| {
                done += bulk.len();
                match done > 10 {
                    true if bulk.len() > 1 || done > 11 => Err(Fault::in_doubt("killed")),
                    _ => doubled(bulk),
                }
            }
        };
        let summary = Job::new(0..200)
            .compute_with(leaking)
            .save(async |_: &u64| Ok::<(), Fault>(()))
            .run(&options(strategy))
            .unwrap();
        assert_eq!((summary.saved, summary.dead), (200, 0), "{strategy:?}");
    }
}

#[test]
fn the_last_items_may_be_the_bad_ones() {
    let breaks: Behaviour = |bulk, _| match bulk.iter().any(|record| record.index >= ITEMS - 3) {
        true => Err(Fault::in_doubt("gone")),
        false => doubled(bulk),
    };
    check("breaks at the last", breaks, |summary, _| {
        assert_eq!(
            (summary.saved, summary.dead, &summary.ending),
            (ITEMS - 3, 3, &Ending::Complete)
        );
    });
}

#[test]
fn a_stop_ends_a_wait() {
    for strategy in Strategy::ALL {
        let stop = Stop::new();
        let stopping = stop.clone();
        let began = Instant::now();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            stopping.now();
        });
        let gone: Behaviour = |_, _| Err(Fault::unreached("nobody there"));
        let patient = Options {
            backoff: Duration::from_secs(60),
            ..options(strategy)
        };
        let (summary, _) = run_with(&patient, gone, &stop);
        stopper.join().unwrap();
        assert_eq!((&summary.ending, summary.left), (&Ending::Stopped, ITEMS));
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }
}

#[test]
fn what_stops_the_run_leaves_its_items() {
    let hopeless: Behaviour = |bulk, _| {
        let outcome = |record: &Record<u64>| match record.index {
            500.. => Err(Fault::stops_run("the model is missing")),
            index => Ok(index),
        };
        Ok(Reply::Each(bulk.iter().map(outcome).collect()))
    };
    check("a worker that cannot go on", hopeless, |summary, _| {
        let why = Ending::Halted("the model is missing".to_owned());
        assert_eq!((&summary.ending, summary.dead), (&why, 0));
        assert!(summary.left > 0);
    });
    for strategy in Strategy::ALL {
        let job = Job::new(0..ITEMS).try_compute(|index| match index {
            500.. => Err(Fault::stops_run("the model is missing")),
            index => Ok(index),
        });
        let job = job.save(async |_: &u64| Ok::<(), Fault>(()));
        let summary = job.run(&options(strategy)).unwrap();
        assert!(matches!(summary.ending, Ending::Halted(_)), "{strategy:?}");
        assert_eq!((summary.dead, summary.saved <= 500), (0, true));
    }
}

/// A service that gives up to 32 things at once, and counts how often it was asked.
struct Shelf(Arc<AtomicUsize>);

impl Service<u64> for Shelf {
    type Answer = u64;
    type Connection = Hand;

    async fn connect(&self) -> Result<Hand, Fault> {
        Ok(Hand(Arc::clone(&self.0)))
    }

    fn bulk_max(&self) -> usize {
        32
    }
}

struct Hand(Arc<AtomicUsize>);

impl Connection<u64> for Hand {
    type Answer = u64;

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        doubled(bulk)
    }
}

#[test]
fn fetches_in_bulk_are_as_large_with_one_in_flight() {
    for keep_order in [false, true] {
        let requests = Arc::new(AtomicUsize::new(0));
        let summary = Job::new(0..3200_u64)
            .fetch_from(Shelf(Arc::clone(&requests)))
            .compute(|value| value)
            .save(async |_: &u64| Ok::<(), Fault>(()))
            .run(&Options {
                in_flight: InFlightLimit::Fixed(1),
                keep_order,
                ..options(Strategy::Parallel)
            })
            .unwrap();
        assert_eq!(summary.saved, 3200);
        // A hundred hold all of them; the first go with what there is.
        let requests = requests.load(Ordering::SeqCst);
        assert!((100..200).contains(&requests), "{requests}");
    }
}
