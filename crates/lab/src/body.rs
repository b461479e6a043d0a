//! Bodies on the wire: requests read whole and bounded, answers small or in parts.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::service::Service;

/// The largest request body: far above any result worth saving in one request, far below what hurts the machine.
pub(crate) const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Why a request body was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is larger than [`REQUEST_BYTES_MAX`].
    TooLarge,
    /// The client went away or sent nonsense.
    Broken,
}

/// Reads a request body whole. One that arrives in one piece, as small ones do, is not copied.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
        return Err(Unread::TooLarge);
    }
    let Some(first) = next_piece(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(piece) = next_piece(&mut body).await? {
        if whole.len() + piece.len() > REQUEST_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => {
                // Trailers are of no interest here.
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Everything at once; `None` when it has been sent.
    Whole(Option<Bytes>),
    /// The stored bodies, part by part, so that they are never in memory twice.
    Results { service: Rc<Service>, part: usize },
}

impl Answer {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Results { service, part } => {
                *part += 1;
                service.lines(*part - 1).map(Bytes::from)
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Results { .. } => SizeHint::default(),
        }
    }
}
