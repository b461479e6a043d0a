//! Every knob of a run: unit, bound, default and its reason. Checked once, before anything is read.

use std::time::Duration;

use crate::error::Error;

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
    /// Computing on all cores, I/O on a thread of its own.
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
    /// The limit: requests sent and not yet answered, for each of fetch and save, 1 to 65,536. Default
    /// 100: enough for 1,000 requests a second at 100 ms, few enough for most services.
    pub in_flight: usize,
    /// Items that `Batched` computes before it saves them, 1 to 1,000,000. Default 100.
    pub batch: usize,
    /// The most records in one save request, if fewer than the sink takes. At least 1. Default: the sink's.
    pub bulk: Option<usize>,
    /// How long `Async` computes before it lets the loop serve I/O. Default zero: after each item.
    /// `None`: never.
    pub yield_every: Option<Duration>,
    /// Saves started a second, at most. More than 0. Default: no bound.
    pub rate: Option<f64>,
    /// Attempts after the first that count against an item, at most 1,000. Default 5: with the backoff
    /// below that rides out about 3 s of failures of one item; an outage counts none.
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
    /// How long an outage may last before the run stops, resumable. Default 15 min.
    pub outage_budget: Duration,
    /// The same before anything was ever saved: most likely the address is wrong. Default 8 s.
    pub first_contact: Duration,
    /// How long requests in flight may take to be answered once the run was asked to stop. Default 25 s.
    pub drain: Duration,
    /// Bytes that may wait in each queue, at least 64 KiB. Default 1 MiB: there are four queues at most, and
    /// a queue hides hiccups of milliseconds; an item that is larger still passes, alone.
    pub queue_bytes: usize,
    /// Which clock measures computing. Default: the thread's CPU time.
    pub compute_clock: ComputeClock,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            strategy: Strategy::Parallel,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            in_flight: 100,
            batch: 100,
            bulk: None,
            yield_every: Some(Duration::ZERO),
            rate: None,
            retries: 5,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(600),
            outage_budget: Duration::from_secs(900),
            first_contact: Duration::from_secs(8),
            drain: Duration::from_secs(25),
            queue_bytes: 1 << 20,
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

    /// Checks every bound.
    ///
    /// # Errors
    /// Names the option, its value and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        within("jobs", self.jobs, 1, 1024)?;
        within("in-flight", self.in_flight, 1, 65_536)?;
        within("batch", self.batch, 1, 1_000_000)?;
        within("bulk", self.bulk.unwrap_or(1), 1, 1_000_000)?;
        within("retries", self.retries.into(), 0, 1000)?;
        within("queue-bytes", self.queue_bytes, 64 << 10, 1 << 40)?;
        if !self.rate.is_none_or(|rate| rate > 0.0 && rate.is_finite()) {
            return Err(Error::options("rate must be more than 0 a second"));
        }
        for (name, value) in [
            ("timeout", self.timeout),
            ("connect-timeout", self.connect_timeout),
            ("backoff", self.backoff),
        ] {
            if value.is_zero() {
                return Err(Error::options(format!("{name} must be more than 0")));
            }
        }
        Ok(())
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
