//! A loop over the records of a CSV file that looks at each value.

use std::time::Instant;

use anyhow::ensure;
use bench::Outcome;
use csv::{ByteRecord, Reader};

pub(crate) fn run(items: u64, path: &str) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut reader = Reader::from_path(path)?;
    let mut record = ByteRecord::new();
    let (mut records, mut bytes) = (0, 0);
    while reader.read_byte_record(&mut record)? {
        records += 1;
        bytes += record.iter().map(|value| value.len() as u64).sum::<u64>();
    }
    ensure!(
        records == items,
        "the file has {records} of {items} records"
    );
    Ok(Outcome {
        items,
        sum: bytes,
        elapsed_s: start.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}
