//! The page `docs/benchmarks.md`: what was measured, beside what, on what, and how to do it again.

use std::fmt::Write;

use crate::document::Document;
use crate::number::{grouped, number};
use crate::section::{Growth, Row, Section, Verdict};
use crate::spread::Spread;

const HEAD: &str = "# Benchmarks

Machines are noisy: a figure here is worth something only beside another one of the same run. Each contender runs once
in a round, then all again; a ratio is taken within a round; what stands in the tables is the median over the rounds,
with the smallest and the largest in brackets. All contenders do the same work, and that is checked. The peers lie in
`bench/peers` and `bench/src/bin`, each written as its own users would write it.

`cargo xtask bench` measures everything again and writes this page and `benchmarks.json`; `cargo xtask bench NAME` only
one section; `--quick` only shows that it works. It installs what peers need where it can (wrk, and Python packages in
`target/bench-venv`), and says which are missing.
";

const BUSY: &str = "**Others were at work on this machine meanwhile; what is a small difference of two large times is not \
                    to be relied upon.**\n";

/// The whole page, sections in this order.
pub(crate) fn page(document: &Document, order: &[&str]) -> String {
    let sections = order
        .iter()
        .filter_map(|name| Some(section(name, document.sections.get(*name)?)));
    std::iter::once(HEAD.to_owned())
        .chain(sections)
        .collect::<Vec<_>>()
        .join("\n")
}

/// One section.
pub(crate) fn section(name: &str, section: &Section) -> String {
    let machine = &section.machine;
    let mut text = format!(
        "## {name}\n\n{}\n\n{}\n\n{} rounds on {} cores, {}, {:.1} of them busy with other work before it began. Again: `cargo xtask bench {name}`.\n\n",
        section.work,
        section.check,
        section.pairs,
        machine.cores,
        machine.kernel,
        machine.cores_busy
    );
    if machine.is_busy() {
        push(&mut text, BUSY);
    }
    rows(&mut text, section);
    for verdict in &section.verdicts {
        push(&mut text, &format!("- {}", self::verdict(verdict)));
    }
    for note in &section.notes {
        push(&mut text, &format!("- {note}"));
    }
    for missing in &section.missing {
        push(
            &mut text,
            &format!("- **Missing here, not measured:** {missing}."),
        );
    }
    if !section.growth.is_empty() {
        growth(&mut text, &section.growth);
    }
    text
}

fn rows(text: &mut String, section: &Section) {
    push(
        text,
        &format!("| | {} | {} |", section.figure, section.ratio),
    );
    push(text, "|---|---|---|");
    for Row {
        label,
        figure,
        ratio,
    } in &section.rows
    {
        let ratio = ratio.as_ref().map_or_else(|| "–".to_owned(), spread);
        push(text, &format!("| {label} | {} | {ratio} |", spread(figure)));
    }
    text.push('\n');
}

fn verdict(verdict: &Verdict) -> String {
    let held = if verdict.is_held {
        "Held"
    } else {
        "**Not held**"
    };
    format!(
        "{held}: {}; measured {}.",
        verdict.must,
        spread(&verdict.measured)
    )
}

fn growth(text: &mut String, growth: &[Growth]) {
    push(text, "\nHow it grows:\n");
    let sizes = growth[0]
        .points
        .iter()
        .map(|(size, _)| format!(" {} |", grouped(*size)));
    push(
        text,
        &format!("| items |{} exponent |", sizes.collect::<String>()),
    );
    push(
        text,
        &format!("|---|{}---|", "---|".repeat(growth[0].points.len())),
    );
    for line in growth {
        let costs = line
            .points
            .iter()
            .map(|(_, cost)| format!(" {} |", number(*cost)));
        let costs: String = costs.collect();
        push(
            text,
            &format!(
                "| {}, {} |{costs} {:.2} |",
                line.label, line.unit, line.exponent
            ),
        );
    }
}

fn spread(spread: &Spread) -> String {
    let Spread { median, min, max } = *spread;
    format!("{} ({}–{})", number(median), number(min), number(max))
}

fn push(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}
