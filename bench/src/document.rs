//! The results that are kept: `docs/benchmarks.json`, and the page made from it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::markdown;
use crate::places::Places;
use crate::section::Section;

/// All sections by the name of their bench.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) version: u32,
    pub(crate) sections: BTreeMap<String, Section>,
}

const JSON: &str = "benchmarks.json";
const PAGE: &str = "benchmarks.md";

impl Document {
    /// What was kept before; empty when there is nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn read(places: &Places) -> anyhow::Result<Document> {
        let path = places.page(JSON);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Document {
                version: 1,
                ..Document::default()
            }),
            Err(error) => Err(serde_json::Error::io(error)),
        }
        .with_context(|| format!("failed to read {}", path.display()))
    }

    /// Writes both files; `order` is that of the page.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, places: &Places, order: &[&str]) -> anyhow::Result<()> {
        let json = format!("{}\n", serde_json::to_string_pretty(self)?);
        for (file, text) in [(JSON, json), (PAGE, markdown::page(self, order))] {
            let path = places.page(file);
            fs::write(&path, text)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }
}
