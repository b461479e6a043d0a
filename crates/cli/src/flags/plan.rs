//! What was typed after `inflight plan`: a run, and whether a sample of it may be saved.

use clap::Args;

use crate::flags::headings::{JOB, PACE};
use crate::flags::run::RunArgs;

pub(crate) const EXAMPLES: &str = "Examples:
  inflight plan 0..600 --compute bcrypt:8 --save 'lab:?latency=100ms&capacity=100'
  inflight plan words.txt --compute sha256:1000 --save http://127.0.0.1:8080/add --repeat-saves
  inflight plan items.jsonl --save http://127.0.0.1:8080/add --no-probe --json plan.json

The first items of the input are computed (1 s on one thread, 1 s on all) and results saved with 1, 2, 4, … in flight,
until more bring no more, the service refuses, the job could not use more, or 4 s have passed. A save is a save: only lab:
and null: get any unless --repeat-saves allows it; a file or SQLite gets them as a temporary copy, Postgres gets none. Flags of
run that do not change its pace are accepted, so that a command can be planned as it is.

--json writes {version, items, cores, workload, sampled, compute, fetch, save, strategies, quickest}: times in seconds or
milliseconds as their names say, `basis` (measured, declared, learned, assumed) beside each figure, and for each strategy
predicted_s, low_s, high_s, in_flight (the smallest number that is enough), bottleneck, terms and changes.";

/// `inflight plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// Save nothing: the service is taken for what it declares, for what earlier runs have learnt of it, or else for one that
    /// takes 100 ms (a file or SQLite: 0.1 ms) and handles any number at once
    #[arg(long, help_heading = PACE)]
    pub(crate) no_probe: bool,

    /// Allow a sample to be saved to a sink other than lab: or null:, though a run will save the same items again
    #[arg(long, help_heading = JOB)]
    pub(crate) repeat_saves: bool,
}
