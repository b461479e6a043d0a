//! Writes what was heard into `docs/bottlenecks.md` and `docs/forecast.md`, between two marks.

use std::fmt::Write;
use std::fs;

use super::situations::Situation;

const DOCUMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Seeds where chance has a part.
const SEEDS: u64 = 5;

/// A row of the table of situations.
pub(super) struct Row {
    text: String,
    pub(super) wrong: Option<String>,
}

/// Plays a situation with all its seeds.
pub(super) fn row(situation: &Situation) -> Row {
    let seeds = if situation.has_chance { SEEDS } else { 1 };
    let heard: Vec<_> = (1..=seeds).map(|seed| situation.play(seed)).collect();
    let wrong = heard.iter().zip(1..).find_map(|(heard, seed)| {
        let wrong = heard.wrong.as_ref()?;
        Some(format!(
            "{} with seed {seed}: {wrong}: {}",
            situation.name, heard.sentence
        ))
    });
    let right = heard.iter().filter(|heard| heard.wrong.is_none()).count();
    Row {
        text: format!(
            "| {} | {} | {right} of {seeds} |\n",
            situation.name, heard[0].sentence
        ),
        wrong,
    }
}

/// Writes the table of situations.
pub(super) fn write_situations(rows: &[Row]) {
    let mut table =
        "| staged | what the run says (first seed) | right |\n|---|---|---|\n".to_owned();
    rows.iter().for_each(|row| table.push_str(&row.text));
    let right = rows.iter().filter(|row| row.wrong.is_none()).count();
    writeln!(table, "\nRight are {right} of {}.", rows.len()).expect("a string takes all");
    write("bottlenecks.md", "situations", "insight", &table);
}

/// Replaces what stands in a document between the marks of this name, which say by which command it is written.
pub(super) fn write(document: &str, name: &str, command: &str, table: &str) {
    let path = format!("{DOCUMENTS}/{document}");
    let begin = format!("<!-- {name}: written by `cargo xtask {command}` -->\n");
    let end = format!("<!-- end of {name} -->");
    let document = fs::read_to_string(&path).expect("the document is there");
    let (before, rest) = document.split_once(&begin).expect("it has the mark");
    let (_, after) = rest.split_once(&end).expect("it has the mark of the end");
    fs::write(path, format!("{before}{begin}{table}{end}{after}")).expect("it can be written");
}
