//! A connection, as a slot owns it: one of its own over HTTP/1.1, a share of one over HTTP/2.

use bytes::Bytes;
use hyper::Request;
use hyper::http::response::Parts;

use super::broken::Broken;
use super::shared::Handle;
use super::single::Single;

pub(super) type Asked = Request<Bytes>;

/// A connection that takes one request at a time.
pub(super) enum Link {
    Single(Single),
    Shared(Handle),
}

impl Link {
    /// Whether the address of a request is needed in full, and its host in no header.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Link::Shared(_))
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<Parts, Broken> {
        match self {
            Link::Single(single) => single.ask(request).await,
            Link::Shared(handle) => handle.ask(request).await,
        }
    }

    /// The next piece of the answer's body; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Link::Single(single) => single.next().await,
            Link::Shared(handle) => handle.next().await,
        }
    }

    /// Whether another request can be sent; notices what the other side did meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        match self {
            Link::Single(single) => single.is_open(),
            Link::Shared(handle) => handle.is_open(),
        }
    }

    /// Gives up what is left of an answer: the connection is not used again, unless others share it.
    pub(super) fn abandon(&mut self) {
        match self {
            Link::Single(single) => *single = Single::Closed,
            Link::Shared(handle) => handle.abandon(),
        }
    }
}
