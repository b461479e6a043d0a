//! A recording: what one command came to, with what was kept of each of its runs. Plain data.

use inflight::{Dist, Summary};
use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Workload};
use super::curve::Curves;
use super::keeper::{Kept, Mark};
use super::reasons::Reason;
use super::sample::Sampled;
use super::span::Span;

/// The shape of this version.
pub(crate) const VERSION: u32 = 2;

/// What one command did: `run` has one group with one run, `compare` one group, a sweep a group for each value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub(crate) about: About,
    pub(crate) groups: Vec<Group>,
}

/// The command itself. Without passwords and tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) version: u32,
    /// The version of the program that wrote it.
    pub(crate) program: String,
    /// The name under which it is kept; empty if it is not.
    pub(crate) id: String,
    /// When it began, such as 2026-11-24T14:48:43Z.
    pub(crate) started: String,
    /// How to do it again.
    pub(crate) command: String,
    /// What was done, such as `600 items × bcrypt:8 → lab:?latency=100ms`.
    pub(crate) work: String,
    pub(crate) cores: usize,
    /// Name and value of every setting.
    pub(crate) settings: Vec<(String, String)>,
    /// The option whose values were tried, in a sweep.
    pub(crate) swept: Option<String>,
}

/// Runs of the same work with the same settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The value of the option that is swept.
    pub(crate) value: Option<String>,
    /// What a comparison knows beyond its runs.
    pub(crate) compared: Option<Compared>,
    pub(crate) runs: Vec<Run>,
}

/// What a comparison knows beyond its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) workload: Workload,
    pub(crate) compute_only_s: f64,
    pub(crate) compute_only_all_s: f64,
    pub(crate) service_ms: Option<Dist>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) label: String,
    pub(crate) summary: Summary,
    /// Threads that computed.
    pub(crate) jobs: usize,
    pub(crate) sampled: Sampled,
    pub(crate) curves: Curves,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) marks: Vec<Mark>,
    /// The texts of items, where that was asked for: index and text.
    pub(crate) texts: Vec<(u64, String)>,
    /// By item and time; in a file they lie behind the rest.
    #[serde(skip)]
    pub(crate) spans: Vec<Span>,
    /// Bytes they take in a file.
    pub(crate) span_bytes: usize,
}

impl Run {
    /// A run with what was kept of it.
    pub(crate) fn new(label: &str, summary: Summary, jobs: usize, kept: Kept) -> Run {
        Run {
            label: label.to_owned(),
            summary,
            jobs,
            sampled: kept.sampled,
            curves: kept.curves,
            reasons: kept.reasons,
            marks: kept.marks,
            texts: Vec::new(),
            spans: kept.spans,
            span_bytes: 0,
        }
    }

    /// The spans of each item, by index.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[Span]> {
        self.spans.chunk_by(|a, b| a.index == b.index)
    }
}

impl Recording {
    /// Every run, in the order they ran.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.groups.iter().flat_map(|group| &group.runs)
    }

    /// The run that is told of first: the quickest.
    pub(crate) fn best(&self) -> Option<&Run> {
        self.runs()
            .min_by(|a, b| a.summary.elapsed_s.total_cmp(&b.summary.elapsed_s))
    }
}

impl Group {
    /// As `compare --json` has it, if this is a comparison.
    pub(crate) fn comparison(&self, cores: usize) -> Option<Comparison> {
        let compared = self.compared.clone()?;
        Some(Comparison {
            version: 1,
            cores,
            workload: compared.workload,
            compute_only_s: compared.compute_only_s,
            compute_only_all_s: compared.compute_only_all_s,
            service_ms: compared.service_ms,
            runs: self.runs.iter().map(|run| run.summary.clone()).collect(),
        })
    }
}
