//! Two hundred jobs of all sizes, each with its own bottleneck, and how far the forecasts that are shown were off.

use std::fmt::Write;

use super::staged::{MS, Played, Staged};
use crate::options::{InFlightLimit, Strategy};
use crate::quota::Quota;

/// How far a forecast that is shown may be off, in all but this share of the cases.
const OFF_MAX: f64 = 0.2;
const WRONG_MAX: f64 = 0.05;
/// Jobs.
const JOBS: u64 = 200;

/// What limits a job.
const LIMITS: [&str; 10] = [
    "cpu",
    "service",
    "in-flight",
    "quota",
    "quota found",
    "fetch",
    "source",
    "output",
    "turns",
    "failures",
];

/// How it went with one job.
struct Outcome {
    limit: &'static str,
    items: u64,
    elapsed_s: f64,
    /// How far the forecast was off, if one was shown.
    off: Option<f64>,
}

/// The job of this number.
fn job(number: u64, items_max: f64) -> (Staged, &'static str) {
    let mut random = fastrand::Rng::with_seed(number);
    let limit = LIMITS[(number % LIMITS.len() as u64) as usize];
    let mut between = |low: f64, high: f64| low * (high / low).powf(random.f64());
    let items = between(10.0, items_max) as u64;
    let ms = |ms: f64| MS.mul_f64(ms);
    let mut job = Staged {
        items,
        ..Staged::default()
    };
    job.save = Played {
        latency: ms(between(1.0, 300.0)),
        spread: between(0.01, 0.8),
        capacity: 100_000,
        ..Played::default()
    };
    match limit {
        "cpu" => job.compute = ms(between(0.05, 100.0)),
        "service" => job.save.capacity = between(1.0, 200.0) as usize,
        "in-flight" => job.options.in_flight = InFlightLimit::Fixed(between(1.0, 300.0) as usize),
        "quota" => {
            job.options.save_quota = Quota {
                requests: Some(between(1.0, 1000.0)),
                units: None,
            };
        }
        "quota found" => job.save.quota = Some((between(5.0, 500.0), between(1.0, 200.0))),
        "fetch" => {
            let capacity = between(1.0, 200.0) as usize;
            job.fetch = Some(Played {
                capacity,
                ..job.save.clone()
            });
        }
        "source" => job.read = ms(between(0.05, 100.0)),
        "output" => {
            job.save.connections = 1;
            job.save.bulk = between(1.0, 1000.0) as usize;
            job.save.per_record = ms(between(0.001, 1.0));
        }
        "turns" => {
            let strategies = [Strategy::Sequential, Strategy::Batched];
            job.options.strategy = strategies[(number / 10 % 2) as usize];
        }
        _ => {
            job.options.in_flight = InFlightLimit::Fixed(between(1.0, 100.0) as usize);
            job.save.fails = between(0.001, 0.2);
            job.options.retries = 100;
        }
    }
    if items > 100_000 {
        // What is that large is saved in bulks, or nobody would wait for it; and it is played sooner.
        job.save.bulk = job.save.bulk.max(100);
    }
    (job, limit)
}

fn outcome(number: u64, items_max: f64) -> Outcome {
    let (job, limit) = job(number, items_max);
    let summary = job.play(number);
    Outcome {
        limit,
        items: job.items,
        elapsed_s: summary.elapsed_s,
        off: summary
            .predicted_s
            .map(|predicted_s| predicted_s / summary.elapsed_s - 1.0),
    }
}

/// Says which were off by too much; the share of them among those that were shown.
fn wrong(outcomes: &[Outcome]) -> (Vec<String>, f64) {
    let shown = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.off?)));
    let wrong = shown.clone().filter(|(_, off)| off.abs() > OFF_MAX);
    let wrong: Vec<_> = wrong
        .map(|(of, off)| {
            format!(
                "{} × {}: {:.1} s, forecast off by {:+.0} %",
                of.items,
                of.limit,
                of.elapsed_s,
                100.0 * off
            )
        })
        .collect();
    let share = wrong.len() as f64 / shown.count().max(1) as f64;
    (wrong, share)
}

#[test]
fn a_forecast_that_is_shown_is_near() {
    let outcomes: Vec<_> = (0..40).map(|number| outcome(number, 1500.0)).collect();
    let (wrong, share) = wrong(&outcomes);
    assert!(share <= WRONG_MAX, "{share:.2}\n{}", wrong.join("\n"));
    let long = outcomes.iter().filter(|outcome| outcome.elapsed_s > 5.0);
    let shown = long.clone().filter(|outcome| outcome.off.is_some());
    assert!(4 * shown.count() >= 3 * long.count(), "too few are shown");
}

#[test]
#[ignore = "takes minutes; `cargo xtask insight` does it"]
fn forecasts_of_two_hundred_jobs() {
    let outcomes: Vec<_> = (0..JOBS).map(|number| outcome(number, 1e7)).collect();
    let (wrong, share) = wrong(&outcomes);
    super::table::write("forecast.md", "forecasts", "insight", &table(&outcomes));
    assert!(share <= WRONG_MAX, "{share:.2}\n{}", wrong.join("\n"));
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = "| limited by | jobs | items | shorter than 1 s | forecast shown | within 10 % | within 20 % | furthest off |\n\
                     |---|--:|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut line = |name: &str, of: &[&Outcome]| {
        let offs: Vec<f64> = of.iter().filter_map(|outcome| outcome.off).collect();
        let within = |most: f64| offs.iter().filter(|off| off.abs() <= most).count();
        let furthest = offs
            .iter()
            .copied()
            .max_by(|a, b| a.abs().total_cmp(&b.abs()));
        let items = of.iter().map(|outcome| outcome.items);
        let short = of.iter().filter(|outcome| outcome.elapsed_s < 1.0).count();
        writeln!(
            table,
            "| {name} | {} | {} to {} | {short} | {} | {} | {} | {} |",
            of.len(),
            items.clone().min().unwrap_or(0),
            items.max().unwrap_or(0),
            offs.len(),
            within(0.1),
            within(0.2),
            furthest.map_or("–".to_owned(), |off| format!("{:+.0} %", 100.0 * off)),
        )
        .expect("a string takes all");
    };
    for limit in LIMITS {
        let of: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.limit == limit)
            .collect();
        line(limit, &of);
    }
    line("all", &outcomes.iter().collect::<Vec<_>>());
    table
}
