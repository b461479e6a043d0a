//! What limits a run now, in one line: pure text, from the engine's counts.

use std::time::Duration;

use inflight::{Bottleneck, Counts, InFlightLimit, Options, StageLoad, Strategy};

use crate::terminal::quantity::{about, count, milliseconds, rate};

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    strategy: Strategy,
    /// Threads that compute.
    threads: usize,
    /// The highest limit of requests in flight that may be found; `None` where it is set.
    pub(super) ceiling: Option<usize>,
    outage_budget: Duration,
    first_contact: Duration,
}

impl Known {
    /// What these options say.
    pub(crate) fn of(options: &Options) -> Known {
        Known {
            strategy: options.strategy,
            threads: options.compute_threads(),
            ceiling: match options.in_flight {
                InFlightLimit::Fixed(_) => None,
                InFlightLimit::Auto => Some(options.max_in_flight),
            },
            outage_budget: options.outage_budget,
            first_contact: options.first_contact,
        }
    }

    /// What limits the run now.
    pub(super) fn limits(&self, counts: &Counts) -> String {
        let (load, pace) = (&counts.load, &counts.pace);
        let awaited = |stage: &StageLoad, latency: Option<Duration>| {
            let of = latency.map_or(String::new(), |latency| {
                format!(", answers take {}", short(latency))
            });
            format!("{} of {} in flight{of}", stage.in_flight, stage.limit)
        };
        let Some(bottleneck) = pace.bottleneck else {
            return "starting".to_owned();
        };
        match bottleneck {
            Bottleneck::Outage => self.outage(counts),
            Bottleneck::Start => "starting".to_owned(),
            Bottleneck::Ends if load.save.in_flight + load.save.retrying > 0 => format!(
                "waiting for the last {}",
                count((load.save.in_flight + load.save.retrying) as u64, "answer")
            ),
            Bottleneck::Failures => {
                format!(
                    "waiting for {} to be sent again",
                    count(load.save.retrying as u64, "item")
                )
            }
            Bottleneck::Cpu if self.threads == 1 => "limited by computing on one thread".to_owned(),
            Bottleneck::Cpu => match pace.cores {
                Some(cores) => format!(
                    "limited by computing: {cores:.1} of {} cores busy",
                    self.threads
                ),
                // Whether they compute or wait is known at the end.
                None => format!(
                    "limited by computing: {} at a time; if they wait, raise --jobs",
                    count(self.threads as u64, "item")
                ),
            },
            Bottleneck::Fetch => {
                let fetch = load.fetch.unwrap_or_default();
                format!("limited by fetching: {}", awaited(&fetch, pace.fetch))
            }
            Bottleneck::Turns if self.strategy == Strategy::Batched => {
                "limited by computing and saving in turns".to_owned()
            }
            Bottleneck::Quota => format!(
                "limited by a quota: {}",
                rate((pace.per_second * 1e6) as u64, 1e6)
            ),
            Bottleneck::Service | Bottleneck::InFlight | Bottleneck::Search => {
                format!(
                    "limited by {bottleneck}: {}{}",
                    awaited(&load.save, pace.save),
                    refused(counts)
                )
            }
            other => format!("limited by {other}{}", refused(counts)),
        }
    }

    fn outage(&self, counts: &Counts) -> String {
        let since = counts.outage_since.unwrap_or(counts.elapsed);
        let budget = match counts.saved {
            0 => self.first_contact,
            _ => self.outage_budget,
        };
        format!(
            "waiting for the service, away for {} s; stops after {}; nothing is lost",
            counts.elapsed.saturating_sub(since).as_secs(),
            about(budget.as_secs_f64())
        )
    }
}

/// What the service refuses.
fn refused(counts: &Counts) -> String {
    match counts.pace.refused_per_second {
        refused if refused >= 0.05 => format!("; it refuses {refused:.1} requests a second"),
        _ => String::new(),
    }
}

fn short(time: Duration) -> String {
    milliseconds(time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use inflight::{Load, Pace};

    use super::*;

    #[track_caller]
    fn check(bottleneck: Bottleneck, change: impl FnOnce(&mut Counts), said: &str) {
        let known = Known::of(&Options {
            jobs: 2,
            ..Options::default()
        });
        let stage = StageLoad {
            in_flight: 37,
            limit: 40,
            ..StageLoad::default()
        };
        let mut counts = Counts {
            elapsed: Duration::from_secs(30),
            saved: 58,
            load: Load {
                fetch: Some(stage),
                behind: 0,
                to_compute: 0,
                save: stage,
            },
            pace: Pace {
                bottleneck: Some(bottleneck),
                per_second: 2.0,
                cores: Some(1.9),
                fetch: Some(Duration::from_secs(1)),
                save: Some(Duration::from_millis(102)),
                ..Pace::default()
            },
            ..Counts::default()
        };
        change(&mut counts);
        assert_eq!(known.limits(&counts), said);
    }

    #[test]
    fn what_limits_now_is_said_with_its_figures() {
        check(
            Bottleneck::Cpu,
            |_| (),
            "limited by computing: 1.9 of 2 cores busy",
        );
        check(
            Bottleneck::Cpu,
            |counts| counts.pace.cores = None,
            "limited by computing: 2 items at a time; if they wait, raise --jobs",
        );
        check(
            Bottleneck::Outage,
            |counts| counts.outage_since = Some(Duration::from_secs(18)),
            "waiting for the service, away for 12 s; stops after 15 min; nothing is lost",
        );
        check(
            Bottleneck::Service,
            |counts| counts.pace.refused_per_second = 10.0,
            "limited by the service: 37 of 40 in flight, answers take 102 ms; it refuses 10.0 requests a second",
        );
        check(
            Bottleneck::Fetch,
            |_| (),
            "limited by fetching: 37 of 40 in flight, answers take 1.00 s",
        );
        check(Bottleneck::Quota, |_| (), "limited by a quota: 2.0/s");
        check(Bottleneck::Source, |_| (), "limited by reading the input");
    }

    #[test]
    fn what_is_awaited_at_the_end_is_no_start() {
        let one_left = |counts: &mut Counts| counts.load.save.in_flight = 1;
        check(Bottleneck::Ends, one_left, "waiting for the last 1 answer");
        check(
            Bottleneck::Failures,
            |counts| counts.load.save.retrying = 2,
            "waiting for 2 items to be sent again",
        );
    }
}
