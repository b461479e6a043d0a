//! What one run learnt about a service, for the next to begin with: plain data.

use std::time::Duration;

/// What was learnt about a service.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Learnt {
    /// The limit that was found, at least 1.
    pub limit: f64,
    /// How long an answer took with that many in flight (the geometric mean); while doubling, before it was crowded.
    pub latency: Duration,
    /// Saves a second at best, if the service was seen to give no more.
    pub goodput: Option<f64>,
    /// The quota that refusals have shown, in requests a second.
    pub rate: Option<f64>,
    /// Whether more in flight might still have paid: the input ended, or the highest limit allowed was reached, before the service
    /// was full.
    #[serde(default)]
    pub is_rising: bool,
    /// Records in one request, if their number was for the run to find.
    #[serde(default)]
    pub bulk: Option<usize>,
}
