//! One setting: what was said of a flag, and what that decides.
//!
//! A flag is declared once, with its default and help, where clap reads it; its key in a job file and its variable follow
//! from its name. What clap does not know stands in the rows that each group of flags makes of itself. They take the group
//! apart field by field, so that a new flag does not compile until its row says what it decides and who may see it.

use crate::flags::repeat;
use crate::flags::secrets::{public, public_header};

/// What a setting decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decides {
    /// What is sent or saved: another value makes another job, with another journal and other idempotency keys.
    Results,
    /// Which file a journal accounts for; no service gets to know it.
    Journal,
    /// How fast it goes, when it stops, what is kept and shown: the job stays the same.
    Course,
}

/// What a report, which is passed on, shows of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// All of it.
    Whole,
    /// An address, without password and query.
    Address,
    /// A header, without its value.
    Header,
    /// Nothing: it does not say how the run went.
    Nothing,
}

/// One row of the table of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The flag without its dashes, which is the key of a job file too.
    pub(crate) key: &'static str,
    pub(crate) decides: Decides,
    report: Report,
    /// As they could be typed. None, where nothing was said and there is no default.
    values: Vec<String>,
}

impl Setting {
    pub(crate) fn new(
        key: &'static str,
        decides: Decides,
        report: Report,
        values: impl IntoIterator<Item = impl ToString>,
    ) -> Setting {
        Setting {
            key,
            decides,
            report,
            values: values.into_iter().map(|value| value.to_string()).collect(),
        }
    }

    /// A flag without a value.
    pub(crate) fn switch(
        key: &'static str,
        decides: Decides,
        report: Report,
        is_on: bool,
    ) -> Setting {
        Setting::new(key, decides, report, is_on.then_some("true"))
    }

    /// The values without passwords and tokens, for the identity of a job.
    pub(crate) fn public(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|value| match self.report {
            Report::Address => public(value),
            Report::Header => public_header(value).to_owned(),
            Report::Whole | Report::Nothing => value.clone(),
        })
    }

    /// What a report shows; `None` of what it does not, and of what was not said.
    pub(crate) fn reported(&self) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        let show = match self.report {
            Report::Whole => str::to_owned,
            Report::Address => repeat::address,
            Report::Header => repeat::header,
            Report::Nothing => return None,
        };
        let shown: Vec<String> = self.values.iter().map(|value| show(value)).collect();
        Some(shown.join(", "))
    }
}

/// The public value of a setting that has one at most.
pub(crate) fn public_of(settings: &[Setting], key: &str) -> Option<String> {
    let found = settings.iter().find(|setting| setting.key == key)?;
    found.public().next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::flags::args::{Cli, Command};
    use crate::flags::layers::{NO_KEYS, keys};

    fn settings(line: &str) -> Vec<Setting> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Run(args) => args.settings(),
            Command::Compare(args) => args.settings(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_table_has_each_flag_once() {
        for (name, line) in [
            ("run", "inflight run 0..1 --save null:"),
            ("compare", "inflight compare"),
        ] {
            let command = Cli::command();
            let flags = keys(command.find_subcommand(name).unwrap());
            let flags: BTreeSet<String> = flags.map(|(key, _)| key).collect();
            let table = settings(line);
            let rows: BTreeSet<String> = table.iter().map(|row| row.key.to_owned()).collect();
            assert_eq!(rows.len(), table.len(), "{name} has a row twice");
            let is_key = |key: &String| !NO_KEYS.contains(&key.replace('-', "_").as_str());
            let rows: BTreeSet<String> = rows.into_iter().filter(is_key).collect();
            assert_eq!(flags, rows, "{name}");
        }
    }

    #[test]
    fn defaults_are_values_too() {
        let table = settings("inflight run 0..1 --save null:");
        let reported = |key: &str| {
            let row = table.iter().find(|row| row.key == key).unwrap();
            row.reported()
        };
        assert_eq!(reported("retries").as_deref(), Some("5"));
        assert_eq!(reported("timeout").as_deref(), Some("30s"));
        assert_eq!(reported("compute-timeout").as_deref(), Some("15m"));
        assert_eq!(reported("strategy").as_deref(), Some("parallel"));
        assert_eq!(reported("field"), None);
        assert_eq!(reported("quiet"), None);
    }

    #[test]
    fn no_row_shows_a_secret() {
        let line = "inflight run 0..1 --save https://u:canary@h/add?token=canary --header Authorization:canary \
                    --fetch https://u:canary@h/{}?key=canary --fetch-header Cookie:canary";
        for row in settings(line) {
            let shown: Vec<String> = row.public().chain(row.reported()).collect();
            assert!(!shown.concat().contains("canary"), "{row:?}");
        }
    }
}
