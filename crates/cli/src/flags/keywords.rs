//! Flags as a program around us says them: names and values, as the keywords of a call.
//!
//! They become words of a command line, so that bounds, defaults and errors are the same; errors name the keyword.

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction};

use crate::error::{Error, Result};
use crate::flags::args::Command;
use crate::flags::job_file::{Takes, unknown};
use crate::flags::layers::{self, Refused, takes};
use crate::flags::short;

/// Flags that are no part of a call that does a job.
const NO_KEYWORDS: [&str; 4] = ["help", "version", "dry-run", "first"];

/// What is said of one flag.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// On or off.
    Switch(bool),
    /// A text as it could be typed.
    Text(String),
    /// A number; of a duration, seconds.
    Number(f64),
    /// Several texts, for a flag that may be repeated.
    Many(Vec<String>),
}

/// Makes of `input` and keywords what would have been typed after the name of a command that does a job.
///
/// # Errors
/// A usage error that names the keyword and what is valid.
pub(crate) fn command(name: &str, input: &str, keywords: &[(String, Said)]) -> Result<Command> {
    let all = short::command();
    let wanted = all.find_subcommand(name);
    let flags = wanted.into_iter().flat_map(|wanted| wanted.get_arguments());
    let known: Vec<(&str, &Arg)> = flags
        .filter_map(|arg| Some((arg.get_long()?, arg)))
        .filter(|(key, _)| !NO_KEYWORDS.contains(key))
        .collect();
    let mut words = vec!["inflight".into(), name.into()];
    for (name, said) in keywords {
        let key = name.replace('_', "-");
        let Some((_, arg)) = known.iter().find(|(known, _)| *known == key) else {
            let names = known.iter().map(|(key, arg)| (name_of(key), takes(arg)));
            return Err(unknown(name, &names.collect(), "keyword"));
        };
        for value in values(name, arg, said)? {
            words.push(match value {
                Some(value) => format!("--{key}={value}").into(),
                None => format!("--{key}").into(),
            });
        }
    }
    words.push("--".into());
    words.push(input.into());
    match layers::parse(&words, &layers::variable) {
        Ok(cli) => Ok(cli.command),
        Err(Refused::Below(error)) => Err(error),
        Err(Refused::Typed(error)) => Err(Error::usage(in_keywords(&error))),
    }
}

/// A key as a keyword.
fn name_of(key: &str) -> String {
    key.replace('-', "_")
}

/// The values of one flag; `None` of one that has none.
fn values(name: &str, arg: &Arg, said: &Said) -> Result<Vec<Option<String>>> {
    let refused = |what: &str| Err(Error::usage(format_args!("{name} should be {what}")));
    match (takes(arg), said) {
        (Takes::Switch, Said::Switch(is_on)) => Ok(is_on.then_some(None).into_iter().collect()),
        (Takes::Switch, _) => refused("True or False"),
        (_, Said::Switch(_)) => refused("a value, not True or False"),
        (_, Said::Text(text)) => Ok(vec![Some(text.clone())]),
        (_, Said::Number(number)) if is_duration(arg) => Ok(vec![Some(format!("{number}s"))]),
        (_, Said::Number(number)) => Ok(vec![Some(number.to_string())]),
        (Takes::Many, Said::Many(texts)) => Ok(texts.iter().cloned().map(Some).collect()),
        (_, Said::Many(_)) => refused("one value, not several"),
    }
}

fn is_duration(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    matches!(arg.get_action(), ArgAction::Set)
        && names.iter().any(|name| name.starts_with("DURATION"))
}

/// What is wrong with a command line, in words of the keywords that it was made of.
fn in_keywords(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let as_keyword = |flag: &str| {
        let flag = flag.split([' ', '=']).next().unwrap_or_default();
        name_of(flag.trim_start_matches("--"))
    };
    let keyword = text(ContextKind::InvalidArg).map(|flags| {
        let flags = flags.split(", ").map(as_keyword);
        flags.collect::<Vec<_>>().join(", ")
    });
    let Some(keyword) = keyword else {
        return error.to_string();
    };
    if let Some(other) = text(ContextKind::PriorArg) {
        let other = other.split(", ").map(as_keyword).collect::<Vec<_>>();
        return format!("{keyword} cannot be used with {}", other.join(", "));
    }
    let Some(value) = text(ContextKind::InvalidValue) else {
        return format!("{keyword} is missing");
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let valid = text(ContextKind::ValidValue).map(|valid| format!("; valid: {valid}"));
    let why = cause.or(valid).unwrap_or_default();
    format!("{keyword}: invalid value `{value}`{why}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::flags::run::RunArgs;

    use super::*;

    fn check(keywords: &[(&str, Said)]) -> Result<RunArgs> {
        let keywords = keywords
            .iter()
            .map(|(name, said)| ((*name).to_owned(), said.clone()))
            .collect::<Vec<_>>();
        match command("run", "0..3", &keywords)? {
            Command::Run(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    #[test]
    fn keywords_are_flags() {
        let args = check(&[
            ("save", text("null:")),
            ("in_flight", Said::Number(7.0)),
            ("timeout", Said::Number(1.5)),
            ("keep_order", Said::Switch(true)),
            ("append", Said::Switch(false)),
            ("header", Said::Many(vec!["A: b".into(), "C: d".into()])),
        ]);
        let args = args.unwrap();
        assert_eq!((args.input.as_str(), args.save.as_str()), ("0..3", "null:"));
        assert_eq!(args.pace.timeout, Duration::from_millis(1500));
        assert!(args.job.keep_order && !args.job.append);
        assert_eq!(args.job.headers, ["A: b", "C: d"]);
    }

    #[test]
    fn mistakes_name_the_keyword() {
        let save = ("save", text("null:"));
        let says = |keywords: &[(&str, Said)], part: &str| {
            let why = check(keywords).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
        };
        says(
            &[save.clone(), ("in_fligth", text("5"))],
            "did you mean `in_flight`?",
        );
        says(
            &[save.clone(), ("in_flight", text("many"))],
            "in_flight: invalid value `many`",
        );
        says(
            &[save.clone(), ("strategy", text("fast"))],
            "strategy: invalid value `fast`",
        );
        says(
            &[save.clone(), ("quiet", text("yes"))],
            "quiet should be True or False",
        );
        says(
            &[save, ("dry_run", Said::Switch(true))],
            "unknown keyword `dry_run`",
        );
        says(&[], "save is missing");
    }
}
