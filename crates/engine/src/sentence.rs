//! What limited a run, in one sentence that a person can act on. Pure.

use crate::bottleneck::Bottleneck;
use crate::bound::{Basis, QuotaTerm};
use crate::diagnosis::{FAR, Straggled, failed_share, start_s, straggled};
use crate::fact::Step;
use crate::limit::Learnt;
use crate::options::Strategy;
use crate::service::Declared;
use crate::summary::{Ending, InFlight, Summary};

/// Where the next bottleneck is so near, to get past the first helps little.
const NEXT: f64 = 0.9;

/// The sentence of a summary whose numbers are complete.
pub(crate) fn sentence(summary: &Summary, jobs: usize, declared: Declared) -> String {
    if let Some(instead) = instead(summary) {
        return instead;
    }
    let share = format!("{:.0} % of the limit", summary.attainment * 100.0);
    match summary.bottleneck {
        // The bound knows nothing of reading, so a share of it would say nothing.
        Bottleneck::Source => {
            return "limited by reading the input; nothing behind it would help".to_owned();
        }
        // The share of requests that failed comes first: the other follows from it.
        Bottleneck::Failures => return format!("{}; {share}", failures(summary)),
        Bottleneck::Fetch
        | Bottleneck::InFlight
        | Bottleneck::Service
        | Bottleneck::Ends
        | Bottleneck::Search => {
            if let Some(one) = one_request(summary) {
                return one;
            }
        }
        _ => {}
    }
    if let Some(overload) = overload(summary, declared) {
        return format!("{share}; {overload}");
    }
    let Said { limit, help } = said(summary, jobs, declared);
    let help = next(summary).or(help).map(|help| format!("; {help}"));
    format!(
        "{share}; limited by {limit}{}{}",
        help.unwrap_or_default(),
        found(summary)
    )
}

/// What is said instead, where the run did not come to its end, or nothing was saved.
fn instead(summary: &Summary) -> Option<String> {
    match &summary.ending {
        Ending::Complete | Ending::Stopped => {}
        Ending::Unavailable(why)
        | Ending::Unreadable(why)
        | Ending::Halted(why)
        | Ending::Storage(why)
        | Ending::Hung(why) => return Some(format!("stopped: {why}")),
    }
    let finished_before = summary.saved_before + summary.dead_before;
    if finished_before > 0 && finished_before == summary.items {
        return Some(format!(
            "nothing was left to do: all {finished_before} items were finished before"
        ));
    }
    if summary.saved > summary.saved_before {
        return None;
    }
    Some(match summary.dead {
        _ if summary.left > 0 => "nothing was saved before the run stopped".to_owned(),
        0 => "nothing was saved".to_owned(),
        _ if finished_before > 0 => "nothing more was saved".to_owned(),
        1 => "nothing was saved: the only item became a dead letter".to_owned(),
        dead => format!("nothing was saved: all {dead} items became dead letters"),
    })
}

/// A run of which one request took more than half, and was neither late nor sent again: none could be much quicker.
fn one_request(summary: &Summary) -> Option<String> {
    let fetch = summary.fetch_in_flight.zip(summary.fetch_ms);
    let (what, flying, times) = match (summary.bottleneck, fetch) {
        (Bottleneck::Fetch, Some((flying, times))) => ("fetches", flying, times),
        _ => ("saves", summary.in_flight, summary.save_ms),
    };
    let items = summary.items - summary.saved_before - summary.dead_before;
    let slowest_s = times.max / 1e3;
    let is_most = items > 1 && slowest_s > 0.5 * summary.elapsed_s && summary.retried == 0;
    let at_once = match flying.max as u64 >= items {
        true => "; all were in flight at once",
        false => "",
    };
    is_most.then(|| {
        format!(
            "limited by the slowest of {items} {what}, {}{at_once}",
            seconds(slowest_s)
        )
    })
}

fn failures(summary: &Summary) -> String {
    let share = 100.0 * failed_share(summary);
    match summary.retry_tail_s > 0.2 * summary.elapsed_s {
        true => format!(
            "limited by requests that failed: {share:.0} % of all, and the last {} went into sending them again",
            seconds(summary.retry_tail_s)
        ),
        false => format!("limited by requests that failed: {share:.0} % of all"),
    }
}

/// More in flight than the service can handle, and slower for it.
fn overload(summary: &Summary, declared: Declared) -> Option<String> {
    let is_of_service = matches!(
        summary.bottleneck,
        Bottleneck::Service | Bottleneck::InFlight | Bottleneck::Search | Bottleneck::Pause
    );
    if summary.attainment >= FAR || !is_of_service {
        return None;
    }
    let flying = summary.in_flight;
    if summary.rejected_ratio > 0.1 {
        let advice = match summary.learnt {
            Some(_) => found(summary),
            None => "; fewer, or a rate that it accepts, would do".to_owned(),
        };
        return Some(format!(
            "overload: the service refused {:.1} requests for each item saved, with up to {} in flight{advice}",
            summary.rejected_ratio, flying.max
        ));
    }
    let slower = summary.save_ms.mean / summary.unloaded_ms;
    if slower <= 1.5 {
        return None;
    }
    match declared.capacity {
        Some(capacity) => (flying.mean > 1.2 * capacity as f64).then(|| {
            format!(
                "overload: {} in flight at a service that handles {capacity} made answers {slower:.1} \
                 times slower; try {capacity}",
                flying.max
            )
        }),
        // Where computing shares the thread, answers also wait for that.
        None if summary.strategy != Strategy::Parallel => None,
        None if flying.limit_final == 1 => None,
        // A limit that finds itself looks after that by itself.
        None if summary.learnt.is_some() => None,
        None => (flying.mean > 0.5 * flying.limit_final as f64).then(|| {
            format!(
                "overload: with {} in flight answers took {slower:.1} times as long as at their best; \
                 fewer would be quicker",
                flying.max
            )
        }),
    }
}

/// The limit that a run has found, where it explains something.
fn found(summary: &Summary) -> String {
    let Some(learnt) = summary.learnt else {
        return String::new();
    };
    let knows = learnt.goodput.is_some() || !learnt.is_rising && summary.rejected_ratio > 0.0;
    match summary.bottleneck {
        Bottleneck::Service | Bottleneck::InFlight | Bottleneck::Pause | Bottleneck::Search
            if knows =>
        {
            format!(
                "; the right number in flight was found to be about {}",
                summary.in_flight.limit_final
            )
        }
        Bottleneck::Cpu | Bottleneck::Service => {
            format!("; {} in flight were enough", summary.in_flight.max)
        }
        _ => String::new(),
    }
}

/// The next bottleneck, where it is so near that to get past the first would help little.
fn next(summary: &Summary) -> Option<String> {
    let own = summary.terms.get(&summary.bottleneck)?.s;
    let others = summary.terms.iter().filter(|(other, _)| {
        !matches!(other, Bottleneck::Ends | Bottleneck::Source) && **other != summary.bottleneck
    });
    let (next, term) = others.max_by(|(_, one), (_, other)| one.s.total_cmp(&other.s))?;
    let is_own_limit = *next == Bottleneck::InFlight && summary.bottleneck == Bottleneck::Service;
    let is_near = own > 0.0 && term.s >= NEXT * own && summary.attainment >= FAR && !is_own_limit;
    is_near.then(|| format!("next comes {next}, at {:.0} %", 100.0 * term.s / own))
}

/// What limited the run, and what would help.
struct Said {
    limit: String,
    help: Option<String>,
}

impl Said {
    fn limit(limit: impl Into<String>) -> Said {
        let (limit, help) = (limit.into(), None);
        Said { limit, help }
    }

    fn help(self, help: impl Into<String>) -> Said {
        let help = Some(help.into());
        Said { help, ..self }
    }
}

fn said(summary: &Summary, jobs: usize, declared: Declared) -> Said {
    let bottleneck = summary.bottleneck;
    match bottleneck {
        Bottleneck::Cpu => computing(summary, jobs),
        Bottleneck::Workers => Said::limit(format!(
            "{jobs} computations at a time, which wait ({:.1} cores busy)",
            summary.cores_busy
        ))
        .help("raise --jobs"),
        Bottleneck::OtherPrograms => Said::limit(format!(
            "other programs, which used {:.1} of {} cores",
            summary.other_cores.unwrap_or(0.0),
            summary.cores
        )),
        Bottleneck::Fetch => fetching(summary),
        Bottleneck::Service => {
            Said::limit(service(summary, declared)).help("more cores will not help")
        }
        Bottleneck::Quota => quota(summary),
        Bottleneck::InFlight => in_flight(summary, summary.in_flight),
        Bottleneck::Search => Said::limit(format!(
            "finding the right number in flight, which came to {} of the {} allowed",
            summary.in_flight.max, summary.in_flight.ceiling
        )),
        Bottleneck::Turns => Said::limit(match summary.strategy {
            Strategy::Sequential => "waiting for each answer in turn",
            _ => "computing and saving in turns",
        })
        .help("the parallel strategy overlaps them"),
        Bottleneck::Journal => {
            Said::limit(bottleneck.to_string()).help("a quicker disk would help")
        }
        Bottleneck::Output => Said::limit("the sink, which takes one request at a time")
            .help("more cores will not help"),
        Bottleneck::Order => Said::limit("keeping the order: items waited for one before them"),
        Bottleneck::Pause => Said::limit(format!(
            "pauses of {} together, for which the service asked",
            seconds(limited_s(summary, Bottleneck::Pause))
        )),
        Bottleneck::Brake => Said::limit(format!(
            "the brake, which held for {}",
            seconds(limited_s(summary, Bottleneck::Brake))
        )),
        Bottleneck::Outage => Said::limit(format!("an outage of {}", seconds(summary.outage_s))),
        Bottleneck::Straggler => straggler(summary),
        Bottleneck::Start => Said::limit(format!(
            "starting, which took {}",
            seconds(start_s(summary))
        )),
        Bottleneck::Ends => Said::limit(bottleneck.to_string()).help("the job is short"),
        Bottleneck::Io | Bottleneck::Source | Bottleneck::Failures => {
            Said::limit(bottleneck.to_string())
        }
    }
}

fn computing(summary: &Summary, jobs: usize) -> Said {
    if summary.strategy.is_one_thread() && summary.attainment < FAR {
        return Said::limit("computing on one thread").help("the parallel strategy uses all cores");
    }
    let cores = match jobs {
        1 => "one core".to_owned(),
        jobs => format!("{jobs} cores"),
    };
    Said::limit(format!("computing on {cores}"))
        .help("more cores would help, more in flight would not")
}

fn fetching(summary: &Summary) -> Said {
    let flying = summary.fetch_in_flight.unwrap_or_default();
    let latency_s = summary.fetch_ms.map_or(0.0, |fetch| fetch.mean / 1e3);
    let said = Said::limit(format!(
        "fetching, with {:.1} requests in flight of {} each",
        flying.mean,
        seconds(latency_s)
    ));
    match summary.learnt_fetch {
        Some(Learnt {
            goodput: Some(goodput),
            ..
        }) => said.help(format!(
            "its service gave no more than {}",
            per_second(goodput)
        )),
        Some(Learnt {
            is_rising: true, ..
        }) if flying.max >= flying.limit_final => said.help(format!(
            "the number in flight still rose, to {} of the {} allowed",
            flying.max, flying.ceiling
        )),
        _ => match in_flight(summary, flying).help {
            Some(help) if flying.max >= flying.ceiling => said.help(help),
            _ => said,
        },
    }
}

fn in_flight(summary: &Summary, flying: InFlight) -> Said {
    let said = Said::limit(format!(
        "the {} requests in flight that are allowed",
        flying.ceiling
    ));
    match summary.items > flying.ceiling as u64 {
        true => said.help("more would help if the service can take them"),
        false => said,
    }
}

fn service(summary: &Summary, declared: Declared) -> String {
    let goodput = summary.learnt.and_then(|learnt| learnt.goodput);
    match (declared.capacity, declared.latency) {
        (Some(capacity), Some(latency)) => {
            format!("the service ({capacity} at a time × {latency:.0?})")
        }
        _ if summary.in_flight.limit_final == 1 => "the service (one request at a time)".to_owned(),
        _ => match goodput {
            Some(goodput) => format!(
                "the service, which gave no more than {}",
                per_second(goodput)
            ),
            None => "the service".to_owned(),
        },
    }
}

fn quota(summary: &Summary) -> Said {
    let Some(quota) = summary.quota else {
        return Said::limit("the service's quota");
    };
    let QuotaTerm {
        step,
        per_second,
        is_units,
        basis,
        ..
    } = quota;
    let what = match (step, summary.fetch_ms) {
        (_, None) => "quota",
        (Step::Fetch, _) => "quota of fetches",
        _ => "quota of saves",
    };
    let of = if is_units { "tokens" } else { "requests" };
    let rate = match per_second < 10.0 {
        true => format!("{:.0} {of} a minute", 60.0 * per_second),
        false => format!("{per_second:.0} {of} a second"),
    };
    Said::limit(match basis {
        Basis::Learned => format!("the service's {what}, found to be about {rate}"),
        _ => format!("the {what} that was set, {rate}"),
    })
    .help("nothing else would help")
}

fn straggler(summary: &Summary) -> Said {
    let straggler = summary.straggler;
    if straggled(summary) == Some(Straggled::Computation) {
        return Said::limit(format!(
            "one computation of {} at the end",
            seconds(summary.compute_ms.max / 1e3)
        ));
    }
    let what = match straggler.step {
        Step::Fetch => "fetch",
        _ => "save",
    };
    let said = Said::limit(format!(
        "one {what} of {} at the end",
        seconds(straggler.request_s)
    ));
    match straggler.request_s > 2.0 * straggler.timeout_s {
        true => said.help(format!(
            "--timeout {}s would have cut {} short",
            straggler.timeout_s,
            match straggler.longer {
                0 | 1 => "only that one".to_owned(),
                longer => format!("{longer} requests"),
            }
        )),
        false => said,
    }
}

fn limited_s(summary: &Summary, bottleneck: Bottleneck) -> f64 {
    summary.limited_s.get(&bottleneck).copied().unwrap_or(0.0)
}

fn per_second(rate: f64) -> String {
    match rate < 10.0 {
        true => format!("{rate:.1}/s"),
        false => format!("{rate:.0}/s"),
    }
}

fn seconds(s: f64) -> String {
    match s {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

#[cfg(test)]
mod tests;
