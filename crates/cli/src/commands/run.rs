//! `inflight run`: does one job, shows how it goes, and says what it came to.

use std::path::Path;
use std::sync::mpsc::Receiver;

use inflight::{Command, Counts, Ending, Fact, Observer, Options, Summary};
use inflight_connectors::Sink;

use crate::commands::checked::CheckedRun;
use crate::commands::dry_run::dry_run;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::command;
use crate::flags::run::RunArgs;
use crate::job::brake::Braking;
use crate::job::open_files;
use crate::job::opened::Opened;
use crate::job::work::Work;
use crate::keep::about;
use crate::keep::journal::Kept;
use crate::keep::profiles::{self, Profiles};
use crate::keep::recording::{About, Group, Kept as Drawn, Recording, Run};
use crate::keep::state::is_own;
use crate::show::json;
use crate::show::progress::{DEAD_SHOWN_MAX, Known, Watch};
use crate::show::shown::Show;
use crate::show::table;
use crate::show::taking::{Taking, run_of};
use crate::terminal::messages::Messages;
use crate::terminal::quantity::count;
use crate::terminal::signals::{LOOK_EVERY, Signals};
use crate::terminal::stdout;

/// Runs the job that was typed.
pub(crate) fn run(args: RunArgs) -> Result<Exit> {
    if args.dry_run {
        return dry_run(args);
    }
    if args.first.is_some() {
        return Err(Error::usage(
            "-n says how many items are shown; add --dry-run, or use inflight try",
        ));
    }
    let mut plan = CheckedRun::new(args)?;
    let keep = std::mem::take(&mut plan.keep);
    let kept = Kept::open(keep, &plan.work, &plan.show.messages)?;
    run_kept(plan, kept, None)
}

/// Items that were given up, to be tried again and no others.
pub(crate) struct Again {
    pub(crate) dead: Vec<u64>,
    /// Items of the job that no run has finished, which this one does not try.
    pub(crate) left: u64,
    /// The command that would do them.
    pub(crate) command: Command,
}

/// Runs a job from where its journal is; only some items, if any are named.
pub(crate) fn run_kept(plan: CheckedRun, kept: Option<Kept>, again: Option<Again>) -> Result<Exit> {
    let messages = plan.show.messages.clone();
    let signals = Signals::listen(&messages)?;
    let path = kept.as_ref().map(|kept| kept.path.clone());
    let ran = match perform(plan, kept, again.as_ref(), &signals, None)? {
        Performed::Ran(ran) => *ran,
        Performed::Stopped(before) => {
            messages.always(format_args!("stopped before {before}; nothing was sent"));
            return Ok(signals.exit().unwrap_or(Exit::Internal));
        }
    };
    let Ran {
        mut summary,
        work,
        about,
        drawn,
        options,
        show: how,
        taking,
    } = ran;
    tell(&summary, &messages);
    tell_nothing(&summary, &work, &messages);
    let mut exit = Exit::of(&summary, signals.exit());
    let mut resume = command::this().words;
    if let Some(again) = again {
        // What is told is the whole job.
        summary.items += again.left;
        summary.left += again.left;
        if again.left > 0 && summary.ending == Ending::Complete {
            messages.say(format_args!(
                "{} of the job were never tried; the command in resume= does them",
                count(again.left, "item")
            ));
            exit = Exit::Halted;
        }
        resume = again.command.words;
    }
    let run = run_of("run", summary.clone(), &options, drawn);
    let shown = show(&summary, how, taking.wants_stdout());
    if let Err(error) = shown.and_then(|()| record(about, run, taking, &messages)) {
        // What was saved is told even when nothing else can be.
        messages.always(format_args!("error: {error}"));
        exit = Exit::Internal;
    }
    if let Some(path) = path {
        tell_dead(&summary, &path, &messages);
        if summary.left > 0 && command::has_secrets() {
            messages.say("the command that goes on lacks the secrets that were typed in an address: add them again");
        }
        last_line([&summary], Some(&resume), &messages);
    } else {
        last_line([&summary], None, &messages);
    }
    Ok(exit)
}

/// What came of a run.
pub(crate) enum Performed {
    Ran(Box<Ran>),
    /// It was stopped before this, and nothing was sent.
    Stopped(&'static str),
}

/// A run that is over, and what there is to be shown and kept of it.
pub(crate) struct Ran {
    pub(crate) summary: Summary,
    pub(crate) work: Work,
    pub(crate) about: About,
    pub(crate) drawn: Option<Receiver<Drawn>>,
    pub(crate) options: Options,
    pub(crate) show: Show,
    pub(crate) taking: Taking,
}

/// Does the job; `watch` sees every fact of it.
///
/// # Errors
/// When something of the job cannot be opened, or the engine could not go on.
pub(crate) fn perform(
    mut plan: CheckedRun,
    mut kept: Option<Kept>,
    again: Option<&Again>,
    signals: &Signals,
    watch: Option<Box<dyn Observer>>,
) -> Result<Performed> {
    let messages = plan.show.messages.clone();
    open_files::allow(plan.options.in_flight_max());
    let folder = profiles::folder().filter(|_| plan.with_profiles);
    let profiles = Profiles::of(&plan.work, &plan.options, folder, &messages);
    if let Some(profiles) = &profiles {
        profiles.recall(&mut plan.options);
    }
    let opened = Opened::new(&plan.work, &messages)?;
    let strategy = plan.options.strategy;
    let sink = match &mut kept {
        Some(kept) => kept.sink(&opened, strategy)?,
        None => opened.sink(strategy, 0)?,
    };
    if let Some(kept) = &kept {
        kept.tell(&sink, &plan.options, &messages);
    }
    if let Some(packed) = plan.work.packed {
        let input = &plan.work.input;
        messages.say(format_args!(
            "{input} is {packed}, read as the text in it; a run that goes on reads it from its beginning again"
        ));
    }
    let input = plan.work.input.clone();
    let Some(items) = signals.unless_stopped(move || input.open())? else {
        return Ok(Performed::Stopped("the input could be opened"));
    };
    let mut ready = opened.ready(items.map_err(Error::unread)?)?;
    if !await_reader(&sink, signals, &messages)? {
        return Ok(Performed::Stopped("anybody read the pipe"));
    }
    if again.is_none() {
        ready.skipped = opened.existing(&sink)?;
    }
    let braking = match plan.brake.take() {
        Some(gauge) => Some(Braking::start(gauge, &messages)?),
        None => None,
    };
    ready.brake = braking
        .as_ref()
        .map(|braking| braking.brake.clone())
        .unwrap_or_default();
    let about = about::begin(&plan.work, &plan.options);
    let shown = Watch::new("run", plan.show.shape, &messages, Known::of(&plan.options));
    let (mut observer, drawn) = plan.taking.observer(shown);
    let mut watch = watch;
    let observe = move |fact: &Fact, counts: &Counts| {
        observer.observe(fact, counts);
        if let Some(watch) = &mut watch {
            watch.observe(fact, counts);
        }
    };
    let journal = match (kept, again) {
        (None, _) => None,
        (Some(kept), None) => Some(kept.start()?),
        (Some(kept), Some(again)) => Some(kept.retry(again.dead.clone(), again.command.clone())?),
    };
    let summary = opened.run_ready(ready, sink, &plan.options, observe, signals.stop(), journal)?;
    drop(braking);
    messages.clear_bars();
    if let Some(profiles) = &profiles {
        profiles.remember(&summary);
    }
    let CheckedRun {
        work,
        options,
        show,
        taking,
        ..
    } = plan;
    Ok(Performed::Ran(Box::new(Ran {
        summary,
        work,
        about,
        drawn,
        options,
        show,
        taking,
    })))
}

/// Waits until somebody reads the pipe that results go to, if they do; false when a signal came first.
fn await_reader(sink: &Sink, signals: &Signals, messages: &Messages) -> Result<bool> {
    let mut is_said = false;
    while !sink.has_reader().map_err(Error::unfit)? {
        if signals.is_stopped() {
            return Ok(false);
        }
        if !is_said {
            messages.say(format_args!("waiting for somebody to read {sink}"));
            is_said = true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(true)
}

/// The results, for people and for programs.
fn show(summary: &Summary, show: Show, is_stdout_taken: bool) -> Result<()> {
    let text = table::closing(summary);
    if show.json.is_stdout() || is_stdout_taken {
        show.messages.say(text.trim_end());
    } else {
        stdout::write(&text)?;
    }
    json::write(show.json, summary)
}

/// The recording, and what is made of it.
///
/// # Errors
/// When a picture cannot be written.
pub(crate) fn record(
    mut about: About,
    run: Run,
    taking: Taking,
    messages: &Messages,
) -> Result<()> {
    about::count_items(&mut about, run.summary.items);
    let group = Group {
        value: None,
        compared: None,
        runs: vec![run],
    };
    let groups = vec![group];
    taking.finish(Recording { about, groups }, messages)
}

/// Says what the counts alone do not: dead letters that were not shown, and why a run stopped early.
pub(crate) fn tell(summary: &Summary, messages: &Messages) {
    let dead = summary.dead - summary.dead_before;
    if dead > DEAD_SHOWN_MAX {
        messages.say(format_args!("dead: {} more", dead - DEAD_SHOWN_MAX));
    }
    match &summary.ending {
        Ending::Complete | Ending::Stopped => {}
        Ending::Unavailable(why)
        | Ending::Halted(why)
        | Ending::Storage(why)
        | Ending::Hung(why) => messages.always(format_args!("error: {why}")),
        Ending::Unreadable(why) => {
            messages.always(format_args!("error: failed to read the input: {why}"))
        }
    }
}

/// Says what went well and may not be what was meant: an input without items, a column without values.
pub(crate) fn tell_nothing(summary: &Summary, work: &Work, messages: &Messages) {
    if summary.skipped > 0 {
        messages.say(format_args!(
            "{} left out: their keys are in {} already",
            count(summary.skipped, "item"),
            work.save_shown
        ));
    }
    if summary.items + summary.skipped == 0 && summary.ending == Ending::Complete {
        messages.say(format_args!(
            "{} holds no items: nothing was done",
            work.input
        ));
    }
    let saved = summary.saved - summary.saved_before;
    if saved > 0 {
        for (name, filter) in work.settings.columns().empty() {
            messages.always(format_args!(
                "column `{name}` is empty in all of {}: `{filter}` found nothing there",
                count(saved, "result")
            ));
        }
    }
}

/// Where the dead letters are, and how to try them again.
fn tell_dead(summary: &Summary, journal: &Path, messages: &Messages) {
    if summary.dead > 0 {
        let mut retry = ["inflight", "dead-letters", "retry"]
            .map(str::to_owned)
            .to_vec();
        // Whoever has just run it knows what it runs.
        retry.extend((!is_own(journal)).then(|| "--trust".to_owned()));
        retry.push(journal.display().to_string());
        messages.say(format_args!(
            "dead letters: {}.dead.jsonl; to try them again: {}",
            journal.display(),
            command::shown(&retry)
        ));
    }
}

/// The last line on standard error, for scripts; all runs together. `resume` is the command that goes on with what is
/// left, where there is a journal to go on from.
pub(crate) fn last_line<'a>(
    runs: impl IntoIterator<Item = &'a Summary>,
    resume: Option<&[String]>,
    messages: &Messages,
) {
    let (mut saved, mut dead, mut in_doubt, mut left, mut skipped) = (0, 0, 0, 0, 0);
    for run in runs {
        skipped += run.skipped;
        saved += run.saved;
        dead += run.dead;
        in_doubt += run.in_doubt;
        left += run.left;
    }
    let resume = match resume {
        Some(words) if left > 0 => format!(" resume={}", command::assigned(&command::shown(words))),
        _ => String::new(),
    };
    let skipped = match skipped {
        0 => String::new(),
        _ => format!(" skipped={skipped}"),
    };
    messages.always(format_args!(
        "saved={saved} dead={dead} in_doubt={in_doubt} left={left}{skipped}{resume}"
    ));
}
