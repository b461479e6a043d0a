//! What is said of runs of which every figure is known.

use std::time::Duration;

use super::*;
use crate::bound::Term;
use crate::cores::Machine;
use crate::options::Options;
use crate::score::{Known, Setting, score};
use crate::summary::Straggler;
use crate::tally::Tally;
use crate::times::Dist;

const LAB: Declared = Declared {
    latency: Some(Duration::from_millis(100)),
    capacity: Some(100),
    goodput: Some(1000.0),
};

/// A run of 600 saves on two cores, limited by its service, changed a little, and what is said of it.
#[track_caller]
fn check(declared: Declared, change: impl FnOnce(&mut Summary), said: &str) {
    let options = Options::default();
    let known = Known {
        limit: 100,
        limit_final: 100,
        learnt: None,
        connections_max: None,
        declared,
    };
    let setting = Setting {
        options: &options,
        elapsed: Duration::from_secs(1),
        machine: Machine {
            cores: 2,
            others: None,
        },
        ending: Ending::Complete,
        fetch: None,
        save: known,
    };
    let mut summary = score(&Tally::new(&options, None, (0, 0)), setting);
    (summary.saved, summary.items, summary.bulk.mean) = (600, 600, 1.0);
    summary.attainment = 0.97;
    summary.unloaded_ms = 100.0;
    summary.bottleneck = Bottleneck::Service;
    (summary.in_flight.max, summary.in_flight.limit_final) = (100, 100);
    change(&mut summary);
    assert_eq!(sentence(&summary, 2, declared), said);
}

/// One that the service does not limit.
#[track_caller]
fn check_by(bottleneck: Bottleneck, change: impl FnOnce(&mut Summary), said: &str) {
    let change = |summary: &mut Summary| {
        summary.bottleneck = bottleneck;
        change(summary);
    };
    check(Declared::default(), change, said);
}

fn learnt() -> Learnt {
    Learnt {
        limit: 104.0,
        latency: Duration::from_millis(100),
        goodput: Some(990.0),
        rate: None,
        is_rising: false,
        bulk: None,
        records: 1.0,
    }
}

#[test]
fn what_limits_and_what_would_help() {
    check(
        LAB,
        |_| {},
        "97 % of the limit; limited by the service (100 at a time × 100ms); more cores will not help",
    );
    check_by(
        Bottleneck::Cpu,
        |_| {},
        "97 % of the limit; limited by computing on 2 cores; more cores would help, more in flight would not",
    );
    check_by(
        Bottleneck::InFlight,
        |_| {},
        "97 % of the limit; limited by the 100 requests in flight that are allowed; more would help if the service can take them",
    );
    check_by(
        Bottleneck::InFlight,
        |s| s.items = 3,
        "97 % of the limit; limited by the 100 requests in flight that are allowed",
    );
    check_by(
        Bottleneck::Output,
        |_| {},
        "97 % of the limit; limited by the sink, which takes one request at a time; more cores will not help",
    );
    check_by(
        Bottleneck::Source,
        |_| {},
        "limited by reading the input; nothing behind it would help",
    );
}

#[test]
fn the_next_limit_is_named_where_it_is_near() {
    let terms = |cpu_s, service_s| {
        move |s: &mut Summary| {
            let basis = Basis::Measured;
            s.terms.insert(Bottleneck::Cpu, Term { s: cpu_s, basis });
            s.terms.insert(
                Bottleneck::Service,
                Term {
                    s: service_s,
                    basis,
                },
            );
        }
    };
    check_by(
        Bottleneck::Cpu,
        terms(10.0, 9.7),
        "97 % of the limit; limited by computing on 2 cores; next comes the service, at 97 %",
    );
    check_by(
        Bottleneck::Cpu,
        terms(10.0, 8.0),
        "97 % of the limit; limited by computing on 2 cores; more cores would help, more in flight would not",
    );
}

#[test]
fn overload_says_what_to_try() {
    check(
        LAB,
        |s| {
            s.attainment = 0.2;
            (s.in_flight.mean, s.in_flight.max, s.save_ms.mean) = (900.0, 1000, 500.0);
        },
        "20 % of the limit; overload: 1000 in flight at a service that handles 100 made answers 5.0 times \
         slower; try 100",
    );
    check_by(
        Bottleneck::InFlight,
        |s| {
            s.attainment = 0.2;
            (s.in_flight.mean, s.in_flight.max, s.save_ms.mean) = (90.0, 100, 500.0);
        },
        "20 % of the limit; overload: with 100 in flight answers took 5.0 times as long as at their best; \
         fewer would be quicker",
    );
    check_by(
        Bottleneck::InFlight,
        |s| (s.attainment, s.rejected_ratio, s.in_flight.max) = (0.5, 2.0, 100),
        "50 % of the limit; overload: the service refused 2.0 requests for each item saved, with up to 100 \
         in flight; fewer, or a rate that it accepts, would do",
    );
    let searched = |s: &mut Summary| {
        s.learnt = Some(Learnt {
            goodput: None,
            ..learnt()
        });
        (s.attainment, s.rejected_ratio) = (0.5, 0.2);
        (s.in_flight.max, s.in_flight.limit_final) = (8, 4);
    };
    check_by(
        Bottleneck::Service,
        searched,
        "50 % of the limit; overload: the service refused 0.2 requests for each item saved, with up to 8 in flight; \
         the right number in flight was found to be about 4",
    );
}

#[test]
fn steps_that_wait_for_each_other() {
    check_by(
        Bottleneck::Turns,
        |s| (s.attainment, s.strategy) = (0.01, Strategy::Sequential),
        "1 % of the limit; limited by waiting for each answer in turn; the parallel strategy overlaps them",
    );
    check_by(
        Bottleneck::Turns,
        |s| (s.attainment, s.strategy) = (0.5, Strategy::Batched),
        "50 % of the limit; limited by computing and saving in turns; the parallel strategy overlaps them",
    );
    check_by(
        Bottleneck::Cpu,
        |s| (s.attainment, s.strategy) = (0.5, Strategy::Async),
        "50 % of the limit; limited by computing on one thread; the parallel strategy uses all cores",
    );
}

#[test]
fn what_went_wrong() {
    check_by(
        Bottleneck::Outage,
        |s| (s.attainment, s.outage_s, s.elapsed_s) = (0.5, 31.0, 60.0),
        "50 % of the limit; limited by an outage of 31 s",
    );
    let failing = |s: &mut Summary| {
        (s.attainment, s.retry_tail_s, s.elapsed_s) = (0.46, 1.8, 4.0);
        (s.saved, s.retried) = (600, 257);
    };
    check_by(
        Bottleneck::Failures,
        failing,
        "limited by requests that failed: 30 % of all, and the last 1.8 s went into sending them again; 46 % of the limit",
    );
    check_by(
        Bottleneck::Pause,
        |s| {
            s.attainment = 0.5;
            s.limited_s.insert(Bottleneck::Pause, 12.0);
        },
        "50 % of the limit; limited by pauses of 12 s together, for which the service asked",
    );
}

#[test]
fn one_slow_item_at_the_end_is_named_and_nothing_else_is_promised() {
    let slow = |s: &mut Summary| {
        (s.attainment, s.elapsed_s, s.save_ms.p90) = (0.34, 38.0, 120.0);
        s.straggler = Straggler {
            alone_s: 25.0,
            request_s: 25.0,
            timeout_s: 2.0,
            longer: 1,
            ..Straggler::default()
        };
    };
    check_by(
        Bottleneck::Straggler,
        slow,
        "34 % of the limit; limited by one save of 25 s at the end; --timeout 2s would have cut only that one short",
    );
    check_by(
        Bottleneck::Straggler,
        |s| {
            slow(s);
            (s.straggler.step, s.straggler.longer) = (Step::Fetch, 7);
        },
        "34 % of the limit; limited by one fetch of 25 s at the end; --timeout 2s would have cut 7 requests short",
    );
    check_by(
        Bottleneck::Straggler,
        |s| {
            (s.attainment, s.elapsed_s) = (0.34, 38.0);
            (s.compute_ms.p50, s.compute_ms.max) = (20.0, 24_000.0);
            (s.straggler.alone_s, s.straggler.request_s) = (25.0, 0.1);
        },
        "34 % of the limit; limited by one computation of 24 s at the end",
    );
}

#[test]
fn a_quota_is_named_with_its_figure() {
    let quota = |step, per_second, is_units, basis| {
        move |s: &mut Summary| {
            s.quota = Some(QuotaTerm {
                step,
                per_second,
                is_units,
                basis,
                s: 10.0,
            });
        }
    };
    let near =
        |said: &str| format!("97 % of the limit; limited by {said}; nothing else would help");
    check_by(
        Bottleneck::Quota,
        quota(Step::Save, 99.7, false, Basis::Learned),
        &near("the service's quota, found to be about 100 requests a second"),
    );
    check_by(
        Bottleneck::Quota,
        quota(Step::Save, 50.0, false, Basis::Declared),
        &near("the quota that was set, 50 requests a second"),
    );
    let tokens = quota(Step::Fetch, 200_000.0 / 60.0, true, Basis::Declared);
    check_by(
        Bottleneck::Quota,
        |s| {
            s.fetch_ms = Some(Dist::default());
            tokens(s);
        },
        &near("the quota of fetches that was set, 3333 tokens a second"),
    );
    check_by(
        Bottleneck::Quota,
        quota(Step::Save, 500.0 / 60.0, false, Basis::Declared),
        &near("the quota that was set, 500 requests a minute"),
    );
}

#[test]
fn those_who_compute_may_wait_or_lack_the_cores() {
    check_by(
        Bottleneck::Workers,
        |s| s.cores_busy = 0.04,
        "97 % of the limit; limited by 2 computations at a time, which wait (0.0 cores busy); raise --jobs",
    );
    check_by(
        Bottleneck::OtherPrograms,
        |s| (s.attainment, s.other_cores) = (0.34, Some(1.1)),
        "34 % of the limit; limited by other programs, which used 1.1 of 2 cores",
    );
}

#[test]
fn fetching_is_named_with_its_own_figures() {
    let fetching = |s: &mut Summary| {
        (s.attainment, s.elapsed_s) = (0.4, 10.0);
        s.fetch_in_flight = Some(InFlight {
            mean: 7.9,
            max: 8,
            limit_final: 8,
            ceiling: 8,
        });
        s.fetch_ms = Some(Dist {
            mean: 1000.0,
            max: 1200.0,
            ..Dist::default()
        });
    };
    let said =
        "40 % of the limit; limited by fetching, with 7.9 requests in flight of 1.0 s each; ";
    check_by(
        Bottleneck::Fetch,
        fetching,
        &format!("{said}more would help if the service can take them"),
    );
    check_by(
        Bottleneck::Fetch,
        |s| {
            fetching(s);
            s.learnt_fetch = Some(learnt());
        },
        &format!("{said}its service gave no more than 990/s"),
    );
    check_by(
        Bottleneck::Fetch,
        |s| {
            fetching(s);
            s.items = 6;
            s.fetch_in_flight.as_mut().unwrap().max = 6;
            (s.fetch_ms.as_mut().unwrap().max, s.elapsed_s) = (1600.0, 1.68);
        },
        "limited by the slowest of 6 fetches, 1.6 s; all were in flight at once",
    );
}

#[test]
fn the_limit_that_was_found() {
    let end = "97 % of the limit; limited by the service (100 at a time × 100ms); more cores will not help; ";
    check(
        LAB,
        |s| (s.learnt, s.in_flight.limit_final) = (Some(learnt()), 104),
        &format!("{end}the right number in flight was found to be about 104"),
    );
    let unknown = Some(Learnt {
        goodput: None,
        ..learnt()
    });
    check(
        LAB,
        |s| (s.learnt, s.in_flight.max) = (unknown, 40),
        &format!("{end}40 in flight were enough"),
    );
    check(
        Declared::default(),
        |s| s.learnt = Some(learnt()),
        "97 % of the limit; limited by the service, which gave no more than 990/s; more cores will not help; the right \
         number in flight was found to be about 100",
    );
    check_by(
        Bottleneck::Search,
        |s| {
            (s.learnt, s.attainment) = (unknown, 0.1);
            (s.in_flight.max, s.in_flight.ceiling) = (283, 1000);
        },
        "10 % of the limit; limited by finding the right number in flight, which came to 283 of the 1000 allowed",
    );
}

#[test]
fn what_was_not_reached() {
    check(
        LAB,
        |s| (s.saved, s.dead) = (0, 600),
        "nothing was saved: all 600 items became dead letters",
    );
    check(
        LAB,
        |s| s.ending = Ending::Unavailable("save failed for 8s: refused".to_owned()),
        "stopped: save failed for 8s: refused",
    );
}
