//! Settles what each flag is: as typed, else from the environment, else from a job file, else its default.
//!
//! The lower layers become the defaults of flags before the command line is read, so that whatever holds for a typed
//! value holds for theirs too. Which keys there are is asked of the command line itself: they cannot drift apart.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;

use clap::builder::OsStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, FromArgMatches};

use crate::error::{Error, Result};
use crate::flags::args::{Cli, Command};
use crate::flags::job_file::{self, Takes};
use crate::flags::short;

/// The commands that do a job: the ones a job file is for.
pub(crate) const JOB_COMMANDS: [&str; 4] = ["run", "compare", "plan", "try"];

/// The key of the one argument that is no flag.
const INPUT: &str = "input";

/// Arguments that are no part of a job: to start over is said once, or a run could never go on; to look at it is said where
/// that is meant.
pub(crate) const NO_KEYS: [&str; 6] = ["help", "version", "fresh", "dry_run", "first", "save_too"];

/// What a job file is called, at its end.
const ENDING: &str = ".toml";

/// Variables that begin like this, and go on with the name of a flag, set that flag.
const PREFIX: &str = "INFLIGHT_";

/// Why there is no command.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Help, or a mistake on the command line: clap says it.
    Typed(clap::Error),
    /// A mistake below it.
    Below(Error),
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Refused {
        Refused::Typed(error)
    }
}

/// Reads a command line, with what lies below it.
///
/// # Errors
/// As said at [`Refused`].
pub(crate) fn parse(
    typed: &[OsString],
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Cli, Refused> {
    let command = short::command();
    let Some(asked) = Asked::of(&command, typed) else {
        return Ok(Cli::from_arg_matches(
            &command.try_get_matches_from(typed).map_err(hinted)?,
        )?);
    };
    let below = asked.below(environment).map_err(Refused::Below)?;
    let settled = short::command().mut_subcommand(&asked.name, |command| below.lay_under(command));
    let matches = settled.try_get_matches_from(typed);
    let matches = matches.map_err(|error| below.explained(hinted(error)))?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some(path) = &asked.job_file {
        let input = below
            .values
            .get(INPUT)
            .and_then(|below| below.values.first());
        let input = input.ok_or_else(|| {
            Refused::Below(Error::usage(format_args!(
                "{path}: key `{INPUT}` is missing: a file, - or a range such as 0..600"
            )))
        })?;
        match &mut cli.command {
            Command::Run(args) => args.input.clone_from(input),
            Command::Compare(args) => args.input.clone_from(input),
            Command::Plan(args) => args.run.input.clone_from(input),
            Command::Try(args) => args.run.input.clone_from(input),
            // Nothing else does a job.
            _ => {}
        }
    }
    Ok(cli)
}

/// Says of a picture, which a run does not draw, what does.
fn hinted(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if error.kind() == ErrorKind::UnknownArgument
        && ["--svg", "--trace", "--markdown"].contains(&flag.as_str())
    {
        let hint =
            format!("every run is recorded; draw it afterwards: inflight report {flag} FILE");
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![hint.into()]),
        );
    }
    error
}

/// A variable of this process.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What flags of a command take, by key.
pub(crate) fn keys(command: &clap::Command) -> impl Iterator<Item = (String, &Arg)> {
    let is_key = |arg: &&Arg| !NO_KEYS.contains(&arg.get_id().as_str());
    command
        .get_arguments()
        .filter(is_key)
        .map(|arg| (key(arg), arg))
}

fn key(arg: &Arg) -> String {
    arg.get_long().unwrap_or(arg.get_id().as_str()).to_owned()
}

/// What one flag takes.
pub(crate) fn takes(arg: &Arg) -> Takes {
    match arg.get_action() {
        ArgAction::SetTrue => Takes::Switch,
        ArgAction::Append => Takes::Many,
        _ if arg.get_value_delimiter().is_some() => Takes::Many,
        _ => Takes::One,
    }
}

/// What was typed, as far as the layers below it need to know.
struct Asked<'a> {
    /// The whole command line.
    command: &'a clap::Command,
    /// Of the command that does a job.
    name: String,
    typed: ArgMatches,
    job_file: Option<String>,
}

impl<'a> Asked<'a> {
    /// `None` for other commands, for help, and for mistakes, which have nothing below them.
    fn of(command: &'a clap::Command, typed: &[OsString]) -> Option<Asked<'a>> {
        let relaxed = JOB_COMMANDS.iter().fold(command.clone(), |command, name| {
            command.mut_subcommand(name, |command| command.mut_args(|arg| arg.required(false)))
        });
        let (name, typed) = relaxed
            .try_get_matches_from(typed)
            .ok()?
            .remove_subcommand()?;
        if !JOB_COMMANDS.contains(&name.as_str()) {
            return None;
        }
        let mut asked = Asked {
            command,
            name,
            typed,
            job_file: None,
        };
        // Whoever says what the lines of the file are wants it read as input.
        if asked.is_typed(INPUT) && !asked.is_typed("format") {
            let input = asked.typed.get_one::<String>(INPUT);
            asked.job_file = input.filter(|input| input.ends_with(ENDING)).cloned();
        }
        Some(asked)
    }

    fn is_typed(&self, id: &str) -> bool {
        self.typed.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// Whether something was typed that cannot stand beside this flag.
    fn is_contradicted(&self, command: &clap::Command, arg: &Arg) -> bool {
        let excludes = |one: &Arg, other: &Arg| {
            let excluded = command.get_arg_conflicts_with(one);
            excluded
                .iter()
                .any(|excluded| excluded.get_id() == other.get_id())
        };
        let mut typed = command
            .get_arguments()
            .filter(|other| self.is_typed(other.get_id().as_str()));
        typed.any(|other| excludes(arg, other) || excludes(other, arg))
    }

    /// The layers below what was typed.
    fn below(&self, environment: &impl Fn(&str) -> Option<String>) -> Result<Below> {
        let file = self.read_job_file(environment)?;
        let mut below = Below::default();
        let Some(command) = self.command.find_subcommand(&self.name) else {
            return Ok(below);
        };
        for (key, arg) in keys(command) {
            let is_settled = match key.as_str() {
                INPUT => self.is_typed(INPUT) && self.job_file.is_none(),
                _ => self.is_typed(arg.get_id().as_str()) || self.is_contradicted(command, arg),
            };
            let found = match is_settled {
                true => None,
                false => of_environment(&key, takes(arg), environment).or_else(|| {
                    let values = file.get(&key)?.clone();
                    let path = self.job_file.as_deref().unwrap_or_default();
                    Some(Value {
                        values,
                        from: format!("{path}: key `{key}`"),
                    })
                }),
            };
            below.values.extend(found.map(|found| (key, found)));
        }
        Ok(below)
    }

    fn read_job_file(
        &self,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<job_file::Said> {
        let Some(path) = &self.job_file else {
            return Ok(job_file::Said::new());
        };
        let refused = |why: &dyn std::fmt::Display| Error::usage(format_args!("{path}: {why}"));
        let text = job_file::text(path).map_err(|cause| refused(&cause))?;
        let commands = JOB_COMMANDS
            .iter()
            .filter_map(|name| self.command.find_subcommand(name));
        let known: BTreeMap<String, Takes> = commands
            .flat_map(keys)
            .map(|(key, arg)| (key, takes(arg)))
            .collect();
        job_file::read(&text, &known, environment).map_err(|why| refused(&why))
    }
}

/// What a variable says of a flag; one that is empty says nothing.
fn of_environment(
    key: &str,
    takes: Takes,
    environment: &impl Fn(&str) -> Option<String>,
) -> Option<Value> {
    let variable = format!("{PREFIX}{}", key.to_uppercase().replace('-', "_"));
    let text = environment(&variable).filter(|text| !text.is_empty())?;
    let values = match (takes, text.as_str()) {
        (Takes::Switch, "1") => vec!["true".to_owned()],
        (Takes::Switch, "0") => vec!["false".to_owned()],
        (Takes::Many, text) => text.lines().map(str::to_owned).collect(),
        _ => vec![text],
    };
    Some(Value {
        values,
        from: variable,
    })
}

/// A value that was not typed.
struct Value {
    values: Vec<String>,
    /// For messages.
    from: String,
}

/// The values that were not typed, by key.
#[derive(Default)]
struct Below {
    values: BTreeMap<String, Value>,
}

impl Below {
    fn lay_under(&self, command: clap::Command) -> clap::Command {
        command.mut_args(|arg| match self.values.get(&key(&arg)) {
            Some(Value { values, .. }) => {
                let values = values.iter().cloned().map(OsStr::from);
                arg.required(false).default_values(values)
            }
            None => arg,
        })
    }

    /// An error about a value names where the value stands.
    fn explained(&self, error: clap::Error) -> Refused {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
            _ => None,
        };
        let flag = text(ContextKind::InvalidArg).unwrap_or_default();
        let key = flag
            .trim_start_matches("--")
            .split(' ')
            .next()
            .unwrap_or_default();
        let (Some(below), Some(value)) = (self.values.get(key), text(ContextKind::InvalidValue))
        else {
            return Refused::Typed(error);
        };
        let why = match (error.source(), text(ContextKind::ValidValue)) {
            (Some(cause), _) => format!(": {cause}"),
            (None, Some(valid)) => format!("; valid: {valid}"),
            (None, None) => String::new(),
        };
        Refused::Below(Error::usage(format_args!(
            "{}: invalid value `{value}`{why}",
            below.from
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::run::RunArgs;
    use crate::flags::value::OrAuto;

    const FILE: &str = r#"
        input = "${FROM:-0..9}"
        save = "null:"
        in-flight = 7
        retries = 2
        header = ["A: b", "C: d"]
        append = true
        strategies = ["async", "parallel"]
        rate = "50/s"
    "#;

    /// What a command line comes to, with this environment and this job file under the name JOB.
    fn check(line: &str, variables: &[(&str, &str)], file: &str) -> Result<Cli, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let words = ["inflight"].into_iter().chain(line.split(' '));
        let words = words.map(|word| match word {
            "JOB" => OsString::from(&path),
            word => word.into(),
        });
        let environment = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        parse(&words.collect::<Vec<_>>(), &environment).map_err(|refused| match refused {
            Refused::Typed(error) => error.to_string(),
            Refused::Below(error) => error.to_string().replace(&path, "JOB"),
        })
    }

    fn run(line: &str, variables: &[(&str, &str)]) -> RunArgs {
        match check(line, variables, FILE).unwrap().command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_file_is_read_as_flags() {
        let args = run("run JOB", &[]);
        assert_eq!((args.input.as_str(), args.save.as_str()), ("0..9", "null:"));
        assert_eq!(
            (args.pace.in_flight, args.pace.retries),
            (Some(OrAuto::Count(7)), 2)
        );
        assert_eq!(args.job.headers, ["A: b", "C: d"]);
        assert!(args.job.append);
        assert_eq!(args.pace.rate, Some(50.0));
        let Command::Compare(args) = check("compare JOB", &[], FILE).unwrap().command else {
            panic!()
        };
        assert_eq!(args.strategies.len(), 2);
        assert_eq!(args.input, "0..9");
    }

    #[test]
    fn what_is_typed_wins_over_the_environment_and_that_over_the_file() {
        let variables = [
            ("INFLIGHT_IN_FLIGHT", "8"),
            ("INFLIGHT_RETRIES", "3"),
            (
                "INFLIGHT_HEADER",
                "E: f
G: h",
            ),
            ("INFLIGHT_APPEND", "0"),
            ("INFLIGHT_RATE", ""),
            ("FROM", "0..3"),
        ];
        let args = run("run JOB --retries 4 --save lab:", &variables);
        assert_eq!(
            (args.pace.in_flight, args.pace.retries),
            (Some(OrAuto::Count(8)), 4)
        );
        assert_eq!(args.job.headers, ["E: f", "G: h"]);
        assert!(!args.job.append);
        assert_eq!((args.input.as_str(), args.save.as_str()), ("0..3", "lab:"));
        assert_eq!(args.pace.rate, Some(50.0), "an empty variable says nothing");
        let args = run("run JOB --header I:j", &variables);
        assert_eq!(args.job.headers, ["I:j"]);
        assert_eq!(run("run JOB", &[("INFLIGHT_INPUT", "5..6")]).input, "5..6");
    }

    #[test]
    fn what_contradicts_a_typed_flag_is_not_said() {
        let file = format!("{FILE}\nquiet = true\nno-journal = true");
        let line = "run JOB --verbose --journal j";
        let Command::Run(args) = check(line, &[], &file).unwrap().command else {
            panic!()
        };
        assert!(args.output.verbose && !args.output.quiet);
        assert!(args.keep.journal.is_some() && !args.keep.no_journal);
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let variables = [("INFLIGHT_SAVE", "null:"), ("INFLIGHT_INPUT", "0..2")];
        let args = run("run", &variables);
        assert_eq!((args.input.as_str(), args.save.as_str()), ("0..2", "null:"));
        assert_eq!(run("run 0..3", &variables).input, "0..3");
    }

    #[test]
    fn mistakes_name_where_they_stand() {
        let refused = |line: &str, variables: &[(&str, &str)], file: &str, part: &str| {
            let why = check(line, variables, file).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        };
        let with = |more: &str| {
            format!(
                "input = '0..1'
save = 'null:'
{more}"
            )
        };
        refused(
            "run JOB",
            &[],
            &with("jobs = 'many'"),
            "JOB: key `jobs`: invalid value `many`: expected",
        );
        refused(
            "run JOB",
            &[],
            &with("strategy = 'fast'"),
            "JOB: key `strategy`: invalid value `fast`; valid: seq",
        );
        refused(
            "run JOB",
            &[],
            &with("rtae = 1"),
            "JOB: unknown key `rtae`; did you mean `rate`?",
        );
        refused(
            "run JOB",
            &[],
            "save = 'null:'",
            "JOB: key `input` is missing",
        );
        refused("run JOB", &[], "input = '0..1'", "--save <SINK>");
        refused("run JOB --nonsense", &[], &with(""), "--nonsense");
        refused(
            "run 0..1",
            &[("INFLIGHT_JOBS", "x"), ("INFLIGHT_SAVE", "null:")],
            "",
            "INFLIGHT_JOBS: invalid",
        );
        refused(
            "run no-such.toml",
            &[],
            "",
            "no-such.toml: cannot be read: No such file",
        );
        refused("run JOB --format text", &[], "", "--save <SINK>");
    }

    #[test]
    fn other_commands_have_nothing_below_them() {
        let variables = [("INFLIGHT_SAVE", "null:")];
        assert!(check("lab", &variables, "").is_ok());
        assert!(
            check("run --help", &variables, "")
                .unwrap_err()
                .contains("Usage: inflight run")
        );
    }
}
