//! Opens a stream to an origin: name to addresses once, each address in turn, TLS where it is asked for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use inflight::Fault;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use super::url::Origin;
use crate::tls::{self, Trust};

/// TLS that offers HTTP/2 before HTTP/1.1, and verifies always.
///
/// Fails with a sentence that names the file, or says that the system has no certificates.
pub(super) fn http_connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    tls::connector(ca_file, "--ca-file", Trust::Name, &["h2", "http/1.1"])
}

/// Opens streams to one origin.
pub(super) struct Dialer {
    origin: Origin,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What the name stands for, asked once for all connections: the system's resolver takes a thread for
    /// each question. Replaced by an empty cell, which asks anew, when none of the addresses answers.
    addresses: Mutex<Arc<OnceCell<Vec<SocketAddr>>>>,
    /// Which address answered last; tried first.
    good: AtomicUsize,
}

impl Dialer {
    /// `tls` is there if, and only if, the origin is https.
    pub(super) fn new(origin: Origin, tls: Option<TlsConnector>) -> Result<Dialer, String> {
        let tls = match tls {
            Some(connector) => {
                let name = ServerName::try_from(origin.host.clone())
                    .map_err(|_| format!("address {origin}: has no host that TLS can verify"))?;
                Some((connector, name))
            }
            None => None,
        };
        Ok(Dialer {
            origin,
            tls,
            addresses: Mutex::default(),
            good: AtomicUsize::new(0),
        })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Opens a stream. Every failure is "unreached": nothing has been sent.
    pub(super) async fn dial(&self) -> Result<Stream, Fault> {
        let cell = Arc::clone(
            &self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let addresses = cell.get_or_try_init(|| self.resolve()).await?;
        let tcp = match self.connect(addresses).await {
            Ok(tcp) => tcp,
            Err(cause) => {
                self.forget(&cell);
                return Err(self.fault("cannot connect to").because(cause));
            }
        };
        // Requests are written whole; waiting to fill a packet would only delay them.
        tcp.set_nodelay(true)
            .map_err(|cause| self.fault("cannot set up").because(cause))?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => match connector.connect(name.clone(), tcp).await {
                Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
                Err(cause) => Err(self.fault("no TLS with").because(cause)),
            },
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Fault> {
        let found = lookup_host((self.origin.host.as_str(), self.origin.port)).await;
        let addresses: Vec<_> = found
            .map_err(|cause| self.fault("cannot resolve").because(cause))?
            .collect();
        if addresses.is_empty() {
            return Err(self.fault("found no address of"));
        }
        Ok(addresses)
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
        let good = self.good.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..addresses.len() {
            let at = (good + turn) % addresses.len();
            match TcpStream::connect(addresses[at]).await {
                Ok(tcp) => {
                    self.good.store(at, Ordering::Relaxed);
                    return Ok(tcp);
                }
                Err(cause) => failed = Some(cause),
            }
        }
        Err(failed.expect("there is at least one address"))
    }

    /// Has the name resolved anew, unless somebody else has done so already.
    fn forget(&self, failed: &Arc<OnceCell<Vec<SocketAddr>>>) {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&addresses, failed) {
            *addresses = Arc::default();
        }
    }

    fn fault(&self, what: &str) -> Fault {
        let Origin { host, port, .. } = &self.origin;
        Fault::unreached(format!("{what} {host} port {port}")).counted_as("no connection")
    }
}
