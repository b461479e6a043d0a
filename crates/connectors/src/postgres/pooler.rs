//! Tells whether a connection keeps one server process, or a pooler stands in between and may give each transaction another.
//!
//! A server that is asked to cancel a statement is told the number of a process. A pooler hands out numbers of its own, so the
//! number differs from what the process says of itself. Nothing of a session outlives a transaction then: no prepared
//! statement, no temporary table.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Error};

/// What a cancel request ends with: its length, its code, the process, and a key.
const REQUEST_BYTES: usize = 16;

/// Where the number of the process stands among these bytes.
const PROCESS_AT: std::ops::Range<usize> = 8..12;

/// Whether everything on this connection is done by one process. False where it cannot be told.
pub(super) async fn is_one_process(client: &Client) -> Result<bool, Error> {
    let rows = client.query_typed("SELECT pg_backend_pid()", &[]).await?;
    let process: Option<i32> = rows.first().map(|row| row.get(0));
    Ok(process.is_some() && process == process_named(client).await)
}

/// The number that a cancel request would name.
async fn process_named(client: &Client) -> Option<i32> {
    let paper = Paper::default();
    let request = client.cancel_token();
    request
        .cancel_query_raw(paper.clone(), paper.clone())
        .await
        .ok()?;
    let written = paper.0.lock().unwrap_or_else(PoisonError::into_inner);
    let request = written.last_chunk::<REQUEST_BYTES>()?;
    Some(i32::from_be_bytes(request[PROCESS_AT].try_into().ok()?))
}

/// What a cancel request is written on instead of a socket. Agrees to TLS, and encrypts nothing: the bytes go nowhere.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Paper {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Paper {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The answer to whether TLS is spoken, which is all that is ever read.
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Paper {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl TlsConnect<Paper> for Paper {
    type Stream = Paper;
    type Error = io::Error;
    type Future = Ready<io::Result<Paper>>;

    fn connect(self, stream: Paper) -> Self::Future {
        ready(Ok(stream))
    }
}
