//! One change of the limit, with its reason: what a run tells of the law.

use std::fmt;

/// The limit was changed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Decision {
    /// What it was.
    pub from: f64,
    /// What it is now.
    pub to: f64,
    /// Why.
    pub reason: Reason,
}

/// Why the limit was changed. `elasticity` is the share of additional requests that came back as goodput: 1 while there is
/// room, 0 when the service is full, less when it slows down.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Reason {
    /// Doubling has gone past where it helps.
    Crowded {
        /// Measured against fewer.
        elasticity: f64,
    },
    /// Answers take much longer than at first, though goodput still rises.
    Slower {
        /// How many times.
        times: f64,
    },
    /// More in flight bring more goodput.
    Rises {
        /// Measured against the limit before.
        elasticity: f64,
    },
    /// Fewer in flight bring as much.
    Enough {
        /// Measured against the limit before.
        elasticity: f64,
    },
    /// Fewer would bring less, so there may be room for a little more.
    Needed {
        /// Measured against fewer.
        elasticity: f64,
    },
    /// The service refused requests because too many were inside.
    Refused,
    /// The service refused requests because of a quota.
    Quota {
        /// What is sent now, in requests a second.
        per_second: f64,
    },
    /// Several requests in a row were not answered in time.
    TimedOut,
    /// So many were never in flight.
    Unused,
    /// Doubling has come to the highest limit that is allowed.
    Ceiling,
    /// Answers take much longer than an earlier run has learnt: the limit it learnt is not believed.
    Forgotten {
        /// How many times.
        times: f64,
    },
    /// Doubling has come to where the limit was when the service fell silent.
    Back,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Crowded { elasticity } => {
                write!(f, "more in flight bring little (e = {elasticity:.2})")
            }
            Reason::Slower { times } => {
                write!(f, "answers take {times:.1} times as long as at first")
            }
            Reason::Rises { elasticity } => {
                write!(
                    f,
                    "goodput still rises with in flight (e = {elasticity:.2})"
                )
            }
            Reason::Enough { elasticity } => {
                write!(f, "fewer bring as much (e = {elasticity:.2})")
            }
            Reason::Needed { elasticity } => {
                write!(f, "fewer would bring less (e = {elasticity:.2})")
            }
            Reason::Refused => write!(f, "the service refused, because too much was inside"),
            Reason::Quota { per_second } => {
                write!(f, "the service refused by quota; sending {per_second:.1}/s")
            }
            Reason::TimedOut => write!(f, "no answers in time"),
            Reason::Unused => write!(f, "so many were never in flight"),
            Reason::Ceiling => write!(f, "that is the highest limit allowed"),
            Reason::Forgotten { times } => {
                write!(
                    f,
                    "answers take {times:.1} times as long as was remembered; finding the limit anew"
                )
            }
            Reason::Back => write!(f, "so many were in flight before no answers came"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { from, to, reason } = self;
        match from == to {
            true => write!(f, "{to:.0}: {reason}"),
            false => write!(f, "{from:.0} → {to:.0}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_one_line() {
        let decision = Decision {
            from: 41.2,
            to: 58.0,
            reason: Reason::Rises { elasticity: 0.861 },
        };
        let line = "41 → 58: goodput still rises with in flight (e = 0.86)";
        assert_eq!(decision.to_string(), line);
    }
}
