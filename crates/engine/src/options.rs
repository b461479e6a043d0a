//! Every knob of a run: unit, bound, default and its reason. Checked once, before anything is read.

use std::time::Duration;

use crate::cpu::CHUNK_MAX;
use crate::error::Error;
use crate::halt::Halt;
use crate::limit::Learnt;
use crate::quota::Quota;

/// Where steps run and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// One item after the other, waiting for each answer.
    Sequential,
    /// A batch is fetched together, computed, saved together; then the next.
    Batched,
    /// Computing and I/O share one thread; requests are answered between computations.
    Async,
    /// Computing on all cores, I/O on a thread that does nothing else.
    Parallel,
}

impl Strategy {
    /// All four, from the slowest to the quickest.
    pub const ALL: [Strategy; 4] = [
        Strategy::Sequential,
        Strategy::Batched,
        Strategy::Async,
        Strategy::Parallel,
    ];

    /// The name used in flags, reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Sequential => "sequential",
            Strategy::Batched => "batched",
            Strategy::Async => "async",
            Strategy::Parallel => "parallel",
        }
    }

    /// Whether computing and I/O share one thread.
    pub fn is_one_thread(self) -> bool {
        self != Strategy::Parallel
    }
}

/// Which clock says what a computation cost, in the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ComputeClock {
    /// The CPU time of the thread, so that time lost to others counts against the run.
    #[default]
    Cpu,
    /// The time that passed, for computations that wait instead of computing.
    Elapsed,
}

/// How many requests may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlightLimit {
    /// This many.
    Fixed(usize),
    /// As many as pay: the run finds out, see [`limit`](crate::limit).
    Auto,
}

/// As many ports as one address has.
const IN_FLIGHT_MAX: usize = 65_536;
/// Items in hand at least when the order is kept: at 1,000 a second, two seconds of them.
const ORDER_WINDOW_MIN: usize = 2048;
/// Longer than any run; far from where sums of durations overflow.
const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Every knob of a run. All have defaults; [`Options::check`] says what is out of bounds.
///
/// ```
/// use inflight::{Options, Strategy};
///
/// let options = Options { strategy: Strategy::Batched, batch: 50, ..Options::default() };
/// assert!(options.check().is_ok());
/// assert!(Options { jobs: 0, ..options }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where steps run. Default `Parallel`: nothing else uses all cores.
    pub strategy: Strategy,
    /// Compute threads of `Parallel`, 1 to 1024. Default: one for each core.
    pub jobs: usize,
    /// The limit: requests sent and not yet answered, for each of fetch and save, 1 to 65,536, or found by
    /// itself. Default 100: enough for 1,000 requests a second at 100 ms, few enough for most services.
    pub in_flight: InFlightLimit,
    /// The highest limit that may be found, 1 to 65,536. Default 1,000: each is a connection, and a process may
    /// usually open about so many.
    pub max_in_flight: usize,
    /// What an earlier run learnt of the service that fetches come from, for a limit that finds itself. Default: nothing.
    pub learnt_fetch: Option<Learnt>,
    /// The same of the service that saves go to.
    pub learnt_save: Option<Learnt>,
    /// Items that `Batched` computes before it saves them, 1 to 1,000,000. Default 100.
    pub batch: usize,
    /// The most records in one save request, if fewer than the sink takes. At least 1. Default: the sink's, or, where the limit finds
    /// itself and the sink takes several requests at once, as many as make a request's own cost a tenth of it.
    pub bulk: Option<usize>,
    /// The most items that [`Job::compute_with`](crate::Job::compute_with) gets at once, 1 to 1,024. They are never waited for.
    /// Default: as many as pay, found by doubling while that costs clearly less for each item.
    pub compute_batch: Option<usize>,
    /// How long `Async` computes before it lets the loop serve I/O. Default zero: after each item.
    /// `None`: never.
    pub yield_every: Option<Duration>,
    /// What the service that fetches come from allows over time. Default: it is found where the service refuses.
    pub fetch_quota: Quota,
    /// The same of the service that saves go to.
    pub save_quota: Quota,
    /// Attempts after the first that count against an item, at most 1,000. Default 5: with the backoff
    /// below that rides out about 1.5 s of failures of one item, 3 s at most; an outage counts none.
    pub retries: u16,
    /// The longest first wait before another attempt; it doubles with each. Default 100 ms.
    pub backoff: Duration,
    /// The longest wait before another attempt. Default 30 s.
    pub backoff_max: Duration,
    /// Deadline of one connection attempt. Default 10 s.
    pub connect_timeout: Duration,
    /// Deadline of one request. Default 30 s: longer than a healthy service ever takes.
    pub timeout: Duration,
    /// Deadline of one item's attempts together, from the first it was sent. Outages do not count.
    /// Default 10 min: all retries with the longest waits fit.
    pub total_timeout: Duration,
    /// Deadline of one computation of `Parallel`. Default 15 min: far longer than any should take, so that only one
    /// that hangs is given up. The thread that hangs cannot be ended and is written off; another takes its place.
    pub compute_timeout: Duration,
    /// How long an outage may last before the run stops, zero or more. Default 15 min: a service is started anew in less. What is an
    /// outage, and what are bad items, says `docs/reliability.md`.
    pub outage_budget: Duration,
    /// The same before anything was ever saved: most likely the address is wrong. Default 8 s.
    pub first_contact: Duration,
    /// How long requests in flight may take to be answered once the run was asked to stop. Default 25 s.
    pub drain: Duration,
    /// The most dead letters before the run stops. Default: no bound; a dead letter is kept, not lost.
    pub halt: Option<Halt>,
    /// How long the run may take before it stops, as if it had been told to. Default: no bound.
    pub deadline: Option<Duration>,
    /// Bytes that may wait in each queue, at least 64 KiB. Default 1 MiB: there are four queues at most, and
    /// a queue hides hiccups of milliseconds; an item that is larger still passes, alone.
    pub queue_bytes: usize,
    /// Whether a dead letter shows what its item was at the step that failed, for the types of which the job says how
    /// ([`Job::item_payload`](crate::Job::item_payload) and its two sisters); at most 1 MiB of it. Costs a copy of what each
    /// computation gets. Default no: letters are read by more people than data should be.
    pub dead_payload: bool,
    /// Whether results are saved in the order of their items by a service with one connection, and what services answer is
    /// kept in that order. What is finished early waits then, at most [`queue_bytes`](Options::queue_bytes) at each place where
    /// items may overtake each other: as much as a queue, whose place it takes. Default no: one slow item holds up nothing.
    pub keep_order: bool,
    /// Bytes of items that may wait behind others where [`Job::ordered_by`](crate::Job::ordered_by) lets those of one value go one
    /// after the other, at least 64 KiB. Default 64 MiB: so much of an input of which one value has a long row is read ahead to find
    /// other values.
    pub order_bytes: usize,
    /// Which clock measures computing. Default: the thread's CPU time.
    pub compute_clock: ComputeClock,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            strategy: Strategy::Parallel,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            in_flight: InFlightLimit::Fixed(100),
            max_in_flight: 1000,
            learnt_fetch: None,
            learnt_save: None,
            batch: 100,
            bulk: None,
            compute_batch: None,
            yield_every: Some(Duration::ZERO),
            fetch_quota: Quota::default(),
            save_quota: Quota::default(),
            retries: 5,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(600),
            compute_timeout: Duration::from_secs(900),
            outage_budget: Duration::from_secs(900),
            first_contact: Duration::from_secs(8),
            drain: Duration::from_secs(25),
            halt: None,
            deadline: None,
            queue_bytes: 1 << 20,
            dead_payload: false,
            keep_order: false,
            order_bytes: 64 << 20,
            compute_clock: ComputeClock::Cpu,
        }
    }
}

impl Options {
    /// Threads that compute: `jobs` for `Parallel`, else one.
    pub fn compute_threads(&self) -> usize {
        if self.strategy.is_one_thread() {
            1
        } else {
            self.jobs
        }
    }

    /// The most requests that may ever be in flight.
    pub fn in_flight_max(&self) -> usize {
        match self.in_flight {
            InFlightLimit::Fixed(limit) => limit,
            InFlightLimit::Auto => self.max_in_flight,
        }
    }

    /// Items that a stage may have in hand when the order is kept, from the first that is not finished. Half of them wait
    /// while the other half is in flight, and at least so many that a retry or two of one item cost no pause.
    pub(crate) fn order_window(&self) -> usize {
        (2 * self.in_flight_max()).max(ORDER_WINDOW_MIN)
    }

    /// The most items that are saved or in flight and not called saved yet, when the order is kept: what a crash may
    /// repeat in a service where nothing can be taken back, besides what the journal has not written.
    pub fn unreleased_max(&self) -> usize {
        match self.strategy {
            Strategy::Sequential => 1,
            Strategy::Batched => self.batch,
            Strategy::Async => self.order_window(),
            Strategy::Parallel => self.order_window() + CHUNK_MAX,
        }
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// Names the option, its value and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        within("jobs", self.jobs, 1, 1024)?;
        if let InFlightLimit::Fixed(limit) = self.in_flight {
            within("in-flight", limit, 1, IN_FLIGHT_MAX)?;
        }
        within("max-in-flight", self.max_in_flight, 1, IN_FLIGHT_MAX)?;
        within("batch", self.batch, 1, 1_000_000)?;
        within("bulk", self.bulk.unwrap_or(1), 1, 1_000_000)?;
        within(
            "worker-batch",
            self.compute_batch.unwrap_or(1),
            1,
            CHUNK_MAX,
        )?;
        within("retries", self.retries.into(), 0, 1000)?;
        within("queue-bytes", self.queue_bytes, 64 << 10, 1 << 40)?;
        within("order-bytes", self.order_bytes, 64 << 10, 1 << 40)?;
        for (name, quota) in [
            ("fetch-quota", self.fetch_quota),
            ("save-quota", self.save_quota),
        ] {
            let wrong = |why| Error::options(format!("{name} {why}"));
            quota.check().map_err(wrong)?;
        }
        let is_possible = |learnt: Option<Learnt>| learnt.is_none_or(|learnt| learnt.is_possible());
        if !is_possible(self.learnt_save) || !is_possible(self.learnt_fetch) {
            return Err(Error::options(
                "what an earlier run learnt must be a limit and records of at least 1, and rates above 0",
            ));
        }
        let halt_fits = match self.halt {
            None | Some(Halt::Most) => true,
            Some(Halt::Count(most)) => most > 0,
            Some(Halt::Share(most)) => (0.0..1.0).contains(&most),
        };
        if !halt_fits {
            return Err(Error::options(
                "halt must be at least one dead letter, or a share of at least 0 % and less than 100 %",
            ));
        }
        self.durations()
            .into_iter()
            .try_for_each(|(name, value, least)| {
                if (least..=DURATION_MAX).contains(&value) {
                    return Ok(());
                }
                Err(Error::options(format!(
                    "{name} must be between {least:?} and 365 days, not {value:?}"
                )))
            })
    }

    /// Each duration with its name and the least it may be.
    fn durations(&self) -> [(&'static str, Duration, Duration); 11] {
        let least = Duration::from_millis(1);
        [
            ("timeout", self.timeout, least),
            ("connect-timeout", self.connect_timeout, least),
            ("total-timeout", self.total_timeout, least),
            ("compute-timeout", self.compute_timeout, least),
            ("backoff", self.backoff, least),
            ("backoff-max", self.backoff_max, least),
            ("max-outage", self.outage_budget, Duration::ZERO),
            ("first-contact", self.first_contact, Duration::ZERO),
            ("drain", self.drain, Duration::ZERO),
            ("deadline", self.deadline.unwrap_or(least), least),
            (
                "yield-every",
                self.yield_every.unwrap_or_default(),
                Duration::ZERO,
            ),
        ]
    }
}

fn within(name: &str, value: usize, least: usize, most: usize) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::options(format!(
        "{name} must be between {least} and {most}, not {value}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let check = |options: Options, said: &str| {
            let error = options.check().unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Options);
            assert!(error.to_string().contains(said), "{error}");
        };
        let default = Options::default;
        assert!(default().check().is_ok());
        check(
            Options {
                jobs: 0,
                ..default()
            },
            "jobs must be between 1 and 1024, not 0",
        );
        check(
            Options {
                batch: 0,
                ..default()
            },
            "batch",
        );
        check(
            Options {
                in_flight: InFlightLimit::Fixed(0),
                ..default()
            },
            "in-flight",
        );
        check(
            Options {
                bulk: Some(0),
                ..default()
            },
            "bulk",
        );
        check(
            Options {
                save_quota: Quota {
                    requests: Some(1e-12),
                    units: None,
                },
                ..default()
            },
            "quota",
        );
        check(
            Options {
                fetch_quota: Quota {
                    requests: None,
                    units: Some(f64::NAN),
                },
                ..default()
            },
            "quota",
        );
        check(
            Options {
                timeout: Duration::ZERO,
                ..default()
            },
            "timeout",
        );
        check(
            Options {
                first_contact: Duration::MAX,
                ..default()
            },
            "first-contact",
        );
        check(
            Options {
                outage_budget: Duration::MAX,
                ..default()
            },
            "365 days",
        );
    }
}
