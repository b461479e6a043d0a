//! What one run learnt about a service, for the next to begin with: plain data.

use std::time::Duration;

/// What was learnt about a service.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Learnt {
    /// The limit that was found, at least 1.
    pub limit: f64,
    /// How long an answer took with that many in flight (the geometric mean); while doubling, before it was crowded.
    pub latency: Duration,
    /// Requests answered a second at best, if the service was seen to give no more.
    pub goodput: Option<f64>,
    /// The quota that refusals have shown, in requests a second; more than 0.
    pub rate: Option<f64>,
    /// Whether more in flight might still have paid: the input ended, or the highest limit allowed was reached, before the service
    /// was full.
    #[serde(default)]
    pub is_rising: bool,
    /// Records in one request, if their number was for the run to find.
    #[serde(default)]
    pub bulk: Option<usize>,
    /// Records in a request in the mean, of those that took `latency`; at least 1.
    pub records: f64,
}

impl Learnt {
    /// Whether a run can have learnt this: every figure is in its range.
    pub(crate) fn is_possible(&self) -> bool {
        let is_rate = |rate: f64| rate.is_finite() && rate > 0.0;
        let is_number = |number: f64| number.is_finite() && number >= 1.0;
        is_number(self.limit)
            && is_number(self.records)
            && [self.goodput, self.rate].into_iter().flatten().all(is_rate)
    }
}
