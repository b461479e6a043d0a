//! HTTP in the clear: every status and break has its verdict, connections are kept, secrets are not.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use inflight::{Connection, Fault, Record, Reply, Service, Verdict};
use inflight_connectors::{FetchSettings, HttpFetch, Sink, SinkSettings, StatusChanges};
use inflight_lab::{Config, Lab};

use crate::server::{Asked, Server, answer};
use crate::{connect, record, save, wait};

fn sink(url: &str) -> Sink {
    Sink::parse(url, &SinkSettings::default()).unwrap()
}

fn save_one(sink: &Sink) -> Result<(), Fault> {
    wait(async {
        let mut connection = sink.connect().await?;
        save(&mut connection, &[record(0, "x")]).await?.remove(0)
    })
}

/// Saves one item at a server that answers so; the fault must have this verdict and message part.
fn check(canned: &str, verdict: Verdict, part: &str) -> Fault {
    let server = Server::canned(canned);
    let fault = save_one(&sink(&server.url("/add?secret=canary"))).unwrap_err();
    assert_eq!(fault.verdict(), verdict, "{canned:?}: {fault}");
    assert!(fault.to_string().contains(part), "{canned:?}: {fault}");
    assert!(!fault.to_string().contains("canary"), "{fault}");
    fault
}

#[test]
fn statuses_have_their_verdicts() {
    for (status, verdict) in [
        ("300 Multiple Choices", Verdict::Permanent),
        ("302 Found", Verdict::Permanent),
        ("400 Bad Request", Verdict::Permanent),
        ("404 Not Found", Verdict::Permanent),
        ("408 Request Timeout", Verdict::Transient),
        ("409 Conflict", Verdict::Permanent),
        ("429 Too Many Requests", Verdict::Overload),
        ("500 Internal Server Error", Verdict::Transient),
        ("502 Bad Gateway", Verdict::Transient),
        ("503 Service Unavailable", Verdict::Overload),
    ] {
        let part = format!("answered {status}: what went\x20 wrong");
        check(
            &answer(status, "", "what went\r\n wrong"),
            verdict,
            &part.replace("\x20 ", "   "),
        );
    }
    for status in ["200 OK", "201 Created", "202 Accepted"] {
        let server = Server::canned(&answer(status, "", "fine"));
        save_one(&sink(&server.url("/"))).unwrap();
    }
    let server = Server::canned("HTTP/1.1 204 No Content\r\n\r\n");
    save_one(&sink(&server.url("/"))).unwrap();
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{}", answer("200 OK", "", ""));
    save_one(&sink(&Server::canned(&interim).url("/"))).unwrap();
}

#[test]
fn waits_asked_for_are_passed_on() {
    let wait =
        |status, header| check(&answer(status, header, ""), Verdict::Overload, status).wait_asked();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        wait("429 Too Many Requests", "retry-after: 3\r\n"),
        seconds(3)
    );
    assert_eq!(
        wait("503 Service Unavailable", "Retry-After: 7200\r\n"),
        seconds(3600)
    );
    assert_eq!(
        wait("503 Service Unavailable", "Retry-After: soon\r\n"),
        None
    );
    assert_eq!(wait("503 Service Unavailable", ""), None);
    // Whatever the status, and however it is written.
    for status in [
        "403 Forbidden",
        "400 Bad Request",
        "301 Moved",
        "404 x",
        "500 x",
        "529 x",
    ] {
        let status = status.replace('x', "Odd");
        let shown = &status[..3];
        let ask = |header: &str| {
            check(&answer(&status, header, ""), Verdict::Overload, shown).wait_asked()
        };
        assert_eq!(ask("retry-after: 4, 4\r\n"), seconds(4), "{status}");
        assert_eq!(ask("retry-after-ms: 2000\r\n"), seconds(2), "{status}");
    }
    let used_up = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 5\r\n";
    assert_eq!(wait("403 Forbidden", used_up), seconds(5));
    // To ask for no wait is not to ask for less.
    check(
        &answer("400 Bad Request", "retry-after: 0\r\n", ""),
        Verdict::Permanent,
        "400",
    );
    let fault = check(
        &answer(
            "429 Too Many Requests",
            "retry-after: 99999999999999999999\r\n",
            "",
        ),
        Verdict::Overload,
        "asks for a wait of more than 1 h",
    );
    assert_eq!(fault.wait_asked(), seconds(3600));
}

#[test]
fn statuses_mean_what_the_user_says() {
    let server = Server::start(|asked| {
        let status = String::from_utf8_lossy(&asked.body).into_owned();
        answer(&format!("{status} Odd"), "", "").into_bytes()
    });
    let settings = SinkSettings {
        statuses: StatusChanges::parse("409", "404", "500").unwrap(),
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/"), &settings).unwrap();
    let verdict = |status: &'static str| {
        wait(async {
            let mut connection = connect(&sink).await;
            let outcome = save(&mut connection, &[record(0, status)]).await;
            outcome.err().map(|fault| fault.verdict())
        })
    };
    assert_eq!(verdict("404"), None);
    assert_eq!(verdict("409"), Some(Verdict::Transient));
    assert_eq!(verdict("500"), Some(Verdict::Permanent));
    assert_eq!(verdict("502"), Some(Verdict::Transient));
}

#[test]
fn a_redirect_of_a_save_names_where_it_leads() {
    let moved = answer("301 Moved Permanently", "location: /add/\r\n", "");
    check(
        &moved,
        Verdict::Permanent,
        "301 Moved Permanently, Location /add/",
    );
}

#[test]
fn breaks_have_their_verdicts() {
    check("", Verdict::InDoubt, "no whole answer");
    check(
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf",
        Verdict::InDoubt,
        "no whole",
    );
    check(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf",
        Verdict::Permanent,
        "404",
    );
    check(
        "nonsense close\r\n\r\n",
        Verdict::InDoubt,
        "no whole answer",
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let fault = save_one(&sink(&format!("http://{free}/"))).unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    assert!(
        fault
            .to_string()
            .contains("cannot connect to 127.0.0.1 port"),
        "{fault}"
    );
    let fault = save_one(&sink("http://no-such-host.invalid/")).unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    assert!(
        fault
            .to_string()
            .contains("cannot resolve no-such-host.invalid"),
        "{fault}"
    );
}

#[test]
fn a_name_is_resolved_and_every_address_tried() {
    let server = Server::canned(&answer("200 OK", "", ""));
    let port = server.address.port();
    save_one(&sink(&format!("http://localhost:{port}/"))).unwrap();
}

#[test]
fn connections_are_kept_and_found_closed() {
    let server = Server::start(|asked| {
        let header = if asked.body == b"last" {
            "connection: close\r\n"
        } else {
            ""
        };
        answer("200 OK", header, "fine").into_bytes()
    });
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        for index in 0..50 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, "x")]).await.unwrap();
        }
        save(&mut connection, &[record(50, "last")]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open());
        let fault = save(&mut connection, &[record(51, "x")]).await.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Unreached, "{fault}");
    });
    assert_eq!(server.asked().len(), 51);
    assert!(server.asked().iter().all(|asked| asked.connection == 0));
}

#[test]
fn an_idle_connection_that_the_server_closes_is_found_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    wait(async {
        let sink = sink(&format!("http://{address}/"));
        let mut connection = connect(&sink).await;
        assert!(connection.is_open());
        drop(listener.accept().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!connection.is_open());
    });
}

#[test]
fn requests_say_what_they_are() {
    let server = Server::canned(&answer("200 OK", "", ""));
    let ask = |settings: SinkSettings, index, item: &'static str| -> Asked {
        let sink = Sink::parse(&server.url("/add?a=1"), &settings).unwrap();
        wait(async {
            let mut connection = connect(&sink).await;
            save(&mut connection, &[record(index, item)]).await.unwrap();
        });
        server.asked().pop().unwrap()
    };
    let plain = ask(
        SinkSettings {
            job: 5,
            ..SinkSettings::default()
        },
        2,
        "é",
    );
    assert_eq!(plain.line, "POST /add?a=1 HTTP/1.1");
    assert_eq!(plain.body, "é".as_bytes());
    assert_eq!(
        plain.header("host"),
        Some(server.address.to_string().as_str())
    );
    assert_eq!(
        plain.header("content-type"),
        Some("application/octet-stream")
    );
    let key = plain.header("idempotency-key").unwrap();
    assert!(key.len() == 32 && key.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));

    let json = SinkSettings {
        job: 5,
        method: "PUT".into(),
        body: "json".into(),
        headers: vec!["Content-Type: application/x".into(), "X-Team: night".into()],
        ..SinkSettings::default()
    };
    let json = ask(json, 2, "é");
    assert_eq!(json.line, "PUT /add?a=1 HTTP/1.1");
    assert_eq!(json.body, r#"{"index":2,"result":"é"}"#.as_bytes());
    assert_eq!(json.header("content-type"), Some("application/x"));
    assert_eq!(json.header("x-team"), Some("night"));
    assert_eq!(
        json.header("idempotency-key"),
        Some(key),
        "job and item only"
    );

    let form = SinkSettings {
        body: "form:r".into(),
        ..SinkSettings::default()
    };
    let form = ask(form, 2, "a b");
    assert_eq!(form.body, b"r=a%20b");
    assert_ne!(form.header("idempotency-key"), Some(key), "another job");
}

#[test]
fn long_responses_are_cut_and_count_as_saved() {
    let long = answer("200 OK", "", &"x".repeat(3 << 20));
    let server = Server::canned(&long);
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        save(&mut connection, &[record(0, "x")]).await.unwrap();
        assert!(!connection.is_open());
    });
}

#[test]
fn large_bodies_go_both_ways() {
    let server = Server::start(|asked| {
        let text = asked.body.len().to_string();
        answer("200 OK", "", &(text + &"x".repeat(500_000))).into_bytes()
    });
    wait(async {
        let sink = sink(&server.url("/"));
        let mut connection = connect(&sink).await;
        for index in 0..3 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, vec![b'y'; 8 << 20])])
                .await
                .unwrap();
        }
    });
    assert_eq!(server.asked()[2].body.len(), 8 << 20);
}

/// An answer with these headers and bytes for a body.
fn packed(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

const GZIP: &str = "content-encoding: gzip\r\n";

#[test]
fn what_a_service_packs_is_unpacked() {
    let long: String = (0..100_000).map(|number| format!("{number} ")).collect();
    let expected = long.clone();
    let server = Server::start(move |_| packed("200 OK", GZIP, &gzip(long.as_bytes())));
    let (_, bytes) = fetch_one(&server.url("/{}"), "7").unwrap();
    assert!(bytes == expected);
    let offered = "gzip, br, zstd, deflate";
    assert_eq!(server.asked()[0].header("accept-encoding"), Some(offered));

    // Whoever reads no answer asks for none to be packed, and still understands why it was refused.
    let error = gzip(br#"{"error":"name is missing"}"#);
    let server = Server::start(move |_| packed("400 Bad Request", GZIP, &error));
    let fault = save_one(&sink(&server.url("/"))).unwrap_err();
    assert!(fault.to_string().contains("name is missing"), "{fault}");
    assert_eq!(server.asked()[0].header("accept-encoding"), None);

    let latin1 = "content-type: text/plain; charset=iso-8859-1\r\n";
    let server = Server::start(move |_| packed("200 OK", latin1, b"caf\xE9"));
    assert_eq!(fetch_one(&server.url("/{}"), "7").unwrap().1, "caf\u{e9}");
}

#[test]
fn what_cannot_be_read_is_a_fault_that_says_so() {
    let check = |headers: &'static str, body: Vec<u8>, part: &str| {
        let server = Server::start(move |_| packed("200 OK", headers, &body));
        let fault = fetch_one(&server.url("/{}"), "7").unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent, "{fault}");
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("content-encoding: compress\r\n", b"x".into(), "`compress`");
    check(
        GZIP,
        b"no gzip at all".into(),
        "encoded as gzip, and damaged",
    );
    check(GZIP, gzip(b"some text")[..12].into(), "ends too early");
    let bomb = gzip(&vec![0; 100 << 20]);
    check(GZIP, bomb, "unpacks to more than");
    let long: Vec<u8> = (0..8 << 20)
        .flat_map(|number: u32| number.to_le_bytes())
        .collect();
    check(GZIP, gzip(&long), "answered more than 16 MiB");
}

#[test]
fn responses_are_kept_whole_or_marked_as_cut() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |most: Option<usize>| {
        let path = folder.path().join(format!("{most:?}.jsonl"));
        let server = Server::start(|_| packed("200 OK", GZIP, &gzip(&[b'x'; 3000])));
        let settings = SinkSettings {
            responses: Some(path),
            answer_bytes_max: most,
            ..SinkSettings::default()
        };
        let sink = Sink::parse(&server.url("/"), &settings).unwrap();
        wait(async {
            let mut connection = sink.connect().await.unwrap();
            let reply = connection.send(&[record(0, "x")]).await.unwrap();
            let line = reply.into_outcomes().remove(0).unwrap().unwrap();
            String::from_utf8(line.into()).unwrap()
        })
    };
    let whole = format!(
        "{{\"index\":0,\"status\":200,\"response\":\"{}\"}}\n",
        "x".repeat(3000)
    );
    assert_eq!(kept(None), whole);
    assert_eq!(kept(Some(3000)), whole);
    let cut = "{\"index\":0,\"status\":200,\"response\":\"xxxxxxx\",\"cut\":true}\n";
    assert_eq!(kept(Some(7)), cut);
}

#[test]
fn responses_are_kept_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("responses.jsonl");
    std::fs::write(&path, "{\"index\":0,").unwrap();
    let server = Server::canned(&answer("201 Created", "", "id \"7\"\n"));
    let settings = SinkSettings {
        responses: Some(path.clone()),
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/"), &settings).unwrap();
    sink.check().unwrap();
    wait(async {
        let mut connection = sink.connect().await.unwrap();
        let reply = connection.send(&[record(0, "x")]).await.unwrap();
        // As a run does with every answer.
        let answer = reply.into_outcomes().remove(0).unwrap();
        sink.keep(&[Record::new(0, answer)]).unwrap();
    });
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"index\":0,\n{\"index\":0,\"status\":201,\"response\":\"id \\\"7\\\"\\n\"}\n"
    );
    let settings = SinkSettings {
        responses: Some("/no/such/dir/x".into()),
        ..SinkSettings::default()
    };
    let message = Sink::parse(&server.url("/"), &settings)
        .unwrap()
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("cannot write responses to /no/such/dir/x"),
        "{message}"
    );
}

#[test]
fn secrets_are_sent_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "s3cr3t-canary").unwrap();
    let server = Server::canned(&answer("401 Unauthorized", "", "no s3cr3t-canary here"));
    let settings = SinkSettings {
        headers: vec![format!(
            "Authorization: Bearer file:{}",
            file.path().display()
        )],
        ..SinkSettings::default()
    };
    let sink = Sink::parse(&server.url("/?token=canary"), &settings).unwrap();
    assert_eq!(sink.to_string(), server.url("/"));
    let fault = save_one(&sink).unwrap_err();
    assert!(
        fault.to_string().ends_with("401 Unauthorized: no *** here"),
        "{fault}"
    );
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some("Bearer s3cr3t-canary")
    );
}

fn fetch_one(template: &str, item: &'static str) -> Result<(u128, bytes::Bytes), Fault> {
    let fetch = HttpFetch::new(template, &FetchSettings::default()).unwrap();
    wait(async {
        let mut connection = fetch.connect().await?;
        match connection.send(&[record(0, item)]).await? {
            Reply::All(mut answers) => answers
                .pop()
                .map(|answer| Ok((answer.key, answer.bytes().clone())))
                .unwrap(),
            Reply::Each(mut outcomes) => outcomes
                .remove(0)
                .map(|answer| (answer.key, answer.bytes().clone())),
        }
    })
}

#[test]
fn items_are_fetched_and_keep_their_key() {
    let server = Server::start(|asked| answer("200 OK", "", &asked.line).into_bytes());
    let (key, bytes) = fetch_one(&server.url("/items/{}?x={}"), "a b/c").unwrap();
    assert_eq!(bytes, "GET /items/a%20b%2Fc?x=a%20b%2Fc HTTP/1.1");
    assert_eq!(key, record(0, "a b/c").value.key);
    let (_, bytes) = fetch_one(&server.url("?x={}"), "7").unwrap();
    assert_eq!(bytes, "GET /?x=7 HTTP/1.1");
    assert_eq!(server.asked()[0].header("idempotency-key"), None);
}

#[test]
fn fetches_follow_their_own_origin_only() {
    let server = Server::start(|asked| {
        let location = match asked.line.split(' ').nth(1).unwrap() {
            "/end" | "/end?next=https://elsewhere/" => {
                return answer("200 OK", "", "there").into_bytes();
            }
            "/absolute" => format!("http://{}/end", asked.header("host").unwrap()),
            "/folder/relative" => "../end".into(),
            "/folder/../end" => "/end".into(),
            "/query" => "/end?next=https://elsewhere/".into(),
            "/loop" => "/loop".into(),
            "/out" => "http://127.0.0.1:1/end".into(),
            "/close" => {
                return answer("302 Found", "location: /end\r\nconnection: close\r\n", "")
                    .into_bytes();
            }
            _ => "/end#fragment".into(),
        };
        answer("302 Found", &format!("location: {location}\r\n"), "moved").into_bytes()
    });
    for place in [
        "plain",
        "absolute",
        "folder%2Frelative",
        "query",
        "close",
        "end",
    ] {
        let place = place.replace("%2F", "/");
        let template = server.url(&format!("/{place}?{{}}"));
        let template = template.replace("?{}", "{}");
        // The item is empty, so that the path is what the template says.
        assert_eq!(fetch_one(&template, "").unwrap().1, "there", "{place}");
    }
    let check = |place: &str, part: &str| {
        let fault = fetch_one(&server.url(&format!("/{place}{{}}")), "").unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Permanent);
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("loop", "redirects more than 5 times");
    check("out", "redirects to another origin, http://127.0.0.1:1");
}

#[test]
fn fetches_are_never_in_doubt() {
    let check = |canned: &str, verdict, part: &str| {
        let server = Server::canned(canned);
        let fault = fetch_one(&server.url("/{}"), "7").unwrap_err();
        assert_eq!(fault.verdict(), verdict, "{fault}");
        assert!(fault.to_string().contains(part), "{fault}");
    };
    check("", Verdict::Transient, "no whole answer");
    check(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhalf",
        Verdict::Transient,
        "no whole",
    );
    check(
        &answer("404 Not Found", "", ""),
        Verdict::Permanent,
        "/{} answered 404",
    );
    check(
        &answer("503 Service Unavailable", "", ""),
        Verdict::Overload,
        "503",
    );
    check(
        &answer("200 OK", "", &"x".repeat((16 << 20) + 1)),
        Verdict::Permanent,
        "more than 16 MiB",
    );
}

#[test]
fn the_lab_is_served() {
    let lab = Lab::start(Config::default(), ([127, 0, 0, 1], 0).into()).unwrap();
    let sink = sink(&format!("http://{}/add", lab.address()));
    wait(async {
        let mut connection = connect(&sink).await;
        for index in 0..10 {
            assert!(connection.is_open());
            save(&mut connection, &[record(index, index.to_string())])
                .await
                .unwrap();
        }
    });
    assert_eq!((lab.stats().saved, lab.stats().distinct), (10, 10));
    let (_, bytes) = fetch_one(&format!("http://{}/items/{{}}", lab.address()), "7").unwrap();
    assert!(!bytes.is_empty());
}
