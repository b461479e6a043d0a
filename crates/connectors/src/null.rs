//! A sink that keeps nothing: what a job costs without its saves.

use inflight::{Connection, Fault, Record, Reply, Service};

/// Takes everything and keeps nothing. It is its own connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSink;

/// The most records that one save takes: enough that what a save costs is not seen.
const BULK_MAX: usize = 8_192;

impl<Q: 'static> Service<Q> for NullSink {
    type Answer = ();
    type Connection = NullSink;

    async fn connect(&self) -> Result<NullSink, Fault> {
        Ok(NullSink)
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }
}

impl<Q: 'static> Connection<Q> for NullSink {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<Q>]) -> Result<Reply<()>, Fault> {
        Ok(Reply::done(bulk.len()))
    }
}
