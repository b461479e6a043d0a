//! What every bench is told: how often, how much, and where things are.

use crate::args::Choice;
use crate::places::Places;

/// How to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) places: Places,
    pub(crate) is_quick: bool,
    pairs: Option<usize>,
}

impl Plan {
    /// # Errors
    /// When something that must be built is not there.
    pub(crate) fn new(choice: &Choice) -> anyhow::Result<Plan> {
        Ok(Plan {
            places: Places::find()?,
            is_quick: choice.is_quick,
            pairs: choice.pairs,
        })
    }

    /// How many rounds, where `usual` suits the bench.
    pub(crate) fn pairs(&self, usual: usize) -> usize {
        self.pairs.unwrap_or(if self.is_quick { 2 } else { usual })
    }

    /// How many items, where `usual` is what is written down.
    pub(crate) fn items(&self, usual: u64) -> u64 {
        if self.is_quick { usual / 10 } else { usual }
    }
}
