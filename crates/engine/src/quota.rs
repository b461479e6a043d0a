//! What a service allows over time, as its user knows it, and as it says itself.

use std::time::Duration;

/// How much may be asked of a service in a second. Default: nothing is known, and it is found where the service refuses.
///
/// ```
/// use inflight::{Options, Quota};
///
/// // 500 requests and 200,000 tokens a minute.
/// let quota = Quota { requests: Some(500.0 / 60.0), units: Some(200_000.0 / 60.0) };
/// assert!(Options { fetch_quota: quota, ..Options::default() }.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quota {
    /// Requests a second, one a day to a million a second. Default: no bound.
    pub requests: Option<f64>,
    /// Units a second, such as tokens, of which an answer says how many its request has cost
    /// ([`Connection::usage`](crate::Connection::usage)); one a day to a thousand million a second. Default: no bound.
    pub units: Option<f64>,
}

/// What an answer says of quotas: what its request has cost, and what is left. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Units that the request has cost, such as tokens.
    pub cost: Option<f64>,
    /// What is left of a quota of requests.
    pub requests: Option<Allowance>,
    /// What is left of a quota of units.
    pub units: Option<Allowance>,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// Requests or units that may still be used now.
    pub remaining: f64,
    /// All there can be, if that is told.
    pub limit: Option<f64>,
    /// How long it takes until all of it is back.
    pub resets_in: Duration,
}

/// Slower is no rate but a calendar.
const RATE_MIN: f64 = 1.0 / 86_400.0;
/// Quicker than any thread sends.
const REQUESTS_MAX: f64 = 1e6;
/// More than any service counts.
const UNITS_MAX: f64 = 1e9;

impl Quota {
    /// Whether it is within its bounds; else what is not, for people.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let is_within =
            |rate: Option<f64>, most| rate.is_none_or(|rate| (RATE_MIN..=most).contains(&rate));
        if !is_within(self.requests, REQUESTS_MAX) {
            return Err("must be between 1 request a day and 1000000 a second");
        }
        if !is_within(self.units, UNITS_MAX) {
            return Err("must be between 1 unit a day and 1000000000 a second");
        }
        Ok(())
    }
}
