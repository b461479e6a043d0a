//! The formulas held against the same work, played item by item in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::bottleneck::Bottleneck;
use crate::options::{InFlightLimit, Options, Strategy};

/// Work of which everything takes the same each time. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
struct Even {
    items: u64,
    compute: u64,
    latency: u64,
    capacity: usize,
    in_flight: usize,
    jobs: usize,
    batch: u64,
}

impl Even {
    fn forecast(self, strategy: Strategy) -> Forecast {
        let seconds = |micros: u64| Figure::declared(micros as f64 / 1e6);
        let work = Work {
            items: self.items,
            compute: seconds(self.compute),
            compute_beside: seconds(self.compute),
            fetch: None,
            save: Traffic {
                capacity: Some(Figure::declared(self.capacity as f64)),
                ..Traffic::taking(seconds(self.latency))
            },
        };
        let options = Options {
            jobs: self.jobs,
            in_flight: InFlightLimit::Fixed(self.in_flight),
            batch: self.batch as usize,
            ..Options::default()
        };
        forecast(&Way::of(&options, strategy), &work)
    }

    /// The same, played; in seconds.
    fn played(self, strategy: Strategy) -> f64 {
        let micros = match strategy {
            Strategy::Sequential => self.items * (self.compute + self.latency),
            Strategy::Batched => self.batches(),
            Strategy::Async => self.one_thread(),
            Strategy::Parallel => {
                let jobs = self.jobs as u64;
                let ready = (0..self.items).map(|n| (n / jobs + 1) * self.compute);
                self.places(self.in_flight).all(ready)
            }
        };
        micros as f64 / 1e6
    }

    fn batches(self) -> u64 {
        let (mut now, mut left) = (0, self.items);
        while left > 0 {
            let batch = left.min(self.batch);
            now += batch * self.compute;
            now = self.places(self.in_flight).all((0..batch).map(|_| now));
            left -= batch;
        }
        now
    }

    /// Computes, and looks between computations at what was answered.
    fn one_thread(self) -> u64 {
        let mut service = self.places(usize::MAX);
        let (mut now, mut computed, mut waiting, mut last) = (0, 0, 0, 0);
        let mut flying: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        while computed < self.items || waiting > 0 {
            match computed < self.items {
                true => {
                    now += self.compute;
                    computed += 1;
                    waiting += 1;
                }
                false => now = now.max(flying.peek().map_or(now, |Reverse(end)| *end)),
            }
            while flying.peek().is_some_and(|Reverse(end)| *end <= now) {
                flying.pop();
            }
            while waiting > 0 && flying.len() < self.in_flight {
                waiting -= 1;
                let end = service.serve(now);
                last = last.max(end);
                flying.push(Reverse(end));
            }
        }
        last
    }

    fn places(self, in_flight: usize) -> Places {
        let count = self.capacity.min(in_flight).min(self.items as usize);
        Places {
            free_at: (0..count).map(|_| Reverse(0)).collect(),
            latency: self.latency,
        }
    }
}

/// The places of a service, by when each is free.
struct Places {
    free_at: BinaryHeap<Reverse<u64>>,
    latency: u64,
}

impl Places {
    /// A request arrives; when it is answered.
    fn serve(&mut self, at: u64) -> u64 {
        let Reverse(free_at) = self.free_at.pop().expect("there is at least one");
        let end = at.max(free_at) + self.latency;
        self.free_at.push(Reverse(end));
        end
    }

    /// The last of these is answered.
    fn all(mut self, ready: impl Iterator<Item = u64>) -> u64 {
        ready.map(|at| self.serve(at)).max().unwrap_or(0)
    }
}

const USUAL: Even = Even {
    items: 600,
    compute: 16_000,
    latency: 100_000,
    capacity: 100,
    in_flight: 100,
    jobs: 2,
    batch: 100,
};

#[test]
fn every_formula_is_what_playing_it_gives() {
    let mut worst = (0.0, String::new());
    for items in [1, 7, 20, 150, 600] {
        for compute in [0, 1_000, 5_000, 16_000] {
            for latency in [1_000, 5_000, 100_000] {
                for (capacity, in_flight) in [
                    (1, 100),
                    (10, 100),
                    (100, 100),
                    (1000, 100),
                    (10, 1),
                    (100, 10),
                ] {
                    let even = Even {
                        items,
                        compute,
                        latency,
                        capacity,
                        in_flight,
                        ..USUAL
                    };
                    for strategy in Strategy::ALL {
                        let (predicted, played) =
                            (even.forecast(strategy).predicted_s, even.played(strategy));
                        let off = (predicted / played.max(1e-9) - 1.0).abs();
                        if off > worst.0 {
                            let name = strategy.name();
                            worst = (
                                off,
                                format!("{name} {even:?}: {predicted} s, played {played} s"),
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(worst.0 < 0.06, "{} off: {}", worst.0, worst.1);
}

#[test]
fn the_right_number_in_flight_is_enough_and_no_more() {
    for even in [
        USUAL,
        Even {
            capacity: 5,
            ..USUAL
        },
        Even {
            compute: 0,
            ..USUAL
        },
    ] {
        let forecast = even.forecast(Strategy::Parallel);
        let with = |in_flight| Even { in_flight, ..even }.played(Strategy::Parallel);
        assert!(
            with(forecast.in_flight) < 1.03 * with(1000),
            "{even:?} {forecast:?}"
        );
        assert!(
            with(forecast.in_flight * 2 / 3) > 1.05 * with(1000),
            "{even:?} {forecast:?}"
        );
    }
}

#[test]
fn a_rate_counts_requests_and_is_what_limits_batches() {
    // A thousand items of 100 µs and saves of 100 ms, in batches of a hundred.
    let forecast = |rate: f64, bulk: usize| {
        let work = Work {
            items: 1_000,
            compute: Figure::declared(1e-4),
            compute_beside: Figure::declared(1e-4),
            fetch: None,
            save: Traffic {
                bulk,
                ..Traffic::taking(Figure::declared(0.1))
            },
        };
        let options = Options {
            save_quota: crate::Quota {
                requests: Some(rate),
                ..crate::Quota::default()
            },
            batch: 100,
            ..Options::default()
        };
        let forecast = forecast(&Way::of(&options, Strategy::Batched), &work);
        (forecast.predicted_s, forecast.bottleneck)
    };
    let check = |rate, bulk, expected: f64, bottleneck| {
        let (predicted_s, by) = forecast(rate, bulk);
        assert!(
            (predicted_s / expected - 1.0).abs() < 0.05,
            "{predicted_s} s, not {expected}"
        );
        assert_eq!(by, bottleneck);
    };
    check(1.0, 100, 0.01 + 9.0 + 0.1, Bottleneck::Quota);
    check(
        50.0,
        1,
        10.0 * (0.01 + 99.0 / 50.0 + 0.1),
        Bottleneck::Quota,
    );
    check(1e6, 1, 10.0 * (0.01 + 0.1), Bottleneck::Turns);
}

#[test]
fn what_would_change_it_is_what_limits_it() {
    let by = |even: Even, strategy, what| {
        let forecast = even.forecast(strategy);
        let change = forecast.changes.iter().find(|change| change.what == what);
        (forecast.bottleneck, change.unwrap().by)
    };
    let (bottleneck, cores) = by(USUAL, Strategy::Parallel, What::TwiceTheCores);
    assert_eq!(bottleneck, Bottleneck::Cpu);
    assert!((-0.5..-0.45).contains(&cores), "{cores}");
    let slow = Even {
        capacity: 2,
        ..USUAL
    };
    let (bottleneck, cores) = by(slow, Strategy::Parallel, What::TwiceTheCores);
    assert!(
        bottleneck == Bottleneck::Service && cores.abs() < 0.01,
        "{cores}"
    );
    let (_, capacity) = by(slow, Strategy::Parallel, What::TwiceTheCapacity);
    assert!((-0.51..-0.48).contains(&capacity), "{capacity}");
    let narrow = Even {
        in_flight: 2,
        ..USUAL
    };
    let (bottleneck, limit) = by(narrow, Strategy::Parallel, What::TwiceInFlight);
    assert!(
        bottleneck == Bottleneck::InFlight && limit < -0.4,
        "{limit}"
    );
    let (bottleneck, cores) = by(USUAL, Strategy::Sequential, What::TwiceTheCores);
    assert_eq!((bottleneck, cores), (Bottleneck::Turns, 0.0));
    let (bottleneck, _) = by(
        Even { items: 1, ..USUAL },
        Strategy::Parallel,
        What::TwiceInFlight,
    );
    assert_eq!(bottleneck, Bottleneck::Ends);
}

#[test]
fn the_interval_holds_the_time_and_grows_with_what_is_not_known() {
    let of = |latency, strategy| {
        let figure = Figure::declared(0.016);
        let work = Work {
            items: 600,
            compute: figure,
            compute_beside: figure,
            fetch: None,
            save: Traffic::taking(latency),
        };
        forecast(&Way::of(&Options::default(), strategy), &work)
    };
    for strategy in Strategy::ALL {
        let widths = [Figure::declared(0.1), Figure::assumed(0.1)].map(|latency| {
            let forecast = of(latency, strategy);
            assert!(
                forecast.low_s < forecast.predicted_s && forecast.predicted_s < forecast.high_s
            );
            forecast.high_s - forecast.low_s
        });
        assert!(widths[0] < widths[1], "{widths:?}");
    }
}

#[test]
fn what_a_record_costs_is_as_unsure_as_it_was_learnt() {
    let width = |per_record| {
        let work = Work {
            items: 1_000_000,
            compute: Figure::NOTHING,
            compute_beside: Figure::NOTHING,
            fetch: None,
            save: Traffic {
                bulk: 10_000,
                per_record,
                connections: Some(1),
                ..Traffic::taking(Figure::declared(0.001))
            },
        };
        let parallel = Way::of(&Options::default(), Strategy::Parallel);
        let forecast = forecast(&parallel, &work);
        forecast.high_s / forecast.low_s
    };
    assert!(width(Figure::declared(5e-6)) < 1.2);
    assert!(width(Figure::assumed(5e-6)) > 8.0);
}

#[test]
fn nothing_to_do_takes_no_time() {
    for strategy in Strategy::ALL {
        let forecast = Even { items: 0, ..USUAL }.forecast(strategy);
        assert_eq!((forecast.predicted_s, forecast.in_flight), (0.0, 1));
    }
}

#[test]
fn bulks_quotas_and_fetches_count() {
    let figure = Figure::declared;
    let work = |change: &dyn Fn(&mut Work)| {
        let mut work = Work {
            items: 1000,
            compute: figure(0.0),
            compute_beside: figure(0.0),
            fetch: None,
            save: Traffic::taking(figure(0.1)),
        };
        change(&mut work);
        work
    };
    let seconds = |strategy, work: &Work| forecast(&Way::of(&Options::default(), strategy), work);
    let bulks = work(&|work| {
        (work.save.bulk, work.save.per_record) = (100, figure(0.001));
        work.save.connections = Some(1);
    });
    let close =
        |seconds: f64, expected: f64| assert!((seconds / expected - 1.0).abs() < 0.02, "{seconds}");
    // Ten requests of 100 records, one at a time.
    close(
        seconds(Strategy::Parallel, &bulks).predicted_s,
        10.0 * 0.199,
    );
    close(seconds(Strategy::Batched, &bulks).predicted_s, 10.0 * 0.199);
    close(seconds(Strategy::Sequential, &bulks).predicted_s, 100.0);
    // What becomes ready while one is answered shares the next.
    let shared = work(&|work| {
        (work.save.bulk, work.save.connections) = (100, Some(1));
        work.compute = figure(0.0001);
    });
    close(seconds(Strategy::Async, &shared).predicted_s, 1.0);
    let quota = work(&|work| work.save.quota = Some(figure(50.0)));
    let forecast = seconds(Strategy::Parallel, &quota);
    close(forecast.predicted_s, 20.08);
    assert_eq!(forecast.bottleneck, Bottleneck::Quota);
    let fetches = work(&|work| {
        let ten = Some(figure(10.0));
        work.fetch = Some(Traffic {
            capacity: ten,
            ..Traffic::taking(figure(0.2))
        });
    });
    let forecast = seconds(Strategy::Parallel, &fetches);
    close(forecast.predicted_s, 20.1);
    assert_eq!(forecast.bottleneck, Bottleneck::Fetch);
    close(seconds(Strategy::Sequential, &fetches).predicted_s, 300.0);
}

#[test]
fn a_quota_counts_requests_of_its_own_stage() {
    let figure = Figure::declared;
    let parallel = Way::of(&Options::default(), Strategy::Parallel);
    let mut work = Work {
        items: 10_000,
        compute: figure(0.0),
        compute_beside: figure(0.0),
        fetch: None,
        save: Traffic {
            bulk: 100,
            quota: Some(figure(50.0)),
            ..Traffic::taking(figure(1.0))
        },
    };
    // A hundred requests of a hundred records; fifty are sent while one is answered.
    let of_saves = forecast(&parallel, &work);
    assert!((2.9..3.1).contains(&of_saves.predicted_s), "{of_saves:?}");
    assert_eq!(of_saves.in_flight, 50);
    // Each item is fetched by itself.
    work.save.quota = None;
    work.fetch = Some(Traffic {
        quota: Some(figure(50.0)),
        ..Traffic::taking(figure(0.1))
    });
    let of_fetches = forecast(&parallel, &work);
    assert!(
        (200.0..203.0).contains(&of_fetches.predicted_s),
        "{of_fetches:?}"
    );
    assert_eq!(of_fetches.bottleneck, Bottleneck::Quota);
    assert_eq!(of_fetches.in_flight, 1);
}
