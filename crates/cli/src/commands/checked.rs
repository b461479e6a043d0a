//! What the command line means: everything parsed and checked, nothing optional left, nothing opened.
//!
//! The second step of three: `flags/` is what was typed, `Opened` is what is there. Whatever is wrong ends here, before anything is sent.

use inflight::{Options, Strategy};
use inflight_connectors::BrakeGauge;

use crate::error::{Error, Result};
use crate::flags::compare::CompareArgs;
use crate::flags::keep::DeadPayload;
use crate::flags::output::OutputArgs;
use crate::flags::pictures::RecordingArgs;
use crate::flags::run::RunArgs;
use crate::job::given::Given;
use crate::job::options::{limit_unsaid, options};
use crate::job::paths::Paths;
use crate::job::work::{Work, usage};
use crate::keep::journal::{Keep, keys_beside, letters_beside};
use crate::show::shown::Show;
use crate::show::taking::Taking;

/// `inflight run`, understood.
#[derive(Debug)]
pub(crate) struct CheckedRun {
    pub(crate) work: Work,
    /// Whether what earlier runs have learnt is used and kept.
    pub(crate) with_profiles: bool,
    pub(crate) options: Options,
    /// What is asked whether the run may go on.
    pub(crate) brake: Option<BrakeGauge>,
    pub(crate) keep: Keep,
    pub(crate) show: Show,
    pub(crate) taking: Taking,
}

/// `inflight compare`, understood.
#[derive(Debug)]
pub(crate) struct CheckedCompare {
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

impl CheckedRun {
    /// Lowers what was typed.
    ///
    /// # Errors
    /// A usage error: a sentence that names what is wrong and what is valid.
    pub(crate) fn new(args: RunArgs) -> Result<CheckedRun> {
        CheckedRun::with(args, &Given::default())
    }

    /// The same, where a program around us gives code in place of some words.
    ///
    /// # Errors
    /// As [`CheckedRun::new`].
    pub(crate) fn with(args: RunArgs, given: &Given) -> Result<CheckedRun> {
        let work = Work::new(args.typed(), given)?;
        let unsaid = limit_unsaid(args.strategy);
        let options = Options {
            keep_order: args.job.keep_order,
            dead_payload: args.keep.dead_payload == DeadPayload::Full,
            ..options(
                &args.pace,
                &args.driving,
                args.strategy,
                work.computation.clock(),
                unsaid,
            )?
        };
        let brake = args.brake.as_deref().map(BrakeGauge::parse).transpose();
        let keep = Keep::new(&args, &work)?;
        paths(&args, &work, &keep).check()?;
        let show = Show::new(&args.output)?;
        Ok(CheckedRun {
            taking: Taking::new(&args.recording, &work, 1, &show.json)?,
            work,
            with_profiles: !args.no_profile,
            brake: brake.map_err(usage("--brake"))?,
            options,
            keep,
            show,
        })
    }
}

/// The files that a run reads and writes.
fn paths(args: &RunArgs, work: &Work, keep: &Keep) -> Paths {
    let mut paths = Paths::default();
    paths.add("the input", work.input.file());
    paths.add_address("--save", &args.save);
    paths.add("--responses", args.job.responses.as_deref());
    if let Some(journal) = keep.path() {
        paths.add("the journal", Some(journal));
        paths.add("the file of dead letters", Some(&letters_beside(journal)));
        paths.add("the file of keys", Some(&keys_beside(journal)));
    }
    add_shown(&mut paths, &args.output, &args.recording);
    paths
}

/// Adds the files that what happened is written to.
fn add_shown(paths: &mut Paths, output: &OutputArgs, recording: &RecordingArgs) {
    paths.add("--json", output.json.as_deref());
    paths.add("--report", recording.report.as_deref());
}

impl CheckedCompare {
    /// Lowers what was typed.
    ///
    /// # Errors
    /// As [`CheckedRun::new`]; also when the job cannot or must not be repeated.
    pub(crate) fn new(args: CompareArgs) -> Result<CheckedCompare> {
        CheckedCompare::with(args, &Given::default())
    }

    /// The same, where a program around us gives code in place of some words.
    ///
    /// # Errors
    /// As [`CheckedCompare::new`].
    pub(crate) fn with(args: CompareArgs, given: &Given) -> Result<CheckedCompare> {
        let points = match &args.sweep {
            None => vec![Point::new(None, &args, given)?],
            Some(sweep) => sweep
                .values()
                .map(|value| Point::new(Some(value), &sweep.with(value, &args)?, given))
                .collect::<Result<_, _>>()?,
        };
        let work = &points[0].work;
        if work.input.is_stdin() {
            return Err(Error::usage(
                "compare reads its input once for each strategy, and standard input can be read only once; \
                 write it to a file first",
            ));
        }
        let runs = points.len() * args.strategies.len();
        if !work.abilities.may_be_repeated && !args.repeat_saves {
            return Err(Error::usage(format_args!(
                "compare saves everything once for each strategy, a file or SQLite database as temporary copies; add \
                 --repeat-saves if {} may get it {runs} times",
                work.save_shown,
            )));
        }
        let mut paths = Paths::default();
        paths.add("the input", work.input.file());
        add_shown(&mut paths, &args.output, &args.recording);
        paths.check()?;
        let show = Show::new(&args.output)?;
        let taking = Taking::new(&args.recording, work, runs, &show.json)?;
        Ok(CheckedCompare {
            points,
            swept: args.sweep.map(|sweep| sweep.key().to_owned()),
            strategies: args.strategies,
            show,
            taking,
        })
    }
}

impl Point {
    fn new(value: Option<&str>, args: &CompareArgs, given: &Given) -> Result<Point> {
        let work = Work::new(args.typed(), given)?;
        // All four get the same, or the comparison would be of limits.
        let unsaid = Options::default().in_flight;
        let options = Options {
            keep_order: args.job.keep_order,
            ..options(
                &args.pace,
                &args.driving,
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use inflight::{ComputeClock, InFlightLimit};

    use inflight::{Halt, Quota};

    use super::*;
    use crate::flags::args::{Cli, Command};

    fn run(line: &str) -> Result<CheckedRun> {
        let words = ["inflight", "run"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => CheckedRun::new(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_that_are_not_given_leave_the_engine_its_defaults() {
        let of = |line: &str| run(line).unwrap().options;
        let found = Options {
            in_flight: InFlightLimit::Auto,
            halt: Some(Halt::Most),
            ..Options::default()
        };
        assert_eq!(of("0..1 --save null:"), found);
        let set = Options {
            strategy: Strategy::Async,
            halt: Some(Halt::Most),
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
            save_quota: Quota {
                requests: Some(1.0),
                ..Quota::default()
            },
            retries: 0,
            connect_timeout: std::time::Duration::from_secs(2),
            timeout: std::time::Duration::from_secs(1),
            compute_clock: ComputeClock::Elapsed,
            halt: Some(Halt::Most),
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
            assert!(matches!(error, Error::Usage(_)));
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{name} must be between 1 and ")),
                "{error}"
            );
        }
    }
}
