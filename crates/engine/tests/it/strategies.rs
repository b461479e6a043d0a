//! What every strategy must do alike: one table of scenarios, each run four ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::model::{Model, Shared, check};
use inflight::{Ending, Fault, Job, Options, Stop, Strategy, Summary, Verdict};

#[test]
fn every_item_is_saved_once() {
    for items in [0, 1, 7, 100, 5_000] {
        check(
            &format!("{items} items"),
            Model::default(),
            items,
            |summary, model| {
                assert_eq!((summary.saved, summary.dead, summary.left), (items, 0, 0));
                assert_eq!(model.distinct(), items);
                assert_eq!(model.sent(), items);
                assert_eq!(summary.ending, Ending::Complete);
            },
        );
    }
}

#[test]
fn bulks_are_bounded_and_partition_the_input() {
    let model = Model {
        bulk_max: 64,
        ..Model::default()
    };
    check("bulks of 64", model, 10_000, |summary, model| {
        assert_eq!(
            (summary.saved, model.distinct(), model.sent()),
            (10_000, 10_000, 10_000)
        );
        assert!(summary.bulk.max <= 64);
    });
}

#[test]
fn the_limit_holds() {
    let model = Model {
        latency: Duration::from_millis(1),
        ..Model::default()
    };
    check("100 at most", model, 500, |summary, model| {
        assert!(model.in_flight_max() <= 100);
        assert!(summary.in_flight.max <= 100);
    });
}

#[test]
fn a_bad_item_is_one_dead_letter() {
    let model = Model {
        always_fails: Some((17, Verdict::Transient)),
        ..Model::default()
    };
    check("500 for item 17", model, 300, |summary, model| {
        assert_eq!((summary.saved, summary.dead), (299, 1));
        assert_eq!(summary.retried, 5);
        assert_eq!(model.distinct(), 299);
    });
    let model = Model {
        always_fails: Some((17, Verdict::Permanent)),
        ..Model::default()
    };
    check("400 for item 17", model, 300, |summary, _| {
        assert_eq!((summary.saved, summary.dead, summary.retried), (299, 1, 0));
    });
}

#[test]
fn a_bulk_that_is_refused_is_halved_until_the_bad_item_is_alone() {
    let model = Model {
        always_fails: Some((17, Verdict::Permanent)),
        bulk_max: 50,
        whole_bulk_fails: true,
        ..Model::default()
    };
    check(
        "413 for the bulk of item 17",
        model,
        300,
        |summary, model| {
            assert_eq!((summary.saved, summary.dead), (299, 1));
            assert_eq!(model.sent(), 299, "what was taken is not sent again");
        },
    );
}

#[test]
fn faults_that_pass_lose_nothing() {
    let model = Model {
        fails: 0.2,
        in_doubt: 0.1,
        ..Model::default()
    };
    check(
        "every seventh attempt fails",
        model,
        2_000,
        |summary, model| {
            // One in some ten thousand fails six times in a row; it may have been kept all the same.
            assert_eq!(summary.saved + summary.dead, 2_000);
            assert!((summary.saved..=2_000).contains(&model.distinct()));
            assert!(summary.retried > 150 && summary.in_doubt > 50);
            let repeats = model.sent() - model.distinct();
            assert!(
                repeats > 0 && repeats <= summary.in_doubt,
                "only what is in doubt repeats"
            );
        },
    );
}

#[test]
fn refusals_cost_no_attempts() {
    let model = Model {
        refuses: 0.3,
        ..Model::default()
    };
    check("429 for three of ten", model, 1_000, |summary, model| {
        assert_eq!(
            (summary.saved, summary.dead, summary.retried),
            (1_000, 0, 0)
        );
        assert!(summary.rejected > 200);
        assert_eq!(model.distinct(), 1_000);
    });
}

#[test]
fn wrong_numbers_of_outcomes_are_in_doubt() {
    let model = Model {
        miscounts_once: true,
        bulk_max: 10,
        ..Model::default()
    };
    check("an outcome too few", model, 100, |summary, model| {
        assert_eq!((summary.saved, model.distinct()), (100, 100));
        assert!(summary.in_doubt > 0);
    });
}

#[test]
fn a_service_that_is_not_there_ends_the_run_in_time() {
    let model = Model {
        unreachable: true,
        ..Model::default()
    };
    check("refused", model, 50, |summary, _| {
        assert!(
            matches!(&summary.ending, Ending::Unavailable(why) if why.contains("nobody there"))
        );
        assert_eq!((summary.saved, summary.dead, summary.left), (0, 0, 50));
        assert!(summary.elapsed_s < 10.0);
    });
}

#[test]
fn a_service_that_goes_away_costs_no_item_and_no_attempt() {
    let model = Model {
        latency: Duration::from_millis(2),
        away: Some((300, Duration::from_millis(1200))),
        ..Model::default()
    };
    check("away for 1.2 s", model, 1_000, |summary, model| {
        assert_eq!(
            (summary.saved, summary.dead, summary.retried),
            (1_000, 0, 0)
        );
        assert_eq!(model.distinct(), 1_000);
        assert!(model.was_away());
    });
}

#[test]
fn a_panic_kills_its_item_only() {
    for strategy in Strategy::ALL {
        let options = Options {
            strategy,
            ..Options::default()
        };
        let summary = Job::new(0..100u32)
            .compute(|n| {
                assert!(n != 13, "unlucky");
                n
            })
            .save(async |n: &u32| {
                assert!(*n != 31, "unlucky too");
                Ok::<(), Fault>(())
            })
            .run(&options)
            .unwrap();
        assert_eq!(
            (summary.saved, summary.dead),
            (98, 2),
            "{}",
            strategy.name()
        );
    }
}

/// Runs many items, with or without a fetch, and stops the run so often once some are saved.
fn stop(strategy: Strategy, with_fetch: bool, times: usize, look: impl Fn(&Summary, &Shared)) {
    let model = Model {
        latency: Duration::from_millis(5),
        ..Model::default()
    }
    .shared();
    let (stop, stopped) = (Stop::new(), AtomicBool::new(false));
    let (trigger, seen) = (stop.clone(), model.clone());
    let compute = move |n: u64| {
        if seen.sent() > 20 && !stopped.swap(true, Ordering::SeqCst) {
            (0..times).for_each(|_| trigger.now());
        }
        n
    };
    let options = Options {
        strategy,
        ..Options::default()
    };
    let job = Job::new(0..100_000u64).stopped_by(&stop);
    let summary = if with_fetch {
        let fetch = async |n: &u64| Ok::<u64, Fault>(*n);
        let job = job.fetch(fetch).compute(compute);
        job.save_to(model.clone()).run(&options)
    } else {
        job.compute(compute).save_to(model.clone()).run(&options)
    }
    .unwrap();
    let name = strategy.name();
    assert_eq!(
        summary.saved + summary.dead + summary.left,
        100_000,
        "{name}"
    );
    assert_eq!(summary.ending, Ending::Stopped, "{name}");
    assert!(summary.left > 0, "{name}");
    look(&summary, &model);
}

#[test]
fn a_stop_waits_for_what_is_in_flight() {
    for strategy in Strategy::ALL {
        for with_fetch in [false, true] {
            stop(strategy, with_fetch, 1, |summary, model| {
                assert_eq!((summary.saved, summary.in_doubt), (model.distinct(), 0));
            });
        }
    }
}

#[test]
fn a_second_stop_waits_for_nothing_and_counts_it() {
    for strategy in Strategy::ALL {
        for with_fetch in [false, true] {
            stop(strategy, with_fetch, 2, |summary, model| {
                assert!(summary.saved <= model.distinct());
                assert!(model.distinct() <= summary.saved + summary.in_doubt);
                assert!(summary.elapsed_s < 5.0);
            });
        }
    }
}

#[test]
fn a_stop_that_comes_too_late_stops_nothing() {
    let stop = Stop::new();
    let late = stop.clone();
    let summary = Job::new(0..10u64)
        .compute(|n| n)
        .save(async move |n: &u64| {
            if *n == 9 {
                late.now();
            }
            Ok::<(), Fault>(())
        })
        .stopped_by(&stop)
        .run(&Options {
            strategy: Strategy::Sequential,
            ..Options::default()
        })
        .unwrap();
    assert_eq!((summary.saved, summary.ending), (10, Ending::Complete));
}

#[test]
fn an_input_whose_length_nobody_knows_ends_all_the_same() {
    for strategy in Strategy::ALL {
        let options = Options {
            strategy,
            ..Options::default()
        };
        let summary = Job::new((0..1_000u64).filter(|n| n % 3 == 0))
            .compute(|n| n)
            .save(async |_: &u64| Ok::<(), Fault>(()))
            .run(&options)
            .unwrap();
        assert_eq!((summary.saved, summary.ending), (334, Ending::Complete));
    }
}

#[test]
fn fetch_compute_save() {
    for strategy in Strategy::ALL {
        let model = Model::default().shared();
        let options = Options {
            strategy,
            batch: 30,
            ..Options::default()
        };
        let summary = Job::new(0..1_000u64)
            .fetch(async |n: &u64| Ok::<u64, Fault>(n + 1))
            .compute(|n| n - 1)
            .save_to(model.clone())
            .run(&options)
            .unwrap();
        assert_eq!(
            (summary.saved, model.distinct()),
            (1_000, 1_000),
            "{}",
            strategy.name()
        );
        assert!(summary.fetch_ms.is_some());
    }
}

#[tokio::test]
async fn run_async_does_not_block_its_caller() {
    let job = Job::new(0..100u64).compute(|n| n).save(async |_: &u64| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<(), Fault>(())
    });
    let options = Options::default();
    let mut ticks = 0;
    let mut run = std::pin::pin!(job.run_async(&options));
    let summary = loop {
        tokio::select! {
            summary = &mut run => break summary.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(1)) => ticks += 1,
        }
    };
    assert_eq!(summary.saved, 100);
    assert!(ticks > 0);
}

#[tokio::test]
async fn a_run_that_is_dropped_ends_and_stops_no_other() {
    let (stop, options) = (Stop::new(), Options::default());
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let endless = Job::new(0_u64..)
        .compute(|n| n)
        .save(async move |_: &u64| {
            let _held = &holds;
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<(), Fault>(())
        })
        .stopped_by(&stop);
    let dropped = tokio::time::timeout(Duration::from_millis(50), endless.run_async(&options));
    assert!(dropped.await.is_err());
    let ended = async {
        while Arc::strong_count(&held) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert!(waited.is_ok(), "it goes on");

    let other = Job::new(0..100_u64)
        .compute(|n| n)
        .save(async |_: &u64| Ok::<(), Fault>(()))
        .stopped_by(&stop);
    let summary = other.run_async(&options).await.unwrap();
    assert_eq!((summary.saved, summary.ending), (100, Ending::Complete));
}

#[test]
fn a_computation_that_hangs_is_given_up_and_its_thread_replaced() {
    let model = Model::default().shared();
    let options = Options {
        jobs: 2,
        compute_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let job = Job::new(0..200_u64).compute(|n| {
        // Slow enough to travel alone.
        std::thread::sleep(Duration::from_millis(if n == 17 { 600_000 } else { 2 }));
        n
    });
    let summary = job.save_to(model.clone()).run(&options).unwrap();
    assert_eq!((summary.saved, summary.dead, summary.left), (199, 1, 0));
    assert_eq!(summary.ending, Ending::Complete);
    assert_eq!(model.distinct(), 199);
}

#[test]
fn what_travels_with_an_item_that_hangs_is_left_for_the_next_run() {
    let options = Options {
        jobs: 2,
        compute_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let model = Model::default().shared();
    // So quick that hundreds travel together by then.
    let job = Job::new(0..50_000_u64).compute(|n| {
        if n == 40_000 {
            std::thread::sleep(Duration::from_secs(600));
        }
        n
    });
    let summary = job.save_to(model.clone()).run(&options).unwrap();
    assert!(
        matches!(&summary.ending, Ending::Hung(why) if why.contains("item 40000")),
        "{summary:?}"
    );
    assert!(summary.dead == 1 && summary.left > 1, "{summary:?}");
    assert_eq!(summary.saved + summary.dead + summary.left, 50_000);
    assert_eq!(model.distinct(), summary.saved);
}

#[test]
fn when_everything_hangs_the_run_ends_and_says_so() {
    let options = Options {
        jobs: 2,
        compute_timeout: Duration::from_millis(50),
        drain: Duration::from_secs(1),
        ..Options::default()
    };
    let job = Job::new(0..200_u64).compute(|n| {
        std::thread::sleep(Duration::from_secs(600));
        n
    });
    let summary = job
        .save_to(Model::default().shared())
        .run(&options)
        .unwrap();
    assert!(
        matches!(&summary.ending, Ending::Hung(why) if why.contains("did not come back")),
        "{summary:?}"
    );
    assert!(summary.dead >= 3 && summary.left > 0);
}

#[test]
fn what_was_fetched_is_saved_when_the_run_is_stopped() {
    for strategy in Strategy::ALL {
        let stop = Stop::new();
        let fetched = Arc::new(AtomicU64::new(0));
        let model = Model::default().shared();
        let counting = (stop.clone(), Arc::clone(&fetched));
        let job = Job::new(0..10_000_u64).fetch(async move |n: &u64| {
            let (stop, fetched) = &counting;
            if *n == 50 {
                stop.now();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            fetched.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Fault>(*n)
        });
        let job = job.compute(|n| n).save_to(model.clone()).stopped_by(&stop);
        let options = Options {
            strategy,
            ..Options::default()
        };
        let summary = job.run(&options).unwrap();
        assert_eq!(summary.ending, Ending::Stopped, "{strategy:?}");
        assert!(
            summary.saved > 50 && summary.left > 0,
            "{strategy:?}: {summary:?}"
        );
        assert_eq!(
            summary.saved,
            fetched.load(Ordering::Relaxed),
            "{strategy:?}"
        );
        assert_eq!(model.distinct(), summary.saved, "{strategy:?}");
    }
}
