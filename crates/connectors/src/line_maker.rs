//! Makes the lines of a file of records: JSON or CSV, as its name says, and packed.

use std::borrow::Cow;
use std::path::Path;

use inflight::{Fault, Record};

use crate::columns::Columns;
use crate::format::Format;
use crate::jq::JqInput;
use crate::output::Form;
use crate::packing::Packing;
use crate::payload::Payload;

/// Makes lines of records.
#[derive(Clone)]
pub(crate) struct LineMaker {
    columns: Columns,
    /// What stands between two values of CSV; `None` of JSON.
    delimiter: Option<u8>,
    packing: Packing,
}

impl LineMaker {
    /// As the name of the file says, in any case and without what it is packed with.
    pub(crate) fn new(path: &Path, columns: Columns) -> LineMaker {
        let packing = Packing::of(path);
        let name = match packing {
            Packing::None => Some(path.as_os_str()),
            _ => path.file_stem(),
        };
        let end = name.and_then(|name| Path::new(name).extension());
        let end = end.map(|end| end.to_ascii_lowercase());
        let delimiter = match end.as_ref().and_then(|end| end.to_str()) {
            Some("csv") => Some(b','),
            Some("tsv" | "tab") => Some(b'\t'),
            _ => None,
        };
        LineMaker {
            columns,
            delimiter,
            packing,
        }
    }

    /// Whether the lines are CSV.
    #[cfg(feature = "http")]
    pub(crate) fn is_csv(&self) -> bool {
        self.delimiter.is_some()
    }

    /// The field of each line that tells it from the others, and how the lines are read back.
    ///
    /// # Errors
    /// A sentence, where no column holds the key.
    pub(crate) fn read_back(&self) -> Result<(&str, Format), String> {
        let format = match self.delimiter {
            Some(b',') => Format::Csv,
            Some(_) => Format::Tsv,
            None => Format::Jsonl,
        };
        Ok((self.columns.identity()?, format))
    }

    /// What the file of such lines is like.
    pub(crate) fn form(&self) -> Form {
        let head = self
            .delimiter
            .map(|delimiter| self.columns.csv_header(delimiter));
        Form {
            head: head.unwrap_or_default(),
            packing: self.packing,
            begins_with_index: self.delimiter.is_none()
                && self.columns.is_default()
                && !self.columns.is_keyed(),
        }
    }

    /// Appends the line of a record, with its end; leaves the buffer as it was when it fails.
    pub(crate) fn write(
        &self,
        record: &Record<Payload>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.write_of(record, &JqInput::of(record), buffer)
    }

    /// The same with something else as `.` of filters, such as an answer.
    pub(crate) fn write_of(
        &self,
        record: &Record<Payload>,
        input: &JqInput<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if let Some(delimiter) = self.delimiter {
            return self.columns.write_csv(record, input, delimiter, buffer);
        }
        self.columns.write_json_of(record, input, buffer)?;
        buffer.push(b'\n');
        Ok(())
    }

    /// These lines as the file holds them.
    pub(crate) fn packed<'a>(&self, lines: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
        if self.packing == Packing::None || lines.is_empty() {
            return Ok(lines.into());
        }
        let packed = self.packing.pack(lines);
        let packed = packed
            .map_err(|cause| Fault::permanent("cannot pack what is written").because(cause))?;
        Ok(packed.into())
    }
}
