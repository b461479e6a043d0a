//! What the page says in words and tables: headline, where the time goes, distributions, faults, bound, settings.
//!
//! Every figure is one of the summary's; nothing is worked out here but widths.

use inflight::{Dist, Summary};

use super::tabular::Tabular;
use crate::keep::recording::{Recording, Run};
use crate::show::sweep;
use crate::show::table;
use crate::terminal::quantity::{count, milliseconds, percent, rate, seconds};

/// What stands above all else.
#[derive(Debug)]
pub(crate) struct Headline {
    /// Name and value.
    pub(crate) figures: Vec<(&'static str, String)>,
    pub(crate) sentence: String,
}

impl Headline {
    /// Of the quickest run.
    pub(crate) fn of(recording: &Recording) -> Option<Headline> {
        let run = recording.best()?;
        let summary = &run.summary;
        let mut figures = vec![
            ("time", seconds(summary.elapsed_s)),
            ("of the limit", percent(summary.attainment)),
            ("saved", summary.saved.to_string()),
            ("saved a second", rate(summary.saved, summary.elapsed_s)),
        ];
        if let Some(predicted_s) = summary.predicted_s {
            figures.push(("predicted", seconds(predicted_s)));
        }
        if let Some(speedup) = summary.speedup {
            figures.push(("times sequential", format!("{speedup:.1}")));
        }
        for (name, number) in [
            ("dead letters", summary.dead),
            ("left", summary.left),
            ("in doubt", summary.in_doubt),
            ("retried", summary.retried),
            ("refused", summary.rejected),
        ] {
            if number > 0 {
                figures.push((name, number.to_string()));
            }
        }
        let is_alone = recording.runs().count() == 1;
        let sentence = match is_alone {
            true => summary.sentence.clone(),
            false => format!(
                "The quickest is {}: {}",
                named(recording, run),
                summary.sentence
            ),
        };
        Some(Headline { figures, sentence })
    }
}

/// A run by the value it had and its label.
pub(crate) fn named(recording: &Recording, run: &Run) -> String {
    let group = recording
        .groups
        .iter()
        .find(|group| group.runs.iter().any(|other| std::ptr::eq(other, run)));
    match (
        &recording.about.swept,
        group.and_then(|group| group.value.as_ref()),
    ) {
        (Some(key), Some(value)) => format!("{key}={value} {}", run.label),
        _ => run.label.clone(),
    }
}

/// Every run with its name.
pub(crate) fn named_runs(recording: &Recording) -> impl Iterator<Item = (String, &Run)> {
    recording.runs().map(|run| (named(recording, run), run))
}

/// What an item's time is made of, on average.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) text: String,
    pub(crate) parts: Vec<Part>,
}

/// A piece of a bar that is 1000 wide.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) width: String,
}

/// The pieces by their class in the style sheet.
pub(crate) const LEGEND: [(&str, &str); 7] = [
    ("c0", "fetch"),
    ("c1", "compute"),
    ("c2", "wait"),
    ("c3", "save"),
    ("c4", "failed"),
    ("c5", "refused"),
    ("c6", "dead letter"),
];

impl Split {
    pub(crate) fn of(name: &str, summary: &Summary) -> Split {
        let parts = [
            (
                "c0",
                "fetching",
                summary.fetch_ms.map_or(0.0, |fetch| fetch.mean),
            ),
            ("c1", "computing", summary.compute_ms.mean),
            ("c2", "waiting for a slot", summary.slot_wait_ms.mean),
            ("c3", "saving", summary.save_ms.mean),
        ];
        let whole: f64 = parts.iter().map(|(.., ms)| ms).sum();
        let (mut x, mut drawn, mut said) = (0.0, Vec::new(), Vec::new());
        for (class, what, ms) in parts.into_iter().filter(|(.., ms)| *ms > 0.0) {
            let width = 1000.0 * ms / whole;
            drawn.push(Part {
                class,
                x: format!("{x:.2}"),
                width: format!("{width:.2}"),
            });
            said.push(format!("{} {what}", milliseconds(ms)));
            x += width;
        }
        Split {
            text: format!("{name}: an item takes {} on average", list(&said)),
            parts: drawn,
        }
    }
}

fn list(words: &[String]) -> String {
    match words {
        [] => "no time".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Which items the timeline shows, if not all.
pub(crate) fn sampled(recording: &Recording) -> String {
    let Some(run) = recording.runs().find(|run| run.sampled.every > 1) else {
        return "Every item is shown.".to_owned();
    };
    let sampled = run.sampled;
    let dropped = match sampled.faults_dropped {
        0 => String::new(),
        more => format!(" (there was no room for {more} more spans of items with a fault)"),
    };
    format!(
        "This shows {} of {}: one of every {}, and besides them all that had a fault{dropped} and the 1,000 slowest of \
         each step.",
        count(sampled.items, "item"),
        run.summary.items,
        sampled.every
    )
}

/// The table of a comparison or a sweep.
pub(crate) fn comparison(recording: &Recording) -> Option<Tabular> {
    if let Some(key) = &recording.about.swept {
        let swept = sweep::Swept::new(key, recording);
        let title = format!("What {key} makes of it");
        return Some(Tabular::new(&title, &swept.header(), swept.rows()));
    }
    let compared = recording.groups.first()?.compared.as_ref()?;
    let title = format!(
        "The same work, {} ways; computing alone takes {} on one thread and {} on all cores",
        recording.runs().count(),
        seconds(compared.compute_only_s),
        seconds(compared.compute_only_all_s)
    );
    let rows = recording.runs().map(|run| table::row(&run.summary));
    Some(Tabular::new(&title, &table::HEADER, rows.collect()))
}

/// The tables below the pictures.
pub(crate) fn tables(recording: &Recording) -> Vec<Tabular> {
    let is_one = recording.runs().count() == 1;
    let mut tables = vec![times(recording, is_one)];
    tables.extend(reasons(recording, is_one));
    tables.extend(marks(recording, is_one));
    tables.extend(bottlenecks(recording, is_one));
    tables.push(bounds(recording, is_one));
    let settings = recording.about.settings.iter();
    let rows = settings.map(|(name, value)| vec![name.clone(), value.clone()]);
    tables.push(Tabular::new("Settings", &["name", "value"], rows.collect()));
    tables
}

/// A table with a column for the run's name where there are several.
fn of_runs(
    title: &str,
    header: &[&str],
    is_one: bool,
    rows: Vec<(String, Vec<String>)>,
) -> Tabular {
    let rows = rows.into_iter().map(|(name, row)| match is_one {
        true => row,
        false => std::iter::once(name).chain(row).collect(),
    });
    let names = (!is_one).then_some("run");
    let header: Vec<&str> = names.into_iter().chain(header.iter().copied()).collect();
    Tabular::new(title, &header, rows.collect())
}

fn times(recording: &Recording, is_one: bool) -> Tabular {
    let mut rows = Vec::new();
    for (name, run) in named_runs(recording) {
        let summary = &run.summary;
        let steps: [(&str, Option<Dist>); 4] = [
            ("fetch", summary.fetch_ms),
            ("compute", Some(summary.compute_ms)),
            ("wait for a slot", Some(summary.slot_wait_ms)),
            ("save", Some(summary.save_ms)),
        ];
        for (step, dist) in steps {
            let Some(dist) = dist else { continue };
            let figures = [dist.mean, dist.p50, dist.p90, dist.p99, dist.max].map(milliseconds);
            let row = std::iter::once(step.to_owned()).chain(figures);
            rows.push((name.clone(), row.collect()));
        }
    }
    let header = ["step", "mean", "p50", "p90", "p99", "max"];
    of_runs("How long each step takes", &header, is_one, rows)
}

fn reasons(recording: &Recording, is_one: bool) -> Option<Tabular> {
    let mut rows = Vec::new();
    for (name, run) in named_runs(recording) {
        for reason in &run.reasons {
            let row = vec![
                reason.step.clone(),
                reason.why.clone(),
                reason.verdict.clone(),
                reason.retried.to_string(),
                reason.refused.to_string(),
                reason.dead.to_string(),
            ];
            rows.push((name.clone(), row));
        }
    }
    let header = [
        "step",
        "why",
        "which means",
        "tried again",
        "refused",
        "dead letters",
    ];
    (!rows.is_empty()).then(|| of_runs("Faults and dead letters", &header, is_one, rows))
}

fn marks(recording: &Recording, is_one: bool) -> Option<Tabular> {
    let mut rows = Vec::new();
    for (name, run) in named_runs(recording) {
        for mark in &run.marks {
            rows.push((name.clone(), vec![mark.text.clone(), seconds(mark.at_s)]));
        }
    }
    (!rows.is_empty()).then(|| of_runs("What happened to the run", &["what", "when"], is_one, rows))
}

/// What the run waited for, and how long.
fn bottlenecks(recording: &Recording, is_one: bool) -> Option<Tabular> {
    let mut rows = Vec::new();
    for (name, run) in named_runs(recording) {
        let summary = &run.summary;
        let mut limited: Vec<_> = summary.limited_s.iter().collect();
        limited.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        for (bottleneck, s) in limited {
            let row = vec![
                bottleneck.to_string(),
                seconds(*s),
                percent(s / summary.elapsed_s),
            ];
            rows.push((name.clone(), row));
        }
    }
    let header = ["limited by", "for", "of the time"];
    (!rows.is_empty()).then(|| of_runs("What limited the run", &header, is_one, rows))
}

fn bounds(recording: &Recording, is_one: bool) -> Tabular {
    let mut rows = Vec::new();
    for (name, run) in named_runs(recording) {
        for (&bottleneck, term) in &run.summary.terms {
            let basis = table::basis(term.basis);
            let is_bottleneck = match bottleneck == run.summary.bottleneck {
                true => "the bottleneck",
                false => "",
            };
            let of = bottleneck.to_string();
            let row = [&of, &seconds(term.s), basis, is_bottleneck].map(str::to_owned);
            rows.push((name.clone(), row.to_vec()));
        }
    }
    let header = ["part", "at least", "from", ""];
    of_runs(
        "The limit: how long each part takes at least",
        &header,
        is_one,
        rows,
    )
}
