//! HTTP/1.1 on the wire: every framing of an answer is understood, and a connection is kept only when nothing is left on it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use inflight::{Connection, Fault, Reply, Service, Verdict};
use inflight_connectors::{FetchSettings, HttpFetch, Sink, SinkSettings};
use tokio::time::timeout;

use crate::{connect, record, save, wait};

/// The address of a service that does this with its one connection.
fn serve(talk: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || talk(listener.accept().unwrap().0));
    format!("http://{address}/{{}}")
}

/// Reads up to the end of the head of a request.
fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// What a fetch makes of this answer, and whether its connection is used again. The answer comes in pieces of so many
/// bytes, and the service closes behind it when told so.
fn fetch(answer: &str, bytes: usize, and_closes: bool) -> (Result<String, Fault>, bool) {
    let answer = answer.as_bytes().to_vec();
    let url = serve(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        read_head(&mut stream);
        for piece in answer.chunks(bytes) {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
        if and_closes {
            let _ = stream.shutdown(Shutdown::Write);
        }
        // Held until the other side is done with it.
        let _ = stream.read(&mut [0]);
    });
    let fetch = HttpFetch::new(&url, &FetchSettings::default()).unwrap();
    wait(async {
        let mut connection = fetch.connect().await.unwrap();
        let body = match connection.send(&[record(0, "7")]).await {
            Ok(Reply::All(mut answers)) => Ok(answers.remove(0).bytes().clone()),
            Ok(Reply::Each(_)) => unreachable!("a fetch answers all"),
            Err(fault) => Err(fault),
        };
        let body = body.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        (body, connection.is_open())
    })
}

#[test]
fn answers_are_understood_however_they_are_framed() {
    let check = |answer: &str, closes: bool, body: &str, is_kept: bool| {
        for bytes in [1, 7, 1 << 20] {
            let (got, is_open) = fetch(answer, bytes, closes);
            assert_eq!(got.unwrap(), body, "{answer:?}");
            assert_eq!(is_open, is_kept, "{answer:?}");
        }
    };
    let sized = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    check(sized, false, "hello", true);
    check(
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        false,
        "",
        true,
    );
    check("HTTP/1.1 204 No Content\r\n\r\n", false, "", true);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n";
    check(&format!("{chunked}\r\n"), false, "hello world", true);
    check(
        &format!("{chunked}a: b\r\n\r\n"),
        false,
        "hello world",
        true,
    );
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    check(&format!("{hints}{hints}{sized}"), false, "hello", true);
    let old = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello";
    check(old, false, "hello", true);
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    check(closing, false, "hello", false);
    check("HTTP/1.1 200 OK\r\n\r\nhello", true, "hello", false);
    check("HTTP/1.0 200 OK\r\n\r\n", true, "", false);
}

#[test]
fn what_comes_unasked_is_no_answer() {
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n";
    let (got, is_open) = fetch(twice, usize::MAX, false);
    assert_eq!((got.unwrap().as_str(), is_open), ("hello", false));
}

#[test]
fn answers_that_cannot_be_understood_are_none() {
    for (answer, part) in [
        ("HTTP/1.1 200 OK\r\ncontent-le", "closed before an answer"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            "in the middle",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
            "in the middle",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            "",
        ),
        ("SSH-2.0-server\r\n", ""),
        (
            &format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(300 << 10)),
            "longer than 256 KiB",
        ),
    ] {
        let (got, is_open) = fetch(answer, 4096, true);
        let fault = got.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Transient, "{fault}");
        let said = fault.to_string();
        assert!(
            said.contains("no whole answer") && said.contains(part),
            "{said}"
        );
        assert!(!is_open, "{answer:?}");
    }
}

fn sink(url: &str) -> Sink {
    Sink::parse(&url.replace("{}", ""), &SinkSettings::default()).unwrap()
}

#[test]
fn a_service_that_has_heard_enough_is_heard() {
    let url = serve(|mut stream| {
        read_head(&mut stream);
        let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nshut";
        stream.write_all(answer).unwrap();
        // Held, and never read from: what is left of the request cannot be written.
        thread::sleep(Duration::from_secs(60));
    });
    wait(async {
        let sink = sink(&url);
        let mut connection = connect(&sink).await;
        let fault = save(&mut connection, &[record(0, vec![b'x'; 64 << 20])])
            .await
            .unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
        assert!(
            fault.to_string().contains("413 Payload Too Large: shut"),
            "{fault}"
        );
        assert!(!connection.is_open());
    });
}

#[test]
fn an_answer_may_begin_before_all_was_asked() {
    const BYTES: usize = 32 << 20;
    let url = serve(|mut stream| {
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi")
            .unwrap();
        // Held back for long enough that the other side has read it.
        thread::sleep(Duration::from_millis(50));
        stream.read_exact(&mut vec![0; BYTES]).unwrap();
        stream.write_all(b"ne").unwrap();
        let _ = stream.read(&mut [0]);
    });
    wait(async {
        let sink = sink(&url);
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, vec![b'x'; BYTES])])
            .await
            .unwrap();
        assert!(connection.is_open());
    });
}

#[test]
fn an_answer_that_was_given_up_is_nobody_elses() {
    let url = serve(|mut stream| {
        read_head(&mut stream);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    wait(async {
        let sink = sink(&url);
        let mut connection = connect(&sink).await;
        let bulk = [record(0, "x")];
        let saving = save(&mut connection, &bulk);
        assert!(timeout(Duration::from_millis(50), saving).await.is_err());
        assert!(!connection.is_open());
    });
}
