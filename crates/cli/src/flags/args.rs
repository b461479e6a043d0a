//! What was typed: every command and flag, with its unit and default, before anything is made of it.
//!
//! It refuses to know what a value means beyond its own shape; `job/` makes of it what will be done.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::flags::compare::{self, CompareArgs};
use crate::flags::job::StatusArgs;
use crate::flags::lab::LabArgs;
use crate::flags::pictures::PictureArgs;
use crate::flags::plan::{self, PlanArgs};
use crate::flags::run::{self, RunArgs};
use crate::flags::try_run::{self, TryArgs};

const ABOUT: &str = "Runs fetch, compute, save jobs close to the physical limit, loses no item, and says what limited it.";

const EXAMPLES: &str = "Examples:
  inflight compare
  inflight run items.jsonl --field url --compute sha256 --save 'sqlite:out.db?table=results'
  inflight lab --latency 100ms --capacity 100

Exit codes:
  0    everything was saved
  1    internal error, or input that could not be read to its end
  2    usage or configuration; nothing was sent
  3    finished with dead letters
  4    stopped, and can be resumed: the service could not be reached or stayed away too long, workers kept breaking,
       --halt, --deadline
  5    another run of this job is at work; nothing was sent
  6    the journal is that of another job, or the input has changed; nothing was sent
  7    the journal is damaged; nothing was sent
  8    the journal, dead letters or a file of results could not be written; can be resumed
  9    computations did not come back
  10   the job was finished before, and --once refuses to do it again; nothing was sent
  130  stopped by Ctrl-C (143: by SIGTERM, 129: by SIGHUP)";

const REPORT_EXAMPLES: &str = "Examples:
  inflight report
  inflight report last --report monday.html
  inflight report 20261124-144843 --svg timeline.svg --trace trace.json --markdown -";

const LAB_EXAMPLES: &str = "Examples:
  inflight lab --latency 100ms --capacity 100
  inflight lab --listen 127.0.0.1:0 --latency lognormal:100ms,0.3 --rate '100/s,burst 50' --fail 1%
  curl -d hello http://127.0.0.1:8080/add; curl http://127.0.0.1:8080/stats";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "inflight", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do the same job once with each strategy and show what each reaches
    #[command(after_help = compare::EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Run a job: fetch, compute, save every item
    #[command(after_help = run::EXAMPLES)]
    Run(Box<RunArgs>),
    /// Do the first items of a job for real, show each step, and save nothing
    #[command(after_help = try_run::EXAMPLES)]
    Try(Box<TryArgs>),
    /// Say how long a job will take with each strategy, from a small sample
    #[command(after_help = plan::EXAMPLES)]
    Plan(Box<PlanArgs>),
    /// Write a job file to fill in, which run, compare and plan take in place of INPUT
    Init(InitArgs),
    /// Draw a run that was recorded
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Say what an HTTP status means to a run, and what becomes of the item
    Explain(ExplainArgs),
    /// Serve the model service until Ctrl-C
    #[command(after_help = LAB_EXAMPLES)]
    Lab(Box<LabArgs>),
    /// List the items that were given up, or try them again
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Look into the journal of a run
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// `inflight dead-letters`.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Show the items that were given up, grouped by reason
    List {
        /// The journal of the run: its file, as shown by the run
        run: PathBuf,
        /// Write each as a line of JSON instead
        #[arg(long)]
        json: bool,
    },
    /// Try them again, and no others, as the run did
    Retry {
        /// The journal of the run: its file, as shown by the run
        run: PathBuf,
        /// Run the command that stands in a journal outside of your own state directory: whoever wrote it chose what is run
        #[arg(long)]
        trust: bool,
        /// Try them with what has changed since the run, such as an edited template; the journal goes on with the change
        #[arg(long)]
        accept_change: bool,
        /// Say nothing but the result
        #[arg(short, long)]
        quiet: bool,
        /// Another command to try them with, from `run` on; for one whose secrets were typed, as those are not kept
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

/// `inflight journal`.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Say what a journal knows
    Show {
        /// The journal
        file: PathBuf,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say whether a journal is good: 0 if it is, 7 if it is damaged
    Check {
        /// The journal
        file: PathBuf,
    },
    /// Forget what follows the damage in a journal, so that it is done again; keeps a copy
    Repair {
        /// The journal
        file: PathBuf,
    },
}

/// `inflight init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The input of the job: its fields are listed in the job file. Without one, the job file is an example that works
    pub(crate) input: Option<String>,

    /// Where to write the job file; `-` is standard output. A file that exists is left alone
    #[arg(short, long, value_name = "FILE", default_value = "job.toml")]
    pub(crate) output: String,
}

/// `inflight report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Which run: `last`, the name under which it was recorded (`run -v` says it), or a file
    #[arg(default_value = "last")]
    pub(crate) run: String,

    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
}

/// `inflight explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Statuses, such as 429 [default: the whole table]
    #[arg(value_name = "STATUS")]
    pub(crate) codes: Vec<u16>,

    #[command(flatten)]
    pub(crate) statuses: StatusArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use inflight::Strategy;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn compare_needs_no_arguments() {
        let cli = Cli::try_parse_from(["inflight", "compare"]).unwrap();
        let Command::Compare(args) = cli.command else {
            panic!("{cli:?}")
        };
        assert_eq!(args.input, "0..120");
        assert_eq!(args.save, "lab:?latency=100ms");
        assert_eq!(args.strategies, Strategy::ALL);
    }
}
