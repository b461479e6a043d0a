//! What was typed of what a run keeps for the next.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::flags::headings::KEEP;
use crate::flags::setting::{Decides, Report, Setting};

/// What a run keeps for the next one.
#[derive(Debug, Args)]
#[command(next_help_heading = KEEP)]
pub(crate) struct KeepArgs {
    /// Record in this file which items are finished, and do only those that it does not call finished [default: a file
    /// under the state directory; a finished run is put aside there, and the same command starts anew]
    #[arg(long, value_name = "FILE", conflicts_with = "no_journal")]
    pub(crate) journal: Option<PathBuf>,

    /// Keep no journal: a run that stops starts over
    #[arg(long)]
    pub(crate) no_journal: bool,

    /// Start over: put aside what an earlier run has recorded
    #[arg(long, conflicts_with = "no_journal")]
    pub(crate) fresh: bool,

    /// Refuse with exit code 10 to do a job again that was finished before [default: say so, and do all of it again]
    #[arg(long, conflicts_with_all = ["no_journal", "fresh"])]
    pub(crate) once: bool,

    /// What a dead letter, beside the journal, shows of its item: none of it, or what it was at the step that failed, up to
    /// 1 MiB (secrets in the data included)
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "none",
        conflicts_with = "no_journal"
    )]
    pub(crate) dead_payload: DeadPayload,
}

/// What a dead letter shows of its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeadPayload {
    None,
    Full,
}

impl KeepArgs {
    /// Every setting of the group.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let KeepArgs {
            journal,
            no_journal,
            fresh,
            once,
            dead_payload,
        } = self;
        let (course, nothing) = (Decides::Course, Report::Nothing);
        let path = journal.as_ref().map(|path| path.display());
        let payload = match dead_payload {
            DeadPayload::None => "none",
            DeadPayload::Full => "full",
        };
        vec![
            Setting::new("journal", course, nothing, path),
            Setting::switch("no-journal", course, nothing, *no_journal),
            Setting::switch("fresh", course, nothing, *fresh),
            Setting::switch("once", course, nothing, *once),
            Setting::new("dead-payload", course, nothing, [payload]),
        ]
    }
}
