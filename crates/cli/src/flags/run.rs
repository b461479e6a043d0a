//! What was typed after `inflight run`.

use clap::Args;
use inflight::Strategy;

use crate::flags::headings::{JOB, PACE, STRATEGIES};
use crate::flags::job::JobArgs;
use crate::flags::keep::KeepArgs;
use crate::flags::output::OutputArgs;
use crate::flags::pace::PaceArgs;
use crate::flags::pictures::RecordingArgs;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::strategy::StrategyArgs;
use crate::flags::value::strategies;

pub(crate) const EXAMPLES: &str = "Examples:
  inflight run 0..600 --compute bcrypt:8 --save http://127.0.0.1:8080/add
  inflight run words.txt --compute sha256 --save file:hashes.jsonl
  inflight run ids.txt --fetch 'https://example.org/items/{}' --save 'sqlite:items.db?table=items'
  inflight run users.jsonl --save 'PUT https://example.org/users/{id}' --save-body @user.json
  inflight run items.jsonl --compute 'exec:python3 worker.py' --save file:results.jsonl
  inflight run words.txt --compute sha256 --save 'postgres://me@localhost/night?table=hashes' --create
  inflight run users.csv --compute sha256 --save 'postgres://me@localhost/shop?table=users&key=id' --columns id,hash=.
  inflight init && inflight run job.toml --in-flight 50
  inflight run 0..600 --compute sleep:5ms --save 'lab:?latency=100ms&capacity=100&fail=5%'";

/// `inflight run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A file (text, JSON or CSV), `-` for standard input, a range such as 0..600, rows of
    /// postgres://USER@HOST/DATABASE?table=T&key=COLUMN (or query=SELECT), or a job file such as job.toml
    pub(crate) input: String,

    /// The CPU work on one item: none, bcrypt:COST, sha256[:ROUNDS], sleep:DURATION, spin:DURATION, jq:FILTER, or exec:COMMAND
    /// for worker processes of your own
    #[arg(long, value_name = "TASK", default_value = "none", help_heading = JOB)]
    pub(crate) compute: String,

    /// Where results go: [METHOD ]http(s)://URL, POST by default, with {} for the item and {name} for a field;
    /// sqlite:FILE?table=T, postgres://USER@HOST/DATABASE?table=T, both with &key=COLUMN to update rows that are there
    /// (&missing=fail|insert|skip for those that are not), file:OUT.jsonl, lab:?latency=100ms or null:
    #[arg(long, value_name = "SINK", help_heading = JOB)]
    pub(crate) save: String,

    /// Show the first requests as curl commands, check all that can be checked, and send and save nothing. A secret stays
    /// where it is, as $NAME or $(cat FILE); what is saved must be computed, and so it is
    #[arg(long, help_heading = JOB)]
    pub(crate) dry_run: bool,

    /// How many items --dry-run and `inflight try` show, 1 to 1000 [default: 3]
    #[arg(short = 'n', long, value_name = "N", help_heading = JOB)]
    pub(crate) first: Option<usize>,

    /// Neither begin with what earlier runs have learnt of the service, nor keep what this one learns
    #[arg(long, help_heading = PACE)]
    pub(crate) no_profile: bool,

    /// Ask every second whether to go on, and begin no request while the answer is no: 'postgres://USER@HOST/DATABASE?lag<5s' is a
    /// replica that must not be further behind, a URL must answer with success, exec:COMMAND must end with 0, and holds with 1
    #[arg(long, value_name = "WHOM", help_heading = PACE)]
    pub(crate) brake: Option<String>,

    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,

    /// Where steps run: all on one thread in turn, in batches, overlapped, or on all cores
    #[arg(long, default_value = "parallel", value_parser = strategies(), help_heading = STRATEGIES)]
    pub(crate) strategy: Strategy,
    #[command(flatten)]
    pub(crate) driving: StrategyArgs,
}

impl RunArgs {
    /// Every setting of the command.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let RunArgs {
            input,
            compute,
            save,
            strategy,
            dry_run,
            first,
            no_profile,
            brake,
            job,
            pace,
            keep,
            output,
            recording,
            driving,
        } = self;
        let own = vec![
            Setting::new("input", Decides::Results, Report::Address, [input]),
            Setting::new("compute", Decides::Results, Report::Whole, [compute]),
            Setting::new("save", Decides::Results, Report::Address, [save]),
            Setting::new(
                "strategy",
                Decides::Course,
                Report::Whole,
                [strategy.name()],
            ),
            Setting::switch("dry-run", Decides::Course, Report::Nothing, *dry_run),
            Setting::new("first", Decides::Course, Report::Nothing, *first),
            Setting::switch("no-profile", Decides::Course, Report::Whole, *no_profile),
            Setting::new("brake", Decides::Course, Report::Address, brake),
        ];
        [
            own,
            job.settings(),
            pace.settings(),
            keep.settings(),
            output.settings(),
            recording.settings(),
            driving.settings(),
        ]
        .concat()
    }
}
