//! A server that answers with canned bytes, so that every way to fail can be had on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// What was asked: the request line, the headers in lower case, the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// A server on a free port; its thread ends with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers each request with what the function makes of it. An answer that says `connection: close`, or
    /// none at all, closes the connection.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Server {
        Server::start_later(Duration::ZERO, answer)
    }

    /// The same, but connections are refused for so long.
    pub(crate) fn start_later(
        refused_for: Duration,
        answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
    ) -> Server {
        // Bound, the port is nobody else's; until somebody listens at it, it refuses.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        if refused_for.is_zero() {
            socket.listen(BACKLOG).unwrap();
        }
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            if !refused_for.is_zero() {
                thread::sleep(refused_for);
                socket.listen(BACKLOG).unwrap();
            }
            let listener = TcpListener::from(socket);
            for (connection, stream) in listener.incoming().enumerate() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(stream.unwrap(), connection, &log, &*answer));
            }
        });
        Server { address, asked }
    }

    /// Answers every request with the same bytes.
    pub(crate) fn canned(answer: &str) -> Server {
        let answer = answer.as_bytes().to_vec();
        Server::start(move |_| answer.clone())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Vec<u8>,
) {
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader, connection) {
        log.lock().unwrap().push(asked.clone());
        let answer = answer(&asked);
        let is_last = answer.is_empty() || String::from_utf8_lossy(&answer).contains("close\r\n");
        if reader.get_mut().write_all(&answer).is_err() || is_last {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
    let mut asked = Asked {
        connection,
        ..Asked::default()
    };
    reader
        .read_line(&mut asked.line)
        .ok()
        .filter(|length| *length > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        asked
            .headers
            .push((name.to_lowercase(), value.trim().into()));
    }
    let length = asked
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .unwrap();
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body).ok()?;
    asked.line = asked.line.trim_end().into();
    Some(asked)
}

/// A whole answer with this status line, headers and body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}
