//! What is taken down of a run while it goes, and what is made of it afterwards: nothing, when nobody wants any.

use std::sync::mpsc::Receiver;

use inflight::{Counts, Ending, Fact, Observer, Options, Source, Summary};
use inflight_connectors::{Input, Payload};

use crate::error::{Error, Result};
use crate::flags::pictures::{PictureArgs, RecordingArgs};
use crate::flags::repeat;
use crate::job::work::Work;
use crate::keep::recording::{ITEMS_MAX, Keeper, Kept, Recording, Run, Shelf};
use crate::show::pictures::Pictures;
use crate::show::progress::Watch;
use crate::terminal::messages::Messages;
use crate::terminal::out_file::OutFile;

/// Characters of an item's text that are kept: enough to recognise it.
const TEXT_CHARS_MAX: usize = 80;

/// Items that are read at once when their texts are looked up.
const READ_MAX: usize = 1024;

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

impl Taking {
    /// What the flags ask for, in a command of so many runs.
    ///
    /// # Errors
    /// A usage error when a file cannot be written, or texts cannot be read twice.
    pub(crate) fn new(
        recording: &RecordingArgs,
        work: &Work,
        runs: usize,
        json: &OutFile,
    ) -> Result<Taking> {
        if recording.item_text && !work.input.is_replayable() {
            return Err(Error::usage(
                "--item-text reads the input once more when the run is over, and this one can be read only once",
            ));
        }
        let pictures = PictureArgs {
            report: recording.report.clone(),
            ..PictureArgs::default()
        };
        Ok(Taking {
            pictures: Pictures::open(&pictures, Some(json))?,
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
    pub(crate) fn finish(self, mut recording: Recording, messages: &Messages) -> Result<()> {
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
                    Err(error) => messages.say(format_args!("not recorded: {error}")),
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
fn texts(input: &Input, run: &Run) -> Result<Vec<(u64, String)>> {
    let mut source = input.open().map_err(Error::unread)?;
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
    let text = String::from_utf8_lossy(payload.bytes());
    let mut short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
