//! A statement with what was measured for it, as tables of figures. What is run for each is in `measures.rs`, and the words
//! for people are in `english.rs` and `korean.rs`.

use anyhow::Context;
use bench::Machine;

use crate::figure::{Column, ms, percent, seconds, times};
use crate::measures::MEASURES;
use crate::tool::{Comparison, Ran, Run, Tool};

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Experiment {
    pub(crate) machine: Machine,
    /// In their order.
    pub(crate) statements: Vec<Statement>,
}

/// What was measured for one statement.
#[derive(Debug)]
pub(crate) struct Statement {
    /// From 1 to 8.
    pub(crate) number: usize,
    pub(crate) commands: Vec<String>,
    pub(crate) tables: Vec<Table>,
    /// Names of files.
    pub(crate) pictures: Vec<String>,
    /// Figures that the words name, in the order in which they name them.
    pub(crate) figures: Vec<String>,
    pub(crate) is_held: bool,
}

/// Figures side by side.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Experiment {
    /// Measures all of them, one after the other: they would disturb each other.
    ///
    /// # Errors
    /// When a run fails.
    pub(crate) fn run(tool: &Tool, machine: Machine) -> anyhow::Result<Experiment> {
        let mut statements = Vec::new();
        for (measure, number) in MEASURES.into_iter().zip(1..) {
            let statement = measure(tool).with_context(|| format!("statement {number}"))?;
            statements.push(Statement {
                number,
                ..statement
            });
        }
        Ok(Experiment {
            machine,
            statements,
        })
    }
}

impl Statement {
    pub(crate) fn new(
        runs: Vec<Ran>,
        tables: Vec<Table>,
        figures: Vec<String>,
        is_held: bool,
    ) -> Statement {
        let (mut commands, mut pictures) = (Vec::new(), Vec::new());
        for ran in runs {
            commands.push(ran.command);
            pictures.push(ran.picture);
        }
        Statement {
            number: 0,
            commands,
            tables,
            pictures,
            figures,
            is_held,
        }
    }
}

impl Table {
    /// A row for each strategy of a comparison, in which `parallel` computed on so many threads.
    pub(crate) fn of(comparison: &Comparison, threads: Threads, columns: &[Column]) -> Table {
        Table {
            columns: columns.to_vec(),
            rows: comparison
                .runs
                .iter()
                .map(|run| {
                    row(
                        &run.strategy,
                        alone_s(comparison, run, threads),
                        run,
                        columns,
                    )
                })
                .collect(),
        }
    }

    /// A row for each run of a sweep.
    pub(crate) fn of_sweep(ran: &Ran, columns: &[Column]) -> Table {
        let rows = ran.points.iter().flat_map(|point| {
            let runs = point.comparison.runs.iter();
            runs.map(|run| {
                let alone_s = alone_s(&point.comparison, run, Threads::All);
                row(&point.value, alone_s, run, columns)
            })
        });
        Table {
            columns: columns.to_vec(),
            rows: rows.collect(),
        }
    }
}

/// Threads on which `parallel` computed; the others have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    One,
    All,
}

/// Computing alone, on as many threads as the run had.
pub(crate) fn alone_s(comparison: &Comparison, run: &Run, threads: Threads) -> f64 {
    match run.strategy == "parallel" && threads == Threads::All {
        true => comparison.compute_only_all_s,
        false => comparison.compute_only_s,
    }
}

fn row(name: &str, alone_s: f64, run: &Run, columns: &[Column]) -> Vec<String> {
    let cell = |column: &Column| match column {
        Column::Run => name.to_owned(),
        Column::Strategy => run.strategy.clone(),
        Column::Time => seconds(run.elapsed_s),
        Column::Slowdown => times(run.elapsed_s / alone_s),
        Column::SaveMedian => ms(run.save_ms.p50),
        Column::SaveHighest => ms(run.save_ms.p99),
        Column::InFlight => format!("{:.1}", run.in_flight.mean),
        Column::Stall => ms(run.loop_stall_ms_max),
        Column::Refused => run.rejected.to_string(),
        Column::Attainment => percent(run.attainment),
        Column::Compute => seconds(run.compute_s),
        Column::Alone => seconds(alone_s),
    };
    columns.iter().map(cell).collect()
}
