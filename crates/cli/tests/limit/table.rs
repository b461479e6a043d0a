//! Writes the figures of all rows into docs/limit.md, between two marks.

use std::fmt::Write;
use std::fs;

use crate::rows::ROWS;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limit.md");
const BEGIN: &str = "<!-- figures: written by `cargo xtask limit` -->\n";
const END: &str = "<!-- end of figures -->";

pub(crate) fn write(seeds: u64) {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    fs::write(
        DOCUMENT,
        format!("{before}{BEGIN}{}{END}{after}", table(seeds)),
    )
    .unwrap();
}

fn table(seeds: u64) -> String {
    let mut table = format!(
        "| # | scenario | figure | bar | median of {seeds} seeds | worst | |\n|---|---|---|---|---|---|---|\n"
    );
    for row in ROWS {
        for (bar, seen) in row.bars.iter().zip(row.play(seeds)) {
            let verdict = match (bar.holds(&seen), row.is_gate) {
                (true, _) => "holds",
                (false, true) => "**missed**",
                (false, false) => "missed",
            };
            writeln!(
                table,
                "| {} | [{}](../crates/lab/scenarios/{}.toml) | {} | {} | {} | {} | {verdict} |",
                row.number,
                row.scenario,
                row.scenario,
                bar.measure().name(),
                bar.bar(),
                shown(seen.median),
                shown(seen.worst),
            )
            .unwrap();
        }
    }
    table
}

fn shown(figure: f64) -> String {
    match figure {
        f64::INFINITY => "never".to_owned(),
        _ if figure.abs() >= 10.0 => format!("{figure:.1}"),
        _ if figure.abs() >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}
