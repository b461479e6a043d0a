//! Ours, by the public interface of the library alone.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench::{Outcome, timed};
use inflight::{Command, Connection, Fault, Job, OpenedJournal, Options, Record, Reply, Service};

/// As many as the library puts into one bulk when there is no reason for fewer.
const BULK_MAX: usize = 65_536;

/// A sink that answers at once and adds up what it gets.
struct Adder {
    sum: Arc<AtomicU64>,
}

impl Service<u64> for Adder {
    type Answer = ();
    type Connection = Adder;

    async fn connect(&self) -> Result<Adder, Fault> {
        Ok(Adder {
            sum: Arc::clone(&self.sum),
        })
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }
}

impl Connection<u64> for Adder {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        let sum = bulk.iter().map(|record| record.value).sum();
        self.sum.fetch_add(sum, Ordering::Relaxed);
        Ok(Reply::done(bulk.len()))
    }
}

/// Without a journal.
pub(crate) fn run(items: u64) -> anyhow::Result<Outcome> {
    go(items, None)
}

/// With a journal in this file.
pub(crate) fn journalled(items: u64, journal: &Path) -> anyhow::Result<Outcome> {
    go(items, Some(journal))
}

fn go(items: u64, journal: Option<&Path>) -> anyhow::Result<Outcome> {
    let sum = Arc::new(AtomicU64::new(0));
    let adder = Adder {
        sum: Arc::clone(&sum),
    };
    let mut job = Job::new(0..items).compute(black_box::<u64>).save_to(adder);
    if let Some(path) = journal {
        job = job.recorded_in(OpenedJournal::open(path)?.start(&[], Command::default())?);
    }
    let (summary, elapsed_s) = timed(|| job.run(&Options::default()));
    let summary = summary?;
    Ok(Outcome {
        items: summary.saved,
        elapsed_s,
        compute_s: summary.compute_s,
        sum: sum.load(Ordering::Relaxed),
        rss_max_bytes: summary.rss_max_bytes,
        journal_bytes: journal.map_or(Ok(0), |path| path.metadata().map(|it| it.len()))?,
        ..Outcome::default()
    })
}
