//! What a program around us may ask for: the commands of `inflight`, for those that offer them in another language.
//!
//! Everything is said by the names of the flags; the program may give code of its own in place of some. Nothing is printed unless a
//! flag asks for it, no signal is heard, and the process is left as it was.

use std::fmt;

use inflight::{Stop, Summary};

use crate::commands::checked::CheckedRun;
use crate::commands::run::{Performed, perform, record, tell_nothing};
use crate::error::Error;
use crate::exit::Exit;
use crate::flags::keywords::run_args;
use crate::keep::journal::Kept;
use crate::show::json;
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

/// Does `inflight run INPUT` with these keywords, and says what it came to.
///
/// # Errors
/// When what was said is wrong, or the run could not go on. A run that was stopped, or a service that was away, is no error: the
/// summary tells of it.
pub fn run(
    input: &str,
    keywords: &[(String, Said)],
    mut given: Given,
    stop: &Stop,
) -> Result<Summary, Refusal> {
    let args = run_args(input, keywords)?;
    let mut plan = CheckedRun::with(args, &given)?;
    let messages = plan.show.messages.clone();
    let keep = std::mem::take(&mut plan.keep);
    let kept = Kept::open(keep, &plan.work, &messages)?;
    let signals = Signals::of_program(stop);
    let watch = given.watch.take();
    match perform(plan, kept, None, &signals, watch)? {
        Performed::Stopped(before) => Err(Refusal {
            code: Exit::Interrupted.code(),
            message: format!("stopped before {before}; nothing was sent"),
        }),
        Performed::Ran(ran) => {
            let summary = ran.summary;
            tell_nothing(&summary, &ran.work, &messages);
            json::write(ran.show.json, &summary)?;
            let run = run_of("run", summary.clone(), &ran.options, ran.drawn);
            record(ran.about, run, ran.taking, &messages)?;
            Ok(summary)
        }
    }
}

/// The code with which the command would leave after a run that came to this.
pub fn code_of(summary: &Summary) -> u8 {
    Exit::of(summary, None).code()
}
