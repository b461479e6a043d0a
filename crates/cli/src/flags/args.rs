//! What was typed: every command and flag, with its unit and default, before anything is made of it.
//!
//! It refuses to know what a value means beyond its own shape; `job/` makes of it what will be done.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use inflight::{Halt, Strategy};

use crate::flags::lab::LabArgs;
use crate::flags::pictures::{PictureArgs, RecordingArgs};
use crate::flags::plan::{self, PlanArgs};
use crate::flags::sweep::Sweep;
use crate::flags::value::{self, OrAuto};

const ABOUT: &str = "Runs fetch, compute, save jobs close to the physical limit, loses no item, and says what the wall was.";

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
  130  stopped by Ctrl-C (143: by SIGTERM)";

const RUN_EXAMPLES: &str = "Examples:
  inflight run 0..600 --compute bcrypt:8 --save http://127.0.0.1:8080/add
  inflight run words.txt --compute sha256 --save file:hashes.jsonl
  inflight run ids.txt --fetch 'https://example.org/items/{}' --save 'sqlite:items.db?table=items'
  inflight run items.jsonl --compute 'exec:python3 worker.py' --save file:results.jsonl
  inflight run words.txt --compute sha256 --save 'postgres://me@localhost/night?table=hashes' --create
  inflight init && inflight run job.toml --in-flight 50
  inflight run 0..600 --compute sleep:5ms --save 'lab:?latency=100ms&capacity=100&fail=5%'";

const COMPARE_EXAMPLES: &str = "Examples:
  inflight compare
  inflight compare 0..600 --save 'lab:?latency=100ms&capacity=50'
  inflight compare words.txt --compute sha256:1000 --save null: --strategies async,parallel
  inflight compare 0..200 --save http://127.0.0.1:8080/add --repeat-saves --json compare.json
  inflight compare 0..600 --sweep in-flight=10,30,100,300 --strategies parallel --report sweep.html";

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
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Run a job: fetch, compute, save every item
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Say how long a job will take with each strategy, from a small sample
    #[command(after_help = plan::EXAMPLES)]
    Plan(Box<PlanArgs>),
    /// Write a job file to fill in, which run, compare and plan take in place of INPUT
    Init(InitArgs),
    /// Draw a run that was recorded
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
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

/// `inflight run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A file (text or JSON lines), `-` for standard input, a range such as 0..600, rows of
    /// postgres://USER@HOST/DATABASE?table=T&key=COLUMN (or query=SELECT), or a job file such as job.toml
    pub(crate) input: String,

    /// The CPU work on one item: none, bcrypt:COST, sha256[:ROUNDS], sleep:DURATION, spin:DURATION, or exec:COMMAND
    /// for worker processes of your own
    #[arg(long, value_name = "TASK", default_value = "none", help_heading = JOB)]
    pub(crate) compute: String,

    /// Where results go: http(s)://URL, sqlite:FILE?table=T, postgres://USER@HOST/DATABASE?table=T, file:OUT.jsonl,
    /// lab:?latency=100ms or null:
    #[arg(long, value_name = "SINK", help_heading = JOB)]
    pub(crate) save: String,

    /// Where steps run: all on one thread in turn, in batches, overlapped, or on all cores
    #[arg(long, default_value = "parallel", value_parser = strategies(), help_heading = PACE)]
    pub(crate) strategy: Strategy,

    /// Neither begin with what earlier runs have learnt of the service, nor keep what this one learns
    #[arg(long, help_heading = PACE)]
    pub(crate) no_profile: bool,

    #[command(flatten)]
    pub(crate) job: JobArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
}

/// `inflight compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// A file (text or JSON lines), `-` for standard input, a range such as 0..600, rows of
    /// postgres://USER@HOST/DATABASE?table=T&key=COLUMN (or query=SELECT), or a job file such as job.toml
    #[arg(default_value = "0..120")]
    pub(crate) input: String,

    /// The CPU work on one item: none, bcrypt:COST, sha256[:ROUNDS], sleep:DURATION, spin:DURATION, or exec:COMMAND
    /// for worker processes of your own
    #[arg(long, value_name = "TASK", default_value = "bcrypt:8", help_heading = JOB)]
    pub(crate) compute: String,

    /// Where results go: http(s)://URL, sqlite:FILE?table=T, postgres://USER@HOST/DATABASE?table=T, file:OUT.jsonl,
    /// lab:?latency=100ms or null:
    #[arg(long, value_name = "SINK", default_value = "lab:?latency=100ms", help_heading = JOB)]
    pub(crate) save: String,

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

    /// A comparison keeps no journal; accepted, so that the flags of a run can be compared as they are
    #[arg(long, hide = true)]
    pub(crate) no_journal: bool,

    /// Compare once with each of these values of an option: in-flight, batch, bulk, jobs, rate, retries, timeout,
    /// yield-every, cost (of the computation), or a key of a lab: such as capacity, latency or fail
    #[arg(long, value_name = "KEY=V1,V2,…", value_parser = Sweep::parse, help_heading = PACE)]
    pub(crate) sweep: Option<Sweep>,

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
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) recording: RecordingArgs,
}

/// `inflight init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it; `-` is standard output. A file that exists is left alone
    #[arg(default_value = "job.toml")]
    pub(crate) file: String,
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

pub(crate) const JOB: &str = "The job";
pub(crate) const PACE: &str = "How it runs";
const KEEP: &str = "What is kept";
const OUTPUT: &str = "What is shown";

/// What is done with each item.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = JOB)]
pub(crate) struct JobArgs {
    /// What the input is made of [default: jsonl for *.jsonl and *.ndjson, else text]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// Compute on this field of each JSON line [default: the whole line]
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Option<String>,

    /// Fetch what compute gets, `{}` being the item: http(s)://URL, or lab:?latency=100ms
    #[arg(long, value_name = "URL")]
    pub(crate) fetch: Option<String>,

    /// HTTP method of a save [default: POST]
    #[arg(long)]
    pub(crate) method: Option<String>,

    /// HTTP header of every save, may be repeated; a value env:NAME or file:PATH is read from there
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The same for every fetch, so that no service gets what belongs to the other
    #[arg(long = "fetch-header", value_name = "NAME: VALUE")]
    pub(crate) fetch_headers: Vec<String>,

    /// HTTP body of a save: the result's bytes (raw), a JSON record, or a form with one field [default: raw]
    #[arg(long, value_name = "raw|json|form:FIELD")]
    pub(crate) body: Option<String>,

    /// Keep what the service answered to each save in this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) responses: Option<PathBuf>,

    /// Promise that the service knows idempotency keys: what a crash has sent again then counts once
    #[arg(long)]
    pub(crate) idempotent: bool,

    /// Write the lines of file: or --responses in the order of the items; what is early waits, at most 1 MiB at each step
    #[arg(long)]
    pub(crate) keep_order: bool,

    /// Make the table of postgres: where it is missing: "index" bigint PRIMARY KEY, result text
    #[arg(long)]
    pub(crate) create: bool,

    /// Let file: add to a file that is not empty
    #[arg(long)]
    pub(crate) append: bool,

    /// Trust the certificates in this PEM file besides those of the system
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// A service in this process: the scheme of its addresses.
pub(crate) const LAB: &str = "lab:";

/// What saves usually are.
pub(crate) const METHOD: &str = "POST";

/// What was computed and nothing else.
pub(crate) const BODY: &str = "raw";

impl JobArgs {
    /// The method of a save, as given or by default.
    pub(crate) fn method(&self) -> &str {
        self.method.as_deref().unwrap_or(METHOD)
    }

    /// The body of a save, as given or by default.
    pub(crate) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or(BODY)
    }
}

/// How many at once, how fast, how often again.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = PACE)]
pub(crate) struct PaceArgs {
    /// Compute threads of parallel, 1 to 1024; auto is one for each core
    #[arg(short, long, value_name = "N|auto", default_value = "auto", value_parser = value::count_or_auto)]
    pub(crate) jobs: OrAuto,

    /// Requests sent and not yet answered, for each of fetch and save, 1 to 65536; auto finds as many as pay [default: auto with
    /// parallel, except in compare, else 100]
    #[arg(short = 'c', long, value_name = "N|auto", value_parser = value::count_or_auto)]
    pub(crate) in_flight: Option<OrAuto>,

    /// The most in flight, whatever -c says or finds, 1 to 65536: each is a connection [default: 1000 for auto]
    #[arg(long, value_name = "N")]
    pub(crate) max_in_flight: Option<usize>,

    /// Items that batched computes before it saves them, 1 to 1000000
    #[arg(short, long, value_name = "N", default_value = "100")]
    pub(crate) batch: usize,

    /// The most records in one save request; auto is what the sink takes, or, with -c auto and a sink that takes several requests
    /// at once, as many as make a request's own cost a tenth of it
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = value::count_or_auto)]
    pub(crate) bulk: OrAuto,

    /// How long async computes before it serves I/O, such as 50ms; 0 is after each item, never is never
    #[arg(long, value_name = "DURATION|never", default_value = "0", value_parser = value::duration_or_never)]
    pub(crate) yield_every: value::OrNever,

    /// Save requests started a second, minute or hour, at most, such as 50/s [default: no bound]
    #[arg(long, value_name = "N/s", value_parser = value::rate)]
    pub(crate) rate: Option<f64>,

    /// Deadline of one request
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = value::duration)]
    pub(crate) timeout: Duration,

    /// Deadline of one connection attempt
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(crate) connect_timeout: Duration,

    /// Deadline of one computation: a worker process (exec:) is killed then, a thread of parallel is written off
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = value::duration)]
    pub(crate) compute_timeout: Duration,

    /// Extra tries of an item after its first; refusals (429, 503) and outages are not counted
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) retries: u16,

    /// Stop when items have failed: so many, such as 10, or more than a share of them, such as fail=3%
    #[arg(long, value_name = "N|fail=N%", value_parser = value::halt)]
    pub(crate) halt: Option<Halt>,

    /// Stop, so that the run can be resumed, when it has taken so long [default: no bound]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) deadline: Option<Duration>,
}

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

/// What is shown, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct OutputArgs {
    /// Write the result as one JSON object to this file; `-` is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Progress on standard error: a bar, a plain line every 10 s, or none; auto is a bar on a terminal, else plain
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressArg,

    /// Also tell of each failed attempt, and why the limit changes
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Nothing on standard error but errors and the last line
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What the input is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Jsonl,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    Auto,
    Bar,
    Plain,
    None,
}

/// Reads a strategy by its name; clap names the nearest one when it is none.
fn strategies() -> impl TypedValueParser<Value = Strategy> {
    PossibleValuesParser::new(Strategy::ALL.map(Strategy::name)).map(|name| {
        let found = Strategy::ALL.into_iter().find(|s| s.name() == name);
        found.expect("only names of strategies are possible values")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
