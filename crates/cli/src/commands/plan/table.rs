//! The plan as a table readable at a glance. Pure text; computes nothing but widths.

use std::fmt::Write;

use inflight::forecast::{Change, Figure, Forecast, Top};

use super::document::{Plan, Service};
use crate::show::table::{aligned, basis};
use crate::terminal::quantity::{count, milliseconds, seconds};

const HEADER: [&str; 6] = [
    "strategy",
    "predicted",
    "at best",
    "at worst",
    "in flight",
    "bottleneck",
];

/// A change that saves or costs less than this share is told as nothing.
const NOTHING: f64 = 0.005;

/// The whole plan: what it rests on above, a row for each strategy, what would change the quickest below.
pub(super) fn plan(plan: &Plan, styled: bool) -> String {
    let workload = &plan.workload;
    let mut text = format!(
        "{} × {} → {}, {}\n",
        count(workload.items, "item"),
        workload.compute,
        workload.sink,
        count(plan.cores as u64, "core"),
    );
    let compute = &plan.compute;
    let _ = writeln!(
        text,
        "computing an item: {} alone, {} on all threads ({})",
        milliseconds(compute.alone_ms.value),
        milliseconds(compute.beside_ms.value),
        basis(compute.alone_ms.basis),
    );
    if let Some(fetch) = &plan.fetch {
        let _ = writeln!(text, "a fetch: {}", service(fetch));
    }
    let _ = writeln!(text, "a save: {}{}", service(&plan.save), top(plan));
    let sampled = &plan.sampled;
    let _ = writeln!(
        text,
        "the sample: {}, {}, {}",
        count(sampled.items, "computation"),
        count(sampled.saves, "save"),
        seconds(sampled.elapsed_s),
    );
    text.push('\n');
    let rows: Vec<Vec<String>> = plan.strategies.iter().map(row).collect();
    for line in aligned(&HEADER, &rows, styled) {
        text.push_str(&line);
        text.push('\n');
    }
    let quickest = plan
        .strategies
        .iter()
        .find(|forecast| Some(forecast.strategy) == plan.quickest);
    if let Some(quickest) = quickest {
        let _ = write!(text, "\n{}\n", conclusion(quickest));
    }
    text
}

fn service(service: &Service) -> String {
    let latency = service.latency_ms;
    let mut text = format!("{} ({})", milliseconds(latency.value), basis(latency.basis));
    let mut add = |figure: &Option<Figure>, what: &str| {
        if let Some(figure) = figure {
            let _ = write!(
                text,
                ", {:.0} {what} ({})",
                figure.value,
                basis(figure.basis)
            );
        }
    };
    add(&service.capacity, "at once");
    add(&service.quota_per_s, "a second");
    if service.capacity.is_none() && service.quota_per_s.is_none() {
        text.push_str(", any number at once");
    }
    if service.bulk_max > 1 {
        let _ = write!(
            text,
            ", up to {} records in a request, {} more for each",
            service.bulk_max,
            milliseconds(service.per_record_ms.value),
        );
    }
    text
}

/// How far that was tried.
fn top(plan: &Plan) -> String {
    let (Some(rung), Some(top)) = (plan.sampled.rungs.last(), plan.sampled.top) else {
        return String::new();
    };
    let tried = rung.in_flight;
    match top {
        Top::Full => format!("; {tried} in flight brought little more than half as many"),
        Top::Refused => format!("; it refused with {tried} in flight"),
        Top::Enough | Top::Time => format!("; tried with up to {tried} in flight"),
        Top::Failed => format!("; saves failed with {tried} in flight"),
    }
}

fn row(forecast: &Forecast) -> Vec<String> {
    vec![
        forecast.strategy.name().to_owned(),
        seconds(forecast.predicted_s),
        seconds(forecast.low_s),
        seconds(forecast.high_s),
        forecast.in_flight.to_string(),
        forecast.bottleneck.name().to_owned(),
    ]
}

/// What to take away: the quickest, and what would change it.
fn conclusion(quickest: &Forecast) -> String {
    let changes: Vec<String> = quickest.changes.iter().map(change).collect();
    let mut changes = changes.join("; ");
    if let Some(first) = changes.get(..1) {
        let upper = first.to_uppercase();
        changes.replace_range(..1, &upper);
    }
    format!(
        "{} is the quickest, {} in flight are enough. {changes}.",
        quickest.strategy.name(),
        quickest.in_flight,
    )
}

fn change(change: &Change) -> String {
    let percent = match change.by {
        by if by.abs() < NOTHING => "−0".to_owned(),
        by if by < 0.0 => format!("−{:.0}", -by * 100.0),
        by => format!("+{:.0}", by * 100.0),
    };
    format!("{}: {percent} %", change.what.name())
}
