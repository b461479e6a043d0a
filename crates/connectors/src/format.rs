//! What files are made of: told from a flag or from their names, and how items are cut from them.

use std::path::Path;

use crate::csv::Dialect;
use crate::cutter::Content;
use crate::error::Error;
use crate::jsonl::Field;
use crate::nearest::unknown;

/// What a file or stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line, one item, without its line end (`\n` or `\r\n`). Empty lines are skipped.
    Text,
    /// One JSON value a line. Blank lines are skipped; a line that is no JSON is a dead letter.
    Jsonl,
    /// Records of values with commas between them, after a header with their names. A value in quotes may hold line ends.
    Csv,
    /// The same with tabs.
    Tsv,
    /// One JSON array, each element an item. What is no array is read as JSON lines.
    Json,
}

/// The formats as they are typed.
const FORMATS: [&str; 5] = ["text", "jsonl", "csv", "tsv", "json"];

impl Format {
    /// Reads `text`, `jsonl`, `csv`, `tsv` or `json`.
    ///
    /// # Errors
    /// Names the nearest known format, and all of them.
    pub fn parse(text: &str) -> Result<Format, Error> {
        match text {
            "text" => Ok(Format::Text),
            "jsonl" => Ok(Format::Jsonl),
            "csv" => Ok(Format::Csv),
            "tsv" => Ok(Format::Tsv),
            "json" => Ok(Format::Json),
            _ => Err(unknown("format", text, &FORMATS).into()),
        }
    }

    /// What the name of a file suggests, in any case and without `.gz` or `.zst`; text where it suggests nothing.
    pub(crate) fn guess(path: &str) -> Format {
        let name = path.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst"));
        let lower = path.to_ascii_lowercase();
        let end = Path::new(name.unwrap_or(&lower)).extension();
        match end.and_then(|end| end.to_str()) {
            Some("jsonl" | "ndjson") => Format::Jsonl,
            Some("csv") => Format::Csv,
            Some("tsv" | "tab") => Format::Tsv,
            Some("json") => Format::Json,
            _ => Format::Text,
        }
    }

    /// How it reads, with this field.
    pub(crate) fn layout(self, field: Option<&str>, has_header: bool) -> Result<Layout, String> {
        let json = || field.map(Field::parse).transpose().map(Content::Json);
        let records = |delimiter| {
            Layout::Records(Dialect {
                delimiter,
                has_header,
                field: field.map(str::to_owned),
            })
        };
        match (self, field) {
            (Format::Text, Some(field)) => Err(format!(
                "field {field} needs JSON lines or CSV; add --format jsonl or --format csv"
            )),
            (Format::Text, None) => Ok(Layout::Lines(Content::Text)),
            (Format::Jsonl, _) => Ok(Layout::Lines(json()?)),
            (Format::Json, _) => Ok(Layout::Elements(json()?)),
            (Format::Csv, _) => Ok(records(b',')),
            (Format::Tsv, _) => Ok(records(b'\t')),
        }
    }
}

/// How items are cut from a file or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Lines(Content),
    Elements(Content),
    Records(Dialect),
}
