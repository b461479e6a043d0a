//! HTTPS against a server of our own: verified always, HTTP/2 shared, HTTP/1.1 one connection each.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use inflight::{Connection, Service};
use inflight_connectors::{Sink, SinkSettings};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{connect, record, save, wait};

/// Counts what reaches the server.
#[derive(Default)]
pub(crate) struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Connections that answer nothing any more: as many as were open when this was set.
    swallowed: AtomicUsize,
}

impl Seen {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Listens for `localhost`, with a certificate that is written to the file, and offers these protocols.
pub(crate) async fn listen(protocols: &[&[u8]], ca_file: &Path) -> (TcpListener, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(ca_file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, acceptor)
}

/// Starts a server for `localhost` that speaks these protocols; writes its certificate to the file.
pub(crate) async fn serve(protocols: &[&[u8]], ca_file: &Path) -> (u16, Arc<Seen>) {
    let (listener, acceptor) = listen(protocols, ca_file).await;
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::<Seen>::default();
    let counts = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let number = counts.connections.fetch_add(1, Ordering::Relaxed);
                let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                    counts.requests.fetch_add(1, Ordering::Relaxed);
                    let is_swallowed = number < counts.swallowed.load(Ordering::Relaxed);
                    async move {
                        if is_swallowed {
                            std::future::pending::<()>().await;
                        }
                        assert!(request.headers().contains_key("idempotency-key"));
                        Ok::<_, hyper::Error>(Response::new(Full::new(bytes::Bytes::from("fine"))))
                    }
                });
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), answer)
                    .await;
            });
        }
    });
    (port, seen)
}

/// Opens so many connections at once, saves twice over each; the server must see so many.
fn check(protocols: &[&[u8]], slots: usize, connections: usize) {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    wait(async {
        let (port, seen) = serve(protocols, &ca_file).await;
        let settings = SinkSettings {
            ca_file: Some(ca_file.clone()),
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&format!("https://localhost:{port}/"), &settings).unwrap();
        let mut open = Vec::new();
        for _ in 0..slots {
            open.push(connect(&sink).await);
        }
        for (index, connection) in (0..).zip(&mut open) {
            save(connection, &[record(index, "x")]).await.unwrap();
            assert!(connection.is_open());
            save(connection, &[record(index, "y")]).await.unwrap();
        }
        assert_eq!(seen.connections.load(Ordering::Relaxed), connections);
        assert_eq!(seen.requests.load(Ordering::Relaxed), 2 * slots);
    });
}

#[test]
fn http1_has_a_connection_for_each_slot() {
    check(&[b"http/1.1"], 3, 3);
    check(&[], 2, 2);
}

#[test]
fn http2_shares_one_connection_up_to_a_hundred_slots() {
    check(&[b"h2", b"http/1.1"], 100, 1);
    check(&[b"h2"], 101, 2);
}

#[test]
fn a_connection_that_swallows_requests_is_not_shared_again() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    wait(async {
        let (port, seen) = serve(&[b"h2"], &ca_file).await;
        let settings = SinkSettings {
            ca_file: Some(ca_file.clone()),
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&format!("https://localhost:{port}/"), &settings).unwrap();
        let (mut first, mut second) = (connect(&sink).await, connect(&sink).await);
        save(&mut first, &[record(0, "x")]).await.unwrap();
        assert!(second.is_open());
        seen.swallowed.store(1, Ordering::Relaxed);
        let patience = std::time::Duration::from_millis(300);
        let given_up = tokio::time::timeout(patience, save(&mut first, &[record(1, "x")])).await;
        assert!(given_up.is_err());
        // Whoever else has a share in it need not find out by waiting as long.
        assert!(!second.is_open());
        let mut third = connect(&sink).await;
        save(&mut third, &[record(1, "x")]).await.unwrap();
        assert_eq!(seen.connections.load(Ordering::Relaxed), 2);
        // An answer clears it, though: it was one request that took too long, not the connection.
        seen.swallowed.store(0, Ordering::Relaxed);
        save(&mut second, &[record(2, "x")]).await.unwrap();
        assert!(first.is_open() && second.is_open());
        drop(connect(&sink).await);
        assert_eq!(seen.connections.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn certificates_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other_file = folder.path().join("other.pem");
    std::fs::write(&other_file, other.cert.pem()).unwrap();
    wait(async {
        let (port, _) = serve(&[b"h2"], &ca_file).await;
        let settings = SinkSettings {
            ca_file: Some(other_file),
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&format!("https://localhost:{port}/"), &settings).unwrap();
        let fault = sink.connect().await.err().unwrap();
        let said = fault.to_string();
        assert!(said.contains("no TLS with localhost port"), "{said}");
        assert!(said.contains("--ca-file"), "{said}");
    });
    std::fs::write(&ca_file, "nothing").unwrap();
    let settings = SinkSettings {
        ca_file: Some(ca_file),
        ..SinkSettings::default()
    };
    let message = Sink::parse("https://localhost/", &settings).err().unwrap();
    assert!(
        message.to_string().contains("holds none in PEM form"),
        "{message}"
    );
}
