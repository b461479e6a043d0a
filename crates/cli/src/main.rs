//! The `inflight` command: reads what was typed, does it, and leaves with a code that says how it went.

mod about;
mod args;
mod command;
mod compare;
mod computation;
mod copies;
mod dead_letters;
mod exit;
mod fits;
mod init;
mod job_file;
mod job_id;
mod journal;
mod json;
mod keep;
mod lab;
mod lab_simulate;
mod layers;
mod leash;
mod messages;
mod open_files;
mod opened;
mod out_file;
mod pictures;
mod plan;
mod planning;
mod profiles;
mod progress;
mod quantity;
mod recording;
mod repeat;
mod report;
mod run;
mod settings;
mod signals;
mod state;
mod stdout;
mod sweep;
mod table;
mod target;
mod value;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::layers::Refused;

fn main() -> ExitCode {
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
            messages::line(&format_args!("error: {error:#}"));
            Exit::of_error(&error)
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Compare(args) => compare::compare(*args),
        Command::Run(args) => run::run(*args),
        Command::Plan(args) => planning::plan(*args),
        Command::Init(args) => init::init(&args),
        Command::Report(args) => report::report(&args),
        Command::Lab(args) => lab::lab(*args),
        Command::DeadLetters(command) => dead_letters::dead_letters(command),
        Command::Journal(command) => journal::journal(command),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "inflight", &mut script);
    stdout::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
