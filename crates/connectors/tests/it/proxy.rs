//! Services behind a proxy, Debian's tinyproxy: what is plain is passed on, what is secret goes through it, and its
//! credentials are for it alone.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use inflight::{Connection, Fault, Reply, Service, Verdict};
use inflight_connectors::{BodySource, FetchSettings, HttpFetch, Sink, SinkSettings};
use tempfile::TempDir;

use crate::https;
use crate::server::{Server, answer};
use crate::{record, save, wait};

/// How often a proxy that begins is looked for, 10 ms apart.
const LOOKS: usize = 500;

/// A proxy that wants credentials; ends with this.
struct Tinyproxy {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Tinyproxy {
    fn start() -> Tinyproxy {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let config = folder.path().join("tinyproxy.conf");
        let lines = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nLogLevel Critical\nBasicAuth user canary\n"
        );
        std::fs::write(&config, lines).unwrap();
        let process = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..LOOKS {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Tinyproxy {
            process,
            port,
            _folder: folder,
        }
    }

    fn with(&self, credentials: &str) -> String {
        format!("http://{credentials}127.0.0.1:{}", self.port)
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(proxy: String) -> SinkSettings {
    SinkSettings {
        proxy: Some(proxy),
        ..SinkSettings::default()
    }
}

async fn save_twice(sink: &Sink) -> Result<(), Fault> {
    for index in 0..2 {
        // It closes each connection behind the answer.
        let mut connection = sink.connect().await?;
        save(&mut connection, &[record(index, "x")])
            .await?
            .remove(0)?;
    }
    Ok(())
}

#[test]
fn plain_requests_are_passed_on() {
    let proxy = Tinyproxy::start();
    let server = Server::start(|asked| answer("200 OK", "", &asked.line).into_bytes());
    let sink = Sink::parse(
        &server.url("/add?a=1"),
        &settings(proxy.with("user:canary@")),
    )
    .unwrap();
    wait(save_twice(&sink)).unwrap();
    let fetch = HttpFetch::new(
        &server.url("/items/{}"),
        &FetchSettings {
            proxy: Some(proxy.with("user:canary@")),
            ..FetchSettings::default()
        },
    )
    .unwrap();
    wait(async {
        let mut connection = fetch.connect().await.unwrap();
        connection.send(&[record(0, "7")]).await.unwrap();
    });
    let asked = server.asked();
    let lines: Vec<&str> = asked
        .iter()
        .map(|asked| asked.line.rsplit_once(" HTTP/").unwrap().0)
        .collect();
    assert_eq!(lines, ["POST /add?a=1", "POST /add?a=1", "GET /items/7"]);
    for asked in asked {
        assert!(asked.header("via").is_some(), "by way of the proxy");
        assert_eq!(asked.header("proxy-authorization"), None);
        let host = server.address.to_string();
        assert_eq!(asked.header("host"), Some(host.as_str()));
    }
}

#[test]
fn a_fetch_by_post_is_passed_on_with_its_body() {
    let proxy = Tinyproxy::start();
    let server = Server::start(|asked| {
        let said = format!("{} {}", asked.line, String::from_utf8_lossy(&asked.body));
        answer("200 OK", "", &said).into_bytes()
    });
    let settings = FetchSettings {
        proxy: Some(proxy.with("user:canary@")),
        body: Some(BodySource::read(r#"{"question": "{}"}"#).unwrap()),
        ..FetchSettings::default()
    };
    let fetch = HttpFetch::new(&format!("POST {}", server.url("/ask")), &settings).unwrap();
    let reply = wait(async {
        let mut connection = fetch.connect().await.unwrap();
        connection.send(&[record(0, "why?")]).await.unwrap()
    });
    let Reply::All(answers) = reply else {
        unreachable!("one record has one answer")
    };
    assert_eq!(
        answers[0].bytes(),
        &br#"POST /ask HTTP/1.1 {"question": "why?"}"#[..]
    );
    assert!(
        server.asked()[0].header("via").is_some(),
        "by way of the proxy"
    );
}

#[test]
fn tls_goes_through_it() {
    let proxy = Tinyproxy::start();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    for protocols in [&[b"h2".as_slice()] as &[&[u8]], &[b"http/1.1"]] {
        wait(async {
            let (port, seen) = https::serve(protocols, &ca_file).await;
            let settings = SinkSettings {
                ca_file: Some(ca_file.clone()),
                ..settings(proxy.with("user:canary@"))
            };
            let sink = Sink::parse(&format!("https://localhost:{port}/"), &settings).unwrap();
            save_twice(&sink).await.unwrap();
            assert_eq!(seen.requests(), 2);
        });
    }
}

#[test]
fn what_a_proxy_refuses_is_told_with_the_way_out() {
    let proxy = Tinyproxy::start();
    for (credentials, part) in [
        ("", "asks for credentials (407)"),
        ("user:wrong-canary@", "refuses the credentials it is given"),
    ] {
        let sink = Sink::parse("https://localhost:1/", &settings(proxy.with(credentials))).unwrap();
        let fault = wait(sink.connect()).err().unwrap().to_string();
        assert!(fault.contains(part) && fault.contains("--proxy"), "{fault}");
        assert!(!fault.contains("canary"), "{fault}");
        let sink = Sink::parse("http://localhost:1/", &settings(proxy.with(credentials))).unwrap();
        let fault = wait(save_twice(&sink)).unwrap_err().to_string();
        assert!(fault.contains("407") || fault.contains("401"), "{fault}");
    }
    // Nobody is behind it.
    let sink = Sink::parse(
        "https://localhost:1/",
        &settings(proxy.with("user:canary@")),
    )
    .unwrap();
    let fault = wait(sink.connect()).err().unwrap();
    assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    assert!(fault.to_string().contains("does not connect to"), "{fault}");
    // Nor is the proxy there.
    let port = proxy.port;
    drop(proxy);
    let sink = Sink::parse(
        "http://service.invalid/",
        &settings(format!("127.0.0.1:{port}")),
    )
    .unwrap();
    let fault = wait(async { connect_fails(&sink).await });
    let part = format!("cannot connect to the proxy 127.0.0.1 port {port} (--proxy)");
    assert!(fault.contains(&part), "{fault}");
}

async fn connect_fails(sink: &Sink) -> String {
    sink.connect().await.err().unwrap().to_string()
}
