//! An HTTP/1.1 connection: one request at a time, written and read by whoever waits for the answer.
//!
//! It has no task of its own, so that a request costs one wakeup and no hand-off, and keeps no buffer, so that ten
//! thousand of them that wait for a slow service hold little more than their sockets.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::mem::{MaybeUninit, replace};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};

use super::link::{Asked, Broken};
use super::stream::Stream;

/// Bytes that are read at once: what one TLS record holds.
const PIECE_BYTES: usize = 16 << 10;

/// Bytes of a body that are written together with the head: to copy so few costs less than another packet.
const TOGETHER_BYTES_MAX: usize = 16 << 10;

/// Bytes of the head of an answer at most. Common servers refuse to send a tenth of it.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// A connection, by what can be done with it. Whoever gives up waiting leaves it closed, so that nobody else is given
/// the late answer.
pub(super) enum Single {
    /// Takes a request.
    Idle(Stream),
    /// The body of an answer is still to be read.
    Answering(Box<Answer>),
    /// Never used again.
    Closed,
}

/// An answer whose head was read.
pub(super) struct Answer {
    stream: Stream,
    call: Call<RecvBody>,
    /// What was read and not decoded yet.
    unread: Vec<u8>,
    /// What of the request is not written yet: a service may begin to answer before it has heard all.
    unsent: Unsent,
}

type Cause = Box<dyn Error + Send + Sync>;

impl Single {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Parts, Broken> {
        let Single::Idle(mut stream) = replace(self, Single::Closed) else {
            return Err(Broken::Unsent("the connection is closed".into()));
        };
        let (mut call, mut unsent) =
            encode(request).map_err(|cause| Broken::Unsent(cause.into()))?;
        let all = unsent.remaining();
        let mut unread = Vec::new();
        let answer = poll_fn(|cx| {
            let written = poll_write(&mut stream, &mut unsent, cx);
            // Read in any case: a service that wants no more of a request says why, and closes.
            match (poll_head(&mut stream, &mut call, &mut unread, cx), written) {
                (Poll::Pending, Poll::Ready(Err(cause))) => Poll::Ready(Err(cause.into())),
                (answer, _) => answer,
            }
        });
        let response = answer
            .await
            .map_err(|cause| match unsent.remaining() == all {
                true => Broken::Unsent(cause),
                false => Broken::Sent(cause),
            })?;
        let head = response.into_parts().0;
        let must_close = match call.proceed().expect("its head was read") {
            RecvResponseResult::RecvBody(call) => {
                *self = Single::Answering(Box::new(Answer {
                    stream,
                    call,
                    unread,
                    unsent,
                }));
                return Ok(head);
            }
            RecvResponseResult::Redirect(call) => call.must_close_connection(),
            RecvResponseResult::Cleanup(call) => call.must_close_connection(),
        };
        *self = behind(stream, &unread, &unsent, must_close);
        Ok(head)
    }

    /// The next piece of the body of the answer; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if !matches!(self, Single::Answering(_)) {
            return Ok(None);
        }
        let Single::Answering(mut answer) = replace(self, Single::Closed) else {
            unreachable!("it was looked at");
        };
        let piece = poll_fn(|cx| answer.poll_piece(cx))
            .await
            .map_err(Broken::Sent)?;
        *self = match piece.is_none() || answer.is_read() {
            true => answer.ended(),
            false => Single::Answering(answer),
        };
        Ok(piece)
    }

    /// Whether another request can be sent; notices what the other side did meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        let Single::Idle(stream) = self else {
            return false;
        };
        // Nothing comes unasked but the end, and what is no answer to the next request.
        let mut unasked = Vec::new();
        let mut nobody = Context::from_waker(Waker::noop());
        let is_open = poll_more(stream, &mut unasked, &mut nobody).is_pending();
        if !is_open {
            *self = Single::Closed;
        }
        is_open
    }
}

impl Answer {
    /// The next piece, decoded; `None` where the body ends.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cause>> {
        loop {
            // Decoded, it is no longer than it was.
            let mut piece = vec![0; self.unread.len()];
            let (used, len) = self.call.read(&self.unread, &mut piece)?;
            self.unread.drain(..used);
            if len > 0 {
                piece.truncate(len);
                return Poll::Ready(Ok(Some(piece.into())));
            }
            if self.is_read() {
                return Poll::Ready(Ok(None));
            }
            if used > 0 {
                continue;
            }
            // That it fails shows in what is read.
            let _ = poll_write(&mut self.stream, &mut self.unsent, cx);
            if ready!(poll_more(&mut self.stream, &mut self.unread, cx))? == 0 {
                return Poll::Ready(match self.call.body_mode() {
                    BodyMode::CloseDelimited => Ok(None),
                    _ => Err("the connection was closed in the middle of the answer".into()),
                });
            }
        }
    }

    /// Whether the body has ended. That of one that ends with the connection has not before that.
    fn is_read(&self) -> bool {
        self.call.can_proceed() && self.call.body_mode() != BodyMode::CloseDelimited
    }

    /// What is left when the body was read.
    fn ended(self) -> Single {
        let must_close = match self.call.proceed().expect("its body was read") {
            RecvBodyResult::Redirect(call) => call.must_close_connection(),
            RecvBodyResult::Cleanup(call) => call.must_close_connection(),
        };
        behind(self.stream, &self.unread, &self.unsent, must_close)
    }
}

/// What a connection is behind an answer: of use only when nothing is left on it, either way.
fn behind(stream: Stream, unread: &[u8], unsent: &Unsent, must_close: bool) -> Single {
    match unread.is_empty() && !unsent.has_remaining() && !must_close {
        true => Single::Idle(stream),
        false => Single::Closed,
    }
}

/// A request as it goes over the wire, and what understands the answer to it.
///
/// Fails when headers contradict each other, or hold what the standard forbids.
pub(super) fn encode(request: Asked) -> Result<(Call<RecvResponse>, Unsent), ureq_proto::Error> {
    let (mut parts, mut body) = request.into_parts();
    if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
        parts
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let line = format!("{} {path} HTTP/1.1\r\n", parts.method).len();
    let line_of =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let lines: usize = parts.headers.iter().map(line_of).sum();
    let mut head = vec![0; line + lines + 2];

    let mut call = Call::new(Request::from_parts(parts, ()))?;
    call.allow_non_standard_methods(true);
    call.force_send_body();
    let mut call = call.proceed();
    let len = call.write(&mut head)?;
    head.truncate(len);
    let call = match call.proceed()?.ok_or(ureq_proto::Error::OutputOverflow)? {
        SendRequestResult::RecvResponse(call) => call,
        SendRequestResult::SendBody(mut call) => {
            call.consume_direct_write(body.len())?;
            call.proceed().expect("its length is the one announced")
        }
        SendRequestResult::Await100(_) => unreachable!("no header asks to wait"),
    };
    if body.len() <= TOGETHER_BYTES_MAX {
        head.extend_from_slice(&body);
        body = Bytes::new();
    }
    Ok((call, Bytes::from(head).chain(body)))
}

/// What of a request is still to be written.
type Unsent = Chain<Bytes, Bytes>;

/// Writes to the end.
fn poll_write(
    stream: &mut Stream,
    unsent: &mut Unsent,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while unsent.has_remaining() {
        match ready!(Pin::new(&mut *stream).poll_write(cx, unsent.chunk()))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            len => unsent.advance(len),
        }
    }
    Pin::new(stream).poll_flush(cx)
}

/// Reads up to the end of the head of an answer.
fn poll_head(
    stream: &mut Stream,
    call: &mut Call<RecvResponse>,
    unread: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<()>, Cause>> {
    loop {
        if ready!(poll_more(stream, unread, cx))? == 0 {
            return Poll::Ready(Err("the connection was closed before an answer".into()));
        }
        loop {
            let (used, response) = call.try_response(unread, false)?;
            unread.drain(..used);
            match response {
                Some(response) => return Poll::Ready(Ok(response)),
                // An interim answer (1xx) says nothing about the request.
                None if used > 0 => {}
                None => break,
            }
        }
        if unread.len() > HEAD_BYTES_MAX {
            let most = HEAD_BYTES_MAX >> 10;
            return Poll::Ready(Err(
                format!("the answer has a head of over {most} KiB").into()
            ));
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
