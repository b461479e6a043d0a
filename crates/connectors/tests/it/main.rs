//! Drives every source and sink against real files, sockets and databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[cfg(feature = "http")]
mod bulk;
#[cfg(all(
    feature = "file",
    feature = "http",
    feature = "postgres",
    feature = "sqlite"
))]
mod contract;
#[cfg(feature = "exec")]
mod exec;
#[cfg(feature = "http")]
mod faults;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http1;
#[cfg(feature = "http")]
mod http2;
#[cfg(feature = "http")]
mod https;
mod input;
mod jq;
#[cfg(all(
    feature = "file",
    feature = "http",
    feature = "postgres",
    feature = "sqlite"
))]
mod network;
#[cfg(all(
    feature = "file",
    feature = "http",
    feature = "postgres",
    feature = "sqlite"
))]
mod places;
#[cfg(feature = "postgres")]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "http")]
mod proxy;
mod redirects;
mod resume;
#[cfg(feature = "postgres")]
mod rows;
#[cfg(feature = "http")]
mod server;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "http")]
mod stale;
#[cfg(all(unix, feature = "file", feature = "http", feature = "sqlite"))]
mod storage;
#[cfg(all(feature = "postgres", feature = "sqlite"))]
mod updates;

use inflight::{Connection, Fault, Record, Reply, Service};
use inflight_connectors::{Payload, Sink, SinkConnection};

/// Runs a future the way the engine does: on one thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn record(index: u64, text: impl Into<bytes::Bytes>) -> Record<Payload> {
    Record::new(index, Payload::read(text))
}

async fn connect(sink: &Sink) -> SinkConnection {
    sink.connect().await.unwrap()
}

/// The outcome of each record of a bulk.
async fn save(
    connection: &mut SinkConnection,
    bulk: &[Record<Payload>],
) -> Result<Vec<Result<(), Fault>>, Fault> {
    Ok(match connection.send(bulk).await? {
        Reply::All(answers) => answers.iter().map(|_| Ok(())).collect(),
        Reply::Each(outcomes) => outcomes.into_iter().map(|o| o.map(drop)).collect(),
    })
}
