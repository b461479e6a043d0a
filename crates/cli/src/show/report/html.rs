//! The report: one HTML file that needs nothing else, whatever the recording holds.
//!
//! Words and tables are in the file as text, so that it can be read without its script; the script draws the timeline and
//! the curves from packed columns. A policy in the file lets only that very script and style sheet act, and nothing be
//! loaded. Whatever comes from a recording is escaped by the template, or is JSON in which no tag can end.

use std::io::Write;

use anyhow::Context;
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::sections::{self, Headline, LEGEND, Split, named_runs};
use super::sweep_chart;
use super::tabular::Tabular;
use crate::error::Result;
use crate::keep::recording::{About, Curves, Mark, Recording, Run, columns};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("timeline.js"), include_str!("curves.js"));

/// Colours there are for runs; after them they begin anew.
const COLOURS: usize = 6;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    about: &'a About,
    headline: Option<Headline>,
    comparison: Option<Tabular>,
    chart: Option<String>,
    legend: &'static [(&'static str, &'static str)],
    splits: Vec<Split>,
    sampled: String,
    labels: Vec<(String, String)>,
    tables: Vec<Tabular>,
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    data: String,
}

/// What the script gets of one run.
#[derive(Serialize)]
struct Drawn<'a> {
    label: String,
    elapsed_s: f64,
    bound_s: f64,
    limit: usize,
    curves: &'a Curves,
    marks: &'a [Mark],
    texts: &'a [(u64, String)],
    /// Packed, deflated, as base64.
    spans: String,
}

/// The page of a recording.
///
/// # Errors
/// When it cannot be packed: none that is known.
pub(crate) fn page(recording: &Recording) -> Result<String> {
    let drawn: Vec<Drawn<'_>> = named_runs(recording)
        .map(|(name, run)| Drawn::of(name, run))
        .collect::<Result<_, _>>()?;
    let labels = drawn.iter().enumerate();
    let page = Page {
        about: &recording.about,
        headline: Headline::of(recording),
        comparison: sections::comparison(recording),
        chart: sweep_chart::chart(recording),
        legend: &LEGEND,
        splits: named_runs(recording)
            .map(|(name, run)| Split::of(&name, &run.summary))
            .collect(),
        sampled: sections::sampled(recording),
        labels: labels
            .map(|(number, run)| (format!("r{}", number % COLOURS), run.label.clone()))
            .collect(),
        tables: sections::tables(recording),
        style: STYLE,
        style_hash: hash(STYLE),
        script: SCRIPT,
        script_hash: hash(SCRIPT),
        data: inert(&serde_json::to_string(&drawn)?),
    };
    Ok(page.render().context("failed to write the report")?)
}

impl Drawn<'_> {
    fn of(label: String, run: &Run) -> Result<Drawn<'_>> {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&columns::pack(&run.spans))?;
        Ok(Drawn {
            label,
            elapsed_s: run.summary.elapsed_s,
            bound_s: run.summary.bound_s,
            limit: run.summary.in_flight.limit_final,
            curves: &run.curves,
            marks: &run.marks,
            texts: &run.texts,
            spans: BASE64_STANDARD.encode(deflated.finish()?),
        })
    }
}

/// JSON that means the same and holds no `<`: no text in it can end its element or begin another.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// What the policy of the page knows a script or style sheet by.
fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::recording::tests::recording;

    #[test]
    fn nothing_in_a_recording_becomes_a_tag() {
        let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>";
        let mut recording = recording();
        recording.about.command = evil.to_owned();
        recording.about.work = evil.to_owned();
        recording.about.settings[0].1 = evil.to_owned();
        let run = &mut recording.groups[0].runs[0];
        run.label = evil.to_owned();
        run.summary.sentence = evil.to_owned();
        run.texts = vec![(0, evil.to_owned())];
        let page = page(&recording).unwrap();
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script").count(), 2);
        assert!(!page.contains("<img"));
    }

    #[test]
    fn only_its_own_script_may_act() {
        let page = page(&recording()).unwrap();
        let within = |open: &str, close: &str| {
            let from = page.rfind(open).unwrap() + open.len();
            let length = page[from..].find(close).unwrap();
            page[from..from + length].to_owned()
        };
        let (script, style) = (
            within("<script>", "</script>"),
            within("<style>", "</style>"),
        );
        assert!(page.contains(&format!("script-src 'sha256-{}'", hash(&script))));
        assert!(page.contains(&format!("style-src 'sha256-{}'", hash(&style))));
        assert!(page.contains("default-src 'none'"));
        for forbidden in ["unsafe-inline", "http:", "https:", " style=", "onclick"] {
            let outside = page.replace(&script, "").replace(&style, "");
            assert!(!outside.contains(forbidden), "{forbidden}");
        }
    }
}
