//! What came of each value of `compare --sweep`: as an object, and as a table.

use inflight::Summary;
use serde::Serialize;

use crate::keep::recording::{About, Comparison, Recording};
use crate::show::table;

/// What a sweep came to; the object of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Swept {
    version: u32,
    /// The option.
    pub(crate) key: String,
    /// What came of each value, in the order they were tried.
    pub(crate) points: Vec<SweptPoint>,
}

/// What came of one value.
#[derive(Debug, Serialize)]
pub(crate) struct SweptPoint {
    pub(crate) value: String,
    pub(crate) comparison: Comparison,
}

impl Swept {
    pub(crate) fn new(key: &str, recording: &Recording) -> Swept {
        let points = recording.groups.iter().filter_map(|group| {
            Some(SweptPoint {
                value: group.value.clone()?,
                comparison: group.comparison(recording.about.cores)?,
            })
        });
        Swept {
            version: 1,
            key: key.to_owned(),
            points: points.collect(),
        }
    }

    /// Every run with the value it had.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&str, &Summary)> {
        self.points.iter().flat_map(|point| {
            let runs = point.comparison.runs.iter();
            runs.map(|run| (point.value.as_str(), run))
        })
    }

    /// The heading of its table: that of a comparison behind the value.
    pub(crate) fn header(&self) -> Vec<&str> {
        let mut header = vec![self.key.as_str()];
        header.extend(table::HEADER);
        header.insert(header.len() - 1, "refused");
        header
    }

    /// The rows of its table.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.runs()
            .map(|(value, run)| {
                let mut row = vec![value.to_owned()];
                row.extend(table::row(run));
                row.insert(row.len() - 1, run.rejected.to_string());
                row
            })
            .collect()
    }
}

/// What came of each value, for people.
pub(crate) fn table(about: &About, swept: &Swept, styled: bool) -> String {
    let mut text = format!("{}, {} cores\n\n", about.work, about.cores);
    for line in table::aligned(&swept.header(), &swept.rows(), styled) {
        text.push_str(&line);
        text.push('\n');
    }
    let best = swept
        .runs()
        .min_by(|a, b| a.1.elapsed_s.total_cmp(&b.1.elapsed_s));
    if let Some((value, run)) = best {
        text.push_str(&format!(
            "\n{}={value} with {} is the quickest and reaches {}.\n",
            swept.key,
            run.strategy.name(),
            run.sentence
        ));
    }
    text
}
