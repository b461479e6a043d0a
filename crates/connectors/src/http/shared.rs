//! An HTTP/2 connection: many use it at once, and one task reads and writes for all.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http2;
use hyper::http::response::Parts;
use hyper_util::rt::{TokioExecutor, TokioIo};
use inflight::Fault;
use tokio::task::JoinHandle;

use super::link::{Asked, Broken};
use super::stream::Stream;

/// An HTTP/2 connection; lives as long as a handle to it.
pub(super) struct Shared {
    sender: http2::SendRequest<Full<Bytes>>,
    /// The task that reads and writes for all handles; stopped with the last of them.
    driver: JoinHandle<()>,
    /// Whether the last that was heard of it is that somebody waited in vain. A network that swallows everything
    /// closes nothing: without this, whoever gives up on such a connection would be given the same one again.
    is_suspect: AtomicBool,
}

impl Shared {
    /// Makes a stream a connection that many can share.
    pub(super) async fn open(stream: Stream) -> Result<Shared, Fault> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| Fault::unreached("cannot set up HTTP/2").because(cause))?;
        let driver = tokio::spawn(async move {
            // Each request that waits is told why the connection ended.
            let _ = connection.await;
        });
        Ok(Shared {
            sender,
            driver,
            is_suspect: AtomicBool::new(false),
        })
    }

    /// Whether there is reason to send over it: it is not closed, and no suspect.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed() && !self.is_suspect.load(Ordering::Relaxed)
    }

    /// Whether it can never be used again.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits for a sign of life. To give up waiting makes the connection a suspect, until somebody gets one.
    async fn watch<T>(&self, sign: impl Future<Output = T>) -> T {
        let mut waiting = Waiting {
            is_suspect: &self.is_suspect,
            is_in_vain: true,
        };
        let sign = sign.await;
        waiting.is_in_vain = false;
        sign
    }
}

/// Somebody who waits for a connection; dropped when something came, or when nothing did in time.
struct Waiting<'a> {
    is_suspect: &'a AtomicBool,
    is_in_vain: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.is_suspect.store(self.is_in_vain, Ordering::Relaxed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A share in an HTTP/2 connection.
pub(super) struct Handle {
    sender: http2::SendRequest<Full<Bytes>>,
    /// Keeps the connection alive, and counts who uses it.
    shared: Arc<Shared>,
    /// The body of an answer that is still to be read.
    body: Option<Incoming>,
}

impl Handle {
    pub(super) fn to(shared: &Arc<Shared>) -> Handle {
        Handle {
            sender: shared.sender.clone(),
            shared: Arc::clone(shared),
            body: None,
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Parts, Broken> {
        self.body = None;
        let answer = self.sender.try_send_request(request.map(Full::new));
        match self.shared.watch(answer).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.body = Some(body);
                Ok(head)
            }
            Err(mut failed) => match failed.take_message() {
                Some(_) => Err(Broken::Unsent(failed.into_error().into())),
                None => Err(Broken::Sent(failed.into_error().into())),
            },
        }
    }

    /// The next piece of the body of the answer; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(body) = &mut self.body {
            if body.is_end_stream() {
                self.body = None;
                break;
            }
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            let Some(frame) = self.shared.watch(frame).await else {
                self.body = None;
                break;
            };
            let frame = frame.map_err(|cause| Broken::Sent(cause.into()))?;
            // Trailers say nothing about the body.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    pub(super) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Gives up what is left of an answer.
    pub(super) fn abandon(&mut self) {
        self.body = None;
    }
}
