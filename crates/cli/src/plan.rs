//! What the command line means: everything parsed and checked, nothing optional left, nothing opened.
//!
//! The second step of two; `args.rs` is the first. Whatever is wrong ends here, before anything is sent.

use std::fmt::Display;

use inflight::{ComputeClock, InFlightLimit, Options, Strategy};
use inflight_connectors::{Format, Input};

use crate::args::{self, CompareArgs, JobArgs, OutputArgs, PaceArgs, RunArgs};
use crate::computation::Computation;
use crate::exit::Usage;
use crate::fits;
use crate::job_id::{job_id, public};
use crate::keep::Keep;
use crate::messages::Messages;
use crate::out_file::OutFile;
use crate::pictures::Taking;
use crate::progress::Shape;
use crate::settings::Settings;
use crate::target::Target;
use crate::value::{OrAuto, OrNever};

/// `inflight run`, understood.
#[derive(Debug)]
pub(crate) struct RunPlan {
    pub(crate) work: Work,
    /// Whether what earlier runs have learnt is used and kept.
    pub(crate) with_profiles: bool,
    pub(crate) options: Options,
    pub(crate) keep: Keep,
    pub(crate) show: Show,
    pub(crate) taking: Taking,
}

/// `inflight compare`, understood.
#[derive(Debug)]
pub(crate) struct ComparePlan {
    /// At least one; several in a sweep.
    pub(crate) points: Vec<Point>,
    /// The option whose values the points have, in a sweep.
    pub(crate) swept: Option<String>,
    /// At least one.
    pub(crate) strategies: Vec<Strategy>,
    pub(crate) show: Show,
    pub(crate) taking: Taking,
}

/// What is compared once.
#[derive(Debug)]
pub(crate) struct Point {
    /// The value of the option that is swept.
    pub(crate) value: Option<String>,
    pub(crate) work: Work,
    /// The options of all runs; each sets its own strategy.
    pub(crate) options: Options,
}

/// What is done with each item.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) input: Input,
    pub(crate) computation: Computation,
    pub(crate) fetch: Option<Target>,
    pub(crate) save: Target,
    pub(crate) settings: Settings,
    /// The sink as typed, without its secrets.
    pub(crate) save_shown: String,
    /// The same of where it fetches.
    pub(crate) fetch_shown: Option<String>,
}

/// What is shown, and where.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) shape: Shape,
    pub(crate) messages: Messages,
    pub(crate) json: OutFile,
}

impl RunPlan {
    /// Lowers what was typed.
    ///
    /// # Errors
    /// A usage error: a sentence that names what is wrong and what is valid.
    pub(crate) fn new(args: RunArgs) -> anyhow::Result<RunPlan> {
        fits::check(&args.save, &args.job, &args.pace)?;
        let work = Work::new(
            &args.input,
            &args.compute,
            &args.save,
            &args.job,
            &args.pace,
        )?;
        let unsaid = limit_unsaid(args.strategy);
        let options = Options {
            keep_order: args.job.keep_order,
            dead_payload: args.keep.dead_payload == args::DeadPayload::Full,
            ..options(&args.pace, args.strategy, work.computation.clock(), unsaid)?
        };
        let keep = Keep::new(&args, &work)?;
        let show = Show::new(&args.output)?;
        Ok(RunPlan {
            taking: Taking::new(&args.pictures, &args.recording, &work, 1, &show.json)?,
            work,
            with_profiles: !args.no_profile,
            options,
            keep,
            show,
        })
    }
}

impl ComparePlan {
    /// Lowers what was typed.
    ///
    /// # Errors
    /// As [`RunPlan::new`]; also when the job cannot or must not be repeated.
    pub(crate) fn new(args: CompareArgs) -> anyhow::Result<ComparePlan> {
        let points = match &args.sweep {
            None => vec![Point::new(None, &args)?],
            Some(sweep) => sweep
                .values()
                .map(|value| Point::new(Some(value), &sweep.with(value, &args)?))
                .collect::<Result<_, _>>()?,
        };
        let work = &points[0].work;
        if work.input.is_stdin() {
            return Err(Usage::error(
                "compare reads its input once for each strategy, and standard input can be read only once; \
                 write it to a file first",
            ));
        }
        let runs = points.len() * args.strategies.len();
        if !work.save.is_harmless() && !args.repeat_saves {
            return Err(Usage::error(format_args!(
                "compare saves everything once for each strategy, a file or SQLite database as temporary copies; add \
                 --repeat-saves if {} may get it {runs} times",
                work.save_shown,
            )));
        }
        let show = Show::new(&args.output)?;
        let taking = Taking::new(&args.pictures, &args.recording, work, runs, &show.json)?;
        Ok(ComparePlan {
            points,
            swept: args.sweep.map(|sweep| sweep.key().to_owned()),
            strategies: args.strategies,
            show,
            taking,
        })
    }
}

impl Point {
    fn new(value: Option<&str>, args: &CompareArgs) -> anyhow::Result<Point> {
        fits::check(&args.save, &args.job, &args.pace)?;
        let work = Work::new(
            &args.input,
            &args.compute,
            &args.save,
            &args.job,
            &args.pace,
        )?;
        // All four get the same, or the comparison would be of limits.
        let unsaid = Options::default().in_flight;
        let options = Options {
            keep_order: args.job.keep_order,
            ..options(
                &args.pace,
                Strategy::Parallel,
                work.computation.clock(),
                unsaid,
            )?
        };
        Ok(Point {
            value: value.map(str::to_owned),
            options,
            work,
        })
    }
}

impl Work {
    /// Lowers what was typed of the job itself.
    ///
    /// # Errors
    /// A usage error: a sentence that names what is wrong and what is valid.
    pub(crate) fn new(
        input: &str,
        compute: &str,
        save: &str,
        job: &JobArgs,
        pace: &PaceArgs,
    ) -> anyhow::Result<Work> {
        let format = job.format.map(|format| match format {
            args::Format::Text => Format::Text,
            args::Format::Jsonl => Format::Jsonl,
        });
        let fetch = job.fetch.as_deref();
        Ok(Work {
            input: Input::parse(input, format, job.field.clone()).map_err(Usage::error)?,
            computation: Computation::parse(compute, pace.compute_timeout)
                .map_err(usage("--compute"))?,
            fetch: fetch
                .map(Target::parse)
                .transpose()
                .map_err(usage("--fetch"))?,
            save: Target::parse(save).map_err(usage("--save"))?,
            settings: Settings::new(job, job_id(input, compute, save, job)),
            save_shown: public(save),
            fetch_shown: fetch.map(public),
        })
    }
}

/// Makes a sentence about the value of this flag a usage error.
pub(crate) fn usage<E: Display>(flag: &'static str) -> impl Fn(E) -> anyhow::Error {
    move |sentence| Usage::error(format_args!("{flag}: {sentence}"))
}

/// The limit of a run for which none was given.
pub(crate) fn limit_unsaid(strategy: Strategy) -> InFlightLimit {
    match strategy {
        Strategy::Parallel => InFlightLimit::Auto,
        // The others wait by their nature, so that they would seldom see what their limit does.
        _ => Options::default().in_flight,
    }
}

/// What the flags make of the options of a run.
pub(crate) fn options(
    pace: &PaceArgs,
    strategy: Strategy,
    compute_clock: ComputeClock,
    unsaid: InFlightLimit,
) -> anyhow::Result<Options> {
    let defaults = Options::default();
    let at_most = |limit| match (limit, pace.max_in_flight) {
        (InFlightLimit::Fixed(limit), Some(most)) => InFlightLimit::Fixed(limit.min(most)),
        (limit, _) => limit,
    };
    let options = Options {
        strategy,
        jobs: match pace.jobs {
            OrAuto::Auto => defaults.jobs,
            OrAuto::Count(jobs) => jobs,
        },
        in_flight: match pace.in_flight {
            Some(OrAuto::Count(limit)) => at_most(InFlightLimit::Fixed(limit)),
            Some(OrAuto::Auto) => InFlightLimit::Auto,
            None => at_most(unsaid),
        },
        max_in_flight: pace.max_in_flight.unwrap_or(defaults.max_in_flight),
        batch: pace.batch,
        bulk: match pace.bulk {
            OrAuto::Auto => None,
            OrAuto::Count(bulk) => Some(bulk),
        },
        yield_every: match pace.yield_every {
            OrNever::Every(time) => Some(time),
            OrNever::Never => None,
        },
        rate: pace.rate,
        halt: pace.halt,
        deadline: pace.deadline,
        retries: pace.retries,
        connect_timeout: pace.connect_timeout,
        timeout: pace.timeout,
        compute_timeout: pace.compute_timeout,
        compute_clock,
        ..defaults
    };
    options.check().map_err(Usage::error)?;
    Ok(options)
}

impl Show {
    /// What the flags and the terminal make of it.
    ///
    /// # Errors
    /// A usage error when a file cannot be written.
    pub(crate) fn new(output: &OutputArgs) -> anyhow::Result<Show> {
        let shape = Shape::of(output);
        Ok(Show {
            shape,
            messages: Messages::new(output, shape == Shape::Bar),
            json: OutFile::open(output.json.as_deref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn run(line: &str) -> anyhow::Result<RunPlan> {
        let words = ["inflight", "run"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words)?.command {
            Command::Run(args) => RunPlan::new(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_that_are_not_given_leave_the_engine_its_defaults() {
        let of = |line: &str| run(line).unwrap().options;
        let found = Options {
            in_flight: InFlightLimit::Auto,
            ..Options::default()
        };
        assert_eq!(of("0..1 --save null:"), found);
        let set = Options {
            strategy: Strategy::Async,
            ..Options::default()
        };
        assert_eq!(of("0..1 --save null: --strategy async"), set);
    }

    #[test]
    fn every_flag_of_pace_arrives() {
        let options = run(
            "0..1 --save null: -j 3 -c 7 --max-in-flight 50 -b 9 --bulk 5 --yield-every never --rate 60/min \
            --timeout 1s --connect-timeout 2s --retries 0 --strategy async --compute sleep:1ms",
        )
        .unwrap()
        .options;
        let expected = Options {
            strategy: Strategy::Async,
            jobs: 3,
            in_flight: InFlightLimit::Fixed(7),
            max_in_flight: 50,
            batch: 9,
            bulk: Some(5),
            yield_every: None,
            rate: Some(1.0),
            retries: 0,
            connect_timeout: std::time::Duration::from_secs(2),
            timeout: std::time::Duration::from_secs(1),
            compute_clock: ComputeClock::Elapsed,
            ..Options::default()
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn the_most_in_flight_holds_for_what_is_set_too() {
        let in_flight = |flags: &str| {
            let command = format!("0..1 --save null: {flags}");
            run(&command).unwrap().options.in_flight
        };
        let fixed = InFlightLimit::Fixed;
        assert_eq!(in_flight("-c 50 --max-in-flight 5"), fixed(5));
        assert_eq!(in_flight("--strategy async --max-in-flight 5"), fixed(5));
        assert_eq!(in_flight("-c 5000"), fixed(5000));
        assert_eq!(in_flight("--max-in-flight 5"), InFlightLimit::Auto);
    }

    #[test]
    fn none_of_something_is_refused() {
        for (flag, name) in [
            ("-j", "jobs"),
            ("-c", "in-flight"),
            ("-b", "batch"),
            ("--bulk", "bulk"),
        ] {
            let error = run(&format!("0..1 --save null: {flag} 0")).unwrap_err();
            assert!(error.is::<Usage>());
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{name} must be between 1 and ")),
                "{error}"
            );
        }
    }
}
