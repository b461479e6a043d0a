//! Lets other programs compute: worker processes that speak lines of JSON, or frames, over their standard streams.
//!
//! `docs/workers.md` is the protocol. One process belongs to one compute thread and lives as long as it, unless it breaks.
//! Whatever a worker does, it costs the item it did it with: it may end, hang, or print garbage or gigabytes.

mod crew;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod incoming;
mod process;
mod protocol;
mod reaper;
mod said;
mod worker;

use std::fmt;

use crate::error::Error;

pub use crew::{Crew, CrewSettings};

/// A command that starts a worker: a program and its arguments. No shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec(Vec<String>);

impl Exec {
    /// Splits a command into words as a shell would, with quotes and backslashes; nothing is expanded, redirected or piped.
    ///
    /// ```
    /// use inflight_connectors::Exec;
    ///
    /// let exec = Exec::parse("python3 'my worker.py' --fast")?;
    /// assert_eq!(exec.words(), ["python3", "my worker.py", "--fast"]);
    /// # Ok::<(), inflight_connectors::Error>(())
    /// ```
    ///
    /// # Errors
    /// A sentence, when there is no word, or a quote that does not end.
    pub fn parse(command: &str) -> Result<Exec, Error> {
        let words = shlex::split(command)
            .ok_or_else(|| format!("task `exec:{command}`: a quote does not end"))?;
        if words.first().is_none_or(String::is_empty) {
            return Err("task `exec:` needs a command, such as exec:python3 worker.py".into());
        }
        if command.contains('\0') {
            return Err("task `exec:` must not hold a NUL".into());
        }
        Ok(Exec(words))
    }

    /// A program and its arguments, as they are.
    ///
    /// # Errors
    /// A sentence, when there is no program, or a word holds a NUL.
    pub fn of_words(words: Vec<String>) -> Result<Exec, Error> {
        if words.first().is_none_or(String::is_empty) {
            return Err("a worker needs a command".into());
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err("the command of a worker must not hold a NUL".into());
        }
        Ok(Exec(words))
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Exec {
    /// As it could be typed after `exec:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(String::as_str);
        // Only a NUL cannot be quoted, and there is none.
        f.write_str(&shlex::try_join(words).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_would_and_print_as_they_could_be_typed() {
        let check = |command: &str, words: &[&str]| {
            let exec = Exec::parse(command).unwrap();
            assert_eq!(exec.words(), words);
            assert_eq!(Exec::parse(&exec.to_string()).unwrap(), exec);
        };
        check("worker", &["worker"]);
        check("  python3  -u a.py ", &["python3", "-u", "a.py"]);
        check("'a b' \"c 'd'\" e\\ f ''", &["a b", "c 'd'", "e f", ""]);
        check("echo $HOME | cat", &["echo", "$HOME", "|", "cat"]);
        for (command, part) in [
            ("", "needs a command"),
            (" ", "needs"),
            ("''", "needs"),
            ("'a", "does not end"),
        ] {
            let why = Exec::parse(command).unwrap_err();
            assert!(why.to_string().contains(part), "{command}: {why}");
        }
    }
}
