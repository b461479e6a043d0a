//! What limited a run, in one sentence that a person can act on. Pure.

use crate::bound::{Basis, Wall};
use crate::limit::Learnt;
use crate::options::Strategy;
use crate::service::Declared;
use crate::summary::{Ending, Straggler, Summary};

/// Below this share of the limit the wall alone does not explain the time, and the sentence says what does.
const NEAR: f64 = 0.8;

/// The sentence of a summary whose numbers are complete.
pub(crate) fn sentence(summary: &Summary, jobs: usize, declared: Declared) -> String {
    match &summary.ending {
        Ending::Complete | Ending::Stopped => {}
        Ending::Unavailable(why)
        | Ending::Unreadable(why)
        | Ending::Halted(why)
        | Ending::Storage(why)
        | Ending::Hung(why) => return format!("stopped: {why}"),
    }
    let finished_before = summary.saved_before + summary.dead_before;
    if finished_before > 0 && finished_before == summary.items {
        return format!("nothing was left to do: all {finished_before} items were finished before");
    }
    if summary.saved == summary.saved_before {
        return match summary.dead {
            _ if summary.left > 0 => "nothing was saved before the run stopped".to_owned(),
            0 => "nothing was saved".to_owned(),
            _ if finished_before > 0 => "nothing more was saved".to_owned(),
            1 => "nothing was saved: the only item became a dead letter".to_owned(),
            dead => format!("nothing was saved: all {dead} items became dead letters"),
        };
    }
    let share = format!("{:.0} % of the limit", summary.attainment * 100.0);
    if summary.limited_by == Wall::Source {
        // The bound knows nothing of reading, so a share of it would say nothing.
        return "limited by reading the input; nothing behind it would help".to_owned();
    }
    if let Some(overload) = overload(summary, declared) {
        return format!("{share}; {overload}");
    }
    let (wall, help) = wall(summary, jobs, declared);
    let found = found(summary);
    match waste(summary) {
        // To get past the wall helps little where the time went elsewhere.
        Some(waste) => format!("{share}; {waste}; the wall is {wall}{found}"),
        None => format!("{share}; limited by {wall}{help}{found}"),
    }
}

/// The limit that a run has found, if it had to.
fn found(summary: &Summary) -> String {
    let limit = summary.in_flight.limit_final;
    match summary.learnt {
        None => String::new(),
        Some(Learnt {
            rate: Some(rate), ..
        }) if rate < 10.0 => format!("; its quota was found to be about {rate:.2}/s"),
        Some(Learnt {
            rate: Some(rate), ..
        }) => format!("; its quota was found to be about {rate:.0}/s"),
        Some(Learnt {
            goodput, is_rising, ..
        }) if goodput.is_some() || (!is_rising && summary.rejected_ratio > 0.0) => {
            format!("; the right number in flight was found to be about {limit}")
        }
        Some(_) if summary.limited_by == Wall::Ceiling => String::new(),
        Some(_) => format!("; {} in flight were enough", summary.in_flight.max),
    }
}

/// More in flight than the service can handle, and slower for it.
fn overload(summary: &Summary, declared: Declared) -> Option<String> {
    if summary.attainment >= NEAR {
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

/// What kept the run from its wall, where that is known.
fn waste(summary: &Summary) -> Option<String> {
    if summary.attainment >= NEAR {
        return None;
    }
    if summary.outage_s > 0.2 * summary.elapsed_s {
        return Some(format!(
            "the service was away for {:.0} s",
            summary.outage_s
        ));
    }
    if let Some(straggler) = straggler(summary) {
        return Some(straggler);
    }
    if summary.retry_tail_s > 0.2 * summary.elapsed_s {
        return Some(format!(
            "{:.0} % of the attempts failed, and the last {:.1} s went into trying failed items again",
            failed_share(summary) * 100.0,
            summary.retry_tail_s
        ));
    }
    match summary.strategy {
        Strategy::Sequential => Some("limited by waiting for each answer in turn".to_owned()),
        Strategy::Batched => Some("computing and saving take turns".to_owned()),
        Strategy::Async if summary.limited_by == Wall::Cpu => {
            Some("one thread computes and serves".to_owned())
        }
        _ if summary.retried > summary.saved / 10 => Some(format!(
            "{:.0} % of the attempts failed, which cost the rest",
            failed_share(summary) * 100.0
        )),
        Strategy::Parallel if is_fetching(summary) => Some(format!(
            "limited by fetching, with {:.1} requests in flight of {} each",
            summary.fetch_in_flight,
            seconds(summary.fetch_ms.map_or(0.0, |fetch| fetch.mean / 1e3))
        )),
        Strategy::Parallel if io_thread_share(summary) > NEAR => {
            Some("sending and receiving kept the I/O thread busy".to_owned())
        }
        // Whatever it waited for, more in flight would have shortened it.
        Strategy::Parallel
            if summary.learnt.is_some()
                && matches!(summary.limited_by, Wall::Ceiling | Wall::Ends) =>
        {
            Some("finding the number in flight took its time".to_owned())
        }
        Strategy::Async | Strategy::Parallel => None,
    }
}

/// One item that was all that was left for a good part of the run: its request was far slower than others, or its computation.
fn straggler(summary: &Summary) -> Option<String> {
    let Straggler { alone_s, request_s } = summary.straggler;
    if alone_s < 0.2 * summary.elapsed_s {
        return None;
    }
    // What nearly all requests take, and time for a bad day.
    let usual_s = 10.0 * summary.save_ms.p90.max(1.0) / 1e3;
    if request_s > usual_s.max(0.5 * alone_s) {
        let timeout_s = usual_s.ceil();
        let advice = match request_s > 2.0 * timeout_s {
            true => format!("; with --timeout {timeout_s}s it would have been tried again sooner"),
            false => String::new(),
        };
        return Some(format!(
            "one request of {} held the end{advice}",
            seconds(request_s)
        ));
    }
    let computation_s = summary.compute_ms.max / 1e3;
    let usual_s = 10.0 * summary.compute_ms.p50 / 1e3;
    (computation_s > usual_s.max(0.5 * alone_s))
        .then(|| format!("one computation of {} held the end", seconds(computation_s)))
}

/// The share of all attempts that failed and counted.
fn failed_share(summary: &Summary) -> f64 {
    let finished = summary.saved - summary.saved_before + summary.dead - summary.dead_before;
    summary.retried as f64 / (summary.retried + finished).max(1) as f64
}

/// Whether the run mostly waited for what it fetched.
fn is_fetching(summary: &Summary) -> bool {
    summary.fetch_in_flight > 0.5
        && summary.fetch_in_flight > summary.in_flight.mean
        && summary.fetch_in_flight > 2.0 * summary.compute_s / summary.elapsed_s
}

/// Whether those who compute mostly wait: much time goes by in them, and few cores are busy.
fn is_waiting(summary: &Summary) -> bool {
    summary.cores_busy < 0.5 * summary.compute_s / summary.elapsed_s
}

fn seconds(s: f64) -> String {
    match s < 10.0 {
        true => format!("{s:.1} s"),
        false => format!("{s:.0} s"),
    }
}

/// How busy the thread that serves I/O was: what the engine's threads used beyond computing.
fn io_thread_share(summary: &Summary) -> f64 {
    summary.cores_busy - summary.compute_s / summary.elapsed_s
}

/// What the wall is, and what would help against it.
fn wall(summary: &Summary, jobs: usize, declared: Declared) -> (String, &'static str) {
    let flying = summary.in_flight;
    let is_learned = summary
        .terms
        .get(&Wall::Rate)
        .is_some_and(|term| term.basis == Basis::Learned);
    let fixed = |wall: &str, help| (wall.to_owned(), help);
    match summary.limited_by {
        Wall::Cpu if is_waiting(summary) => (
            format!(
                "{jobs} computations at a time, which wait ({:.1} cores busy)",
                summary.cores_busy
            ),
            "; raise --jobs",
        ),
        Wall::Cpu => {
            let cores = match jobs {
                1 => "one core".to_owned(),
                jobs => format!("{jobs} cores"),
            };
            (
                format!("computing on {cores}"),
                "; more cores would help, more in flight would not",
            )
        }
        Wall::Service if summary.fetch_ms.is_some() => fixed(
            "the slower of the two services",
            "; more cores will not help",
        ),
        Wall::Ceiling if summary.fetch_ms.is_some() => fixed(
            "the number of requests in flight",
            match summary.items > flying.ceiling as u64 {
                true => "; more would help if the services can take them",
                false => "",
            },
        ),
        Wall::Service => {
            let service = match (declared.capacity, declared.latency) {
                (Some(capacity), Some(latency)) => {
                    format!("the service ({capacity} at a time × {latency:.0?})")
                }
                _ if flying.limit_final == 1 => "the service (one request at a time)".to_owned(),
                _ => "the service".to_owned(),
            };
            (service, "; more cores will not help")
        }
        Wall::Rate if is_learned => fixed("the service's quota", "; nothing else would help"),
        Wall::Rate => fixed("the rate that was set", "; nothing else would help"),
        Wall::Ceiling if flying.max < flying.ceiling => (
            format!(
                "the number in flight, which came to {} of the {} allowed",
                flying.max, flying.ceiling
            ),
            "",
        ),
        Wall::Ceiling => (
            format!("the ceiling of {} in flight", flying.ceiling),
            match summary.items > flying.ceiling as u64 {
                true => "; a higher one would help if the service can take it",
                false => "",
            },
        ),
        Wall::Source => fixed("reading the input", ""),
        Wall::Ends => fixed(
            "what cannot overlap: the first computation and the last save; the job is short",
            "",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bound::Term;
    use crate::options::Options;
    use crate::score::{Known, Setting, score};
    use crate::tally::Tally;
    use crate::times::Dist;

    const LAB: Declared = Declared {
        latency: Some(Duration::from_millis(100)),
        capacity: Some(100),
        goodput: Some(1000.0),
    };

    /// A run of 600 saves that reached half its limit, changed a little, and what is said of it.
    #[track_caller]
    fn check(declared: Declared, change: impl FnOnce(&mut Summary), said: &str) {
        let options = Options::default();
        let known = Known {
            limit: 100,
            limit_final: 100,
            learnt: None,
            connections_max: None,
            bulk: 1,
            declared,
        };
        let setting = Setting {
            options: &options,
            elapsed: Duration::from_secs(1),
            ending: Ending::Complete,
            fetch: None,
            save: known,
        };
        let mut summary = score(&Tally::new(None, (0, 0)), setting);
        (summary.saved, summary.attainment, summary.bulk.mean) = (600, 0.97, 1.0);
        summary.items = 600;
        summary.unloaded_ms = 100.0;
        summary.limited_by = Wall::Service;
        (summary.in_flight.max, summary.in_flight.limit_final) = (100, 100);
        change(&mut summary);
        assert_eq!(sentence(&summary, 2, declared), said);
    }

    #[test]
    fn the_wall_and_what_would_help() {
        check(
            LAB,
            |_| {},
            "97 % of the limit; limited by the service (100 at a time × 100ms); more cores will not help",
        );
        check(
            LAB,
            |s| s.limited_by = Wall::Cpu,
            "97 % of the limit; limited by computing on 2 cores; more cores would help, more in flight would not",
        );
        check(
            Declared::default(),
            |s| s.limited_by = Wall::Ceiling,
            "97 % of the limit; limited by the ceiling of 100 in flight; a higher one would help if the service \
             can take it",
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
        check(
            Declared::default(),
            |s| {
                s.attainment = 0.2;
                (s.in_flight.mean, s.in_flight.max, s.save_ms.mean) = (90.0, 100, 500.0);
            },
            "20 % of the limit; overload: with 100 in flight answers took 5.0 times as long as at their best; \
             fewer would be quicker",
        );
        check(
            Declared::default(),
            |s| (s.attainment, s.rejected_ratio, s.in_flight.max) = (0.5, 2.0, 100),
            "50 % of the limit; overload: the service refused 2.0 requests for each item saved, with up to 100 \
             in flight; fewer, or a rate that it accepts, would do",
        );
    }

    #[test]
    fn what_was_wasted() {
        check(
            LAB,
            |s| (s.attainment, s.strategy, s.limited_by) = (0.5, Strategy::Batched, Wall::Cpu),
            "50 % of the limit; computing and saving take turns; the wall is computing on 2 cores",
        );
        check(
            LAB,
            |s| (s.attainment, s.outage_s, s.elapsed_s) = (0.5, 31.0, 60.0),
            "50 % of the limit; the service was away for 31 s; the wall is the service (100 at a time × \
             100ms)",
        );
        check(
            LAB,
            |s| {
                (s.attainment, s.retry_tail_s, s.elapsed_s) = (0.46, 1.8, 4.0);
                (s.saved, s.retried) = (600, 257);
            },
            "46 % of the limit; 30 % of the attempts failed, and the last 1.8 s went into trying failed items again; the \
             wall is the service (100 at a time × 100ms)",
        );
    }

    fn quota(s: &mut Summary) {
        let term = Term {
            s: 10.0,
            basis: Basis::Learned,
        };
        s.terms.insert(Wall::Rate, term);
        s.limited_by = Wall::Rate;
    }

    #[test]
    fn one_slow_item_at_the_end_is_named_and_nothing_else_is_promised() {
        check(
            Declared::default(),
            |s| {
                quota(s);
                (s.attainment, s.elapsed_s, s.save_ms.p90) = (0.34, 38.0, 120.0);
                s.straggler = Straggler {
                    alone_s: 25.0,
                    request_s: 25.0,
                };
            },
            "34 % of the limit; one request of 25 s held the end; with --timeout 2s it would have been tried again sooner; \
             the wall is the service's quota",
        );
        check(
            Declared::default(),
            |s| {
                (s.attainment, s.elapsed_s, s.limited_by) = (0.34, 38.0, Wall::Cpu);
                (s.cores_busy, s.compute_ms.p50, s.compute_ms.max) = (1.0, 20.0, 24_000.0);
                s.straggler = Straggler {
                    alone_s: 25.0,
                    request_s: 0.1,
                };
            },
            "34 % of the limit; one computation of 24 s held the end; the wall is computing on 2 cores",
        );
        // The last of a few requests that are all alike is no straggler.
        check(
            LAB,
            |s| {
                (s.attainment, s.elapsed_s, s.save_ms.p90) = (0.5, 3.0, 1000.0);
                s.straggler = Straggler {
                    alone_s: 1.0,
                    request_s: 1.0,
                };
            },
            "50 % of the limit; limited by the service (100 at a time × 100ms); more cores will not help",
        );
    }

    #[test]
    fn a_quota_that_was_found_is_no_rate_that_was_set() {
        let near =
            |said: &str| format!("97 % of the limit; limited by {said}; nothing else would help");
        check(Declared::default(), quota, &near("the service's quota"));
        check(
            Declared::default(),
            |s| s.limited_by = Wall::Rate,
            &near("the rate that was set"),
        );
    }

    #[test]
    fn those_who_compute_may_wait() {
        check(
            Declared::default(),
            |s| {
                s.limited_by = Wall::Cpu;
                (s.compute_s, s.elapsed_s, s.cores_busy) = (20.0, 10.0, 0.04);
            },
            "97 % of the limit; limited by 2 computations at a time, which wait (0.0 cores busy); raise --jobs",
        );
    }

    #[test]
    fn fetching_and_turns_are_named() {
        check(
            Declared::default(),
            |s| {
                (s.attainment, s.limited_by) = (0.01, Wall::Cpu);
                (s.elapsed_s, s.compute_s, s.cores_busy) = (10.0, 0.5, 0.1);
                (s.fetch_in_flight, s.fetch_ms) = (7.9, Some(Dist::default()));
                s.fetch_ms.as_mut().unwrap().mean = 1000.0;
            },
            "1 % of the limit; limited by fetching, with 7.9 requests in flight of 1.0 s each; the wall is computing on 2 \
             cores",
        );
        check(
            LAB,
            |s| (s.attainment, s.strategy) = (0.01, Strategy::Sequential),
            "1 % of the limit; limited by waiting for each answer in turn; the wall is the service (100 at a time × 100ms)",
        );
        check(
            Declared::default(),
            |s| (s.limited_by, s.items) = (Wall::Ceiling, 3),
            "97 % of the limit; limited by the ceiling of 100 in flight",
        );
    }

    #[test]
    fn the_limit_that_was_found() {
        let learnt = Learnt {
            limit: 104.0,
            latency: Duration::from_millis(100),
            goodput: Some(990.0),
            rate: None,
            is_rising: false,
            bulk: None,
            records: 1.0,
        };
        let end = "97 % of the limit; limited by the service (100 at a time × 100ms); more cores will not help; ";
        check(
            LAB,
            |s| (s.learnt, s.in_flight.limit_final) = (Some(learnt), 104),
            &format!("{end}the right number in flight was found to be about 104"),
        );
        let goodput = None;
        check(
            LAB,
            |s| (s.learnt, s.in_flight.max) = (Some(Learnt { goodput, ..learnt }), 40),
            &format!("{end}40 in flight were enough"),
        );
        check(
            Declared::default(),
            |s| {
                s.learnt = Some(Learnt { goodput, ..learnt });
                (s.attainment, s.limited_by) = (0.1, Wall::Ceiling);
                (s.in_flight.max, s.in_flight.ceiling) = (283, 1000);
            },
            "10 % of the limit; finding the number in flight took its time; the wall is the number in flight, which \
             came to 283 of the 1000 allowed",
        );
        check(
            Declared::default(),
            |s| {
                s.learnt = Some(Learnt { goodput, ..learnt });
                (s.attainment, s.limited_by) = (0.9, Wall::Ceiling);
                (s.in_flight.max, s.in_flight.ceiling) = (6, 1000);
            },
            "90 % of the limit; limited by the number in flight, which came to 6 of the 1000 allowed",
        );
        check(
            Declared::default(),
            |s| {
                s.learnt = Some(Learnt { goodput, ..learnt });
                (s.attainment, s.rejected_ratio) = (0.5, 0.2);
                (s.in_flight.max, s.in_flight.limit_final) = (8, 4);
            },
            "50 % of the limit; overload: the service refused 0.2 requests for each item saved, with up to 8 in flight; \
             the right number in flight was found to be about 4",
        );
        let rate = Some(99.7);
        check(
            LAB,
            |s| s.learnt = Some(Learnt { rate, ..learnt }),
            &format!("{end}its quota was found to be about 100/s"),
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
}
