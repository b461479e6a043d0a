//! Parses lines, inserts what they hold into SQLite, and counts the rows. Bad lines become dead letters.
//!
//! `cargo run --example parse_into_sqlite -p inflight-connectors`

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;
use std::fmt::Write;
use std::fs;

use inflight::{Counts, Fact, Fault, Job, Options};
use inflight_connectors::{Input, Payload, SinkSettings, SqliteSink};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (readings, database) = (
        folder.path().join("readings.txt"),
        folder.path().join("readings.db"),
    );
    let mut text = String::new();
    for hour in 0..10_000 {
        writeln!(text, "station-{},{}", hour % 7, hour % 40)?;
    }
    text.push_str("station-8,broken\n");
    fs::write(&readings, text)?;

    let input = Input::parse(&readings.display().to_string(), None, None)?;
    let address = format!("sqlite:{}?table=readings", database.display());
    let summary = Job::new(input.open()?)
        .item_bytes(Payload::heap_bytes)
        .try_compute(parse)
        .result_bytes(Payload::heap_bytes)
        .save_to(SqliteSink::new(&address, &SinkSettings::default())?)
        .observed_by(|fact: &Fact, _: &Counts| {
            if let Fact::Dead { index, fault, .. } = fact {
                println!("dead: item {index}: {fault}");
            }
        })
        .run(&Options::default())?;

    let count = "SELECT count(*), avg(result->>'fahrenheit') FROM readings";
    let (rows, mean): (i64, f64) =
        rusqlite::Connection::open(&database)?
            .query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    println!(
        "{rows} rows, {mean:.1} °F on average, up to {} in one transaction",
        summary.bulk.max
    );
    assert_eq!((summary.saved, summary.dead, rows), (10_000, 1, 10_000));
    Ok(())
}

/// One line, as the JSON that the table keeps.
fn parse(line: Payload) -> Result<Payload, Fault> {
    let bad = |why: &str| {
        Fault::permanent(format!(
            "{why} in `{}`",
            String::from_utf8_lossy(line.bytes())
        ))
    };
    let text = std::str::from_utf8(line.bytes()).map_err(|_| bad("not UTF-8"))?;
    let (station, celsius) = text.split_once(',').ok_or_else(|| bad("no comma"))?;
    let celsius: f64 = celsius.parse().map_err(|_| bad("not a temperature"))?;
    let row = serde_json::json!({ "station": station, "fahrenheit": celsius * 1.8 + 32.0 });
    Ok(line.becomes(row.to_string()))
}
