//! What was typed after `inflight try`: a run, and whether the items that are tried are saved.

use clap::Args;

use crate::flags::headings::JOB;
use crate::flags::run::RunArgs;

pub(crate) const EXAMPLES: &str = "Examples:
  inflight try job.toml
  inflight try reviews.jsonl --fetch 'http://127.0.0.1:8080/items/{id}' --save file:out.jsonl -n 5
  inflight try job.toml -n 1 --save-too";

/// `inflight try`.
#[derive(Debug, Args)]
pub(crate) struct TryArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// Save these items for real; a run will save them again, and a file that is not empty needs --append then
    #[arg(long, help_heading = JOB)]
    pub(crate) save_too: bool,
}
