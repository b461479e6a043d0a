//! `inflight compare`: the same job once with each strategy, and what each reached.
//!
//! All runs share one bound, that of all cores. Computing alone is measured in the same run of the program, on the same
//! machine in the same state.

use inflight::{Dist, Ending, Options, Strategy, Summary};
use inflight_connectors::Sink;

use crate::args::CompareArgs;
use crate::copies::Copies;
use crate::exit::{Exit, Usage};
use crate::json::{Comparison, Workload};
use crate::opened::Opened;
use crate::plan::ComparePlan;
use crate::progress::Watch;
use crate::run::{last_line, tell};
use crate::signals::Signals;
use crate::{stdout, table};

/// Compares the strategies that were named.
pub(crate) fn compare(args: CompareArgs) -> anyhow::Result<Exit> {
    let plan = ComparePlan::new(args)?;
    let mut comparing = Comparing::open(&plan)?;
    let ended = comparing.all();
    plan.show.messages.clear_bars();
    if !comparing.runs.is_empty() {
        last_line(&comparing.runs, None, &plan.show.messages);
    }
    let exit = match ended {
        Ok(()) => comparing.exit(),
        Err(Halt::Early(exit)) => return Ok(exit),
        Err(Halt::Error(error)) => return Err(error),
    };
    let comparison = comparing.result();
    if !plan.show.json.is_stdout() {
        stdout::write(&table::comparison(&comparison, stdout::is_styled()))?;
    }
    plan.show.json.write(&comparison)?;
    Ok(exit)
}

/// Why a comparison cannot go on.
enum Halt {
    /// A run did not reach its end, so there is nothing to compare.
    Early(Exit),
    Error(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Halt {
    fn from(error: E) -> Halt {
        Halt::Error(error.into())
    }
}

/// A comparison on its way.
struct Comparing<'a> {
    plan: &'a ComparePlan,
    opened: Opened<'a>,
    copies: Option<Copies>,
    signals: Signals,
    /// Computing alone, in seconds: on one thread, on all cores.
    compute_only: Option<(f64, f64)>,
    service_ms: Option<Dist>,
    runs: Vec<Summary>,
}

impl<'a> Comparing<'a> {
    fn open(plan: &'a ComparePlan) -> anyhow::Result<Comparing<'a>> {
        let opened = Opened::new(&plan.work, &plan.show.messages)?;
        let mut copies = copies_of(&opened.save.address)?;
        // Says what is wrong with the sink before anything is computed.
        fresh_sink(&opened, copies.as_mut(), plan.options.strategy, 0)?;
        Ok(Comparing {
            plan,
            opened,
            copies,
            signals: Signals::listen(&plan.show.messages)?,
            compute_only: None,
            service_ms: None,
            runs: Vec::new(),
        })
    }

    fn all(&mut self) -> Result<(), Halt> {
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
            rate: None,
            ..self.plan.options.clone()
        };
        let summary = self.one(label, &options, self.opened.sink_at("null:", strategy)?)?;
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
            ..self.plan.options.clone()
        };
        let summary = self.one(strategy.name(), &options, sink)?;
        self.ask_lab(strategy);
        let checked = self.check(&summary);
        self.runs.push(summary);
        checked
    }

    fn one(&self, label: &str, options: &Options, sink: Sink) -> anyhow::Result<Summary> {
        let show = &self.plan.show;
        let watch = Watch::new(format!("{label:<21}"), show.shape, &show.messages);
        let summary = self
            .opened
            .run(sink, options, watch, self.signals.stop(), None)?;
        tell(&summary, &show.messages);
        Ok(summary)
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

    /// The worst of the runs: 3 when any has dead letters.
    fn exit(&self) -> Exit {
        let exits = self.runs.iter().map(|run| Exit::of(run, None));
        exits
            .max_by_key(|exit| exit.code())
            .unwrap_or(Exit::Success)
    }

    fn result(mut self) -> Comparison {
        inflight::compare(&mut self.runs, cores(), self.opened.save.declared);
        let alone = self
            .compute_only
            .unwrap_or_else(|| computed_beside_fetching(&self.runs));
        Comparison {
            version: 1,
            cores: cores(),
            workload: Workload {
                items: self.runs.first().map_or(0, |run| run.items),
                compute: self.plan.work.computation.to_string(),
                sink: self.plan.work.save_shown.clone(),
            },
            compute_only_s: alone.0,
            compute_only_all_s: alone.1,
            service_ms: self.service_ms,
            runs: self.runs,
        }
    }
}

fn copies_of(sink: &str) -> anyhow::Result<Option<Copies>> {
    let refused = |error| {
        Usage::error(format_args!(
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
) -> anyhow::Result<Sink> {
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

/// The cores that this process may use.
fn cores() -> usize {
    Options::default().jobs
}
