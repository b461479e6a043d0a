//! The pictures that flags ask for, the recording they are made of, and what that costs: nothing when nobody wants any.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use clap::Args;
use inflight::{Counts, Ending, Fact, Observer, Options, Source, Summary};
use inflight_connectors::{Input, Payload};

use crate::exit::{Usage, unread};
use crate::messages::Messages;
use crate::out_file::OutFile;
use crate::plan::Work;
use crate::progress::Watch;
use crate::recording::{ITEMS_MAX, Keeper, Kept, Recording, Run, Shelf};
use crate::repeat;
use crate::report::{html, markdown, svg, trace};

/// Pictures of what happened, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "What is shown")]
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

/// What is kept of a run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is shown")]
pub(crate) struct RecordingArgs {
    /// Keep no recording of this run; without this, the newest 100, at most 200 MB, stay for `inflight report`
    #[arg(long)]
    pub(crate) no_record: bool,

    /// Name items in recording and report by their text, 80 characters at most [default: by index; no data is kept]
    #[arg(long)]
    pub(crate) item_text: bool,
}

/// Characters of an item's text that are kept: enough to recognise it.
const TEXT_CHARS_MAX: usize = 80;

/// Items that are read at once when their texts are looked up.
const READ_MAX: usize = 1024;

/// The pictures that were asked for, with files that can be written.
#[derive(Debug)]
pub(crate) struct Pictures {
    report: OutFile,
    svg: OutFile,
    trace: OutFile,
    markdown: OutFile,
}

/// What is kept, and what is made of it.
#[derive(Debug)]
pub(crate) struct Taking {
    pictures: Pictures,
    is_recorded: bool,
    /// Where the texts of items are read again.
    texts: Option<Input>,
    has_fetch: bool,
    /// Items of one run that are kept.
    items_max: u64,
}

impl Pictures {
    /// Tries every file; `json` goes elsewhere, and may go to standard output too.
    ///
    /// # Errors
    /// A usage error when one cannot be written, or two want standard output.
    pub(crate) fn open(args: &PictureArgs, json: Option<&OutFile>) -> anyhow::Result<Pictures> {
        let pictures = Pictures {
            report: OutFile::open(args.report.as_deref())?,
            svg: OutFile::open(args.svg.as_deref())?,
            trace: OutFile::open(args.trace.as_deref())?,
            markdown: OutFile::open(args.markdown.as_deref())?,
        };
        pictures.check_stdout(json)?;
        Ok(pictures)
    }

    /// Whether standard output belongs to one of them.
    fn want_stdout(&self) -> bool {
        self.all().into_iter().any(OutFile::is_stdout)
    }

    /// Standard output holds one thing, and then nothing else.
    ///
    /// # Errors
    /// A usage error when several want it.
    fn check_stdout(&self, json: Option<&OutFile>) -> anyhow::Result<()> {
        let wanted = self.all().into_iter().chain(json);
        if wanted.filter(|file| file.is_stdout()).count() > 1 {
            return Err(Usage::error(
                "standard output can hold one of --json, --report, --svg, --trace and --markdown; give the others a file",
            ));
        }
        Ok(())
    }

    fn are_wanted(&self) -> bool {
        !self.all().into_iter().all(OutFile::is_nowhere)
    }

    fn all(&self) -> [&OutFile; 4] {
        [&self.report, &self.svg, &self.trace, &self.markdown]
    }

    /// Draws and writes them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(self, recording: &Recording) -> anyhow::Result<()> {
        if !self.report.is_nowhere() {
            self.report.write(html::page(recording)?.as_bytes())?;
        }
        if !self.svg.is_nowhere() {
            self.svg.write(svg::timelines(recording).as_bytes())?;
        }
        if !self.trace.is_nowhere() {
            self.trace.write(&trace::json(recording)?)?;
        }
        if !self.markdown.is_nowhere() {
            self.markdown
                .write(markdown::tables(recording).as_bytes())?;
        }
        Ok(())
    }
}

impl Taking {
    /// What the flags ask for, in a command of so many runs.
    ///
    /// # Errors
    /// A usage error when a file cannot be written, or texts cannot be read twice.
    pub(crate) fn new(
        pictures: &PictureArgs,
        recording: &RecordingArgs,
        work: &Work,
        runs: usize,
        json: &OutFile,
    ) -> anyhow::Result<Taking> {
        if recording.item_text && !work.input.is_replayable() {
            return Err(Usage::error(
                "--item-text reads the input once more when the run is over, and this one can be read only once",
            ));
        }
        Ok(Taking {
            pictures: Pictures::open(pictures, Some(json))?,
            is_recorded: !recording.no_record,
            texts: recording.item_text.then(|| work.input.clone()),
            has_fetch: work.fetch.is_some(),
            // All strategies in full; the many runs of a sweep share what four may have.
            items_max: ITEMS_MAX * 4 / runs.max(4) as u64,
        })
    }

    /// Whether standard output belongs to a picture.
    pub(crate) fn wants_stdout(&self) -> bool {
        self.pictures.want_stdout()
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_recorded || self.pictures.are_wanted()
    }

    /// An observer for one run, and where to get what it kept.
    pub(crate) fn observer(&self, watch: Watch) -> (Watching, Option<Receiver<Kept>>) {
        let (keeper, kept) = match self.is_wanted() {
            true => Some(Keeper::new(self.items_max, self.has_fetch)).unzip(),
            false => (None, None),
        };
        (Watching { watch, keeper }, kept)
    }

    /// Keeps the recording, and makes the pictures of it.
    ///
    /// # Errors
    /// When a picture cannot be written. That a recording cannot be kept is only told: nobody asked for it.
    pub(crate) fn finish(
        self,
        mut recording: Recording,
        messages: &Messages,
    ) -> anyhow::Result<()> {
        if !self.is_wanted() {
            return Ok(());
        }
        without_data(&mut recording);
        if let Some(input) = &self.texts {
            let runs = recording
                .groups
                .iter_mut()
                .flat_map(|group| &mut group.runs);
            for run in runs {
                run.texts = texts(input, run)?;
            }
        }
        if self.is_recorded {
            match Shelf::of_user() {
                None => messages.detail("not recorded: neither XDG_STATE_HOME nor HOME is set"),
                Some(shelf) => match shelf.put(&mut recording) {
                    Ok(()) => messages.detail(format_args!(
                        "recorded: inflight report {}",
                        recording.about.id
                    )),
                    Err(error) => messages.say(format_args!("not recorded: {error:#}")),
                },
            }
        }
        self.pictures.write(&recording)
    }
}

/// One run, with what was kept of it, if anything was.
pub(crate) fn run_of(
    label: &str,
    summary: Summary,
    options: &Options,
    kept: Option<Receiver<Kept>>,
) -> Run {
    // The keeper sends when the run lets go of it, which it has.
    let kept = kept.and_then(|kept| kept.recv().ok());
    Run::new(
        label,
        summary,
        options.compute_threads(),
        kept.unwrap_or_default(),
    )
}

/// Takes out what may hold an item: why a service was given up is told with its last answer; and the parts of addresses
/// that are shown on the own terminal only.
fn without_data(recording: &mut Recording) {
    for group in &mut recording.groups {
        if let Some(compared) = &mut group.compared {
            compared.workload.sink = repeat::address(&compared.workload.sink);
        }
        for run in &mut group.runs {
            if let Ending::Unavailable(why) = &mut run.summary.ending {
                *why = "the service could not be reached, or stayed away too long".to_owned();
                run.summary.sentence = format!("stopped: {why}");
            }
        }
    }
}

/// Watches a run for people and for pictures.
#[derive(Debug)]
pub(crate) struct Watching {
    watch: Watch,
    keeper: Option<Keeper>,
}

impl Observer for Watching {
    fn observe(&mut self, fact: &Fact, counts: &Counts) {
        self.watch.observe(fact, counts);
        if let Some(keeper) = &mut self.keeper {
            keeper.observe(fact, counts);
        }
    }
}

/// Looks up the texts of the items that were kept.
fn texts(input: &Input, run: &Run) -> anyhow::Result<Vec<(u64, String)>> {
    let mut source = input.open().map_err(unread)?;
    let mut wanted = run.rows().map(|row| row[0].index).peekable();
    let (mut texts, mut items, mut index) = (Vec::new(), Vec::new(), 0);
    while wanted.peek().is_some() {
        items.clear();
        // An input that cannot be read on names no more items; the run has said why.
        if source.read(READ_MAX, &mut items).is_err() || items.is_empty() {
            break;
        }
        for item in items.drain(..) {
            if wanted.next_if_eq(&index).is_some()
                && let Ok(payload) = item
            {
                texts.push((index, shortened(&payload)));
            }
            index += 1;
        }
    }
    Ok(texts)
}

fn shortened(payload: &Payload) -> String {
    let text = String::from_utf8_lossy(&payload.bytes);
    let mut short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
