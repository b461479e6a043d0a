//! How many requests may be in flight, as progress shows it.

use std::fmt;

use inflight::limit::FIRST;
use inflight::{InFlightLimit, Options};

/// How many requests may be in flight, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) now: usize,
    /// The user's bound, where the limit itself is found and not given.
    pub(crate) ceiling: Option<usize>,
}

impl Limit {
    /// The one that a run begins with.
    pub(super) fn of(options: &Options) -> Limit {
        match options.in_flight {
            InFlightLimit::Fixed(now) => Limit { now, ceiling: None },
            // The first decision says what it is; until then it is at least what is in flight.
            InFlightLimit::Auto => Limit {
                now: (FIRST as usize).min(options.max_in_flight),
                ceiling: Some(options.max_in_flight),
            },
        }
    }
}

/// `100`, or `40 auto, ceiling 200`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ceiling {
            None => self.now.fmt(f),
            Some(ceiling) => write!(f, "{} auto, ceiling {ceiling}", self.now),
        }
    }
}
