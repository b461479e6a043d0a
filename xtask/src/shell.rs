//! Other programs: what is run is shown, and what fails is named.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// A call of cargo, from the root of the workspace.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

/// Runs it with our standard streams.
///
/// # Errors
/// When it cannot be started or says that it failed; the message is the command as it could be typed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    tell(&format!("$ {shown}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(format!("`{shown}` could not be started: {error}")),
    }
}

/// Does a named step of a longer command, and says how long it took.
///
/// # Errors
/// That of the step, after its name.
pub(crate) fn step(name: &str, action: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    tell(&format!("== {name}"));
    let start = Instant::now();
    action().map_err(|message| format!("step {name}: {message}"))?;
    tell(&format!(
        "== {name}: {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Where a command is found on the path, if it is.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    // Where Debian puts servers, which is on no path but that of root.
    env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(command))
        .find(|file| file.is_file())
}

/// One line for people. Nobody is left to be told when standard error is closed.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        Some(format!(
            "{}={:?}",
            name.display(),
            value?.display().to_string()
        ))
    });
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.display().to_string());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = cargo(["doc", "--no-deps"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            r#"RUSTDOCFLAGS="-D warnings" cargo doc --no-deps"#
        );
    }

    #[test]
    fn a_failed_step_is_named() {
        assert!(step("easy", || Ok(())).is_ok());
        let failed = step("hard", || Err("it broke".to_owned()));
        assert_eq!(failed.unwrap_err(), "step hard: it broke");
    }
}
