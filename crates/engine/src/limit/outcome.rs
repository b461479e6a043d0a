//! What the law is told of each request: how it was sent, and how it ended.

use std::time::Duration;

use crate::quota::Usage;

/// How a request was sent, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// When it was allowed, from the start of the run: what the law knew then decided it.
    pub allowed: Duration,
    /// When it was sent: the same, unless a connection had to be opened first. Latency counts from here.
    pub at: Duration,
    /// Requests in flight then, itself included.
    pub in_flight: usize,
    /// What it carries.
    pub records: usize,
    /// Units of a quota that were reserved for it; 0 without such a quota.
    pub reserved: f64,
    /// How many were sent before it, and it.
    pub number: u64,
    /// What its answer says of quotas, once there is one.
    pub usage: Usage,
}

#[cfg(test)]
impl Sent {
    /// The first request, sent at this time.
    pub(super) fn first(at: Duration) -> Sent {
        Sent {
            allowed: at,
            at,
            in_flight: 1,
            records: 1,
            reserved: 0.0,
            number: 1,
            usage: Usage::default(),
        }
    }
}

/// How a request ended, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It was answered, and what it carried was taken.
    Succeeded,
    /// The service asked for less.
    Refused {
        /// Because of a quota over time (429), not because too much was inside (503).
        by_quota: bool,
        /// How long it asked to be left alone, if it did.
        wait: Option<Duration>,
    },
    /// No answer came in time.
    TimedOut,
    /// It failed in another way, which says nothing about how many are in flight.
    Failed,
}
