//! `inflight run`: does one job, shows how it goes, and says what it came to.

use inflight::{Ending, Error, Job, Observer, Options, Service, Stop, Summary};
use inflight_connectors::{HttpFetch, Items, Payload, Sink, Task};

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::messages::Messages;
use crate::plan::RunPlan;
use crate::progress::{DEAD_SHOWN_MAX, Watch};
use crate::signals::Signals;
use crate::{stdout, table};

/// What one run is made of, everything opened.
pub(crate) struct Parts {
    pub(crate) items: Items,
    pub(crate) fetch: Option<HttpFetch>,
    pub(crate) task: Task,
    pub(crate) sink: Sink,
}

/// Runs the job that was typed.
pub(crate) fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let plan = RunPlan::new(args)?;
    let parts = plan.work.open()?;
    let messages = plan.show.messages();
    let signals = Signals::listen(&messages)?;
    let watch = Watch::new("run", plan.show.shape, &messages);
    let summary = drive(parts, &plan.options, watch, signals.stop())?;
    tell(&summary, &messages);
    let text = table::closing(&summary);
    if plan.show.json.is_stdout() {
        messages.say(text.trim_end());
    } else {
        stdout::write(&text)?;
    }
    plan.show.json.write(&summary)?;
    last_line([&summary], &messages);
    Ok(Exit::of(&summary, signals.exit()))
}

/// Runs these parts with this strategy and limit.
///
/// # Errors
/// When the engine could not go on, or refused the options.
pub(crate) fn drive(parts: Parts, options: &Options, watch: impl Observer, stop: &Stop) -> Result<Summary, Error> {
    let Parts { items, fetch, task, sink } = parts;
    let job = Job::new(items).item_bytes(Payload::heap_bytes);
    match fetch {
        Some(fetch) => {
            let job = job.fetch_from(fetch).fetched_bytes(Payload::heap_bytes);
            compute_and_save(job, task, sink, options, watch, stop)
        }
        None => compute_and_save(job, task, sink, options, watch, stop),
    }
}

fn compute_and_save<F: Service<Payload, Answer = Payload>>(
    job: Job<Payload, Payload, F>,
    task: Task,
    sink: Sink,
    options: &Options,
    watch: impl Observer,
    stop: &Stop,
) -> Result<Summary, Error> {
    job.try_compute(move |item| task.run(item))
        .result_bytes(Payload::heap_bytes)
        .save_to(sink)
        .observed_by(watch)
        .stopped_by(stop)
        .run(options)
}

/// Says what the counts alone do not: dead letters that were not shown, and why a run stopped early.
pub(crate) fn tell(summary: &Summary, messages: &Messages) {
    if summary.dead > DEAD_SHOWN_MAX {
        messages.say(format_args!("dead: {} more", summary.dead - DEAD_SHOWN_MAX));
    }
    match &summary.ending {
        Ending::Complete | Ending::Stopped => {}
        Ending::Unavailable(why) => messages.always(format_args!("error: {why}")),
        Ending::Unreadable(why) => messages.always(format_args!("error: failed to read the input: {why}")),
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
    messages.always(format_args!("saved={saved} dead={dead} in_doubt={in_doubt} left={left}"));
}
