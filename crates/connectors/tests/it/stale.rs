//! Connections that a service closed without a word: what goes over one of them goes once more over a new one, and is in
//! doubt only where it may have arrived.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use inflight::{Connection, Fault, InFlightLimit, Job, Options, Service, Summary, Verdict};
use inflight_connectors::{FetchSettings, HttpFetch, Input, Payload, Sink, SinkSettings};
use socket2::SockRef;

use crate::{connect, record, save, wait};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// How a service closes a connection on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// As a system does for a program that had closed it, or had not read all.
    Reset,
    /// As a program does that has read the request.
    InOrder,
    /// The same, after longer than news needs that is on its way already.
    Late,
    /// After the first byte of an answer.
    InTheMiddle,
}

/// What a service was asked: the body of each request, as it came.
type Heard = Arc<Mutex<Vec<String>>>;

/// A service that answers so many requests over each connection, and closes on the next.
fn serve(answers: usize, close: Close) -> (String, Heard) {
    serve_with(answers, close, |_| ANSWER.to_vec())
}

/// The same, with an answer that is made of the head of the request.
fn serve_with(answers: usize, close: Close, answer: fn(&str) -> Vec<u8>) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{{}}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, log) = (stream.unwrap(), Arc::clone(&log));
            thread::spawn(move || {
                for _ in 0..answers {
                    let Some((head, body)) = read(&mut stream) else {
                        return;
                    };
                    log.lock().unwrap().push(body);
                    stream.write_all(&answer(&head)).unwrap();
                }
                let Some((_, body)) = read(&mut stream) else {
                    return;
                };
                log.lock().unwrap().push(body);
                match close {
                    Close::Reset => SockRef::from(&stream)
                        .set_linger(Some(Duration::ZERO))
                        .unwrap(),
                    Close::InOrder => {}
                    Close::Late => thread::sleep(Duration::from_millis(1200)),
                    Close::InTheMiddle => stream.write_all(&ANSWER[..1]).unwrap(),
                }
            });
        }
    });
    (url, heard)
}

/// Reads a request, head and body; `None` at the end of the connection.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    Some((head, String::from_utf8(body).unwrap()))
}

fn sink(url: &str) -> Sink {
    Sink::parse(&url.replace("{}", ""), &SinkSettings::default()).unwrap()
}

/// The fault of a save over a connection that has answered so many, and is closed on it.
fn closed_on(answers: usize, close: Close) -> Fault {
    let (url, _) = serve(answers, close);
    wait(async {
        let sink = sink(&url);
        let mut connection = connect(&sink).await;
        for index in 0..answers as u64 {
            save(&mut connection, &[record(index, "x")]).await.unwrap();
        }
        let fault = save(&mut connection, &[record(9, "x")]).await.unwrap_err();
        assert!(!connection.is_open());
        fault
    })
}

#[test]
fn only_a_kept_connection_can_be_stale() {
    for (answers, close, verdict, is_stale) in [
        (1, Close::Reset, Verdict::Unreached, true),
        (3, Close::Reset, Verdict::Unreached, true),
        (1, Close::InOrder, Verdict::InDoubt, true),
        (1, Close::Late, Verdict::InDoubt, false),
        (1, Close::InTheMiddle, Verdict::InDoubt, false),
        (0, Close::Reset, Verdict::InDoubt, false),
        (0, Close::InOrder, Verdict::InDoubt, false),
    ] {
        let fault = closed_on(answers, close);
        let got = (fault.verdict(), fault.is_stale());
        assert_eq!(
            got,
            (verdict, is_stale),
            "{close:?} after {answers}: {fault}"
        );
    }
}

#[test]
fn what_has_no_effect_is_never_in_doubt() {
    for close in [Close::Reset, Close::InOrder] {
        let (url, _) = serve(1, close);
        let fault = wait(async {
            let fetch = HttpFetch::new(&url, &FetchSettings::default()).unwrap();
            let mut connection = fetch.connect().await.unwrap();
            connection.send(&[record(0, "7")]).await.unwrap();
            connection.send(&[record(1, "8")]).await.err().unwrap()
        });
        assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
        assert!(fault.is_stale(), "{fault}");
    }
}

#[test]
fn a_redirect_and_its_target_need_no_connection_in_common() {
    let (url, _) = serve_with(1, Close::Reset, |asked| {
        match asked.starts_with("GET /end") {
            true => ANSWER.to_vec(),
            false => b"HTTP/1.1 302 Found\r\nlocation: /end\r\ncontent-length: 0\r\n\r\n".to_vec(),
        }
    });
    wait(async {
        let fetch = HttpFetch::new(&url, &FetchSettings::default()).unwrap();
        let mut connection = fetch.connect().await.unwrap();
        connection.send(&[record(0, "7")]).await.unwrap();
    });
}

/// Saves 200 items, at most 8 at a time, and how often each was sent.
fn run(url: &str, heard: &Heard) -> (Summary, usize) {
    let options = Options {
        in_flight: InFlightLimit::Fixed(8),
        // A stale connection is no attempt.
        retries: 0,
        ..Options::default()
    };
    let input = Input::parse("0..200", None, None).unwrap();
    let summary = Job::new(input.open().unwrap())
        .compute(|item: Payload| item)
        .save_to(sink(url))
        .run(&options)
        .unwrap();
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    let most = heard.chunk_by(|one, other| one == other).map(<[_]>::len);
    (summary, most.max().unwrap())
}

#[test]
fn behind_a_stale_connection_comes_a_new_one() {
    let (url, heard) = serve(3, Close::Reset);
    let (summary, most) = run(&url, &heard);
    assert_eq!((summary.saved, summary.dead), (200, 0));
    assert_eq!((summary.in_doubt, summary.retried), (0, 0));
    assert_eq!(most, 2, "never more than one stale connection for an item");
}

#[test]
fn what_may_have_arrived_is_counted() {
    let (url, heard) = serve(3, Close::InOrder);
    let (summary, most) = run(&url, &heard);
    assert_eq!((summary.saved, summary.dead, summary.retried), (200, 0, 0));
    assert_eq!(most, 2);
    let repeated = heard.lock().unwrap().len() as u64 - 200;
    assert_eq!(summary.in_doubt, repeated);
    assert!(repeated > 0);
}
