//! What `-h` shows: the flags that a new user must know, on one screen. `--help` shows all of them.

use clap::{Command, CommandFactory};

use crate::flags::args::Cli;
use crate::flags::layers::JOB_COMMANDS;

/// The flags that `-h` shows, and what it says of them. At most 20 with those that every command has.
const SHORT: &[(&str, &str)] = &[
    (
        "compute",
        "CPU work on one item: none, bcrypt:COST, sha256, sleep:TIME or exec:COMMAND",
    ),
    (
        "save",
        "Where results go: http(s)://URL, sqlite:FILE, postgres://…, file:OUT.jsonl, lab: or null:",
    ),
    (
        "fetch",
        "Fetch what compute gets; `{}` in the URL is the item",
    ),
    (
        "header",
        "HTTP header of every save; a secret as env:NAME or file:PATH",
    ),
    ("fetch-header", "The same for every fetch"),
    ("fetch-body", "The same for every fetch"),
    (
        "fetch-quota",
        "What the service of the fetch allows, such as '500 requests/min'",
    ),
    (
        "columns",
        "What is saved of each row, such as 'id,city=.address.city'",
    ),
    (
        "save-body",
        "HTTP body of a save: json, form, @FILE, jq:FILTER or a template such as '{\"q\": \"{name}\"}'",
    ),
    (
        "in-flight",
        "Requests at once, where the number that is found does not suit",
    ),
    ("retries", "Extra tries of an item after its first"),
    (
        "halt",
        "Stop at so many failed items, such as 10, or never; by default when most of the last fail",
    ),
    ("keep-order", "Save in the order of the input"),
    ("dry-run", "Print the first requests, and send nothing"),
    (
        "fresh",
        "Start over, not where an earlier run of the same command ended",
    ),
    (
        "report",
        "Write a page to look at, with a timeline of every item",
    ),
    (
        "json",
        "Write the result as one JSON object; `-` is standard output",
    ),
    (
        "quiet",
        "Nothing on standard error but errors and the last line",
    ),
];

/// What only compare has, and what only plan has.
const SHORT_OF_ONE: &[(&str, &str)] = &[
    ("strategies", "The strategies to run, in this order"),
    (
        "sweep",
        "Compare once with each of these values of an option, such as in-flight=10,100",
    ),
    (
        "repeat-saves",
        "Allow a sink that keeps what it gets, such as http:, to get results more than once",
    ),
    ("no-probe", "Save nothing, not even a sample"),
    ("save-too", "Save these items for real"),
];

/// The command line, with short and long help.
pub(crate) fn command() -> Command {
    JOB_COMMANDS.iter().fold(Cli::command(), |cli, name| {
        cli.mut_subcommand(name, |command| with_short_help(command, name))
    })
}

fn with_short_help(command: Command, name: &str) -> Command {
    let examples = command.get_after_help().cloned().unwrap_or_default();
    let all = format!("inflight {name} --help shows every flag, and examples.");
    let command = command.mut_args(|arg| {
        if arg.is_positional() {
            return arg;
        }
        let key = arg.get_long().unwrap_or_default();
        let short = SHORT.iter().chain(SHORT_OF_ONE);
        let Some((_, help)) = short.into_iter().find(|(known, _)| *known == key) else {
            return arg.hide_short_help(true);
        };
        let long = arg.get_help().cloned().unwrap_or_default();
        arg.help(*help).long_help(long)
    });
    command.after_long_help(examples).after_help(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `--help` itself.
    const FLAGS_MAX: usize = 20;

    /// A terminal that was never made larger, without the prompt twice.
    const LINES_MAX: usize = 48;

    #[test]
    fn short_help_fits_a_screen_and_shows_few_flags() {
        for name in JOB_COMMANDS {
            let mut cli = command();
            cli.build();
            let command = cli.find_subcommand_mut(name).unwrap();
            let flags = command
                .get_opts()
                .filter(|arg| !arg.is_hide_short_help_set() && !arg.is_hide_set());
            let shown: Vec<_> = flags
                .map(|arg| arg.get_long().unwrap().to_owned())
                .collect();
            assert!(shown.len() <= FLAGS_MAX, "{name} -h shows {shown:?}");
            let text = command.render_help().to_string();
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{name} -h has {lines} lines:\n{text}");
        }
    }

    #[test]
    fn short_help_names_only_flags_that_there_are() {
        let cli = command();
        for (key, _) in SHORT.iter().chain(SHORT_OF_ONE) {
            let mut commands = JOB_COMMANDS
                .iter()
                .filter_map(|name| cli.find_subcommand(name));
            assert!(
                commands.any(|command| command.get_opts().any(|arg| arg.get_long() == Some(key))),
                "{key}"
            );
        }
    }
}
