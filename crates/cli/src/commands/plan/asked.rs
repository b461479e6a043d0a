//! `inflight plan`: says how long a job will take with each strategy, before it is run.
//!
//! A few items are computed and, where that does no harm or is allowed, saved; the engine's `forecast` makes the rest of it.
//! Nothing is kept: neither journal nor recording, and what a service was found to be is no profile.

use inflight::forecast::{Way, forecast};
use inflight::{Options, Strategy};

use super::document::Plan;
use super::ladder::LADDER_MAX;
use super::sampling::Sampling;
use super::table;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::plan::PlanArgs;
use crate::job::given::Given;
use crate::job::open_files;
use crate::job::opened::{Opened, cores};
use crate::job::options::{limit_unsaid, options};
use crate::job::work::Work;
use crate::keep::profiles::{self, Profiles};
use crate::show::json;
use crate::show::shown::Show;
use crate::terminal::messages::Messages;
use crate::terminal::signals::Signals;
use crate::terminal::stdout;

/// `inflight plan`, understood.
struct Asked {
    work: Work,
    /// The options of a run with each strategy.
    options: Vec<Options>,
    /// Whether results of the sample are saved.
    probes: bool,
    with_profiles: bool,
    show: Show,
}

impl Asked {
    fn with(args: PlanArgs, given: &Given) -> Result<Asked> {
        let PlanArgs {
            mut run,
            no_probe,
            repeat_saves,
        } = args;
        // What the services answer to a sample is nobody's to keep.
        run.job.responses = None;
        let work = Work::new(run.typed(), given)?;
        let pace = &run.pace;
        if work.input.is_stdin() {
            return Err(Error::usage(
                "plan reads some of the input before a run does, and standard input can be read only once; write it \
                 to a file first",
            ));
        }
        if no_probe && work.fetch.is_some() {
            return Err(Error::usage(
                "what is computed on has to be fetched, and --no-probe sends nothing; leave out one of --fetch and \
                 --no-probe",
            ));
        }
        let clock = work.computation.clock();
        let options = Strategy::ALL
            .map(|strategy| options(pace, &run.driving, strategy, clock, limit_unsaid(strategy)));
        let is_a_table = work.abilities.replaces_by_key && !work.abilities.is_local;
        if is_a_table && repeat_saves && !no_probe {
            return Err(Error::usage(format_args!(
                "a sample has no rows of its own: saved to {}, it would write over those of other items; plan with \
                 --no-probe instead of --repeat-saves",
                work.save_shown
            )));
        }
        let probes = !no_probe && (work.abilities.may_be_repeated || repeat_saves);
        let show = Show::new(&run.output)?;
        if !probes && !no_probe {
            show.messages.say(format_args!(
                "no sample is saved to {}: {}",
                work.save_shown,
                match is_a_table {
                    true => "it would write over rows of other items",
                    false => "a service would get those items twice, a file or SQLite a copy of its own; --repeat-saves allows it",
                }
            ));
        }
        Ok(Asked {
            work,
            options: options.into_iter().collect::<Result<_, _>>()?,
            probes,
            with_profiles: !run.no_profile,
            show,
        })
    }

    /// The options of a run with `parallel`, by which the sample is taken.
    fn widest(&self) -> &Options {
        &self.options[Strategy::ALL.len() - 1]
    }
}

/// Plans the job that was typed.
pub(crate) fn plan(args: PlanArgs) -> Result<Exit> {
    let mut asked = Asked::with(args, &Given::default())?;
    let signals = Signals::listen(&asked.show.messages)?;
    let Some(plan) = planned(&mut asked, &signals)? else {
        return Ok(signals.exit().unwrap_or(Exit::Interrupted));
    };
    if !asked.show.json.is_stdout() {
        stdout::write(&table::plan(&plan, stdout::is_styled()))?;
    }
    json::write(asked.show.json, &plan)?;
    Ok(Exit::Success)
}

/// Plans for a program around us: the table for people, and the object for programs.
///
/// # Errors
/// As [`plan`]; also when it was stopped.
pub(crate) fn plan_for(
    args: PlanArgs,
    given: &Given,
    signals: &Signals,
) -> Result<(String, String)> {
    let mut asked = Asked::with(args, given)?;
    let plan = planned(&mut asked, signals)?;
    let plan = plan.ok_or_else(|| Error::internal("stopped before the sample was taken"))?;
    Ok((table::plan(&plan, false), serde_json::to_string(&plan)?))
}

/// Takes a sample and forecasts from it; `None` when it was stopped first.
fn planned(asked: &mut Asked, signals: &Signals) -> Result<Option<Plan>> {
    let messages = &asked.show.messages.clone();
    open_files::allow(LADDER_MAX.min(asked.widest().in_flight_max()));
    recall(asked, messages);
    let opened = Opened::new(&asked.work, messages)?;
    // What is wrong with the sink is said before anything is computed.
    opened.sink(Strategy::Parallel, 0)?;
    let mut sampling = Sampling::begin(&asked.work, &opened, asked.widest(), signals)?;
    if asked.probes {
        sampling.probe(messages)?;
    }
    if signals.is_stopped() {
        return Ok(None);
    }
    let work = sampling.work();
    let forecasts = asked
        .options
        .iter()
        .zip(Strategy::ALL)
        .map(|(options, strategy)| forecast(&Way::of(options, strategy), &work));
    let forecasts = forecasts.collect();
    Ok(Some(Plan::new(
        &asked.work,
        cores(),
        &work,
        &sampling,
        forecasts,
    )))
}

/// Lets the forecast begin with what earlier runs have learnt, as a run would.
fn recall(asked: &mut Asked, messages: &Messages) {
    let folder = profiles::folder().filter(|_| asked.with_profiles);
    for options in &mut asked.options {
        let folder = folder.clone();
        if let Some(profiles) = Profiles::of(&asked.work, options, folder, messages) {
            profiles.recall(options);
        }
    }
}
