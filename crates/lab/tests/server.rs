//! The lab over real sockets: what a client sees, and when.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use inflight_lab::{Config, Lab};

fn lab(settings: &[(&str, &str)]) -> Lab {
    let mut config = Config::default();
    for (key, value) in settings {
        config.set(key, value).unwrap();
    }
    Lab::start(config, ([127, 0, 0, 1], 0).into()).unwrap()
}

/// One connection on which requests follow one another; reading an answer is a step of its own.
struct Client(TcpStream);

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn new(lab: &Lab) -> Self {
        let stream = TcpStream::connect(lab.address()).unwrap();
        // A test that would hang fails instead.
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(stream)
    }

    fn send(&mut self, method: &str, path: &str, extra: &str, body: &[u8]) {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: lab\r\ncontent-length: {length}\r\n{extra}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.0.write_all(&request).unwrap();
    }

    fn read(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let mut body = match header(&head, "content-length") {
            Some(length) => vec![0; length.parse().unwrap()],
            None => return self.read_chunks(head),
        };
        self.0.read_exact(&mut body)?;
        Ok(Answer::new(head, body))
    }

    fn read_chunks(&mut self, head: String) -> io::Result<Answer> {
        assert_eq!(
            header(&head, "transfer-encoding").as_deref(),
            Some("chunked")
        );
        let mut raw = Vec::new();
        while !raw.ends_with(b"0\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            raw.push(byte[0]);
        }
        let (mut body, mut rest) = (Vec::new(), &raw[..]);
        while let Some(line) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let text = std::str::from_utf8(&rest[..line]).unwrap();
            let size = usize::from_str_radix(text, 16).unwrap();
            let start = line + 2;
            body.extend_from_slice(&rest[start..start + size]);
            rest = &rest[start + size + 2..];
        }
        Ok(Answer::new(head, body))
    }

    fn request(&mut self, method: &str, path: &str, extra: &str, body: &[u8]) -> Answer {
        self.send(method, path, extra, body);
        self.read().unwrap()
    }

    fn add(&mut self, body: &str) -> Answer {
        self.request("POST", "/add", "", body.as_bytes())
    }

    fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "", b"")
    }

    /// Sends a save whose connection must be cut without an answer.
    fn add_is_cut(mut self, body: &str) {
        self.send("POST", "/add", "", body.as_bytes());
        let error = self.read().unwrap_err();
        let cut = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
        assert!(cut.contains(&error.kind()), "{error}");
    }
}

impl Answer {
    fn new(head: String, body: Vec<u8>) -> Self {
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = String::from_utf8(body).unwrap();
        Self { status, head, body }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// How long `count` saves take that are sent together, each on a connection of its own.
fn together(lab: &Lab, count: usize) -> Duration {
    let mut clients: Vec<Client> = (0..count).map(|_| Client::new(lab)).collect();
    let start = Instant::now();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send("POST", "/add", "", index.to_string().as_bytes());
    }
    for client in &mut clients {
        assert_eq!(client.read().unwrap().status, 200);
    }
    start.elapsed()
}

fn waits_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "it never came true"
        );
        std::thread::yield_now();
    }
}

#[test]
fn saves_are_stored_and_counted() {
    let lab = lab(&[]);
    let mut client = Client::new(&lab);
    assert_eq!(client.add("one").body, r#"{"saved":1}"#);
    assert_eq!(
        client.request("PUT", "/add", "", b"two").body,
        r#"{"saved":2}"#
    );
    assert_eq!(client.add("one").body, r#"{"saved":3}"#);

    let results = client.get("/results");
    assert_eq!(results.body, "\"one\"\n\"two\"\n\"one\"\n");
    assert_eq!(
        header(&results.head, "results-left-out").as_deref(),
        Some("0")
    );
    let stats = lab.stats();
    assert_eq!((stats.received, stats.saved, stats.distinct), (3, 3, 2));
    assert_eq!((stats.rejected, stats.in_flight_max), (0, 1));
    assert!(stats.service_ms.max > 0.0);
    assert_eq!(
        client.get("/stats").body,
        serde_json::to_string(&stats).unwrap()
    );

    lab.reset();
    assert_eq!(lab.stats(), inflight_lab::Stats::default());
    assert_eq!(client.get("/results").body, "");
    assert_eq!(client.add("one").body, r#"{"saved":1}"#);
}

#[test]
fn fetches_answer_by_their_path_alone() {
    let lab = lab(&[]);
    let answer = Client::new(&lab).get("/items/a%20b");
    assert_eq!(
        answer.body,
        r#"{"item":"a%20b","value":"d40dcf9672a4a7b7"}"#
    );
    assert_eq!(Client::new(&lab).get("/items/a%20b").body, answer.body);
    assert_ne!(Client::new(&lab).get("/items/c").body, answer.body);
    let stats = lab.stats();
    assert_eq!((stats.received, stats.saved), (3, 0));
}

#[test]
fn what_is_not_there_is_said() {
    let lab = lab(&[]);
    let mut client = Client::new(&lab);
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/items/", 404),
        ("GET", "/add", 405),
        ("POST", "/stats", 405),
        ("DELETE", "/items/1", 405),
    ] {
        assert_eq!(
            client.request(method, path, "", b"").status,
            status,
            "{method} {path}"
        );
    }
    let mut client = Client::new(&lab);
    let head = "POST /add HTTP/1.1\r\nhost: lab\r\ncontent-length: 16777217\r\n\r\n";
    client.0.write_all(head.as_bytes()).unwrap();
    assert_eq!(client.read().unwrap().status, 413);
    assert_eq!(lab.stats().received, 0);
}

#[test]
fn large_bodies_arrive_whole() {
    let lab = lab(&[]);
    let body = "0123456789abcdef".repeat(64 << 10);
    assert_eq!(Client::new(&lab).add(&body).status, 200);
    let results = Client::new(&lab).get("/results").body;
    assert!(results == format!("\"{body}\"\n"));
}

#[test]
fn together_costs_one_service_time() {
    let elapsed = together(&lab(&[("latency", "100ms")]), 100);
    assert!(elapsed >= Duration::from_millis(100), "{elapsed:?}");
    // One by one it would be ten seconds; the rest is patience with a busy machine.
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
}

#[test]
fn capacity_one_costs_every_service_time() {
    let lab = lab(&[("latency", "20ms"), ("capacity", "1")]);
    let elapsed = together(&lab, 10);
    assert!(elapsed >= Duration::from_millis(200), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    let stats = lab.stats();
    assert_eq!(stats.in_flight_max, 10);
    assert!(stats.service_ms.max >= 199.0, "{stats:?}");
}

#[test]
fn refusals_name_a_pause() {
    let full = lab(&[
        ("latency", "10s"),
        ("capacity", "1"),
        ("queue", "0"),
        ("retry-after", "1500ms"),
    ]);
    let mut first = Client::new(&full);
    first.send("POST", "/add", "", b"first");
    waits_until(|| full.stats().in_flight_max == 1);
    let answer = Client::new(&full).add("second");
    assert_eq!(answer.status, 503);
    assert_eq!(header(&answer.head, "retry-after").as_deref(), Some("2"));

    let limited = lab(&[("rate", "1/m")]);
    let mut client = Client::new(&limited);
    assert_eq!(client.add("first").status, 200);
    let answer = client.add("second");
    assert_eq!(answer.status, 429);
    assert_eq!(header(&answer.head, "retry-after").as_deref(), Some("60"));
    let stats = limited.stats();
    assert_eq!((stats.received, stats.rejected, stats.saved), (2, 1, 1));
}

#[test]
fn a_client_that_goes_gives_its_place_back() {
    let lab = lab(&[("latency", "10s"), ("capacity", "1"), ("queue", "1")]);
    let (mut serving, mut waiting) = (Client::new(&lab), Client::new(&lab));
    serving.send("POST", "/add", "", b"serving");
    waits_until(|| lab.stats().in_flight_max == 1);
    waiting.send("POST", "/add", "", b"waiting");
    waits_until(|| lab.stats().in_flight_max == 2);
    waiting.0.shutdown(Shutdown::Both).unwrap();
    serving.0.shutdown(Shutdown::Both).unwrap();
    // A reset takes over who is inside, so that it shows when both have gone.
    waits_until(|| {
        lab.reset();
        lab.stats().in_flight_max == 0
    });
    let mut next = Client::new(&lab);
    next.send("POST", "/add", "", b"next");
    waits_until(|| lab.stats().in_flight_max == 1);
    assert_eq!(lab.stats().rejected, 0);
    assert_eq!(lab.stats().saved, 0);
}

#[test]
fn faults_store_what_they_should() {
    let always = |key| lab(&[(key, "100%")]);
    let failing = always("fail");
    assert_eq!(Client::new(&failing).add("x").status, 500);
    assert_eq!(failing.stats().saved, 0);

    let resetting = always("reset");
    Client::new(&resetting).add_is_cut("x");
    assert_eq!(
        (resetting.stats().received, resetting.stats().saved),
        (1, 0)
    );

    let applying = always("after-apply");
    Client::new(&applying).add_is_cut("x");
    assert_eq!(applying.stats().saved, 1);
    assert_eq!(Client::new(&applying).get("/results").body, "\"x\"\n");

    let stalling = always("stall");
    let mut client = Client::new(&stalling);
    client.send("POST", "/add", "", b"x");
    waits_until(|| stalling.stats().service_ms.max > 0.0);
    client
        .0
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    assert_eq!(client.read().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(stalling.stats().saved, 0);
}

#[test]
fn one_item_always_fails() {
    let lab = lab(&[("fail-match", "17")]);
    let mut client = Client::new(&lab);
    let statuses = ["16", "17", "18", "17"].map(|body| client.add(body).status);
    assert_eq!(statuses, [200, 500, 200, 500]);
}

#[test]
fn a_repeated_key_is_answered_and_not_stored() {
    let lab = lab(&[("idempotent", "")]);
    let mut client = Client::new(&lab);
    let mut add = |key: &str, body: &[u8]| {
        let extra = format!("Idempotency-Key: {key}\r\n");
        client.request("POST", "/add", &extra, body).body
    };
    assert_eq!(add("a", b"one"), r#"{"saved":1}"#);
    assert_eq!(add("b", b"two"), r#"{"saved":2}"#);
    assert_eq!(add("a", b"one"), r#"{"saved":1}"#);
    assert_eq!((lab.stats().received, lab.stats().saved), (3, 2));
}

#[test]
fn only_loopback_is_served() {
    let error = Lab::start(Config::default(), ([0, 0, 0, 0], 0).into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("loopback only"), "{error}");
}

#[test]
fn a_stopped_lab_leaves_its_figures() {
    let lab = lab(&[]);
    Client::new(&lab).add("one");
    let (stopper, address) = (lab.stopper(), lab.address());
    let waiting = std::thread::spawn(move || lab.wait());
    stopper.stop();
    assert_eq!(waiting.join().unwrap().saved, 1);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn http_2_is_served_with_prior_knowledge() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let lab = lab(&[("latency", "200ms")]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(lab.address()).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let requests = (0..20).map(|index| {
            let mut sender = sender.clone();
            let url = format!("http://{}/add", lab.address());
            let body = Full::new(bytes::Bytes::from(index.to_string()));
            let request = hyper::Request::post(url).body(body).unwrap();
            tokio::spawn(async move {
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.unwrap();
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
    });
    assert_eq!((lab.stats().distinct, lab.stats().in_flight_max), (20, 20));
}

#[test]
fn a_scenario_is_played_as_time_passes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    let text = r#"
        name = "test"
        duration = "1s"
        [service]
        network = "100ms"
        capacity = 1
        latency = "1h"
        [[service.change]]
        at = "1ms"
        latency = "100ms"
        capacity = 10
        [[service.change]]
        at = "50ms"
        stall = "500ms"
    "#;
    std::fs::write(&file, text).unwrap();
    let started = Instant::now();
    let lab = lab(&[("scenario", file.to_str().unwrap())]);
    assert_eq!(Client::new(&lab).add("one").body, r#"{"saved":1}"#);
    // Due after 200 ms, but it answers nothing until 550 ms have passed, and the way back takes 50 ms.
    let took = started.elapsed();
    assert!((600..1500).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_scenario_with_a_mistake_is_refused() {
    let error = Config::default()
        .set("scenario", "no/such.toml")
        .unwrap_err();
    assert!(error.to_string().contains("no/such.toml"), "{error}");
}

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

fn chat(client: &mut Client, body: &str) -> Answer {
    client.request("POST", "/v1/chat/completions", "", body.as_bytes())
}

#[test]
fn an_llm_service_is_played() {
    let lab = lab(&[("openai", ""), ("rate", "60/m,burst 2")]);
    let mut client = Client::new(&lab);
    let first = chat(&mut client, CHAT);
    assert_eq!(first.status, 200);
    let remaining = |answer: &Answer| header(&answer.head, "x-ratelimit-remaining-requests");
    assert_eq!(remaining(&first).as_deref(), Some("1"));
    assert_eq!(chat(&mut client, CHAT).body, first.body);
    let refused = chat(&mut client, CHAT);
    assert_eq!(refused.status, 429);
    assert!(
        refused.body.contains("rate_limit_exceeded"),
        "{}",
        refused.body
    );
    assert_eq!(remaining(&refused).as_deref(), Some("0"));
    let wrong = chat(&mut client, "{}");
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.body.contains("invalid_request_error"),
        "{}",
        wrong.body
    );
    assert_eq!((lab.stats().saved, lab.stats().rejected), (2, 1));
    let said = serde_json::to_string(&first.body).unwrap();
    assert_eq!(client.get("/results").body, format!("{said}\n{said}\n"));
}

#[test]
fn tokens_have_a_quota_of_their_own() {
    let lab = lab(&[
        ("openai", ""),
        ("tokens-rate", "1/m"),
        ("quota-headers", "ietf"),
    ]);
    let mut client = Client::new(&lab);
    let first = chat(&mut client, CHAT);
    assert_eq!(first.status, 200);
    let left = header(&first.head, "ratelimit").unwrap();
    assert!(left.starts_with("\"tokens\";r=0"), "{left}");
    let refused = chat(&mut client, CHAT);
    assert_eq!(refused.status, 429);
    assert!(
        refused.body.contains("\"type\":\"tokens\""),
        "{}",
        refused.body
    );
}

#[test]
fn an_error_may_hide_in_a_200() {
    let lab = lab(&[("openai", ""), ("error-in-200", "100%")]);
    let answer = chat(&mut Client::new(&lab), CHAT);
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with("{\"error\":"), "{}", answer.body);
    assert_eq!(lab.stats().saved, 0);
}

#[test]
fn things_are_kept_by_their_id() {
    let lab = lab(&[("rest", "")]);
    let mut client = Client::new(&lab);
    let mut ask = |method: &str, path: &str, body: &str| {
        let answer = client.request(method, path, "", body.as_bytes());
        (answer.status, answer.body)
    };
    let thing = r#"{"age":1,"id":"a b"}"#.to_owned();
    assert_eq!(
        ask("PUT", "/things/a%20b", r#"{"age":1}"#),
        (201, thing.clone())
    );
    assert_eq!(
        ask("PUT", "/things/a%20b", r#"{"age":1}"#),
        (200, thing.clone())
    );
    assert_eq!(ask("GET", "/things/a%20b", ""), (200, thing));
    let changed = r#"{"age":2,"id":"a b"}"#.to_owned();
    assert_eq!(
        ask("PATCH", "/things/a%20b", r#"{"age":2}"#),
        (200, changed.clone())
    );
    assert_eq!(ask("GET", "/things", ""), (200, format!("{changed}\n")));
    assert_eq!(ask("PUT", "/things/1", "7").0, 400);
    assert_eq!(ask("PATCH", "/things/1", "{}").0, 404);
    assert_eq!(ask("POST", "/things/1", "{}").0, 405);
    assert_eq!(ask("GET", "/things/", "").0, 404);
    assert_eq!(lab.stats().saved, 3);
}

#[test]
fn a_token_expires() {
    let lab = lab(&[("token-life", "100ms")]);
    let mut client = Client::new(&lab);
    let mut add = |token: &str| {
        let extra = format!("Authorization: Bearer {token}\r\n");
        client.request("POST", "/add", &extra, b"x")
    };
    assert_eq!(add("one").status, 200);
    waits_until(|| add("one").status == 401);
    let expired = add("one");
    let challenge = header(&expired.head, "www-authenticate").unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    assert_eq!(add("two").status, 200);
    assert_eq!(client.add("x").status, 401);
}
