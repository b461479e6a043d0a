//! `inflight compare`: the same job once with each strategy, and what each reached; in a sweep, once for each value.
//!
//! All runs of one comparison share one bound, that of all cores. Computing alone is measured in the same run of the
//! program, on the same machine in the same state.

use std::sync::mpsc::Receiver;

use inflight::{Dist, Ending, Options, Quota, Strategy, Summary};
use inflight_connectors::Sink;

use crate::commands::checked::{CheckedCompare, Point};
use crate::commands::run::{last_line, tell};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::compare::CompareArgs;
use crate::job::copies::Copies;
use crate::job::opened::{Opened, cores};
use crate::keep::about;
use crate::keep::recording::Workload;
use crate::keep::recording::{Compared, Group, Kept, Recording, Run};
use crate::show::json;
use crate::show::progress::{Known, Watch};
use crate::show::shown::Show;
use crate::show::sweep;
use crate::show::sweep::Swept;
use crate::show::table;
use crate::show::taking::run_of;
use crate::terminal::signals::Signals;
use crate::terminal::stdout;

/// Compares the strategies that were named.
pub(crate) fn compare(args: CompareArgs) -> Result<Exit> {
    let plan = CheckedCompare::new(args)?;
    let messages = plan.show.messages.clone();
    let first = &plan.points[0];
    let mut about = about::begin(&first.work, &first.options);
    about.swept = plan.swept.clone();
    let signals = Signals::listen(&messages)?;
    let (groups, halted) = compare_all(&plan, &signals);
    messages.clear_bars();
    let runs: Vec<Summary> = summaries(&groups).cloned().collect();
    let told = || {
        if !runs.is_empty() {
            last_line(&runs, None, &messages);
        }
    };
    match halted {
        None => {}
        Some(halt) => {
            told();
            return match halt {
                Halt::Early(exit) => Ok(exit),
                Halt::Error(error) => Err(error),
            };
        }
    }
    let exits = runs.iter().map(|run| Exit::of(run, None));
    // The worst of the runs: 3 when any has dead letters.
    let exit = exits.max_by_key(|exit| exit.code());
    about::count_items(&mut about, runs.first().map_or(0, |run| run.items));
    let recording = Recording { about, groups };
    let shown = show(&recording, plan.show, plan.taking.wants_stdout());
    let kept = plan.taking.finish(recording, &messages);
    told();
    shown.and(kept)?;
    Ok(exit.unwrap_or(Exit::Success))
}

/// One comparison for each point, as far as they come.
fn compare_all(plan: &CheckedCompare, signals: &Signals) -> (Vec<Group>, Option<Halt>) {
    let mut groups = Vec::new();
    for point in &plan.points {
        let ended = Comparing::open(plan, point, signals).map(Comparing::all);
        let ended = ended.map_err(Halt::Error).and_then(|(group, ended)| {
            groups.push(group);
            ended
        });
        if let Err(halt) = ended {
            return (groups, Some(halt));
        }
    }
    (groups, None)
}

/// Compares for a program around us: the table for people, and the object for programs.
///
/// # Errors
/// As [`compare`]; also when a run did not come to its end.
pub(crate) fn compared(plan: &CheckedCompare, signals: &Signals) -> Result<(String, String)> {
    let (groups, halted) = compare_all(plan, signals);
    match halted {
        Some(Halt::Error(error)) => return Err(error),
        Some(Halt::Early(_)) => {
            let last = summaries(&groups).last().map(|run| run.sentence.clone());
            return Err(Error::internal(last.unwrap_or_default()));
        }
        None => {}
    }
    let comparison = groups.first().and_then(|group| group.comparison(cores()));
    let comparison = comparison.ok_or_else(|| Error::internal("nothing was compared"))?;
    Ok((
        table::comparison(&comparison, false),
        serde_json::to_string(&comparison)?,
    ))
}

fn summaries(groups: &[Group]) -> impl Iterator<Item = &Summary> {
    let runs = groups.iter().flat_map(|group| &group.runs);
    runs.map(|run| &run.summary)
}

/// The table for people, the object for programs.
fn show(recording: &Recording, show: Show, is_stdout_taken: bool) -> Result<()> {
    let cores = recording.about.cores;
    let comparisons = || {
        let groups = recording.groups.iter();
        groups.filter_map(move |group| group.comparison(cores))
    };
    let is_stdout_free = !show.json.is_stdout() && !is_stdout_taken;
    match (&recording.about.swept, comparisons().next()) {
        (Some(key), _) => {
            let swept = Swept::new(key, recording);
            if is_stdout_free {
                stdout::write(&sweep::table(&recording.about, &swept, stdout::is_styled()))?;
            }
            json::write(show.json, &swept)
        }
        (None, Some(comparison)) => {
            if is_stdout_free {
                stdout::write(&table::comparison(&comparison, stdout::is_styled()))?;
            }
            json::write(show.json, &comparison)
        }
        (None, None) => Ok(()),
    }
}

/// Why a comparison cannot go on.
enum Halt {
    /// A run did not reach its end, so there is nothing to compare.
    Early(Exit),
    Error(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Halt {
        Halt::Error(error.into())
    }
}

/// A comparison on its way.
struct Comparing<'a> {
    plan: &'a CheckedCompare,
    point: &'a Point,
    signals: &'a Signals,
    opened: Opened<'a>,
    copies: Option<Copies>,
    /// Computing alone, in seconds: on one thread, on all cores.
    compute_only: Option<(f64, f64)>,
    service_ms: Option<Dist>,
    runs: Vec<Summary>,
    kept: Vec<(Options, Option<Receiver<Kept>>)>,
}

impl<'a> Comparing<'a> {
    fn open(
        plan: &'a CheckedCompare,
        point: &'a Point,
        signals: &'a Signals,
    ) -> Result<Comparing<'a>> {
        let opened = Opened::new(&point.work, &plan.show.messages)?;
        let mut copies = copies_of(&opened.save.address)?;
        // Says what is wrong with the sink before anything is computed.
        fresh_sink(&opened, copies.as_mut(), point.options.strategy, 0)?;
        Ok(Comparing {
            plan,
            point,
            signals,
            opened,
            copies,
            compute_only: None,
            service_ms: None,
            runs: Vec::new(),
            kept: Vec::new(),
        })
    }

    /// Runs them all, and says what came of it and whether it came to its end.
    fn all(mut self) -> (Group, Result<(), Halt>) {
        let ended = self.each();
        (self.result(), ended)
    }

    fn each(&mut self) -> Result<(), Halt> {
        // What a fetch brings is not known beforehand, so nothing can be computed without it.
        if self.opened.fetch.is_none() {
            let one = self.compute_alone("computing, one thread", Strategy::Sequential)?;
            let all = self.compute_alone("computing, all cores", Strategy::Parallel)?;
            self.compute_only = Some((one, all));
        }
        for &strategy in &self.plan.strategies {
            self.save_with(strategy)?;
        }
        Ok(())
    }

    /// How long computing takes when nothing is saved, in seconds.
    fn compute_alone(&self, label: &str, strategy: Strategy) -> Result<f64, Halt> {
        let options = Options {
            strategy,
            jobs: cores(),
            save_quota: Quota::default(),
            ..self.point.options.clone()
        };
        let sink = self.opened.sink_at("null:", strategy)?;
        let watch = self.watch(label, &options);
        let summary = self
            .opened
            .run(sink, &options, watch, self.signals.stop())?;
        tell(&summary, &self.plan.show.messages);
        self.check(&summary)?;
        Ok(summary.elapsed_s)
    }

    fn save_with(&mut self, strategy: Strategy) -> Result<(), Halt> {
        let sink = fresh_sink(
            &self.opened,
            self.copies.as_mut(),
            strategy,
            self.runs.len() as u64,
        )?;
        self.opened.reset();
        let options = Options {
            strategy,
            ..self.point.options.clone()
        };
        let watch = self.watch(strategy.name(), &options);
        let (observer, kept) = self.plan.taking.observer(watch);
        let summary = self
            .opened
            .run(sink, &options, observer, self.signals.stop())?;
        tell(&summary, &self.plan.show.messages);
        self.ask_lab(strategy);
        let checked = self.check(&summary);
        self.runs.push(summary);
        self.kept.push((options, kept));
        checked
    }

    fn watch(&self, label: &str, options: &Options) -> Watch {
        let show = &self.plan.show;
        let label = match (&self.plan.swept, &self.point.value) {
            (Some(key), Some(value)) => format!("{key}={value} {label}"),
            _ => label.to_owned(),
        };
        Watch::new(
            format!("{label:<21}"),
            show.shape,
            &show.messages,
            Known::of(options),
        )
    }

    fn check(&self, summary: &Summary) -> Result<(), Halt> {
        match summary.ending {
            Ending::Complete => Ok(()),
            _ => Err(Halt::Early(Exit::of(summary, self.signals.exit()))),
        }
    }

    /// Keeps what the lab took for a request: of the last run with `parallel`, which loads it most evenly, else of the
    /// last run.
    fn ask_lab(&mut self, strategy: Strategy) {
        let had_parallel = self
            .runs
            .iter()
            .any(|run| run.strategy == Strategy::Parallel);
        if strategy == Strategy::Parallel || !had_parallel {
            self.service_ms = self.opened.save.stats().map(|stats| Dist {
                mean: stats.service_ms.mean,
                p50: stats.service_ms.p50,
                p90: stats.service_ms.p90,
                p99: stats.service_ms.p99,
                max: stats.service_ms.max,
            });
        }
    }

    fn result(mut self) -> Group {
        inflight::compare(&mut self.runs, cores(), self.opened.save.declared);
        let alone = self
            .compute_only
            .unwrap_or_else(|| computed_beside_fetching(&self.runs));
        let work = &self.point.work;
        let compared = Compared {
            workload: Workload {
                items: self.runs.first().map_or(0, |run| run.items),
                compute: work.computation.to_string(),
                sink: work.save_shown.clone(),
            },
            compute_only_s: alone.0,
            compute_only_all_s: alone.1,
            service_ms: self.service_ms,
        };
        let runs = self.runs.into_iter().zip(self.kept);
        Group {
            value: self.point.value.clone(),
            compared: Some(compared),
            runs: runs
                .map(|(summary, (options, kept))| {
                    run_of(summary.strategy.name(), summary, &options, kept)
                })
                .collect::<Vec<Run>>(),
        }
    }
}

fn copies_of(sink: &str) -> Result<Option<Copies>> {
    let refused = |error| {
        Error::usage(format_args!(
            "failed to make temporary copies beside {sink}: {error}"
        ))
    };
    Copies::of(sink).map_err(refused)
}

/// Where one run saves: a copy of its own if the sink is a local file. `repeat` counts the runs before it.
fn fresh_sink(
    opened: &Opened<'_>,
    copies: Option<&mut Copies>,
    strategy: Strategy,
    repeat: u64,
) -> Result<Sink> {
    match copies {
        Some(copies) => opened.sink_at(&copies.next()?, strategy),
        None => opened.sink(strategy, repeat),
    }
}

/// What computing cost where it cannot be measured alone: as counted in the sequential run, else in the first; on all
/// cores that much divided by their number, which no machine quite reaches.
fn computed_beside_fetching(runs: &[Summary]) -> (f64, f64) {
    let sequential = runs.iter().find(|run| run.strategy == Strategy::Sequential);
    let one = sequential.or(runs.first()).map_or(0.0, |run| run.compute_s);
    (one, one / cores() as f64)
}
