//! A loop of inserts in one transaction, each hash computed as it is needed.

use std::time::Instant;

use bench::Outcome;
use rusqlite::Connection;

use crate::reqwest_by_hand::hash;

pub(crate) fn run(items: u64, path: &str) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut database = Connection::open(path)?;
    database.execute_batch("CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result)")?;
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare("INSERT INTO t(\"index\", result) VALUES (?1, ?2)")?;
        for item in 0..items {
            insert.execute((item.cast_signed(), hash(item)))?;
        }
    }
    transaction.commit()?;
    Ok(Outcome {
        items,
        elapsed_s: start.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}
