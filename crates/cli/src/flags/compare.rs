//! What was typed after `inflight compare`.

use clap::Args;
use inflight::Strategy;

use crate::flags::headings::{JOB, PACE};
use crate::flags::job::JobArgs;
use crate::flags::output::OutputArgs;
use crate::flags::pace::PaceArgs;
use crate::flags::pictures::RecordingArgs;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::strategy::StrategyArgs;
use crate::flags::sweep::Sweep;
use crate::flags::value::strategies;

pub(crate) const EXAMPLES: &str = "Examples:
  inflight compare
  inflight compare 0..600 --save 'lab:?latency=100ms&capacity=50'
  inflight compare words.txt --compute sha256:1000 --save null: --strategies async,parallel
  inflight compare 0..200 --save http://127.0.0.1:8080/add --repeat-saves --json compare.json
  inflight compare 0..600 --sweep in-flight=10,30,100,300 --strategies parallel --report sweep.html";

/// `inflight compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// A file (text, JSON or CSV), `-` for standard input, a range such as 0..600, rows of
    /// postgres://USER@HOST/DATABASE?table=T&key=COLUMN (or query=SELECT), or a job file such as job.toml
    #[arg(default_value = "0..120")]
    pub(crate) input: String,

    /// The CPU work on one item: none, bcrypt:COST, sha256[:ROUNDS], sleep:DURATION, spin:DURATION, jq:FILTER, or exec:COMMAND
    /// for worker processes of your own
    #[arg(long, value_name = "TASK", default_value = "bcrypt:8", help_heading = JOB)]
    pub(crate) compute: String,

    /// Where results go: [METHOD ]http(s)://URL, POST by default, with {} for the item and {name} for a field;
    /// sqlite:FILE?table=T, postgres://USER@HOST/DATABASE?table=T, file:OUT.jsonl,
    /// lab:?latency=100ms or null:
    #[arg(long, value_name = "SINK", default_value = "lab:?latency=100ms", help_heading = JOB)]
    pub(crate) save: String,

    /// A comparison keeps no journal; accepted, so that the flags of a run can be compared as they are
    #[arg(long, hide = true)]
    pub(crate) no_journal: bool,

    /// Allow a sink other than lab: or null:, though everything is saved once for each strategy
    #[arg(long, help_heading = JOB)]
    pub(crate) repeat_saves: bool,

    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,

    /// Compare once with each of these values of an option: in-flight, batch, bulk, jobs, rate, retries, timeout,
    /// yield-every, cost (of the computation), or a key of a lab: such as capacity, latency or fail
    #[arg(long, value_name = "KEY=V1,V2,…", value_parser = Sweep::parse, help_heading = PACE)]
    pub(crate) sweep: Option<Sweep>,

    /// The strategies to run, in this order
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        default_value = "sequential,batched,async,parallel",
        hide_possible_values = true,
        value_parser = strategies(),
        help_heading = PACE
    )]
    pub(crate) strategies: Vec<Strategy>,
    #[command(flatten)]
    pub(crate) driving: StrategyArgs,
}

impl CompareArgs {
    /// Every setting of the command.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let CompareArgs {
            input,
            compute,
            save,
            strategies,
            no_journal,
            sweep,
            repeat_saves,
            job,
            pace,
            output,
            recording,
            driving,
        } = self;
        let names = strategies.iter().map(|strategy| strategy.name());
        let own = vec![
            Setting::new("input", Decides::Results, Report::Address, [input]),
            Setting::new("compute", Decides::Results, Report::Whole, [compute]),
            Setting::new("save", Decides::Results, Report::Address, [save]),
            // Both are what the report is about.
            Setting::new("strategies", Decides::Course, Report::Nothing, names),
            Setting::new("sweep", Decides::Course, Report::Nothing, sweep),
            Setting::switch("no-journal", Decides::Course, Report::Nothing, *no_journal),
            Setting::switch(
                "repeat-saves",
                Decides::Course,
                Report::Nothing,
                *repeat_saves,
            ),
        ];
        [
            own,
            job.settings(),
            pace.settings(),
            output.settings(),
            recording.settings(),
            driving.settings(),
        ]
        .concat()
    }
}
