//! The bytes under a connection: a TCP stream, plain, to a proxy, or inside TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::proxy::Forward;

/// One type for both, so that all above is written once.
pub(super) enum Stream {
    Plain(TcpStream),
    /// To a proxy, which passes on what is not secret.
    Forwarded(TcpStream, Arc<Forward>),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether the other side has refused bytes that were sent to it.
    pub(super) fn is_reset(&self) -> bool {
        let tcp = match self {
            Stream::Plain(tcp) | Stream::Forwarded(tcp, _) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        !matches!(tcp.take_error(), Ok(None))
    }

    /// What is different in a request over it, if it leads to a proxy that passes requests on.
    pub(super) fn forward(&self) -> Option<&Forward> {
        match self {
            Stream::Forwarded(_, forward) => Some(forward),
            Stream::Plain(_) | Stream::Tls(_) => None,
        }
    }

    /// Whether the two sides agreed on HTTP/2 while they set up TLS.
    pub(super) fn is_http2(&self) -> bool {
        match self {
            Stream::Plain(_) | Stream::Forwarded(..) => false,
            Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) | Stream::Forwarded(tcp, _) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) | Stream::Forwarded(tcp, _) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) | Stream::Forwarded(tcp, _) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) | Stream::Forwarded(tcp, _) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
