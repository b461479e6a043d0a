//! A table as the page shows it: words to the left, figures to the right, every cell escaped.

use askama::Template;

/// A table with a heading.
#[derive(Debug, Template)]
#[template(path = "table.html")]
pub(crate) struct Tabular {
    pub(crate) title: String,
    /// Each column's name, and whether it holds words.
    header: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Tabular {
    /// A table whose columns hold words if their first cell with anything in it begins with a letter.
    pub(crate) fn new(title: &str, header: &[&str], rows: Vec<Vec<String>>) -> Tabular {
        let is_text = |column: usize| {
            let letters = rows.iter().filter_map(|row| row[column].chars().next());
            letters.take(1).any(char::is_alphabetic)
        };
        Tabular {
            title: title.to_owned(),
            header: header
                .iter()
                .enumerate()
                .map(|(column, &name)| (name.to_owned(), column == 0 || is_text(column)))
                .collect(),
            rows,
        }
    }

    /// Each column's name, and whether it holds words.
    pub(crate) fn header(&self) -> impl Iterator<Item = (&str, bool)> {
        let columns = self.header.iter();
        columns.map(|(name, is_text)| (name.as_str(), *is_text))
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    fn cells<'a>(&'a self, row: &'a [String]) -> impl Iterator<Item = (&'a str, bool)> {
        let is_text = self.header.iter().map(|(_, is_text)| *is_text);
        row.iter().map(String::as_str).zip(is_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_cell_holds_is_text() {
        let rows = vec![vec![
            "<script>alert(1)</script>".to_owned(),
            "1.2 s".to_owned(),
        ]];
        let html = Tabular::new("t", &["a & b", "time"], rows)
            .render()
            .unwrap();
        assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
        assert!(html.contains("a &#38; b"), "{html}");
        assert!(html.contains("<td>1.2 s</td>"), "{html}");
        assert!(!html.contains("<script"), "{html}");
    }
}
