//! The page in one of two languages: the words of the language around what was measured.

use std::fmt::Write;

use crate::english::English;
use crate::figure::Column;
use crate::korean::Korean;
use crate::statement::{Experiment, Statement, Table};

/// The languages there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Korean,
}

impl Language {
    /// Title, link to the other page, and what is said before all else; `{}` stand for cores, kernel and busy cores.
    fn head(self) -> &'static str {
        match self {
            Language::English => English::HEAD,
            Language::Korean => Korean::HEAD,
        }
    }

    fn busy(self) -> &'static str {
        match self {
            Language::English => English::BUSY,
            Language::Korean => Korean::BUSY,
        }
    }

    /// The statement itself, and what its figures say; `{}` stand for them.
    fn statement(self, number: usize) -> [&'static str; 2] {
        match self {
            Language::English => English::STATEMENTS[number - 1],
            Language::Korean => Korean::STATEMENTS[number - 1],
        }
    }

    fn verdict(self, is_held: bool) -> &'static str {
        let verdicts = match self {
            Language::English => English::VERDICTS,
            Language::Korean => Korean::VERDICTS,
        };
        verdicts[usize::from(is_held)]
    }

    fn column(self, column: Column) -> &'static str {
        match self {
            Language::English => English::column(column),
            Language::Korean => Korean::column(column),
        }
    }
}

/// The whole page.
pub(crate) fn page(experiment: &Experiment, language: Language) -> String {
    let machine = &experiment.machine;
    let figures = [
        machine.cores.to_string(),
        machine.kernel.clone(),
        format!("{:.1}", machine.cores_busy),
    ];
    let mut text = filled(language.head(), &figures);
    if machine.is_busy() {
        text.push_str(language.busy());
    }
    for statement in &experiment.statements {
        section(&mut text, statement, language);
    }
    text
}

fn section(text: &mut String, statement: &Statement, language: Language) {
    let [claim, said] = language.statement(statement.number);
    let said = filled(said, &statement.figures);
    let verdict = language.verdict(statement.is_held);
    let _ = write!(
        text,
        "\n## {}. {claim}\n\n{verdict} {said}\n\n```sh\n",
        statement.number
    );
    for command in &statement.commands {
        let _ = writeln!(text, "{command}");
    }
    text.push_str("```\n");
    for each in &statement.tables {
        table(text, each, language);
    }
    for picture in &statement.pictures {
        let _ = write!(
            text,
            "\n![{}](experiment/{picture})\n",
            picture.trim_end_matches(".svg")
        );
    }
}

fn table(text: &mut String, table: &Table, language: Language) {
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| language.column(*column))
        .collect();
    let _ = write!(text, "\n| {} |\n|", names.join(" | "));
    for column in &table.columns {
        text.push_str(match column {
            Column::Run | Column::Strategy => "---|",
            _ => "--:|",
        });
    }
    text.push('\n');
    for row in &table.rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// The words with the figures in their places: `{0}` is the first.
fn filled(words: &str, figures: &[String]) -> String {
    let mut text = words.to_owned();
    for (number, figure) in figures.iter().enumerate() {
        text = text.replace(&format!("{{{number}}}"), figure);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a text, each once and in order.
    fn places(text: &str) -> Vec<usize> {
        let mut places: Vec<usize> = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next()?.parse().ok())
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    #[test]
    fn both_languages_name_the_same_figures_and_type_none() {
        for number in 1..=8 {
            let [english, korean] =
                [Language::English, Language::Korean].map(|l| l.statement(number)[1]);
            assert_eq!(places(english), places(korean), "{number}");
            for text in [english, korean] {
                let without_places: String = text
                    .split('{')
                    .map(|part| part.split_once('}').map_or(part, |p| p.1))
                    .collect();
                let units = [" s ", " ms", " %"];
                let digit_before = |unit: &str| {
                    without_places
                        .match_indices(unit)
                        .any(|(at, _)| without_places[..at].ends_with(|c: char| c.is_ascii_digit()))
                };
                assert!(!units.into_iter().any(digit_before), "{number}: {text}");
            }
        }
    }

    #[test]
    fn figures_stand_in_their_places() {
        let figures = ["1.0 s".to_owned(), "x".to_owned()];
        assert_eq!(filled("{1} took {0}, {0}", &figures), "x took 1.0 s, 1.0 s");
    }
}
