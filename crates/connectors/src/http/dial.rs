//! Opens a stream to an origin: name to addresses once, the first address that answers, by way of a proxy and inside TLS where
//! that is asked for.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use inflight::Fault;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::eyeballs;
use super::proxy::{Forward, Proxy};
use super::stream::Stream;
use super::url::Origin;
use crate::tls::{self, Trust};

/// TLS that offers HTTP/2 before HTTP/1.1, and verifies always.
///
/// Fails with a sentence that names the file, or says that the system has no certificates.
pub(super) fn http_connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    tls::connector(ca_file, "--ca-file", Trust::Name, &["h2", "http/1.1"])
}

type Addresses = OnceCell<Vec<SocketAddr>>;

/// Opens streams to one origin.
pub(super) struct Dialer {
    origin: Origin,
    /// What is connected to instead of the origin.
    proxy: Option<Proxy>,
    /// What the proxy is told in each request, where it passes them on: an origin without TLS.
    forward: Option<Arc<Forward>>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What the name stands for, asked once for all connections: the system's resolver takes a thread for
    /// each question. Replaced by an empty cell, which asks anew, when none of the addresses answers, or one is silent.
    addresses: Mutex<Arc<Addresses>>,
    /// Which address answered last; tried first.
    good: AtomicUsize,
}

impl Dialer {
    /// `tls` is there if, and only if, the origin is https.
    pub(super) fn new(
        origin: Origin,
        tls: Option<TlsConnector>,
        proxy: Option<Proxy>,
    ) -> Result<Dialer, String> {
        let tls = match tls {
            Some(connector) => {
                let name = ServerName::try_from(origin.host.clone())
                    .map_err(|_| format!("address {origin}: has no host that TLS can verify"))?;
                Some((connector, name))
            }
            None => None,
        };
        let proxy_of_plain = proxy.as_ref().filter(|_| tls.is_none());
        Ok(Dialer {
            forward: proxy_of_plain.map(|proxy| proxy.forward(&origin)),
            origin,
            proxy,
            tls,
            addresses: Mutex::default(),
            good: AtomicUsize::new(0),
        })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is connected to.
    fn target(&self) -> &Origin {
        self.proxy
            .as_ref()
            .map_or(&self.origin, |proxy| &proxy.origin)
    }

    /// Opens a stream. Every failure is "unreached", or the end of the run: nothing has been sent. Dropped before it ends, it has waited in vain,
    /// and the next begins with another address.
    pub(super) async fn dial(&self) -> Result<Stream, Fault> {
        let cell = Arc::clone(
            &self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut waiting = Waiting {
            dialer: self,
            cell: &cell,
            is_in_vain: true,
        };
        let stream = self.open(&cell).await;
        waiting.is_in_vain = false;
        stream
    }

    async fn open(&self, cell: &Arc<Addresses>) -> Result<Stream, Fault> {
        let addresses = cell.get_or_try_init(|| self.resolve()).await?;
        let mut tcp = match self.connect(addresses).await {
            Ok(tcp) => tcp,
            Err(cause) => {
                self.forget(cell);
                return Err(self.fault("cannot connect to").because(cause));
            }
        };
        // Requests are written whole; waiting to fill a packet would only delay them.
        tcp.set_nodelay(true)
            .map_err(|cause| self.fault("cannot set up").because(cause))?;
        let Some((connector, name)) = &self.tls else {
            return Ok(match &self.forward {
                Some(forward) => Stream::Forwarded(tcp, Arc::clone(forward)),
                None => Stream::Plain(tcp),
            });
        };
        if let Some(proxy) = &self.proxy {
            proxy.tunnel(&mut tcp, &self.origin).await?;
        }
        match connector.connect(name.clone(), tcp).await {
            Ok(tls) => Ok(Stream::Tls(Box::new(tls))),
            Err(cause) => Err(self.insecure(cause)),
        }
    }

    /// Why there is no TLS. A certificate that is refused will be refused again, whoever asks.
    fn insecure(&self, cause: io::Error) -> Fault {
        let Origin { host, port, .. } = &self.origin;
        let what = format!("no TLS with {host} port {port}");
        match tls::refusal(&cause, "--ca-file") {
            Some(why) => {
                Fault::stops_run(format!("{what}: {why}")).counted_as("certificate refused")
            }
            None => Fault::unreached(what)
                .because(cause)
                .counted_as("no connection"),
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Fault> {
        let target = self.target();
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let found = found.map_err(|cause| self.fault("cannot resolve").because(cause))?;
        let addresses = eyeballs::in_turn(found);
        if addresses.is_empty() {
            return Err(self.fault("found no address of"));
        }
        Ok(addresses)
    }

    /// The one that answered last gets the first turn.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let good = self.good.load(Ordering::Relaxed);
        let all = addresses.len();
        let in_turn = (0..all).map(|turn| addresses[(good + turn) % all]);
        let tcp = eyeballs::connect(in_turn).await?;
        let reached = tcp.peer_addr().ok();
        let at = addresses
            .iter()
            .position(|address| Some(*address) == reached);
        self.good.store(at.unwrap_or(good), Ordering::Relaxed);
        Ok(tcp)
    }

    /// Has the name resolved anew, unless somebody else has done so already; says whether it was not.
    fn forget(&self, failed: &Arc<Addresses>) -> bool {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_first = Arc::ptr_eq(&addresses, failed);
        if is_first {
            *addresses = Arc::default();
        }
        is_first
    }

    fn fault(&self, what: &str) -> Fault {
        let target = match &self.proxy {
            Some(proxy) => proxy.to_string(),
            None => format!("{} port {}", self.origin.host, self.origin.port),
        };
        Fault::unreached(format!("{what} {target}")).counted_as("no connection")
    }
}

/// Somebody who waits for a stream; dropped when there is one or will be none, or when nothing came in time.
struct Waiting<'a> {
    dialer: &'a Dialer,
    cell: &'a Arc<Addresses>,
    is_in_vain: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Many wait for the same address at once, and all go on to the same next one.
        if self.is_in_vain && self.dialer.forget(self.cell) {
            self.dialer.good.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use crate::http::silent::Silent;
    use crate::http::url::Url;

    const IN_VAIN: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_silent_address_is_left_for_the_next_and_its_name_asked_anew() {
        let held = Silent::at("127.0.0.1").await;
        let silent = held.address;
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = service.local_addr().unwrap();
        let url = Url::parse(&format!("http://{address}/")).unwrap();
        let dialer = Dialer::new(url.origin, None, None).unwrap();
        *dialer.addresses.lock().unwrap() = Arc::new(OnceCell::new_with(Some(vec![silent])));
        let (one, other) = tokio::join!(
            timeout(IN_VAIN, dialer.dial()),
            timeout(IN_VAIN, dialer.dial()),
        );
        assert!(one.is_err() && other.is_err());
        let next = timeout(IN_VAIN, dialer.connect(&[silent, address])).await;
        assert_eq!(next.unwrap().unwrap().peer_addr().unwrap(), address);
        assert!(timeout(IN_VAIN, dialer.dial()).await.unwrap().is_ok());
    }
}
