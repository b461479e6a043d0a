//! What one bench found: plain data, the same on the page and in the JSON.

use serde::{Deserialize, Serialize};

use crate::spread::{Spread, exponent};
use bench::Machine;

/// One bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section {
    /// What was done, in a sentence or two.
    pub(crate) work: String,
    /// How it was made sure that all did the same.
    pub(crate) check: String,
    pub(crate) machine: Machine,
    /// How many rounds.
    pub(crate) pairs: usize,
    /// The unit of the figures, with what they are.
    pub(crate) figure: String,
    /// What the ratio of a row is.
    pub(crate) ratio: String,
    /// Ours first.
    pub(crate) rows: Vec<Row>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) notes: Vec<String>,
    /// Peers that could not be measured here.
    pub(crate) missing: Vec<String>,
}

/// One contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) figure: Spread,
    pub(crate) ratio: Option<Spread>,
}

/// What must hold, and whether it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// In words, with the bound.
    pub(crate) must: String,
    pub(crate) measured: Spread,
    /// Whether the median keeps to the bound.
    pub(crate) is_held: bool,
}

impl Verdict {
    pub(crate) fn at_most(bound: f64, must: impl Into<String>, measured: Spread) -> Verdict {
        Verdict {
            must: must.into(),
            measured,
            is_held: measured.median <= bound,
        }
    }

    pub(crate) fn at_least(bound: f64, must: impl Into<String>, measured: Spread) -> Verdict {
        Verdict {
            must: must.into(),
            measured,
            is_held: measured.median >= bound,
        }
    }
}

/// How a contender's cost grows with the number of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) label: String,
    pub(crate) unit: String,
    /// Items, and what they cost together.
    pub(crate) points: Vec<(u64, f64)>,
    pub(crate) exponent: f64,
}

impl Growth {
    pub(crate) fn new(label: &str, unit: &str, points: Vec<(u64, f64)>) -> Growth {
        Growth {
            label: label.to_owned(),
            unit: unit.to_owned(),
            exponent: exponent(&points),
            points,
        }
    }
}
