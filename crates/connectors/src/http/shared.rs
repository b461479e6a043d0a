//! An HTTP/2 connection: many use it at once, and one task reads and writes for all.
//!
//! No request waits here for another one's stream: what waits was not sent, and yet its time would run. Whoever finds the
//! connection full is told so, and takes another.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use hyper::Request;
use hyper::http::response::Parts;
use inflight::Fault;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::broken::{Broken, STALE_WITHIN};
use super::framing::{HEAD_BYTES_MAX, content_length};
use super::link::Asked;
use super::stream::Stream;

/// Requests over one connection at a time, where the service allows more. 100 is what the standard recommends services to
/// allow at least (RFC 9113, 6.5.2), and what most allow.
const STREAMS_MAX: usize = 100;

/// Bytes of one answer that the service may send before any of them were read.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// The same of all answers together.
const CONNECTION_WINDOW_BYTES: u32 = 5 << 20;

/// An HTTP/2 connection; lives as long as a handle to it.
pub(super) struct Shared {
    sender: SendRequest<Bytes>,
    /// The task that reads and writes for all handles; stopped with the last of them.
    driver: JoinHandle<()>,
    /// Whether the last that was heard of it is that somebody waited in vain. A network that swallows everything
    /// closes nothing: without this, whoever gives up on such a connection would be given the same one again.
    is_suspect: AtomicBool,
    /// Requests that are being made over it.
    active: AtomicUsize,
    /// Whether it has answered before, and so may have been closed for being idle.
    was_used: AtomicBool,
}

impl Shared {
    /// Makes a stream a connection that many can share, as soon as the service has said how many.
    pub(super) async fn open(stream: Stream) -> Result<Shared, Fault> {
        let fail = |cause| Fault::unreached("cannot set up HTTP/2").because(cause);
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            // Until the service has said how many it allows: what is sent before that may be refused.
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX as u32);
        let (sender, mut connection) = builder.handshake(stream).await.map_err(fail)?;
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Err(cause)) => Poll::Ready(Err(fail(cause))),
            Poll::Ready(Ok(())) => Poll::Ready(Err(Fault::unreached(
                "cannot set up HTTP/2: the connection was closed",
            ))),
            Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        let driver = tokio::spawn(async move {
            // Each request that waits is told why the connection ended.
            let _ = connection.await;
        });
        Ok(Shared {
            sender,
            driver,
            is_suspect: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            was_used: AtomicBool::new(false),
        })
    }

    /// Whether there is reason to send over it: it takes requests, and is no suspect.
    pub(super) fn is_open(&self) -> bool {
        !self.is_closed() && !self.is_suspect.load(Ordering::Relaxed)
    }

    /// Whether it takes no more requests: it was closed, or the service has said that it will be.
    pub(super) fn is_closed(&self) -> bool {
        let ready = self
            .sender
            .clone()
            .poll_ready(&mut Context::from_waker(Waker::noop()));
        self.driver.is_finished() || matches!(ready, Poll::Ready(Err(_)))
    }

    /// Requests that may be made over it at a time; the service may change its mind.
    pub(super) fn streams_max(&self) -> usize {
        self.sender.current_max_send_streams().min(STREAMS_MAX)
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
    /// Keeps the connection alive, and counts who uses it.
    shared: Arc<Shared>,
    /// The request that is being made, until its answer was read to the end.
    exchange: Option<Exchange>,
}

impl Handle {
    pub(super) fn to(shared: &Arc<Shared>) -> Handle {
        Handle {
            shared: Arc::clone(shared),
            exchange: None,
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Parts, Broken> {
        // Who gives up waiting leaves the request where it is dropped, with the stream.
        self.exchange = None;
        let shared = &self.shared;
        let Some(turn) = Turn::take(shared) else {
            let most = shared.streams_max();
            let why = format!("the service allows {most} requests over it at a time");
            return Err(Broken::Unsent(why.into()));
        };
        let (answer, outgoing) =
            send(shared, request).map_err(|cause| Broken::Unsent(cause.into()))?;
        let begun = Instant::now();
        let was_used = shared.was_used.load(Ordering::Relaxed);
        let mut exchange = Exchange {
            outgoing,
            body: None,
            _turn: turn,
        };
        let mut answer = pin!(answer);
        let answer = poll_fn(|cx| {
            exchange.poll_outgoing(cx);
            answer.as_mut().poll(cx)
        });
        match shared.watch(answer).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                shared.was_used.store(true, Ordering::Relaxed);
                exchange.body = Some(body);
                self.exchange = Some(exchange);
                Ok(head)
            }
            Err(cause) => {
                let may_be_stale = was_used && begun.elapsed() < STALE_WITHIN;
                let is_alone = shared.active.load(Ordering::Relaxed) == 1;
                Err(broken(cause, may_be_stale, is_alone))
            }
        }
    }

    /// The next piece of the body of the answer; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(exchange) = &mut self.exchange else {
            return Ok(None);
        };
        let piece = self.shared.watch(poll_fn(|cx| exchange.poll_piece(cx)));
        let piece = piece.await;
        if !matches!(piece, Ok(Some(_))) {
            self.exchange = None;
        }
        piece.map_err(|cause| Broken::Sent(cause.into()))
    }

    pub(super) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Gives up what is left of an answer.
    pub(super) fn abandon(&mut self) {
        self.exchange = None;
    }
}

/// Begins a request: nothing was sent where this fails.
fn send(shared: &Shared, request: Asked) -> Result<(ResponseFuture, Outgoing), h2::Error> {
    let (mut head, body) = request.into_parts();
    if let Some((name, value)) = content_length(&head.method, body.len()) {
        head.headers.insert(name, value);
    }
    let request = Request::from_parts(head, ());
    let (answer, stream) = shared
        .sender
        .clone()
        .send_request(request, body.is_empty())?;
    Ok((answer, Outgoing { stream, body }))
}

/// What an error says about the request: did the service begin with it?
fn broken(cause: h2::Error, may_be_stale: bool, is_alone: bool) -> Broken {
    let reason = cause.reason();
    let is_refused = cause.is_reset() && reason == Some(Reason::REFUSED_STREAM);
    // One of those that come behind the last that the service has begun with.
    let is_beyond = cause.is_go_away();
    match cause.is_remote() {
        true if is_refused => Broken::Refused(cause.into()),
        true if is_beyond && reason == Some(Reason::ENHANCE_YOUR_CALM) => {
            Broken::Refused(cause.into())
        }
        true if is_beyond => Broken::Unsent(cause.into()),
        _ if cause.is_io() && may_be_stale => {
            // Other requests, not read yet, have a system refuse what was read as well.
            let kind = cause.get_io().map(std::io::Error::kind);
            let is_reset = matches!(kind, Some(ErrorKind::ConnectionReset));
            Broken::Stale {
                cause: cause.into(),
                may_have_arrived: !(is_reset && is_alone),
            }
        }
        _ => Broken::Sent(cause.into()),
    }
}

/// One of the requests that may be made over a connection at a time.
struct Turn(Arc<Shared>);

impl Turn {
    fn take(shared: &Arc<Shared>) -> Option<Turn> {
        let before = shared.active.fetch_add(1, Ordering::Relaxed);
        let turn = Turn(Arc::clone(shared));
        (before < shared.streams_max()).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request, from when it is sent until its answer was read. Dropped before, it is cancelled.
struct Exchange {
    outgoing: Outgoing,
    /// The body of the answer.
    body: Option<RecvStream>,
    /// Given back last, when the stream is gone.
    _turn: Turn,
}

impl Exchange {
    /// Sends what may be sent. A service that wants no more of a request says why, and that shows in the answer.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) {
        let _ = self.outgoing.poll(cx);
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, h2::Error>> {
        self.poll_outgoing(cx);
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(None));
        };
        let Some(piece) = ready!(body.poll_data(cx)).transpose()? else {
            return Poll::Ready(Ok(None));
        };
        // The service may send as much again.
        body.flow_control().release_capacity(piece.len())?;
        Poll::Ready(Ok(Some(piece)))
    }
}

/// What of the body of a request is not sent yet.
struct Outgoing {
    stream: SendStream<Bytes>,
    body: Bytes,
}

impl Outgoing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while !self.body.is_empty() {
            self.stream.reserve_capacity(self.body.len());
            while self.stream.capacity() == 0 {
                if ready!(self.stream.poll_capacity(cx)).transpose()?.is_none() {
                    return Poll::Ready(Ok(()));
                }
            }
            let len = self.stream.capacity().min(self.body.len());
            let piece = self.body.split_to(len);
            self.stream.send_data(piece, self.body.is_empty())?;
        }
        Poll::Ready(Ok(()))
    }
}
