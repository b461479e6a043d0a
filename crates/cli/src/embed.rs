//! What a program around us may ask for: the commands of `inflight`, for those that offer them in another language.
//!
//! Everything is said by the names of the flags; the program may give code of its own in place of some. Nothing is printed unless a
//! flag asks for it, no signal is heard, and the process is left as it was.

use std::fmt;

use inflight::Stop;

use crate::commands::checked::{CheckedCompare, CheckedRun};
use crate::commands::compare::compared;
use crate::commands::plan::plan_for;
use crate::commands::run::{self, Performed};
use crate::error::Error;
use crate::exit::Exit;
use crate::flags::args::Command;
use crate::flags::keywords;
use crate::flags::run::RunArgs;
use crate::keep::journal::Kept;
use crate::show::json;
use crate::show::table;
use crate::show::taking::run_of;
use crate::terminal::signals::Signals;

pub use crate::flags::keywords::Said;
pub use crate::job::given::{Code, Computing, Given};

/// Why a job was not done: nothing was sent, or the engine could not go on.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code that the command would leave with.
    pub code: u8,
    message: String,
}

impl Refusal {
    /// Whether something that was said is wrong.
    pub fn is_usage(&self) -> bool {
        self.code == Exit::Usage.code()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal {
            code: Exit::of_error(&error).code(),
            message: error.to_string(),
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    /// The object of `--json`.
    pub json: String,
    /// The same for people, as the command prints it.
    pub text: String,
    /// The exit code that the command would leave with.
    pub code: u8,
}

/// Does `inflight COMMAND INPUT` with these keywords, where the command is `run`, `compare` or `plan`, and says what it came to.
///
/// # Errors
/// When what was said is wrong, or the run could not go on. A run that was stopped, or a service that was away, is no error: its
/// summary tells of it.
pub fn perform(
    name: &str,
    input: &str,
    keywords: &[(String, Said)],
    given: Given,
    stop: &Stop,
) -> Result<Done, Refusal> {
    let signals = Signals::of_program(stop);
    let (text, json) = match keywords::command(name, input, keywords)? {
        Command::Run(args) => return run(*args, given, &signals),
        Command::Compare(args) => compared(&CheckedCompare::with(*args, &given)?, &signals)?,
        Command::Plan(args) => plan_for(*args, &given, &signals)?,
        _ => return Err(Error::usage(format_args!("{name} does no job")).into()),
    };
    let code = Exit::Success.code();
    Ok(Done { json, text, code })
}

fn run(args: RunArgs, mut given: Given, signals: &Signals) -> Result<Done, Refusal> {
    let mut plan = CheckedRun::with(args, &given)?;
    let messages = plan.show.messages.clone();
    let keep = std::mem::take(&mut plan.keep);
    let kept = Kept::open(keep, &plan.work, &messages)?;
    let watch = given.watch.take();
    match run::perform(plan, kept, None, signals, watch)? {
        Performed::Stopped(before) => Err(Refusal {
            code: Exit::Interrupted.code(),
            message: format!("stopped before {before}; nothing was sent"),
        }),
        Performed::Ran(ran) => {
            let summary = ran.summary;
            run::tell_nothing(&summary, &ran.work, &messages);
            json::write(ran.show.json, &summary)?;
            let recorded = run_of("run", summary.clone(), &ran.options, ran.drawn);
            run::record(ran.about, recorded, ran.taking, &messages)?;
            Ok(Done {
                json: serde_json::to_string(&summary).map_err(Error::from)?,
                text: table::closing(&summary),
                code: Exit::of(&summary, None).code(),
            })
        }
    }
}
