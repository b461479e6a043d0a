//! An HTTP/1.1 connection: one request at a time, written and read by whoever waits for the answer.
//!
//! It has no task of its own, so that a request costs one wakeup and no hand-off, and keeps no buffer, so that ten
//! thousand of them that wait for a slow service hold little more than their sockets.

use std::future::poll_fn;
use std::io;
use std::mem::{MaybeUninit, replace};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use hyper::http::response::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

use super::broken::{Broken, Cause, STALE_WITHIN};
use super::framing::{self, Body};
use super::link::Asked;
use super::proxy::Forward;
use super::stream::Stream;

/// Bytes that are read at once: what one TLS record holds.
const PIECE_BYTES: usize = 16 << 10;

/// Bytes of a body that are written together with the head: to copy so few costs less than another packet.
const TOGETHER_BYTES_MAX: usize = 16 << 10;

/// How long the refusal of what was sent is waited for, behind the end of the connection: 255 ms in all, the way to the
/// other side of the world and back.
const RESET_PAUSE: Duration = Duration::from_millis(1);
const RESET_PAUSE_MAX: Duration = Duration::from_millis(256);

/// A connection, by what can be done with it. Whoever gives up waiting leaves it closed, so that nobody else is given
/// the late answer.
pub(super) enum Single {
    /// Takes a request.
    Idle {
        stream: Stream,
        /// Whether it has answered before, and so may have been closed for being idle.
        was_used: bool,
    },
    /// The body of an answer is still to be read.
    Answering(Box<Answer>),
    /// Never used again.
    Closed,
}

/// An answer whose head was read.
pub(super) struct Answer {
    stream: Stream,
    body: Body,
    /// Whether the service keeps the connection.
    is_kept: bool,
    /// What was read and not decoded yet.
    unread: Vec<u8>,
    /// What of the request is not written yet: a service may begin to answer before it has heard all.
    outgoing: Outgoing,
}

type Outgoing = Chain<Bytes, Bytes>;

impl Single {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Parts, Broken> {
        if !self.is_open() {
            return Err(Broken::Unsent("the connection is closed".into()));
        }
        let Single::Idle {
            mut stream,
            was_used,
        } = replace(self, Single::Closed)
        else {
            unreachable!("only an idle connection is open");
        };
        let mut outgoing = outgoing(request, stream.forward());
        let all = outgoing.remaining();
        let mut unread = Vec::new();
        let begun = Instant::now();
        let mut is_reset = false;
        let head = poll_fn(|cx| {
            // A service that wants no more of a request says why, and closes. So what was read counts, and that nothing
            // more can be written shows there.
            let sent = poll_send(&mut stream, &mut outgoing, cx);
            is_reset |= matches!(sent, Poll::Ready(Err(_)));
            poll_head(&mut stream, &mut unread, cx)
        });
        let head = head.await.and_then(|head| {
            let (body, is_kept) = framing::framing(&head)?;
            Ok((head, body, is_kept))
        });
        match head {
            Ok((head, body, is_kept)) => {
                let answer = Answer {
                    stream,
                    body,
                    is_kept,
                    unread,
                    outgoing,
                };
                *self = answer.go_on();
                Ok(head)
            }
            Err(cause) if outgoing.remaining() == all => Err(Broken::Unsent(cause)),
            Err(cause) if was_used && unread.is_empty() && begun.elapsed() < STALE_WITHIN => {
                let may_have_arrived = !(is_reset || was_reset(&stream, &cause).await);
                Err(Broken::Stale {
                    cause,
                    may_have_arrived,
                })
            }
            Err(cause) => Err(Broken::Sent(cause)),
        }
    }

    /// The next piece of the body of the answer; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut answer = match replace(self, Single::Closed) {
            Single::Answering(answer) => answer,
            other => {
                *self = other;
                return Ok(None);
            }
        };
        let piece = poll_fn(|cx| answer.poll_piece(cx)).await;
        let piece = piece.map_err(Broken::Sent)?;
        if piece.is_some() {
            *self = answer.go_on();
        }
        Ok(piece)
    }

    /// Whether another request can be sent; notices what the other side did meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        let Single::Idle { stream, .. } = self else {
            return false;
        };
        // Nothing comes unasked but the end, and what is no answer to the next request. Unconstrained, because for want of
        // budget neither would be seen.
        let mut unasked = Vec::new();
        let reading = unconstrained(poll_fn(|cx| poll_more(stream, &mut unasked, cx)));
        let is_open = pin!(reading)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending();
        if !is_open {
            *self = Single::Closed;
        }
        is_open
    }
}

impl Answer {
    /// The next piece, decoded; `None` where the body ends with the connection.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cause>> {
        loop {
            let piece = self.body.decode(&mut self.unread)?;
            if !piece.is_empty() || self.body.is_read() {
                return Poll::Ready(Ok(Some(piece)));
            }
            let _ = poll_send(&mut self.stream, &mut self.outgoing, cx);
            if ready!(poll_more(&mut self.stream, &mut self.unread, cx))? == 0 {
                return Poll::Ready(match self.body {
                    Body::ToTheEnd => Ok(None),
                    _ => Err("the connection was closed in the middle of the answer".into()),
                });
            }
        }
    }

    /// What the connection is now. Behind the body it is of use only when nothing is left on it, either way.
    fn go_on(self) -> Single {
        let is_clean = self.unread.is_empty() && !self.outgoing.has_remaining();
        match self.body.is_read() {
            false => Single::Answering(Box::new(self)),
            true if self.is_kept && is_clean => Single::Idle {
                stream: self.stream,
                was_used: true,
            },
            true => Single::Closed,
        }
    }
}

/// Whether the other side refused what was sent, as a system does for a program that had closed the connection, or closed
/// it without reading. One that has read the request and then closes ends the connection in order.
async fn was_reset(stream: &Stream, cause: &Cause) -> bool {
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    if matches!(
        kind,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    ) {
        return true;
    }
    // The end of the connection and the request may have crossed; then the refusal is still to come.
    let mut pause = RESET_PAUSE;
    while pause < RESET_PAUSE_MAX {
        if stream.is_reset() {
            return true;
        }
        sleep(pause).await;
        pause *= 2;
    }
    stream.is_reset()
}

/// A request as it goes over the wire.
fn outgoing(request: Asked, forward: Option<&Forward>) -> Outgoing {
    let (request, body) = request.into_parts();
    let mut head = framing::write_head(&request, body.len(), forward);
    if body.len() > TOGETHER_BYTES_MAX {
        return Bytes::from(head).chain(body);
    }
    head.extend_from_slice(&body);
    Bytes::from(head).chain(Bytes::new())
}

/// Writes to the end, and then lets go of what was written.
fn poll_send(
    stream: &mut Stream,
    outgoing: &mut Outgoing,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while outgoing.has_remaining() {
        match ready!(Pin::new(&mut *stream).poll_write(cx, outgoing.chunk()))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            len => outgoing.advance(len),
        }
    }
    *outgoing = Bytes::new().chain(Bytes::new());
    Pin::new(stream).poll_flush(cx)
}

/// Reads up to the end of the head of an answer.
fn poll_head(
    stream: &mut Stream,
    unread: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<Result<Parts, Cause>> {
    loop {
        if ready!(poll_more(stream, unread, cx))? == 0 {
            return Poll::Ready(Err("the connection was closed before an answer".into()));
        }
        if let Some((head, len)) = framing::read_head(unread)? {
            unread.drain(..len);
            return Poll::Ready(Ok(head));
        }
    }
}

/// Reads what has arrived; none at the end.
fn poll_more(
    stream: &mut Stream,
    unread: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
    let mut piece = ReadBuf::uninit(&mut piece);
    ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
    unread.extend_from_slice(piece.filled());
    Poll::Ready(Ok(piece.filled().len()))
}
