//! TLS for the client of Postgres, which asks the server for it on a connection that is there already.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use super::address::{Address, Encryption};
use crate::tls::{Trust, connector};

/// Sets up TLS for the connections of one address.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// What the address asks for; `None` where it asks for none.
    ///
    /// Fails with a sentence that names the file of certificates, or says that the system has none.
    pub(super) fn of(address: &Address) -> Result<Option<Tls>, String> {
        let trust = match address.encryption {
            Encryption::None => return Ok(None),
            Encryption::Trusted => Trust::Issuer,
            Encryption::Full => Trust::Name,
        };
        let ca_file = address.ca_file.as_deref().map(Path::new);
        connector(ca_file, "sslrootcert=FILE", trust, &[])
            .map(Tls)
            .map(Some)
    }
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = To;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<To, Self::Error> {
        Ok(To {
            name: ServerName::try_from(host)?.to_owned(),
            connector: self.0.clone(),
        })
    }
}

/// TLS to one host.
pub(super) struct To {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl<S> TlsConnect<S> for To
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.connector.connect(self.name, stream);
        Box::pin(async { connecting.await.map(|stream| Encrypted(Box::new(stream))) })
    }
}

/// The bytes of a connection, inside TLS.
pub(super) struct Encrypted<S>(Box<client::TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate was verified, so that nobody sits in between.
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
