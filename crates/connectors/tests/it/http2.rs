//! HTTP/2 frame by frame: what the service did not begin with is sent again for free, and no more is asked at a time than
//! it allows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use hyper::Response;
use inflight::{Connection, Fault, Verdict};
use inflight_connectors::{Sink, SinkSettings};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::server::TlsStream;

use crate::https::listen;
use crate::{connect, record, save, wait};

type Session = h2::server::Connection<TlsStream<TcpStream>, Bytes>;

/// A service that allows so many requests at a time over a connection, and does this with each connection, told its number.
async fn serve<F: Future<Output = ()> + 'static>(
    ca_file: &Path,
    streams_max: u32,
    talk: impl Fn(usize, Session) -> F + 'static,
) -> u16 {
    let (listener, acceptor) = listen(&[b"h2"], ca_file).await;
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = acceptor.accept(tcp).await.unwrap();
            let mut builder = Builder::new();
            builder.max_concurrent_streams(streams_max);
            let session = builder.handshake(tls).await.unwrap();
            tokio::task::spawn_local(talk(number, session));
        }
    });
    port
}

fn answer(respond: &mut SendResponse<Bytes>) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(b"ok"), true).unwrap();
}

/// Answers whatever comes, until the connection ends.
async fn answer_all(mut session: Session) {
    while let Some(Ok((_, mut respond))) = session.accept().await {
        answer(&mut respond);
    }
}

fn sink(port: u16, ca_file: &Path) -> Sink {
    let settings = SinkSettings {
        ca_file: Some(ca_file.to_owned()),
        ..SinkSettings::default()
    };
    Sink::parse(&format!("https://localhost:{port}/"), &settings).unwrap()
}

/// What a save gets from a service that does this with the second request over its connection.
fn second<F: Future<Output = ()> + 'static>(act: fn(Session, SendResponse<Bytes>) -> F) -> Fault {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    wait(LocalSet::new().run_until(async {
        let port = serve(&ca_file, 10, move |_, mut session| async move {
            let (_, mut respond) = session.accept().await.unwrap().unwrap();
            answer(&mut respond);
            let (_, respond) = session.accept().await.unwrap().unwrap();
            act(session, respond).await;
        })
        .await;
        let sink = sink(port, &ca_file);
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        save(&mut connection, &[record(1, "x")]).await.unwrap_err()
    }))
}

#[test]
fn requests_that_were_not_begun_with_are_in_no_doubt() {
    let fault = second(|session, mut respond| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
        answer_all(session).await;
    });
    assert_eq!(fault.verdict(), Verdict::Overload, "{fault}");

    let fault = second(|session, mut respond| async move {
        respond.send_reset(Reason::INTERNAL_ERROR);
        answer_all(session).await;
    });
    assert_eq!(fault.verdict(), Verdict::InDoubt, "{fault}");
    assert!(!fault.is_stale(), "{fault}");

    // The end of a kept connection, without a word.
    let fault = second(|session, _respond| async move { drop(session) });
    assert!(fault.is_stale(), "{fault}");
}

#[test]
fn a_service_that_says_goodbye_is_left_for_a_new_connection() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    wait(LocalSet::new().run_until(async {
        let port = serve(&ca_file, 10, |_, mut session| async move {
            let (_, mut respond) = session.accept().await.unwrap().unwrap();
            session.graceful_shutdown();
            answer(&mut respond);
            answer_all(session).await;
        })
        .await;
        let sink = sink(port, &ca_file);
        let (mut first, mut second) = (connect(&sink).await, connect(&sink).await);
        // What it has begun with is answered, goodbye or not.
        save(&mut first, &[record(0, "x")]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!first.is_open() && !second.is_open());
        let fault = save(&mut second, &[record(1, "x")]).await.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
        let mut third = connect(&sink).await;
        save(&mut third, &[record(1, "x")]).await.unwrap();
    }));
}

#[test]
fn no_more_is_asked_at_a_time_than_the_service_allows() {
    const SLOTS: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    wait(LocalSet::new().run_until(async move {
        let port = serve(&ca_file, 4, move |number, mut session| {
            counted.store(number + 1, Ordering::Relaxed);
            async move {
                // Answers only when nobody else comes: too many would be refused, and wait until then.
                let mut open = Vec::new();
                loop {
                    let patience = Duration::from_millis(300);
                    match tokio::time::timeout(patience, session.accept()).await {
                        Ok(Some(Ok((_, respond)))) => open.push(respond),
                        Ok(_) => return,
                        Err(_) => open.drain(..).for_each(|mut respond| answer(&mut respond)),
                    }
                    assert!(open.len() <= 4);
                }
            }
        })
        .await;
        let sink = sink(port, &ca_file);
        let mut open = Vec::new();
        for _ in 0..SLOTS {
            open.push(connect(&sink).await);
        }
        let mut saves = Vec::new();
        for (index, mut connection) in (0..).zip(open) {
            saves.push(tokio::task::spawn_local(async move {
                for _ in 0..2 {
                    save(&mut connection, &[record(index, "x")]).await.unwrap();
                }
            }));
        }
        for save in saves {
            save.await.unwrap();
        }
    }));
    assert_eq!(connections.load(Ordering::Relaxed), SLOTS.div_ceil(4));
}

#[test]
fn large_bodies_go_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    wait(LocalSet::new().run_until(async {
        let port = serve(&ca_file, 10, |_, mut session| async move {
            while let Some(Ok((request, mut respond))) = session.accept().await {
                tokio::task::spawn_local(async move {
                    let length = &request.headers()["content-length"];
                    assert_eq!(length, &(8 << 20).to_string());
                    let mut body = request.into_body();
                    let mut bytes = 0;
                    while let Some(piece) = body.data().await {
                        let piece = piece.unwrap();
                        bytes += piece.len();
                        body.flow_control().release_capacity(piece.len()).unwrap();
                    }
                    assert_eq!(bytes, 8 << 20);
                    answer(&mut respond);
                });
            }
        })
        .await;
        let sink = sink(port, &ca_file);
        let mut connection = connect(&sink).await;
        for index in 0..3 {
            save(&mut connection, &[record(index, vec![b'y'; 8 << 20])])
                .await
                .unwrap();
        }
    }));
}
