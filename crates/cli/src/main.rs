//! The `inflight` command. What it does lies in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    inflight_cli::run_program()
}
