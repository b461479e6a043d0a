//! `inflight run`: does one job, shows how it goes, and says what it came to.

use inflight::{Ending, Summary};

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::messages::Messages;
use crate::opened::Opened;
use crate::plan::{RunPlan, Show};
use crate::progress::{DEAD_SHOWN_MAX, Watch};
use crate::signals::Signals;
use crate::{stdout, table};

/// Runs the job that was typed.
pub(crate) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let plan = RunPlan::new(args)?;
    let messages = plan.show.messages.clone();
    let opened = Opened::new(&plan.work, &messages)?;
    let sink = opened.sink(plan.options.strategy, 0)?;
    let signals = Signals::listen(&messages)?;
    let watch = Watch::new("run", plan.show.shape, &messages);
    let summary = opened.run(sink, &plan.options, watch, signals.stop())?;
    messages.clear_bars();
    tell(&summary, &messages);
    let mut exit = Exit::of(&summary, signals.exit());
    if let Err(error) = show(&summary, plan.show) {
        // What was saved is told even when nothing else can be.
        messages.always(format_args!("error: {error:#}"));
        exit = Exit::Internal;
    }
    last_line([&summary], &messages);
    Ok(exit)
}

/// The results, for people and for programs.
fn show(summary: &Summary, show: Show) -> anyhow::Result<()> {
    let text = table::closing(summary);
    if show.json.is_stdout() {
        show.messages.say(text.trim_end());
    } else {
        stdout::write(&text)?;
    }
    show.json.write(summary)
}

/// Says what the counts alone do not: dead letters that were not shown, and why a run stopped early.
pub(crate) fn tell(summary: &Summary, messages: &Messages) {
    if summary.dead > DEAD_SHOWN_MAX {
        messages.say(format_args!("dead: {} more", summary.dead - DEAD_SHOWN_MAX));
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

/// The last line on standard error, for scripts; all runs together.
///
/// The command that resumes follows `left` once there is a journal to resume from.
pub(crate) fn last_line<'a>(runs: impl IntoIterator<Item = &'a Summary>, messages: &Messages) {
    let (mut saved, mut dead, mut in_doubt, mut left) = (0, 0, 0, 0);
    for run in runs {
        saved += run.saved;
        dead += run.dead;
        in_doubt += run.in_doubt;
        left += run.left;
    }
    messages.always(format_args!(
        "saved={saved} dead={dead} in_doubt={in_doubt} left={left}"
    ));
}
