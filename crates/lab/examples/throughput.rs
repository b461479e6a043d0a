//! Compares the lab at zero latency with a bare hyper server: `cargo run --release -p inflight-lab --example throughput`.
//!
//! The lab must cost little beside HTTP itself, or it would be the service that limits. Both servers run on one thread of
//! their own and are driven in turn by the same loop over raw sockets, which knows just enough HTTP to find the end of an
//! answer. Beside requests per second stands the CPU time of the server's thread for each request: it counts even when
//! the load loop is what limits.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints and fails by panicking"
)]

use std::convert::Infallible;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use inflight_lab::{Config, Lab};

const CONNECTIONS: usize = 32;
const PAIRS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);

/// What one round showed of one server.
#[derive(Debug, Clone, Copy)]
struct Round {
    requests_per_second: f64,
    cpu_us_per_request: f64,
}

fn main() {
    let lab = Lab::start(Config::default(), ([127, 0, 0, 1], 0).into()).unwrap();
    let bare = bare_server();
    let (mut speed, mut cpu) = (Vec::new(), Vec::new());
    // The first pair warms up caches and sockets and is not counted.
    for pair in 0..=PAIRS {
        let bare = drive(bare, "bare");
        let own = drive(lab.address(), "inflight-lab");
        lab.reset();
        println!(
            "{pair}: bare {:.0}/s {:.2} µs, lab {:.0}/s {:.2} µs",
            bare.requests_per_second,
            bare.cpu_us_per_request,
            own.requests_per_second,
            own.cpu_us_per_request
        );
        if pair > 0 {
            speed.push(own.requests_per_second / bare.requests_per_second);
            cpu.push(bare.cpu_us_per_request / own.cpu_us_per_request);
        }
    }
    println!(
        "median ratio lab ÷ bare: {:.3} by requests/s, {:.3} by CPU time",
        median(&mut speed),
        median(&mut cpu)
    );
}

fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// A hyper server that answers a constant to everything, on a thread named `bare`.
fn bare_server() -> SocketAddr {
    let (ready, started) = mpsc::channel();
    let serve = async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        ready.send(listener.local_addr().unwrap()).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = service_fn(|_: Request<hyper::body::Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                    b"{\"saved\":1}",
                ))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // It ends with the process: this is a measurement.
    thread::Builder::new()
        .name("bare".to_owned())
        .spawn(move || runtime.block_on(serve))
        .unwrap();
    started.recv().unwrap()
}

/// Keeps every connection busy for a round: sends on all, then reads from all.
fn drive(address: SocketAddr, server: &str) -> Round {
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        })
        .collect();
    let mut request = Vec::with_capacity(256);
    let mut answer = vec![0; 4096];
    let mut sent = 0_u64;
    let cpu_before = cpu_of(server);
    let start = Instant::now();
    while start.elapsed() < ROUND {
        for connection in &mut connections {
            sent += 1;
            request.clear();
            // 60 bytes, as a bcrypt hash has, and no two alike.
            write!(
                request,
                "POST /add HTTP/1.1\r\nhost: lab\r\ncontent-length: 60\r\n\r\n{sent:060}"
            )
            .unwrap();
            connection.write_all(&request).unwrap();
        }
        for connection in &mut connections {
            read_answer(connection, &mut answer);
        }
    }
    let elapsed = start.elapsed();
    let cpu = cpu_of(server) - cpu_before;
    Round {
        requests_per_second: sent as f64 / elapsed.as_secs_f64(),
        cpu_us_per_request: cpu.as_secs_f64() * 1e6 / sent as f64,
    }
}

/// Reads one answer; both servers send small ones that end with the only brace.
fn read_answer(connection: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    while filled == 0 || buffer[filled - 1] != b'}' {
        let read = connection.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
    }
    assert!(
        buffer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&buffer[..filled])
    );
}

/// CPU time so far of the thread with this name, as Linux counts it.
fn cpu_of(name: &str) -> Duration {
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        if fs::read_to_string(path.join("comm")).unwrap().trim() == name {
            let schedstat = fs::read_to_string(path.join("schedstat")).unwrap();
            return Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap());
        }
    }
    panic!("no thread is named {name}");
}
