//! What was typed for one strategy alone; `parallel`, which a run chooses by itself, needs none of it.

use clap::Args;

use crate::flags::headings::STRATEGIES;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::value::{self, OrNever};

/// What batched and async need to know.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = STRATEGIES)]
pub(crate) struct StrategyArgs {
    /// Items that batched computes before it saves them, 1 to 1000000
    #[arg(short, long, value_name = "N", default_value = "100")]
    pub(crate) batch: usize,

    /// How long async computes before it serves I/O, such as 50ms; 0 is after each item, never is never
    #[arg(long, value_name = "DURATION|never", default_value = "0", value_parser = value::duration_or_never)]
    pub(crate) yield_every: OrNever,
}

impl StrategyArgs {
    /// Every setting of the group.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let StrategyArgs { batch, yield_every } = self;
        let row = |key, value: &dyn ToString| {
            Setting::new(key, Decides::Course, Report::Whole, [value.to_string()])
        };
        vec![row("batch", batch), row("yield-every", yield_every)]
    }
}
