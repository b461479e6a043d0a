//! A brake: while it holds, nothing new is sent, by every strategy; and then all of it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inflight::{Brake, Counts, Fact, Fault, Held, Job, Options, Strategy};

/// Beats that are waited for while the brake holds.
const BEATS: u64 = 5;

/// Holds the brake once so many items are saved, and lets go when nothing has been begun for some beats.
fn check(strategy: Strategy, held_from: u64, with_fetch: bool) {
    let (brake, begun, held) = (
        Brake::new(),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );
    if held_from == 0 {
        brake.hold();
    }
    let observer = {
        let (brake, begun, beats, mut seen) =
            (brake.clone(), Arc::clone(&begun), Arc::clone(&held), None);
        move |fact: &Fact, _: &Counts| {
            let Fact::Beat { load, .. } = fact else {
                return;
            };
            let steps = [load.fetch, Some(load.save)];
            let mut steps = steps.into_iter().flatten();
            let is_idle = steps.clone().all(|step| step.in_flight == 0);
            let is_held = steps.any(|step| step.held == Some(Held::Brake));
            if !brake.is_held() || !is_held || !is_idle {
                return;
            }
            let now = begun.load(Ordering::SeqCst);
            assert_eq!(*seen.get_or_insert(now), now, "a request was begun");
            if beats.fetch_add(1, Ordering::SeqCst) + 1 == BEATS {
                brake.release();
            }
        }
    };
    let counted = |brake: Brake, begun: Arc<AtomicU64>| {
        move || {
            if begun.fetch_add(1, Ordering::SeqCst) + 1 == held_from {
                brake.hold();
            }
        }
    };
    let options = Options {
        strategy,
        batch: 10,
        ..Options::default()
    };
    let job = Job::new(0..200_u64).observed_by(observer).braked_by(&brake);
    let summary = if with_fetch {
        let count = counted(brake.clone(), Arc::clone(&begun));
        let job = job.fetch(async move |n: &u64| {
            count();
            Ok::<_, Fault>(*n)
        });
        job.compute(|n| n)
            .save(async |_: &u64| Ok::<(), Fault>(()))
            .run(&options)
    } else {
        let count = counted(brake.clone(), Arc::clone(&begun));
        let job = job.compute(|n| n).save(async move |_: &u64| {
            count();
            Ok::<(), Fault>(())
        });
        job.run(&options)
    };
    assert_eq!(summary.unwrap().saved, 200);
    assert!(
        held.load(Ordering::SeqCst) >= BEATS,
        "{strategy:?} was not held"
    );
}

#[test]
fn nothing_is_begun_while_it_holds_and_all_is_done_after_that() {
    for strategy in Strategy::ALL {
        for held_from in [0, 50] {
            check(strategy, held_from, false);
            check(strategy, held_from, true);
        }
    }
}
