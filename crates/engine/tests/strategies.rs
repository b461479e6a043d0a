//! What every strategy must do alike: one table of scenarios, each run four ways.

mod common;

use std::time::Duration;

use common::{Model, check};
use inflight::{Ending, Fault, Job, Options, Stop, Strategy, Verdict};

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
            assert_eq!(
                (summary.saved + summary.dead, model.distinct()),
                (2_000, 2_000)
            );
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

#[test]
fn a_stop_drains_and_counts_what_is_left() {
    for strategy in Strategy::ALL {
        let stop = Stop::new();
        let model = Model {
            latency: Duration::from_millis(5),
            ..Model::default()
        }
        .shared();
        let options = Options {
            strategy,
            ..Options::default()
        };
        let trigger = stop.clone();
        let seen = model.clone();
        let summary = Job::new(0..100_000u64)
            .compute(move |n| {
                if seen.sent() > 20 {
                    trigger.now();
                }
                n
            })
            .save_to(model.clone())
            .stopped_by(&stop)
            .run(&options)
            .unwrap();
        let name = strategy.name();
        // Told more than once, so in flight may have been abandoned; nothing is lost or invented all the same.
        assert_eq!(
            summary.saved + summary.dead + summary.left,
            100_000,
            "{name}"
        );
        assert_eq!(summary.ending, Ending::Stopped, "{name}");
        assert!(
            summary.left > 0 && summary.saved <= model.distinct(),
            "{name}"
        );
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
