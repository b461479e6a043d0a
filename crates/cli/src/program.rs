//! The whole program: reads what was typed, does it, and leaves with a code that says how it went.

use std::process::ExitCode;

use crate::commands;
use crate::error::Result;
use crate::exit::Exit;
use crate::flags::args::{Cli, Command};
use crate::flags::layers::{self, Refused};
use crate::job::leash;
use crate::terminal::messages;

/// Does what was typed, and says with which code to leave.
pub fn run_program() -> ExitCode {
    if let Some(failed) = leash::become_worker(std::env::args_os()) {
        return failed;
    }
    let typed: Vec<_> = std::env::args_os().collect();
    let exit = match layers::parse(&typed, &layers::variable) {
        // clap itself prints help and usage errors, and leaves with 0 and 2.
        Err(Refused::Typed(error)) => error.exit(),
        Err(Refused::Below(error)) => Err(error),
        Ok(cli) => dispatch(cli),
    };
    let exit = match exit {
        Ok(exit) => exit,
        Err(error) => {
            messages::line(&format_args!("error: {error}"));
            Exit::of_error(&error)
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(cli: Cli) -> Result<Exit> {
    use commands::{
        compare, completions, dead_letters, explain, init, journal, lab, plan, report, run, try_run,
    };
    match cli.command {
        Command::Compare(args) => compare::compare(*args),
        Command::Run(args) => run::run(*args),
        Command::Try(args) => try_run::try_run(*args),
        Command::Plan(args) => plan::plan(*args),
        Command::Init(args) => init::init(&args),
        Command::Report(args) => report::report(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Lab(args) => lab::lab(*args),
        Command::DeadLetters(command) => dead_letters::dead_letters(command),
        Command::Journal(command) => journal::journal(command),
        Command::Completions { shell } => completions::completions(shell),
    }
}
