//! The result as Markdown: the table of a comparison or sweep, or the figures of a run.

use super::sections::{self, Headline};
use super::tabular::Tabular;
use crate::keep::recording::Recording;

/// What a recording came to, with the command to repeat it.
pub(crate) fn tables(recording: &Recording) -> String {
    let about = &recording.about;
    let mut text = format!("{}, {} cores:\n\n", escaped(&about.work), about.cores);
    let headline = Headline::of(recording);
    match sections::comparison(recording) {
        Some(table) => text.push_str(&of(&table)),
        None => {
            let figures = headline.iter().flat_map(|headline| &headline.figures);
            let rows = figures.map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
            text.push_str(&of(&Tabular::new("", &["", "value"], rows.collect())));
        }
    }
    if let Some(headline) = headline {
        text.push_str(&format!(
            "\n{}.\n",
            escaped(&headline.sentence).trim_end_matches('.')
        ));
    }
    let fence = "`".repeat(longest_run(&about.command).max(2) + 1);
    text.push_str(&format!("\n{fence}sh\n{}\n{fence}\n", about.command));
    text
}

fn of(table: &Tabular) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    };
    line(table.header().map(|(name, _)| escaped(name)).collect());
    line(
        table
            .header()
            .map(|(_, is_text)| if is_text { "---" } else { "--:" }.to_owned())
            .collect(),
    );
    for row in table.rows() {
        line(row.iter().map(|cell| escaped(cell)).collect());
    }
    text
}

/// Text that Markdown takes for text, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The most backticks in a row: a fence must have more.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|letter| letter != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::recording::tests::recording;

    #[test]
    fn a_run_is_a_table_and_the_command() {
        let mut recording = recording();
        recording.groups[0].runs.truncate(1);
        insta::assert_snapshot!(tables(&recording), @"
        3 items × bcrypt:8 → lab:?latency=100ms, 2 cores:

        |  | value |
        | --- | --: |
        | time | 0.400 s |
        | of the limit | 272 % |
        | saved | 120 |
        | saved a second | 300/s |
        | predicted | 1.08 s |
        | times sequential | 35.3 |

        97 % of the limit; limited by computing on 2 cores.

        ```sh
        inflight compare 0..3
        ```
        ");
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("a|b <i> *c*\n"), r"a\|b \<i\> \*c\* ");
        let mut recording = recording();
        recording.about.command = "inflight run '```'".to_owned();
        assert!(tables(&recording).contains("\n````sh\ninflight run '```'\n````\n"));
    }
}
