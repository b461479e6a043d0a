//! One connection, as a slot owns it: one request at a time over HTTP/1.1, a share of one over HTTP/2.
//!
//! An HTTP/1.1 connection has no task of its own. It is polled by whoever waits for the answer, so that a
//! request costs one wakeup and no hand-off, and nothing runs while it is idle.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use inflight::Fault;
use std::future::poll_fn;
use tokio::task::{JoinHandle, unconstrained};

use super::stream::Stream;

pub(super) type Asked = Request<Full<Bytes>>;

/// Why no whole answer came.
pub(super) enum Broken {
    /// Not a byte of the request has left.
    Unsent(hyper::Error),
    /// It was sent, in whole or in part.
    Sent(hyper::Error),
}

/// A connection that takes one request at a time.
pub(super) enum Link {
    Single(Box<Single>),
    Shared(Handle),
}

impl Link {
    /// Makes a stream a connection that is not shared.
    pub(super) async fn single(stream: Stream) -> Result<Link, Fault> {
        let (sender, driver) = http1::Builder::new()
            // One write for head and body: they are small, and copying is cheaper than a list of buffers.
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| Fault::unreached("cannot set up HTTP/1.1").because(cause))?;
        Ok(Link::Single(Box::new(Single {
            sender,
            driver: Some(driver),
        })))
    }

    /// Whether the address of a request is needed in full, and its host in no header.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Link::Shared(_))
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Response<Incoming>, Broken> {
        let answer = match self {
            Link::Single(single) => single.ask(request).await,
            Link::Shared(handle) => {
                let answer = handle.sender.try_send_request(request);
                handle.shared.watch(answer).await
            }
        };
        answer.map_err(|mut failed| match failed.take_message() {
            Some(_) => Broken::Unsent(failed.into_error()),
            None => Broken::Sent(failed.into_error()),
        })
    }

    /// The next piece of an answer's body.
    pub(super) async fn next(
        &mut self,
        body: &mut Incoming,
    ) -> Option<hyper::Result<Frame<Bytes>>> {
        match self {
            Link::Single(single) => single.next(body).await,
            Link::Shared(handle) => {
                let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
                handle.shared.watch(frame).await
            }
        }
    }

    /// Whether another request can be sent; notices what the other side did meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        match self {
            Link::Single(single) => {
                single.drive(&mut Context::from_waker(Waker::noop()));
                single.driver.is_some() && single.sender.is_ready()
            }
            Link::Shared(handle) => handle.shared.is_open(),
        }
    }

    /// Gives up what is left of an answer: the connection is not used again, unless others share it.
    pub(super) fn abandon(&mut self) {
        if let Link::Single(single) = self {
            single.driver = None;
        }
    }
}

/// An HTTP/1.1 connection.
pub(super) struct Single {
    sender: http1::SendRequest<Full<Bytes>>,
    /// What reads and writes; gone when the connection has ended. Dropping it closes the socket.
    driver: Option<http1::Connection<TokioIo<Stream>, Full<Bytes>>>,
}

impl Single {
    /// Reads and writes what can be read and written now.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            // Whatever was the matter, the request that waits is told of it.
            self.driver = None;
        }
    }

    async fn ask(&mut self, request: Asked) -> Result<Response<Incoming>, TrySendError<Asked>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        // The answer can only come while the connection is driven, which happens here, so that it needs to
        // wake nobody. Unconstrained, because a wake-up for want of budget would get lost then.
        let mut wake_nobody = Context::from_waker(Waker::noop());
        unconstrained(poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(&mut wake_nobody)
        }))
        .await
    }

    async fn next(&mut self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        let mut body = Pin::new(body);
        let mut wake_nobody = Context::from_waker(Waker::noop());
        unconstrained(poll_fn(|cx| {
            if let Poll::Ready(frame) = body.as_mut().poll_frame(&mut wake_nobody) {
                return Poll::Ready(frame);
            }
            self.drive(cx);
            body.as_mut().poll_frame(&mut wake_nobody)
        }))
        .await
    }
}

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
}

impl Handle {
    pub(super) fn to(shared: &Arc<Shared>) -> Handle {
        Handle {
            sender: shared.sender.clone(),
            shared: Arc::clone(shared),
        }
    }
}
