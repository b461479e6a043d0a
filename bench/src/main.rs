//! Measures us and our peers in turn, checks that all did the same work, and writes what came out.
//!
//! A figure is only worth something beside another one of the same minute on the same machine, so everything is run in
//! rounds, and ratios are taken within a round. It computes no figure of ours itself: it reads what the tool says.

mod args;
mod contender;
mod document;
mod experiment;
mod hashes;
mod in_flight;
mod lab;
mod many_cores;
mod markdown;
mod memory;
mod number;
mod one_core;
mod overhead;
mod overload;
mod places;
mod plan;
mod postgres;
mod python;
mod rounds;
mod rows;
mod section;
mod spread;
mod sqlite;
mod start;
mod tell;
mod tiny;
mod workers;
mod wrk;

use std::process::ExitCode;

use anyhow::Context;

use crate::args::Args;
use crate::document::Document;
use crate::plan::Plan;
use crate::section::Section;

/// Measures one thing.
type Bench = fn(&Plan) -> anyhow::Result<Section>;

/// Every bench by its name, in the order of the page.
const BENCHES: [(&str, Bench); 14] = [
    ("experiment", experiment::measure),
    ("one-core", one_core::measure),
    ("many-cores", many_cores::measure),
    ("tiny", tiny::measure),
    ("workers", workers::measure),
    ("python", python::measure),
    ("overload", overload::measure),
    ("in-flight", in_flight::measure),
    ("postgres", postgres::measure),
    ("sqlite", sqlite::measure),
    ("rows", rows::measure),
    ("overhead", overhead::measure),
    ("memory", memory::measure),
    ("start", start::measure),
];

fn main() -> ExitCode {
    let names = BENCHES.map(|(name, _)| name);
    let outcome = match Args::read(std::env::args().skip(1), &names) {
        Ok(Args::Help) => {
            tell::line(&args::usage(&names));
            Ok(())
        }
        Ok(Args::Measure(choice)) => measure(&choice),
        Err(message) => Err(anyhow::anyhow!("{message}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell::line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(choice: &args::Choice) -> anyhow::Result<()> {
    let plan = Plan::new(choice)?;
    for (name, bench) in BENCHES {
        if !choice.names.is_empty() && !choice.names.iter().any(|chosen| chosen == name) {
            continue;
        }
        tell::line(&format!("== {name}"));
        let section = bench(&plan).with_context(|| format!("bench {name}"))?;
        tell::line(&markdown::section(name, &section));
        if !plan.is_quick {
            // Read and written for each, so that a bench that fails later takes nothing with it.
            let mut document = Document::read(&plan.places)?;
            document.sections.insert(name.to_owned(), section);
            document.write(&plan.places, &BENCHES.map(|(name, _)| name))?;
        }
    }
    Ok(())
}
