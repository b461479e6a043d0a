//! `inflight init`: writes a job file to fill in, with every key there is.
//!
//! Made of the flags themselves and their help, so that none can be missing and none can be wrong.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context;
use clap::{Arg, CommandFactory};
use inflight_connectors::{Input, Value};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::args::{Cli, InitArgs};
use crate::flags::job_file::Takes;
use crate::flags::layers::{JOB_COMMANDS, keys, takes};
use crate::job::single;
use crate::terminal::messages;
use crate::terminal::stdout;

const BEGINNING: &str = "\
# A job for inflight. `inflight run job.toml` does it; `inflight compare job.toml` does it four ways.
#
# Each key is a flag by its long name, and what is typed wins: inflight run job.toml --in-flight 50. Between the two
# stands the environment: INFLIGHT_IN_FLIGHT=50. In a text, ${NAME} is a variable of the environment, and
# ${NAME:-otherwise} has a default. Paths start where the command is run, as those of flags do. What begins with # is as
# it would be without this file, or shows the form of a value.
";

/// What stands in a new file, so that it works as it is.
const EXAMPLE: [(&str, &str); 3] = [
    ("input", "0..600"),
    ("compute", "sha256"),
    ("save", "lab:?latency=100ms&capacity=100"),
];

/// The key of the input, and that of the computation.
const INPUT: &str = "input";
const COMPUTE: &str = "compute";

/// Letters in a line of comment.
const WIDTH: usize = 100;

/// Writes the file.
pub(crate) fn init(args: &InitArgs) -> Result<Exit> {
    let (input, output) = match args.input.as_deref() {
        // Nothing to look at: a name for what is written.
        Some(name) if name == "-" || name.ends_with(".toml") => (None, name),
        input => (input, args.output.as_str()),
    };
    let looked = input.map(Looked::at).transpose()?;
    let text = job_file(looked.as_ref());
    if output == "-" {
        stdout::write(&text)?;
        return Ok(Exit::Success);
    }
    let refused = |cause| Error::usage(format_args!("cannot write {output}: {cause}"));
    let file = OpenOptions::new().write(true).create_new(true).open(output);
    file.map_err(refused)?
        .write_all(text.as_bytes())
        .with_context(|| format!("failed to write {output}"))?;
    let next = if looked.is_some() { "try" } else { "run" };
    messages::line(&format_args!(
        "wrote {output}; try: inflight {next} {output}"
    ));
    Ok(Exit::Success)
}

/// Items that are looked at for the values of fields.
const LOOKED_AT: usize = 3;

/// Letters of a value that are shown.
const VALUE_CHARS_MAX: usize = 30;

/// What was found in an input.
struct Looked {
    input: String,
    /// Each field with values of the first items; none, when items are lines.
    fields: Vec<(String, Vec<String>)>,
}

impl Looked {
    /// Looks at the first items.
    ///
    /// # Errors
    /// When the input cannot be opened, or one of them is none.
    fn at(input: &str) -> Result<Looked> {
        let parsed = Input::parse(input, None, None).map_err(Error::usage)?;
        if parsed.is_stdin() {
            return Err(Error::usage(
                "standard input can be read only once; name a file",
            ));
        }
        let mut fields: Vec<(String, Vec<String>)> = Vec::new();
        for item in single::first(&parsed, LOOKED_AT)? {
            let item = item.map_err(|fault| Error::usage(format_args!("{input}: {fault}")))?;
            let Some(row) = &item.value.row else {
                continue;
            };
            for name in row.names() {
                let value = match row.field(&name) {
                    Some(Value::Text(text)) => format!("{:?}", shortened(&text)),
                    Some(Value::Json(json)) => shortened(&json),
                    Some(Value::Null) => "null".to_owned(),
                    None => continue,
                };
                match fields.iter_mut().find(|(known, _)| **known == *name) {
                    Some((_, values)) => values.push(value),
                    None => fields.push((name.into_owned(), vec![value])),
                }
            }
        }
        Ok(Looked {
            input: input.to_owned(),
            fields,
        })
    }

    /// The fields as comments, with how to use them.
    fn comment(&self) -> String {
        if self.fields.is_empty() {
            return "#\n# Each line is an item; {} puts it into an address, a header or a body.\n"
                .to_owned();
        }
        let width = self
            .fields
            .iter()
            .map(|(name, _)| name.chars().count())
            .max();
        let width = width.unwrap_or_default();
        let mut text = String::from(
            "#\n# Its fields, with values of the first items; {name} puts one into an address, a header or a body:\n",
        );
        for (name, values) in &self.fields {
            let _ = writeln!(text, "#   {name:<width$}  {}", values.join(", "));
        }
        text
    }

    /// What a key may be for this input.
    fn suggested(&self, key: &str) -> Option<String> {
        let (first, _) = self.fields.first()?;
        match key {
            "columns" => {
                let names = self.fields.iter().map(|(name, _)| name.as_str());
                Some(names.chain(["result"]).collect::<Vec<_>>().join(","))
            }
            "key" => Some(first.clone()),
            "fetch" => Some(format!("https://example.org/items/{{{first}}}")),
            _ => None,
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace('\n', " ")
}

/// A job file with every key: those of the first command, then what others have beside them.
fn job_file(looked: Option<&Looked>) -> String {
    let line = Cli::command();
    let mut text = BEGINNING.to_owned();
    let mut written: Vec<String> = Vec::new();
    for command in JOB_COMMANDS
        .iter()
        .filter_map(|name| line.find_subcommand(name))
    {
        let only = match written.is_empty() {
            true => String::new(),
            false => format!(", {} only", command.get_name()),
        };
        let new = keys(command).filter(|(key, _)| !written.contains(key));
        for (heading, entries) in by_heading(new) {
            let _ = write!(text, "\n# ---- {heading}{only} ----\n");
            for (key, arg) in entries {
                text.push_str(&entry(&key, arg, looked));
                written.push(key);
            }
        }
    }
    text
}

type Entries<'a> = Vec<(String, &'a Arg)>;

/// Keys under the headings of the help, in the order in which these first come.
fn by_heading<'a>(keys: impl Iterator<Item = (String, &'a Arg)>) -> Vec<(&'a str, Entries<'a>)> {
    let mut groups: Vec<(&str, Entries<'_>)> = Vec::new();
    for (key, arg) in keys {
        let heading = arg.get_help_heading().unwrap_or("The input");
        match groups.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, entries)) => entries.push((key, arg)),
            None => groups.push((heading, vec![(key, arg)])),
        }
    }
    groups
}

/// One key with its help, as an example or as it is by default.
fn entry(key: &str, arg: &Arg, looked: Option<&Looked>) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let mut comment = wrapped(&help);
    let example = EXAMPLE.iter().find(|(name, _)| *name == key);
    let line = match (looked, example) {
        (Some(looked), _) if key == INPUT => {
            comment += &looked.comment();
            format!("{key} = {}", quoted(&looked.input))
        }
        // Its rows are what is to be looked at.
        (Some(_), Some((COMPUTE, _))) => format!("# {key} = {}", value(arg)),
        (_, Some((_, value))) => format!("{key} = {}", quoted(value)),
        (Some(looked), None) if looked.suggested(key).is_some() => {
            let value = looked.suggested(key).unwrap_or_default();
            format!("# {key} = {}", quoted(&value))
        }
        (_, None) => format!("# {key} = {}", value(arg)),
    };
    format!("\n{comment}{line}\n")
}

/// The default, or what stands for the value in the help.
fn value(arg: &Arg) -> String {
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<String> = defaults
        .map(|text| text.to_string_lossy())
        .flat_map(|text| match arg.get_value_delimiter() {
            Some(comma) => text.split(comma).map(quoted).collect(),
            None => vec![quoted(&text)],
        })
        .collect();
    let names = arg.get_value_names().unwrap_or_default().iter();
    let form = names.map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match (takes(arg), defaults.as_slice()) {
        (Takes::Switch, _) => "false".to_owned(),
        (Takes::Many, []) => format!("[{}]", quoted(&form)),
        (Takes::Many, defaults) => format!("[{}]", defaults.join(", ")),
        (Takes::One, [default]) => default.clone(),
        (Takes::One, _) => quoted(&form),
    }
}

/// A number as it is, everything else as a text.
fn quoted(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => toml::Value::from(text).to_string(),
    }
}

/// Help as comments, in lines that a terminal shows whole.
fn wrapped(help: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in help.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + 1 + word.len() > WIDTH {
            lines.push(format!("# {word}"));
        } else {
            lines[last] = format!("{} {word}", lines[last]);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_every_key_once_and_says_what_it_says_by_default() {
        let text = job_file(None);
        let line = Cli::command();
        for command in JOB_COMMANDS
            .iter()
            .filter_map(|name| line.find_subcommand(name))
        {
            for (key, _) in keys(command) {
                let is_it = |line: &&str| {
                    let line = line.strip_prefix("# ").unwrap_or(line);
                    line.split_once(" = ").is_some_and(|(name, _)| name == key)
                };
                assert_eq!(text.lines().filter(is_it).count(), 1, "{key}");
            }
        }
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }

    #[test]
    fn what_is_commented_out_is_valid_toml_too() {
        let lines = job_file(None);
        let is_key = |line: &&str| {
            let key = line.split_once(" = ").map_or("", |(key, _)| key);
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        };
        let keys = lines
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .filter(is_key);
        let text = keys.collect::<Vec<_>>().join("\n");
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert!(table.len() > 20, "{text}");
    }
}
