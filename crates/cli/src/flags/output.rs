//! What was typed of what is shown, and where.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::flags::headings::OUTPUT;
use crate::flags::setting::{Decides, Report, Setting};

/// What is shown, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct OutputArgs {
    /// Write the result as one JSON object to this file; `-` is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Progress on standard error: a bar, a plain line every 10 s, or none; auto is a bar on a terminal, else plain
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressArg,

    /// Also tell of each failed attempt, and why the limit changes
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Nothing on standard error but errors and the last line
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    Auto,
    Bar,
    Plain,
    None,
}

impl OutputArgs {
    /// Every setting of the group: none of them says how a run went.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let OutputArgs {
            json,
            progress,
            verbose,
            quiet,
        } = self;
        let (course, nothing) = (Decides::Course, Report::Nothing);
        let path = json.as_ref().map(|path| path.display());
        let progress = match progress {
            ProgressArg::Auto => "auto",
            ProgressArg::Bar => "bar",
            ProgressArg::Plain => "plain",
            ProgressArg::None => "none",
        };
        vec![
            Setting::new("json", course, nothing, path),
            Setting::new("progress", course, nothing, [progress]),
            Setting::switch("verbose", course, nothing, *verbose),
            Setting::switch("quiet", course, nothing, *quiet),
        ]
    }
}
