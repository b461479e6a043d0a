//! What limited a run, in one sentence that a person can act on. Pure.

use crate::bound::{Basis, Wall};
use crate::limit::Learnt;
use crate::options::Strategy;
use crate::service::Declared;
use crate::summary::{Ending, Summary};

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
    let wall = wall(summary, jobs, declared);
    let found = found(summary);
    match waste(summary) {
        Some(waste) => format!("{share}; {waste}; the wall is {wall}{found}"),
        None => format!("{share}; limited by {wall}{found}"),
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
    if summary.retry_tail_s > 0.2 * summary.elapsed_s {
        return Some(format!(
            "the last {:.1} s went into trying failed items again",
            summary.retry_tail_s
        ));
    }
    match summary.strategy {
        Strategy::Sequential => Some("it waits for each answer".to_owned()),
        Strategy::Batched => Some("computing and saving take turns".to_owned()),
        Strategy::Async if summary.limited_by == Wall::Cpu => {
            Some("one thread computes and serves".to_owned())
        }
        _ if summary.retried > summary.saved / 10 => {
            Some("failed attempts cost the rest".to_owned())
        }
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

/// How busy the thread that serves I/O was: what the engine's threads used beyond computing.
fn io_thread_share(summary: &Summary) -> f64 {
    summary.cores_busy - summary.compute_s / summary.elapsed_s
}

fn wall(summary: &Summary, jobs: usize, declared: Declared) -> String {
    let flying = summary.in_flight;
    match summary.limited_by {
        Wall::Cpu => {
            let cores = if jobs == 1 {
                "one core".to_owned()
            } else {
                format!("{jobs} cores")
            };
            format!("computing on {cores}; more cores would help, more in flight would not")
        }
        Wall::Service if summary.fetch_ms.is_some() => {
            "the slower of the two services; more cores will not help".to_owned()
        }
        Wall::Ceiling if summary.fetch_ms.is_some() => {
            "the number of requests in flight; more would help if the services can take them"
                .to_owned()
        }
        Wall::Service => {
            let service = match (declared.capacity, declared.latency) {
                (Some(capacity), Some(latency)) => {
                    format!("the service ({capacity} at a time × {latency:.0?})")
                }
                _ if flying.limit_final == 1 => "the service (one request at a time)".to_owned(),
                _ => "the service".to_owned(),
            };
            format!("{service}; more cores will not help")
        }
        Wall::Rate
            if summary
                .terms
                .get(&Wall::Rate)
                .is_some_and(|term| term.basis == Basis::Learned) =>
        {
            "the service's quota; nothing else would help".to_owned()
        }
        Wall::Rate => "the rate that was set; nothing else would help".to_owned(),
        Wall::Ceiling if flying.max < flying.ceiling => format!(
            "the number in flight, which came to {} of the {} allowed",
            flying.max, flying.ceiling
        ),
        Wall::Ceiling => format!(
            "the ceiling of {} in flight; a higher one would help if the service can take it",
            flying.ceiling
        ),
        Wall::Source => "reading the input".to_owned(),
        Wall::Ends => {
            "what cannot overlap: the first computation and the last save; the job is short"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::Options;
    use crate::score::{Known, Setting, score};
    use crate::tally::Tally;

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
            "50 % of the limit; computing and saving take turns; the wall is computing on 2 cores; more cores \
             would help, more in flight would not",
        );
        check(
            LAB,
            |s| (s.attainment, s.outage_s, s.elapsed_s) = (0.5, 31.0, 60.0),
            "50 % of the limit; the service was away for 31 s; the wall is the service (100 at a time × \
             100ms); more cores will not help",
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
