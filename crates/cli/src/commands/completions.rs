//! `inflight completions`: prints completions for a shell.

use clap::CommandFactory;

use crate::error::Result;
use crate::exit::Exit;
use crate::flags::args::Cli;
use crate::terminal::stdout;

/// Prints them.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "inflight", &mut script);
    stdout::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
