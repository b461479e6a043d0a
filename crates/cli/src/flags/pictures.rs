//! What was typed of pictures and recordings.

use std::path::PathBuf;

use clap::Args;

use crate::flags::headings::OUTPUT;
use crate::flags::setting::{Decides, Report, Setting};

/// Pictures of what happened, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct PictureArgs {
    /// Write a report to look at: one HTML file, with a timeline of every item, that needs nothing else
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    /// Draw the timeline as SVG; of several runs, one above the other on one time axis
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) svg: Option<PathBuf>,

    /// Write what happened as a trace for ui.perfetto.dev or chrome://tracing
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,

    /// Write the result as a Markdown table; `-` is standard output, and nothing else goes there
    #[arg(long, value_name = "FILE.md")]
    pub(crate) markdown: Option<PathBuf>,
}

/// What is kept of a run, and drawn at its end.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct RecordingArgs {
    /// Write a report to look at: one HTML file, with a timeline of every item, that needs nothing else; `inflight report`
    /// draws one of any run afterwards
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    /// Keep no recording of this run; without this, the newest 100, at most 200 MB, stay for `inflight report`
    #[arg(long)]
    pub(crate) no_record: bool,

    /// Name items in recording and report by their text, 80 characters at most [default: by index; no data is kept]
    #[arg(long)]
    pub(crate) item_text: bool,
}

impl RecordingArgs {
    /// Every setting of the group: none of them says how a run went.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let RecordingArgs {
            report,
            no_record,
            item_text,
        } = self;
        let row = |key, is_on| Setting::switch(key, Decides::Course, Report::Nothing, is_on);
        let path = report.as_ref().map(|path| path.display());
        vec![
            Setting::new("report", Decides::Course, Report::Nothing, path),
            row("no-record", *no_record),
            row("item-text", *item_text),
        ]
    }
}
